// Detectors and classifiers on the page Errors: pictures by what is wrong in them above a score.
import { values } from "./ask.mjs";
import { decimals, traded } from "./draw.mjs";
import { at, made, say, table } from "./page.mjs";

export const SIZES = { all: [0, Infinity], small: [0, 32], medium: [32, 96], large: [96, Infinity] };
const WHICH = {
  differ: (a, b) => (a === 0) !== (b === 0),
  firstWrong: (a, b) => a > 0 && b === 0,
  secondWrong: (a, b) => a === 0 && b > 0,
  bothWrong: (a, b) => a > 0 && b > 0,
  anyWrong: (a, b) => a + b > 0,
};

export const choices = Object.keys(WHICH);
export const sides = ["found"];

/** Ask what is wrong at the score. */
export async function judge(compared) {
  for (const one of compared) {
    const { artifact, stage } = one.form;
    one.wrong = await values("mistakes", { artifact, stage, score: at("above").value });
  }
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

/** How many mistakes of each kind both make at the threshold, of the class and size. */
export function tally(compared) {
  const counts = compared.map(({ wrong }) =>
    Object.groupBy(wrong.flat().filter(counted(compared[0].judged)), ({ kind }) => kind));
  const names = Object.keys(say("kinds")).filter((kind) => counts.some((one) => one[kind]));
  at("kinds").replaceChildren(...names.length
    ? [table([say("kind"), ...compared.map(({ form }) => form.name)],
      names.map((kind) => [say("kinds")[kind], ...counts.map((one) => one[kind]?.length ?? 0)]))] : []);
}

/** What the best boxes are, as many as there are truths: the diagnosis of Hoiem and of YOLO. */
function diagnosis(compared, name) {
  const found = compared.map(({ judged: { result } }) => {
    const one = name ? result.classes.find((each) => each.name === name) : result.diagnostics;
    const all = Object.values(one?.kinds ?? {}).reduce((sum, part) => sum + part, 0);
    return one?.kinds && Object.entries(one.kinds).map(([kind, part]) => [kind, part / all]);
  });
  if (!found.every(Boolean)) return [];
  return [made("p", { className: "hint" }, say("diagnosishint")),
    table([say("best"), ...compared.map(({ form }) => form.name)],
      found[0].map(([kind], i) => [say("diagnosis")[kind],
        ...found.map((one) => `${(100 * one[i][1]).toFixed(1)} %`)]))];
}

/** The table and the chart of both at the threshold; they follow the slider. */
export function describe(compared) {
  const threshold = Number(at("above").value), name = at("class").value;
  at("above-value").textContent = threshold.toFixed(2);
  const curves = compared.map(({ judged }) => judged.curves.find((one) => one.name === name));
  const points = curves.map((one) => one && pointOf(one, threshold));
  const { measure } = compared[0].judged;
  at("points").replaceChildren(
    table([say("form"), measure, say("precision"), say("recall"), "F1"],
      compared.map(({ form, judged }, i) => [form.name, decimals(judged.figure),
        ...["precision", "recall", "f1"].map((key) => decimals(points[i]?.[key]))])),
    ...diagnosis(compared, name));
  at("traded").replaceChildren(traded(
    compared.map(({ form }, i) => ({ name: form.name, curve: curves[i], point: points[i] })),
    say("traded"), [say("recall"), say("precision")]));
}

/** The pictures that are asked for, the worst first. */
export function rows([first, second]) {
  const counts = (one) => one.filter(counted(first.judged));
  const places = new Map(second.judged.pictures.map((name, i) => [name, i]));
  const found = first.judged.pictures.flatMap((name, i) => {
    if (!places.has(name)) return [];
    const pair = [first.wrong[i], second.wrong[places.get(name)]].map(counts);
    const sureness = pair.flat().reduce((sum, { score }) => sum + score, 0);
    const wrong = pair.map((one) => one.length);
    return [{ name, at: [i, places.get(name)], wrong, sureness,
      said: pair.map((one) => said(one)) }];
  });
  const chosen = found.filter(({ wrong }) => WHICH[at("which").value](...wrong));
  chosen.sort((a, b) => b.wrong[0] + b.wrong[1] - a.wrong[0] - a.wrong[1] || b.sureness - a.sureness);
  return { all: found.length, chosen };
}

/** Whether a mistake is of the class and the size that are chosen. */
function counted({ classes }) {
  const label = classes.indexOf(at("class").value), [least, most] = SIZES[at("size").value];
  return ({ label: own, side }) => (label < 0 || own === label) && side >= least && side < most;
}

/** How many mistakes of each kind, in words. */
function said(mistakes) {
  const kinds = Map.groupBy(mistakes, ({ kind }) => kind);
  return [...kinds].map(([kind, those]) => `${those.length} ${say("kinds")[kind] ?? kind}`).join(", ")
    || say("right");
}
