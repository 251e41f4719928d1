// The studio: which artifact, which page, which language.
import { values } from "./ask.mjs";
import * as data from "./data.mjs";
import * as errors from "./errors.mjs";
import * as lessons from "./lessons.mjs";
import * as network from "./network.mjs";
import { at, attempt, say, state } from "./page.mjs";
import * as pareto from "./pareto.mjs";
import * as picture from "./picture.mjs";
import * as training from "./training.mjs";

/** Each page: show() draws it, wire() is called once, forget() for another artifact, leave(). */
const PAGES = { network, picture, errors, data, training, pareto, lessons };

const shown = () => (location.hash.slice(1) in PAGES ? location.hash.slice(1) : "network");

function turn() {
  const page = shown();
  for (const [name, one] of Object.entries(PAGES)) {
    at(name).hidden = name !== page;
    if (name !== page) one.leave?.();
  }
  for (const link of document.querySelectorAll("#pages a"))
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  attempt(PAGES[page].show);
}

function speak() {
  document.documentElement.lang = state.language;
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = say(one.dataset.text);
  at("language").textContent = say("other");
  at("language").lang = say("otherCode");
  at("canvas").setAttribute("aria-label", say("picture"));
}

function wire() {
  for (const page of Object.values(PAGES)) page.wire?.();
  at("artifact").addEventListener("change", (event) => {
    state.chosen = event.target.selectedIndex;
    for (const page of Object.values(PAGES)) page.forget?.();
    turn();
  });
  at("language").addEventListener("click", () => {
    state.language = say("otherCode");
    speak();
    turn();
  });
  addEventListener("hashchange", turn);
}

async function begin() {
  state.language = navigator.language.startsWith("ja") ? "ja" : "en";
  speak();
  await attempt(async () => {
    state.artifacts = await values("artifacts");
    at("artifact").replaceChildren(...state.artifacts.map(({ name }) => new Option(name)));
    wire();
    turn();
  });
}

begin();
