// The page Network: the graph, and all that is known of the chosen layer.
import { drawing, values } from "./ask.mjs";
import { graph, histogram } from "./draw.mjs";
import { at, attempt, figure, made, say, state, status } from "./page.mjs";

let layers = [], layer, form;

export async function show() {
  const { artifacts, chosen, given } = state;
  if (!artifacts[chosen].stages) return status(say("unfinished"));
  layers = await values("network", { artifact: chosen });
  const losses = given ? await values("losses", { artifact: chosen }) : {};
  at("graph").replaceChildren(graph(layers, losses, (one) => attempt(() => showLayer(one))));
  at("graph").setAttribute("aria-label", say("network"));
  const worst = Object.entries(losses).sort((a, b) => a[1] - b[1])[0];
  if (worst) status(say("loses", worst[0], worst[1].toFixed(1)));
  if (layer) await showLayer(layers.find((one) => one.name === layer.name) ?? layers[0]);
}

export function forget() {
  layer = undefined;
  at("layer").replaceChildren(made("p", { className: "hint" }, say("choose")));
}

async function showLayer(one) {
  layer = one;
  for (const box of document.querySelectorAll("#graph g"))
    box.setAttribute("aria-pressed", box.dataset.layer === one.name);
  const number = new Intl.NumberFormat(state.language);
  const parts = [
    made("h2", {}, one.name),
    made("p", {}, one.operators.join(" → ")),
    made("p", {}, say("shape", one.shape.join(" × "), number.format(one.multiply_adds),
      number.format(one.parameters))),
  ];
  const query = { artifact: state.chosen, layer: one.name };
  const pictures = made("div", { className: "pictures" });
  if (state.given) {
    const { forms, compared } = state.artifacts[state.chosen];
    form = forms.includes(form) ? form : forms[0];
    const choice = made("select", { id: "form" }, ...forms.map((name) => new Option(name)));
    choice.value = form;
    choice.addEventListener("change", () => {
      form = choice.value;
      attempt(() => showLayer(one));
    });
    parts.push(made("label", {}, `${say("form")} `, choice));
    parts.push(made("p", { className: "hint" }, say("mapshint")));
    for (const drawn of new Set([form, ...compared]))
      pictures.append(await mapsOf(one, drawn, query));
    const spread = await values("spread", { ...query, form });
    pictures.append(made("figure", {},
      made("figcaption", {}, say("spread", spread.range)), histogram(spread)));
  } else parts.push(made("p", { className: "hint" }, say("first")));
  if (state.given && one.shape.length === 3) pictures.append(fieldOf(one, query));
  if (one.filters) pictures.append(await figure(say("filters"), "filters", query));
  at("layer").replaceChildren(...parts, pictures);
}

/** The maps of a form; where it has fused the layer into the next one, the words that say so. */
async function mapsOf(one, form, query) {
  const caption = form === "difference" ? say("difference") : form;
  try {
    const { range } = await values("spread", { ...query, form });
    return await figure(`${caption}: ${range}`, "maps", { ...query, form });
  } catch (error) {
    return made("figure", {}, made("figcaption", {}, caption), made("p", {}, error.message));
  }
}

/** What a place of the layer sees of the input: chosen on the picture, or by its numbers. */
function fieldOf(one, query) {
  const [, rows, columns] = one.shape;
  const place = { row: rows >> 1, column: columns >> 1 };
  const picture = made("img", { id: "field", alt: say("field") });
  const inputs = Object.entries({ row: rows, column: columns }).map(([name, count]) => {
    const input = made("input",
      { id: name, type: "number", min: 0, max: count - 1, value: place[name] });
    input.addEventListener("change", () => {
      place[name] = Math.max(0, Math.min(count - 1, Math.floor(Number(input.value)) || 0));
      see();
    });
    return input;
  });
  const see = () => attempt(async () => {
    inputs.forEach((input) => (input.value = place[input.id]));
    picture.src = await drawing("receptive", { ...query, ...place });
  });
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    const part = (at, start, length, count) =>
      Math.max(0, Math.min(count - 1, Math.floor((count * (at - start)) / length)));
    place.row = part(event.clientY, box.top, box.height, rows);
    place.column = part(event.clientX, box.left, box.width, columns);
    see();
  });
  see();
  return made("figure", {}, made("figcaption", {}, say("field")),
    made("p", { className: "row" }, ...inputs.map((input) =>
      made("label", {}, `${say(input.id)} `, input))), picture);
}
