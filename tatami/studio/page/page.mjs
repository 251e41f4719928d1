// What every page of the studio uses: what is chosen, words, elements, requests that may fail.
import { drawing } from "./ask.mjs";
import { WORDS } from "./words.mjs";

/** What is shown: artifacts, the number of the chosen one, whether there is a picture. */
export const state = { artifacts: [], chosen: 0, given: false, language: "en", picture: undefined };

export const at = (id) => document.getElementById(id);

export const say = (key, ...rest) => {
  const word = WORDS[state.language][key];
  return typeof word === "function" ? word(...rest) : word;
};

export const made = (name, attributes = {}, ...children) => {
  const one = Object.assign(document.createElement(name), attributes);
  one.append(...children);
  return one;
};

export function status(text, wrong = false) {
  at("status").textContent = text;
  at("status").classList.toggle("wrong", wrong);
}

let latest = 0;
/** Do something that asks the server, and say what it refuses. */
export async function attempt(work) {
  status(say("computing"));
  try {
    await work();
    if (at("status").textContent === say("computing")) status("");
  } catch (error) {
    status(error.message, true);
  }
  document.body.dataset.idle = String((latest += 1)); // for whoever waits
}

export async function figure(caption, path, query) {
  const picture = made("img", { src: await drawing(path, query), alt: caption });
  return made("figure", {}, made("figcaption", {}, caption), picture);
}

/** A table: names of the columns, then rows of cells; numbers stand to the right. */
export function table(heads, rows) {
  const cell = (name, one) =>
    made(name, { className: typeof one === "number" ? "number" : "" }, String(one));
  const side = (i) => (typeof rows[0]?.[i] === "number" ? "number" : "");
  return made("table", {},
    made("thead", {}, made("tr", {}, ...heads.map((one, i) =>
      made("th", { scope: "col", className: side(i) }, one)))),
    made("tbody", {}, ...rows.map((row) =>
      made("tr", {}, ...row.map((one) => cell("td", one))))));
}
