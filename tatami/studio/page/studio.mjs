// The studio's page: which artifact, which of its pages, and what the server says of it.
import { drawing, send, values } from "./ask.mjs";
import { brief, curve, graph, histogram } from "./draw.mjs";
import { WORDS } from "./words.mjs";

const EVERY = 5000; // milliseconds between two looks at a training
const PEN = 22; // pixels
const FIRST = 8; // drawn stages

const at = (id) => document.getElementById(id);
let language = navigator.language.startsWith("ja") ? "ja" : "en";
let artifacts = [], chosen = 0, layers = [], losses = {}, layer, form;
let given = false, running, latest = 0;

const say = (key, ...rest) => {
  const word = WORDS[language][key];
  return typeof word === "function" ? word(...rest) : word;
};

const made = (name, attributes = {}, ...children) => {
  const one = Object.assign(document.createElement(name), attributes);
  one.append(...children);
  return one;
};

function status(text, wrong = false) {
  at("status").textContent = text;
  at("status").classList.toggle("wrong", wrong);
}

/** Do something that asks the server, and say what it refuses. */
async function attempt(work) {
  status(say("computing"));
  try {
    await work();
    if (at("status").textContent === say("computing")) status("");
  } catch (error) {
    status(error.message, true);
  }
  document.body.dataset.idle = String((latest += 1)); // for whoever waits
}

async function figure(caption, path, query) {
  const picture = made("img", { src: await drawing(path, query), alt: caption });
  return made("figure", {}, made("figcaption", {}, caption), picture);
}

// The network ------------------------------------------------------------------------------------

async function showNetwork() {
  if (!artifacts[chosen].stages) return status(say("unfinished"));
  layers = await values("network", { artifact: chosen });
  losses = given ? await values("losses", { artifact: chosen }) : {};
  at("graph").replaceChildren(graph(layers, losses, (one) => attempt(() => showLayer(one))));
  at("graph").setAttribute("aria-label", say("network"));
  const worst = Object.entries(losses).sort((a, b) => a[1] - b[1])[0];
  if (worst) status(say("loses", worst[0], worst[1].toFixed(1)));
  if (layer) await showLayer(layers.find((one) => one.name === layer.name) ?? layers[0]);
}

async function showLayer(one) {
  layer = one;
  for (const box of document.querySelectorAll("#graph g"))
    box.setAttribute("aria-pressed", box.dataset.layer === one.name);
  const number = new Intl.NumberFormat(language);
  const parts = [
    made("h2", {}, one.name),
    made("p", {}, one.operators.join(" → ")),
    made("p", {}, say("shape", one.shape.join(" × "), number.format(one.multiply_adds),
      number.format(one.parameters))),
  ];
  const query = { artifact: chosen, layer: one.name };
  const pictures = made("div", { className: "pictures" });
  if (given) {
    const { forms } = artifacts[chosen];
    form = forms.includes(form) ? form : forms[0];
    const choice = made("select", { id: "form" }, ...forms.map((name) => new Option(name)));
    choice.value = form;
    choice.addEventListener("change", () => {
      form = choice.value;
      attempt(() => showLayer(one));
    });
    parts.push(made("label", {}, `${say("form")} `, choice));
    const [integers, difference] = artifacts[chosen].compared;
    for (const drawn of new Set([form, integers, difference].filter(Boolean)))
      pictures.append(await figure(`${one.name}, ${drawn}`, "maps", { ...query, form: drawn }));
    const spread = await values("spread", { ...query, form });
    pictures.append(made("figure", {},
      made("figcaption", {}, say("spread", spread.range)), histogram(spread)));
  } else parts.push(made("p", { className: "hint" }, say("first")));
  if (one.filters) pictures.append(await figure(say("filters"), "filters", query));
  at("layer").replaceChildren(...parts, pictures);
}

// A picture --------------------------------------------------------------------------------------

async function give(blob) {
  await send("picture", {}, blob);
  given = true;
  await showAnswers();
}

async function showAnswers() {
  const query = { artifact: chosen };
  const found = await values("answers", { ...query, score: at("score").value });
  at("answer-rows").replaceChildren(
    ...found.map(({ stage, line, milliseconds }) =>
      made("tr", {}, made("td", {}, stage), made("td", {}, line || say("nothing")),
        made("td", { className: "number" }, milliseconds.toFixed(1)))),
  );
  at("answers").hidden = false;
  if (running === "camera") return;
  const drawn = [];
  for (const { stage } of found.slice(0, FIRST))
    drawn.push(await figure(stage, "drawn", { ...query, stage, score: at("score").value }));
  try {
    drawn.push(await figure(say("looks"), "activation", query));
  } catch (error) {
    drawn.push(made("p", { className: "hint" }, error.message));
  }
  at("drawn").replaceChildren(...drawn);
}

const blobOf = (canvas) => new Promise((done) => canvas.toBlob(done, "image/png"));

function rest() {
  running = undefined;
  for (const id of ["pad", "camera"]) at(id).setAttribute("aria-pressed", "false");
  at("canvas").hidden = true;
  at("video").srcObject?.getTracks().forEach((track) => track.stop());
  at("video").srcObject = null;
}

