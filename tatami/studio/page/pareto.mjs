// The page Pareto: worth against cost, of the networks here or of results that tatami pareto wrote.
import { send } from "./ask.mjs";
import { scatter } from "./chart.mjs";
import { at, attempt, made, say, state, status, table } from "./page.mjs";

const COSTS = ["multiply_adds", "weight_bytes", "milliseconds"];
const OTHER = new Set([...COSTS, "name", "file", "input", "width", "bits", "operations",
  "parameters", "on_front", "artifact"]);

let networks = [];

export const show = async () => draw();

async function compare() {
  const found = await send("pareto", { artifact: state.chosen });
  take(found.networks);
}

/** Read files that `tatami pareto --json` wrote; they stay in the browser. */
async function read(files) {
  const found = [];
  for (const file of files) {
    const content = JSON.parse(await file.text());
    if (!Array.isArray(content?.networks)) throw new Error(say("nopareto", file.name));
    found.push(...content.networks);
  }
  take(found);
}

function take(found) {
  networks = found.filter((one) => typeof one?.name === "string");
  const merits = Object.keys(networks[0] ?? {}).filter(
    (key) => !OTHER.has(key) && typeof networks[0][key] === "number");
  const costs = COSTS.filter((key) => networks.some((one) => typeof one[key] === "number"));
  at("merit").replaceChildren(...merits.map((key) => new Option(key, key)));
  at("cost").replaceChildren(...costs.map((key) => new Option(say(key), key)));
  draw();
}

/** Those that no other is as good as for less, or better than for as much: evaluate/pareto.py. */
export function front(points) {
  const order = [...points].sort((a, b) => a.x - b.x || b.y - a.y);
  let best;
  return order.filter((point) => {
    const on = !best || point.y > best.y || (point.y === best.y && point.x === best.x);
    if (on) best = point;
    return on;
  });
}

function draw() {
  at("compares").hidden = !networks.length;
  if (!networks.length) return;
  const [merit, cost] = [at("merit").value, at("cost").value];
  const points = networks.flatMap((one) => {
    const [x, y] = [one[cost], one[merit]];
    if (typeof x !== "number" || typeof y !== "number") return [];
    const bits = Number(one.bits) || 32;
    return [{ x, y, label: bits === 8 ? 5 : 4, one,
      name: `${one.name}, ${say("bits", bits)}, ${merit} ${y.toFixed(4)}, ${x} ${say(cost)}` }];
  });
  if (!points.length) return;
  const best = front(points);
  const told = made("p", { id: "told", role: "status" }, say("hover"));
  const chart = scatter(points, {
    name: say("pareto"), axes: [say(cost), merit], line: best, logarithmic: true,
    chosen: (point) => (told.textContent = point.name), opened: ({ one }) => open(one),
  });
  at("front").replaceChildren(chart, told,
    table([say("form"), say("bitsof"), merit, say(cost), say("onfront")],
      points.map((point) => [point.one.name, Number(point.one.bits) || 32, point.y.toFixed(4),
        point.x, best.includes(point) ? "*" : ""])));
}

/** Show a network on the page Network, where it is one of those that the studio was opened with. */
function open(one) {
  const number = one.artifact
    ?? state.artifacts.findIndex(({ name }) => `/${one.file ?? ""}/`.includes(`/${name}/`));
  if (!state.artifacts[number]) return status(say("nothere", one.name), true);
  at("artifact").selectedIndex = number;
  at("artifact").dispatchEvent(new Event("change"));
  location.hash = "network";
}

export function wire() {
  at("compareall").addEventListener("click", () => attempt(compare));
  at("results").addEventListener("change", (event) =>
    attempt(() => read([...event.target.files])));
  for (const id of ["merit", "cost"]) at(id).addEventListener("change", draw);
}
