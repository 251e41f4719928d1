// The page Data: the set that a run learned from, from all sides.
import { send, values } from "./ask.mjs";
import { bars, heat, legend, scatter } from "./chart.mjs";
import { at, attempt, figure, made, say, state, status, table } from "./page.mjs";

const DRAWS = 6; // variations of one picture, beside itself
const DOUBLES = 6, FAULTS = 12;
const CLASSES = 12; // of which a legend is shown

let surveyed, layers; // of the artifact that is chosen

export async function show() {
  const run = state.artifacts[state.chosen].run;
  at("survey").hidden = !run;
  at("surveyed").hidden = !run || !surveyed;
  if (!run) return status(say("norun"));
  if (surveyed) await draw();
}

export function forget() {
  surveyed = undefined;
}

async function survey() {
  surveyed = await send("data", { artifact: state.chosen });
  layers = state.artifacts[state.chosen].stages
    ? await values("network", { artifact: state.chosen }) : [];
  at("surveyed").hidden = false;
  await draw();
}

async function draw() {
  const { classes } = surveyed;
  const splits = Object.entries(surveyed.splits);
  at("set").textContent = say("setof", surveyed.name, surveyed.format, surveyed.total);
  const counted = (split, name) => {
    const one = split.classes[name];
    return one.boxes ?? one.pixels ?? one;
  };
  const charts = [
    bars(say("classes"), classes.map((name) =>
      [name, splits.reduce((sum, [, split]) => sum + counted(split, name), 0)])),
    bars(say("splits"), splits.map(([name, split]) => [name, split.pictures])),
    bars(say("picturesizes"), Object.entries(surveyed.picture_sizes).slice(0, 8)),
  ];
  for (const [key, form] of [["box_size", (one) => `${Math.round(100 * one)} %`],
    ["box_aspect", (one) => one.toFixed(2)]]) {
    if (!surveyed[key]) continue;
    const { edges, counts } = surveyed[key];
    charts.push(bars(say(key), counts.map((count, i) =>
      [edges[i + 1] === null ? `≥ ${form(edges[i])}` : `${form(edges[i])} – ${form(edges[i + 1])}`,
        count])));
  }
  at("charts").replaceChildren(...charts);
  const names = [[say("all"), ""], ...classes.map((name) => [name, name])];
  at("place").replaceChildren(...names.map(([name, value]) => new Option(name, value)));
  drawPlaces();
  await drawDoubles();
  await drawFaults();
  await drawVaried();
  await drawMisfits();
  const options = layers.filter(({ shape }) => shape[0] > 2).map(({ name }) => new Option(name));
  at("embedder").replaceChildren(...options);
  at("embedder").value = options.at(-2)?.value ?? options.at(-1)?.value ?? "";
  at("map").replaceChildren();
}

function drawPlaces() {
  const chosen = at("place").value, { places } = surveyed;
  const counts = chosen ? places.classes[chosen] : places.all;
  at("places").replaceChildren(heat(counts, say("places")));
}

async function drawDoubles() {
  const shown = surveyed.doubles.slice(0, DOUBLES);
  at("doublescount").textContent =
    say("alike", surveyed.doubles.length, surveyed.looked_at, surveyed.total);
  at("doubles").replaceChildren(...await Promise.all(shown.map(async (pair) =>
    made("div", { className: "pair" }, ...await Promise.all(pair.pictures.map((picture, i) =>
      figure(`${pair.names[i]} (${pair.alike.toFixed(3)})`, "labeled",
        { artifact: state.chosen, picture })))))));
}

async function drawFaults() {
  const { problems } = surveyed;
  at("faultscount").textContent = say("faultsof", problems.length);
  const rows = await Promise.all(problems.slice(0, FAULTS).map(async (one, number) =>
    made("li", {}, `${one.kind}: ${one.file}${one.line ? `:${one.line}` : ""}: ${one.reason} (${one.mend})`,
      ...(one.drawn ? [await figure(one.file, "fault", { artifact: state.chosen, number })] : []))));
  at("faults").replaceChildren(...rows);
}

async function drawVaried() {
  const picture = Math.max(0, Math.floor(Number(at("varied").value)) || 0);
  const first = Math.max(0, Math.floor(Number(at("draws").value)) || 0);
  const numbers = [0, ...Array.from({ length: DRAWS }, (_, i) => 1 + first * DRAWS + i)];
  at("variations").replaceChildren(...await Promise.all(numbers.map((draw) =>
    figure(draw ? say("draw", draw) : say("asis"), "varied",
      { artifact: state.chosen, picture, draw }))));
}

async function drawMisfits() {
  let found;
  try {
    found = await values("anchors", { artifact: state.chosen });
  } catch (error) {
    at("misfitcount").textContent = error.message;
    return at("misfits").replaceChildren();
  }
  at("misfitcount").textContent = say("fit", found.fit, found.truths, found.out_of_reach,
    found.crowded_out);
  const rows = table([say("size"), say("truths"), say("fitting")], found.sizes.map((one) =>
    [one.to ? `${one.from} – ${one.to} px` : `≥ ${one.from} px`, one.truths, one.fit]));
  at("misfits").replaceChildren(rows, ...await Promise.all(found.pictures.map(({ id }, number) =>
    figure(id, "misfit", { artifact: state.chosen, number }))));
}

async function embed() {
  const { points, share } = await send("embedding",
    { artifact: state.chosen, layer: at("embedder").value });
  const { classes } = surveyed;
  const seen = made("div", { className: "seen" });
  let wanted; // the last point asked for
  const chart = scatter(
    points.map((one) => ({ ...one, name: `${classes[one.label] ?? say("nolabel")}, ${one.picture}` })),
    {
      name: say("map"), axes: share.map((one, i) => say("component", i + 1, (100 * one).toFixed(1))),
      chosen: (point) => {
        wanted = point;
        attempt(async () => {
          const drawn = await figure(point.name, "labeled",
            { artifact: state.chosen, picture: point.picture });
          if (wanted === point) seen.replaceChildren(drawn);
        });
      },
    });
  at("map").replaceChildren(made("div", {}, chart,
    ...(classes.length <= CLASSES ? [legend(classes)] : [])), seen);
}

export function wire() {
  at("survey").addEventListener("click", () => attempt(survey));
  at("place").addEventListener("change", drawPlaces);
  for (const id of ["varied", "draws"])
    at(id).addEventListener("change", () => attempt(drawVaried));
  at("embed").addEventListener("click", () => attempt(embed));
}