function draw() {
  const again = running === "pad";
  rest();
  if (again) return;
  running = "pad";
  at("pad").setAttribute("aria-pressed", "true");
  const canvas = at("canvas"), ink = canvas.getContext("2d");
  canvas.hidden = false;
  Object.assign(canvas, { width: 320, height: 320 });
  ink.fillStyle = "#fff";
  ink.fillRect(0, 0, 320, 320);
  Object.assign(ink, { lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: "#111" });
}

async function watch() {
  const again = running === "camera";
  rest();
  if (again) return;
  const video = at("video"), canvas = at("canvas");
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    await video.play();
  } catch {
    return status(say("nocamera"), true);
  }
  running = "camera";
  at("camera").setAttribute("aria-pressed", "true");
  canvas.hidden = false;
  while (running === "camera") {
    Object.assign(canvas, { width: video.videoWidth || 320, height: video.videoHeight || 240 });
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    await attempt(async () => give(await blobOf(canvas)));
    await new Promise((done) => setTimeout(done, 50));
  }
}

let last;
function stroke(event) {
  if (running !== "pad") return;
  const canvas = at("canvas"), ink = canvas.getContext("2d");
  if (event.type === "pointerup") return attempt(async () => give(await blobOf(canvas)));
  if (event.type === "pointerdown") {
    canvas.setPointerCapture(event.pointerId);
    last = undefined;
  } else if (!event.buttons) return;
  const box = canvas.getBoundingClientRect();
  const here = [((event.clientX - box.left) / box.width) * 320,
    ((event.clientY - box.top) / box.height) * 320];
  ink.beginPath();
  ink.moveTo(...(last ?? here));
  ink.lineTo(...here);
  ink.stroke();
  last = here;
}

// Errors -----------------------------------------------------------------------------------------

async function measure() {
  const { page } = await send("report", { artifact: chosen });
  const frame = at("report");
  frame.hidden = false;
  frame.title = say("errors");
  frame.src = page;
}

function showErrors() {
  const run = artifacts[chosen].run && artifacts[chosen].stages;
  at("measure").hidden = !run;
  at("report").hidden = !run || !at("report").src;
  if (!run) status(say("norun"));
}

// A training -------------------------------------------------------------------------------------

async function showTraining() {
  if (!artifacts[chosen].run) {
    at("progressed").textContent = say("norun");
    return at("curves").replaceChildren();
  }
  const found = await values("training", { artifact: chosen });
  at("progressed").textContent = say("done", found.steps, found.epochs, found.finished);
  const names = Object.keys(found.rows[0] ?? {}).filter((name) => name !== "step");
  const curves = names.map((name) => [name, found.rows.map((row) => [row.step, row[name]])]);
  const figures = found.evaluations.map((row) => [row.step, row[found.measure]]);
  if (figures.length > 1) curves.unshift([found.measure, figures]);
  at("curves").replaceChildren(
    ...curves.map(([name, points]) =>
      made("figure", {}, made("figcaption", {}, `${name}: ${brief(points.at(-1)[1])}`),
        curve(points, name))),
  );
  if (!found.finished && shown() === "training") setTimeout(() => attempt(showTraining), EVERY);
}

// Pages ------------------------------------------------------------------------------------------

const PAGES = {
  network: showNetwork,
  picture: async () => given && showAnswers(),
  errors: async () => showErrors(),
  training: showTraining,
};
const shown = () => (location.hash.slice(1) in PAGES ? location.hash.slice(1) : "network");

function turn() {
  const page = shown();
  for (const name of Object.keys(PAGES)) at(name).hidden = name !== page;
  for (const link of document.querySelectorAll("#pages a"))
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  if (page !== "picture") rest();
  attempt(PAGES[page]);
}

function speak() {
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = say(one.dataset.text);
  at("language").textContent = say("other");
  at("language").lang = say("otherCode");
  at("canvas").setAttribute("aria-label", say("picture"));
}

function wire() {
  at("artifact").addEventListener("change", (event) => {
    chosen = event.target.selectedIndex;
    layer = undefined;
    at("report").removeAttribute("src");
    turn();
  });
  at("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    rest();
    if (file) attempt(() => give(file));
  });
  at("pad").addEventListener("click", draw);
  at("camera").addEventListener("click", watch);
  at("measure").addEventListener("click", () => attempt(measure));
  at("score").addEventListener("input", (event) => {
    at("score-value").textContent = Number(event.target.value).toFixed(2);
  });
  at("score").addEventListener("change", () => given && attempt(showAnswers));
  for (const type of ["pointerdown", "pointermove", "pointerup"])
    at("canvas").addEventListener(type, stroke);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (file) attempt(() => give(file));
  });
  at("language").addEventListener("click", () => {
    language = say("otherCode");
    speak();
    turn();
  });
  addEventListener("hashchange", turn);
}

async function begin() {
  speak();
  await attempt(async () => {
    artifacts = await values("artifacts");
    at("artifact").replaceChildren(...artifacts.map(({ name }) => new Option(name)));
    wire();
    turn();
  });
}

begin();
