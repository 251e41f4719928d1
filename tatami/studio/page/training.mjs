// The page Training: how far a run is, what it finds by now, and an end after this epoch.
import { drawing, send, values } from "./ask.mjs";
import { brief, curve } from "./draw.mjs";
import { at, attempt, made, say, state } from "./page.mjs";

const EVERY = 5000; // milliseconds between two looks
const ROWS = 6; // states whose findings are drawn

let waiting; // for the next look
let drawn = new Map(); // rows of drawings by step

export async function show() {
  clearTimeout(waiting);
  const query = { artifact: state.chosen };
  at("end").hidden = true;
  if (!state.artifacts[state.chosen].run) {
    at("progressed").textContent = say("norun");
    at("improving").replaceChildren();
    return at("curves").replaceChildren();
  }
  const found = await values("training", query);
  at("progressed").textContent =
    say("done", found.steps, found.epochs, found.finished, found.ending);
  at("end").hidden = found.finished || found.ending;
  const names = Object.keys(found.rows[0] ?? {}).filter((name) => name !== "step");
  const curves = names.map((name) => [name, found.rows.map((row) => [row.step, row[name]])]);
  const figures = found.evaluations.map((row) => [row.step, row[found.measure]]);
  if (figures.length > 1) curves.unshift([found.measure, figures]);
  at("curves").replaceChildren(
    ...curves.map(([name, points]) =>
      made("figure", {}, made("figcaption", {}, `${name}: ${brief(points.at(-1)[1])}`),
        curve(points, name))),
  );
  await improve(query);
  if (!found.finished) waiting = setTimeout(() => at("training").hidden || attempt(show), EVERY);
}

/** What the newest weights find in some pictures, above what older ones did. */
async function improve(query) {
  let found;
  try {
    found = await values("improving", query);
  } catch (error) {
    return at("improving").replaceChildren(made("p", { className: "hint" }, error.message));
  }
  const steps = found.steps.slice(-ROWS);
  for (const step of steps) {
    if (drawn.has(step)) continue;
    const pictures = [];
    for (let picture = 0; picture < found.pictures; picture += 1)
      pictures.push(made("img", { alt: say("found", picture + 1, step),
        src: await drawing("improved", { ...query, step, picture }) }));
    drawn.set(step, pictures);
  }
  at("improving").replaceChildren(...steps.reverse().map((step) =>
    made("figure", {}, made("figcaption", {}, say("after", step)),
      made("div", { className: "small" }, ...drawn.get(step)))));
}

export const forget = () => (drawn = new Map());
export const leave = () => clearTimeout(waiting);

export function wire() {
  at("end").addEventListener("click", () => attempt(async () => {
    await send("end", { artifact: state.chosen });
    await show();
  }));
}
