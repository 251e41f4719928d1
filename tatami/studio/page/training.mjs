// The page Training: how far runs are, what the chosen one finds by now, and an end after its epoch.
import { drawing, send, values } from "./ask.mjs";
import { course } from "./chart.mjs";
import { brief } from "./draw.mjs";
import { at, attempt, made, say, state } from "./page.mjs";

const EVERY = 5000; // milliseconds between two looks
const ROWS = 6; // states whose findings are drawn

let waiting; // for the next look
let drawn = new Map(); // rows of drawings by step
const beside = new Set(); // numbers of runs that are drawn beside the chosen one

export async function show() {
  clearTimeout(waiting);
  at("end").hidden = true;
  choices();
  if (!state.artifacts[state.chosen].run) {
    at("progressed").replaceChildren(made("p", {}, say("norun")));
    at("improving").replaceChildren();
    return at("curves").replaceChildren();
  }
  const numbers = [state.chosen, ...[...beside].filter((one) => one !== state.chosen)];
  const runs = await Promise.all(numbers.map(async (artifact) =>
    ({ name: state.artifacts[artifact].name, ...(await values("training", { artifact })) })));
  at("progressed").replaceChildren(...runs.map((run) => made("p", {}, told(run, runs.length > 1))));
  at("end").hidden = !runs[0].going || runs[0].ending;
  draw(runs);
  await improve({ artifact: state.chosen });
  if (runs.some(({ finished }) => !finished))
    waiting = setTimeout(() => at("training").hidden || attempt(show), EVERY);
}

/** The other runs, to be drawn beside the chosen one; made once, so that the keyboard stays. */
function choices() {
  const others = state.artifacts.flatMap(({ name, run }, number) =>
    run && number !== state.chosen ? [{ name, number }] : []);
  const key = `${state.language} ${others.map(({ number }) => number)}`;
  at("runs").hidden = !others.length || !state.artifacts[state.chosen].run;
  if (at("runs").dataset.key === key) return;
  at("runs").dataset.key = key;
  at("runs").replaceChildren(made("legend", {}, say("beside")), ...others.map(({ name, number }) => {
    const box = made("input", { type: "checkbox", checked: beside.has(number) });
    box.addEventListener("change", () => {
      if (box.checked) beside.add(number);
      else beside.delete(number);
      attempt(show);
    });
    return made("label", {}, box, ` ${name}`);
  }));
}

/** How far a run is, and how long it will take. */
function told(run, named) {
  const parts = [say("done", run.steps, run.total, run.epochs),
    say(run.finished ? "trained" : run.ending ? "ending" : run.going ? "going" : "halted")];
  if (run.seconds_left !== null)
    parts.push(say("left", duration(run.seconds_left), brief(run.seconds_a_step)));
  return `${named ? `${run.name}: ` : ""}${parts.join(say("comma"))}`;
}

/** Seconds in words. */
export function duration(seconds) {
  const all = Math.round(seconds), [h, min, s] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  return h ? `${h} h ${min} min` : min ? `${min} min ${s} s` : `${s} s`;
}

/** The column of the evaluations that the task's figure is in. */
const figureOf = ({ evaluations }) =>
  Object.keys(evaluations[0] ?? {}).find((name) => name !== "step");

/** A chart of the loss with the held-out part's figure, and a small one of each other column. */
function draw(runs) {
  const columns = new Set(runs.flatMap(({ rows }) => Object.keys(rows[0] ?? {})));
  columns.delete("step");
  const names = ["loss", ...[...columns].filter((name) => name !== "loss")];
  const figure = runs.map(figureOf).find(Boolean);
  at("curves").replaceChildren(...names.filter((name) => columns.has(name)).map((name) => {
    const lines = runs.map((run) => ({
      name: run.name,
      points: run.rows.filter((row) => name in row).map((row) => [row.step, row[name]]),
      marks: name !== "loss" ? [] : run.evaluations.filter((row) => figure in row)
        .map((row) => [row.step, row[figure]]),
    }));
    const { chart, steps } = course(lines,
      { name, right: figure, named: name === "loss" });
    const last = lines.filter(({ points }) => points.length)
      .map(({ points }) => brief(points.at(-1)[1])).join(" / ");
    const marked = lines.some(({ marks }) => marks.length)
      ? `; ${say("heldout", figure, lines.map(({ marks }) => marks.at(-1)?.[1].toFixed(4) ?? "-").join(" / "))}`
      : "";
    const mean = steps > 1 ? `; ${say("mean_of", steps)}` : "";
    return made("figure", { className: name === "loss" ? "wide" : "" },
      made("figcaption", {}, `${name}: ${last}${marked}${mean}`), chart);
  }));
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
