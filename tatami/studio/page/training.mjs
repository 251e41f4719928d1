// The page Training: how far a run is.
import { values } from "./ask.mjs";
import { brief, curve } from "./draw.mjs";
import { at, attempt, made, say, state } from "./page.mjs";

const EVERY = 5000; // milliseconds between two looks

export async function show() {
  if (!state.artifacts[state.chosen].run) {
    at("progressed").textContent = say("norun");
    return at("curves").replaceChildren();
  }
  const found = await values("training", { artifact: state.chosen });
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
  if (!found.finished)
    setTimeout(() => at("training").hidden || attempt(show), EVERY);
}
