// The page Errors: two forms of networks picture by picture, and the report of a run.
import { send, values } from "./ask.mjs";
import { traded } from "./draw.mjs";
import { at, attempt, figure, made, say, state, status, table } from "./page.mjs";

const SHOWN = 6; // pictures at a time
const SIZES = { all: [0, Infinity], small: [0, 32], medium: [32, 96], large: [96, Infinity] };
const WHICH = {
  differ: (a, b) => (a === 0) !== (b === 0),
  firstWrong: (a, b) => a > 0 && b === 0,
  secondWrong: (a, b) => a === 0 && b > 0,
  bothWrong: (a, b) => a > 0 && b > 0,
  anyWrong: (a, b) => a + b > 0,
};

let forms = []; // every stage of every artifact: { artifact, stage, name }
let compared; // of both: { form, judged, wrong: mistakes of each picture }
let shown = SHOWN;

export async function show() {
  forms = state.artifacts.flatMap(({ name, stages }, artifact) =>
    (stages ?? []).map((stage) => ({ artifact, stage, name: `${name}: ${stage}` })));
  const first = forms.findIndex(({ artifact }) => artifact === state.chosen);
  const last = forms.findLastIndex(({ artifact }) => artifact === state.chosen);
  fill("first", forms.map(({ name }, i) => [name, i]), first);
  fill("second", forms.map(({ name }, i) => [name, i]), last);
  fill("size", Object.keys(SIZES).map((key) => [say(key), key]), "all");
  fill("which", Object.keys(WHICH).map((key) => [say(key), key]), "differ");
  const run = state.artifacts[state.chosen].run && first >= 0;
  at("measure").hidden = !run;
  at("report").hidden = !run || !at("report").src;
  at("compared").hidden = !compared;
  if (first < 0) status(say("unfinished"));
  if (compared) {
    describe();
    await draw();
  }
}

/** Give a select its options: names and values; what was chosen stays. */
function fill(id, options, usual) {
  const before = at(id).value;
  at(id).replaceChildren(...options.map(([name, value]) => new Option(name, value)));
  at(id).value = options.some(([, value]) => String(value) === before) ? before : usual;
}

async function compare() {
  const both = [];
  for (const id of ["first", "second"]) {
    const form = forms[at(id).value];
    both.push({ form, judged: await send("judge", { artifact: form.artifact, stage: form.stage }) });
  }
  compared = both;
  at("above").value = both[0].judged.score;
  fill("class", [[say("all"), ""], ...both[0].judged.classes.map((name) => [name, name])], "");
  at("compared").hidden = false;
  await judge();
}

/** Ask what is wrong at the score, and draw it. */
async function judge() {
  for (const one of compared) {
    const { artifact, stage } = one.form;
    one.wrong = await values("mistakes", { artifact, stage, score: at("above").value });
  }
  describe();
  await draw();
}

/** Precision, recall and F1 of what scores above a threshold, as evaluate/threshold.py. */
function pointOf(curve, threshold) {
  let count = 0, above = curve.scores.length;
  while (count < above) {
    const middle = (count + above) >> 1;
    if (curve.scores[middle] > threshold) count = middle + 1;
    else above = middle;
  }
  const hits = count ? curve.true_positives[count - 1] : 0;
  return {
    precision: hits / count, recall: hits / curve.truths, f1: (2 * hits) / (count + curve.truths),
  };
}

/** The table and the chart of both at the threshold; they follow the slider. */
function describe() {
  const threshold = Number(at("above").value), name = at("class").value;
  at("above-value").textContent = threshold.toFixed(2);
  const curves = compared.map(({ judged }) => judged.curves.find((one) => one.name === name));
  const points = curves.map((one) => one && pointOf(one, threshold));
  const decimals = (value) => (Number.isFinite(value) ? value.toFixed(4) : "-");
  const { measure } = compared[0].judged;
  at("points").replaceChildren(
    table([say("form"), measure, say("precision"), say("recall"), "F1"],
      compared.map(({ form, judged }, i) => [form.name, decimals(judged.figure),
        ...["precision", "recall", "f1"].map((key) => decimals(points[i]?.[key]))])));
  at("traded").replaceChildren(traded(
    compared.map(({ form }, i) => ({ name: form.name, curve: curves[i], point: points[i] })),
    say("traded")));
}

/** The pictures that are asked for, the worst first, labeled and as both found them. */
async function draw() {
  const [first, second] = compared;
  const label = first.judged.classes.indexOf(at("class").value);
  const [least, most] = SIZES[at("size").value];
  const counts = (one) =>
    one.filter(({ label: own, side }) => (label < 0 || own === label) && side >= least && side < most);
  const places = new Map(second.judged.pictures.map((name, i) => [name, i]));
  const rows = first.judged.pictures.flatMap((name, i) => {
    if (!places.has(name)) return [];
    const pair = [first.wrong[i], second.wrong[places.get(name)]].map(counts);
    const sureness = pair.flat().reduce((sum, { score }) => sum + score, 0);
    return [{ name, at: [i, places.get(name)], wrong: pair.map((one) => one.length), sureness }];
  });
  const chosen = rows.filter(({ wrong }) => WHICH[at("which").value](...wrong));
  chosen.sort((a, b) => b.wrong[0] + b.wrong[1] - a.wrong[0] - a.wrong[1] || b.sureness - a.sureness);
  at("counted").textContent = say("counted", chosen.length, rows.length);
  at("more").hidden = chosen.length <= shown;
  const drawn = [];
  for (const { name, at: numbers, wrong } of chosen.slice(0, shown)) {
    const asked = (k) => ({ artifact: compared[k].form.artifact, stage: compared[k].form.stage,
      picture: numbers[k], score: at("above").value });
    drawn.push(made("article", {}, made("h3", {}, name), made("div", { className: "triple" },
      await figure(say("labeled"), "judged", { ...asked(0), side: "labeled" }),
      ...await Promise.all([0, 1].map((k) =>
        figure(`${compared[k].form.name}: ${say("wrong", wrong[k])}`, "judged",
          { ...asked(k), side: "found" }))))));
  }
  at("pairs").replaceChildren(...drawn);
}

export const forget = () => at("report").removeAttribute("src");

async function measure() {
  const { page } = await send("report", { artifact: state.chosen });
  const frame = at("report");
  frame.hidden = false;
  frame.title = say("errors");
  frame.src = page;
}

export function wire() {
  at("measure").addEventListener("click", () => attempt(measure));
  at("compare").addEventListener("click", () => attempt(compare));
  at("above").addEventListener("input", describe);
  at("above").addEventListener("change", () => attempt(judge));
  for (const id of ["class", "size", "which"])
    at(id).addEventListener("change", () => {
      shown = SHOWN;
      describe();
      attempt(draw);
    });
  at("more").addEventListener("click", () => {
    shown += SHOWN;
    attempt(draw);
  });
}
