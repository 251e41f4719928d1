// The page Lessons: convolution, pooling, im2col and folding, to play with.
import { averagePool, columns, convolve, folded, maxPool, normalize, product, under } from "./arithmetic.mjs";
import { at, made, say, state } from "./page.mjs";

const SIDE = 8;
const KERNELS = {
  blur: [1, 1, 1, 1, 1, 1, 1, 1, 1], edge: [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  sharpen: [0, -1, 0, -1, 5, -1, 0, -1, 0], corner: [-1, -1, 0, -1, 0, 1, 0, 1, 1],
};
const SEVEN = ["........", ".######.", "......#.", ".....#..", "....#...", "...#....", "..#.....", "........"];
const LESSONS = { convolution, pooling, im2col, folding };
/** The sliders of each lesson: name: [least, most, usual, step]. */
const SLIDERS = {
  convolution: { stride: [1, 3, 1], pad: [0, 2, 1], dilation: [1, 2, 1], bias: [-50, 50, 0] },
  pooling: { kernel: [1, 4, 2], stride: [1, 4, 2], pad: [0, 1, 0] },
  im2col: { stride: [1, 3, 2], pad: [0, 1, 0] },
  folding: { gamma: [-2, 2, 1.5, 0.1], beta: [-5, 5, 1, 0.5], mean: [-50, 50, 10, 1],
    variance: [1, 900, 100, 1] },
};

let lesson = "convolution", weights = [...KERNELS.edge], kind = "max", picture, settings = {};
let step = 0; // the place that is shown

/** The gray values of the studio's picture, or a drawn 7. */
async function gray() {
  if (!state.picture)
    return SEVEN.map((row) => [...row].map((one) => (one === "#" ? 20 : 240)));
  const image = await createImageBitmap(state.picture,
    { resizeWidth: SIDE, resizeHeight: SIDE, resizeQuality: "high" });
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  const { data } = pen.getImageData(0, 0, SIDE, SIDE);
  return Array.from({ length: SIDE }, (_, y) => Array.from({ length: SIDE }, (_, x) => {
    const [r, g, b] = data.slice(4 * (SIDE * y + x));
    return Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  }));
}

export async function show() {
  picture = await gray();
  at("lesson").replaceChildren(...Object.keys(LESSONS).map((name) => new Option(say(name), name)));
  at("lesson").value = lesson;
  controls();
  draw();
}

function controls() {
  settings = {};
  step = 0;
  const sliders = Object.entries(SLIDERS[lesson]).map(([name, [min, max, usual, by = 1]]) => {
    settings[name] = usual;
    const shown = made("output", {}, String(usual));
    const input = made("input", { type: "range", id: `with-${name}`, min, max, step: by });
    input.value = usual;
    input.addEventListener("input", () => {
      settings[name] = Number(input.value);
      shown.textContent = input.value;
      step = 0;
      draw();
    });
    const word = say(name === "pad" ? "padding" : name);
    return made("label", {}, `${word} `, input, shown);
  });
  const choice = (id, options, value, take) => {
    const select = made("select", { id }, ...options.map((one) => new Option(say(one), one)));
    select.value = value;
    select.addEventListener("change", () => {
      take(select.value);
      draw();
    });
    return made("label", {}, `${say(id)} `, select);
  };
  if (lesson === "pooling") sliders.push(choice("pool", ["max", "average"], kind, (one) => (kind = one)));
  else
    sliders.push(choice("filter", [...Object.keys(KERNELS), "own"],
      Object.keys(KERNELS).find((name) => String(KERNELS[name]) === String(weights)) ?? "own",
      (name) => {
        weights = [...(KERNELS[name] ?? weights)];
        kernel();
      }), made("fieldset", { id: "kernel" }));
  at("controls").replaceChildren(...sliders);
  if (lesson !== "pooling") kernel();
}

/** The kernel, to be typed into. */
function kernel() {
  at("kernel").replaceChildren(made("legend", {}, say("kernel")), ...weights.map((one, i) => {
    const input = made("input",
      { type: "number", value: one, ariaLabel: say("tap", 1 + Math.floor(i / 3), 1 + (i % 3)) });
    input.addEventListener("change", () => {
      weights[i] = Number(input.value) || 0;
      draw();
    });
    return input;
  }));
}

const text = (value) => {
  if (!Number.isFinite(value)) return "-"; // a window that lies in the padding
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
};

/** Rows of numbers as a table, gray by their values; marked: cells of a window. choose: by click. */
function grid(caption, rows, { marked = new Set(), choose, id } = {}) {
  const all = rows.flat().filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const cells = (row, y) => row.map((value, x) => {
    const shade = Math.round((255 * (value - low)) / (high - low || 1)) || 0;
    const cell = made("td", { className: marked.has(`${y},${x}`) ? "marked" : "" }, text(value));
    cell.style.setProperty("background", `rgb(${shade} ${shade} ${shade})`);
    cell.style.setProperty("color", shade < 118 ? "#fff" : "#000");
    if (choose) cell.addEventListener("click", () => choose(y, x));
    return cell;
  });
  return made("div", { className: "scrolled", tabIndex: 0, role: "group", ariaLabel: caption },
    made("table", { className: "grid", id: id ?? "" }, made("caption", {}, caption),
      made("tbody", {}, ...rows.map((row, y) => made("tr", {}, ...cells(row, y))))));
}

/** A slider through the places of a result, which says what is computed at each. */
function walk(result, window, told, draw) {
  const wide = result[0]?.length ?? 0, count = result.length * wide;
  step = Math.min(step, Math.max(0, count - 1));
  const row = Math.floor(step / wide), column = step % wide;
  const marked = new Set();
  const { kernel, stride, pad, dilation = 1 } = window;
  for (let u = 0; u < kernel; u += 1)
    for (let v = 0; v < kernel; v += 1)
      marked.add(`${row * stride - pad + u * dilation},${column * stride - pad + v * dilation}`);
  const slider = made("input", { id: "step", type: "range", min: 0, max: count - 1, step: 1 });
  slider.value = step;
  slider.addEventListener("input", () => {
    step = Number(slider.value);
    draw();
    at("step").focus();
  });
  return { marked, at: new Set([`${row},${column}`]),
    choose: (y, x) => {
      step = y * wide + x;
      draw();
    },
    said: made("div", {}, made("label", {}, `${say("place", row, column)} `, slider),
      made("p", { id: "sum" }, told(under(picture, window, row, column), result[row][column]))) };
}

const empty = () => at("shown").replaceChildren(made("p", {}, say("nofit")));

function convolution() {
  const window = { kernel: 3, ...settings };
  const result = convolve(picture, weights, settings.bias, window);
  if (!result[0]?.length) return empty();
  const walked = walk(result, window, (seen, value) =>
    `${seen.map((one, i) => `${one ?? 0}·${weights[i]}`).join(" + ")} + ${settings.bias} = ${text(value)}`,
    draw);
  at("shown").replaceChildren(grid(say("input"), picture, { marked: walked.marked, id: "in" }),
    grid(say("output"), result, { marked: walked.at, choose: walked.choose, id: "out" }), walked.said);
}

function pooling() {
  const { pad, kernel } = settings;
  const window = { ...settings, pad: Math.min(pad, Math.floor(kernel / 2)) };
  const result = kind === "max" ? maxPool(picture, window) : averagePool(picture, window);
  if (!result[0]?.length) return empty();
  const walked = walk(result, window, (seen, value) => {
    const there = seen.filter((one) => one !== undefined);
    return kind === "max" ? `max(${there.join(", ")}) = ${text(value)}`
      : `(${there.join(" + ")}) / ${there.length} = ${text(value)}`;
  }, draw);
  at("shown").replaceChildren(grid(say("input"), picture, { marked: walked.marked, id: "in" }),
    grid(say("output"), result, { marked: walked.at, choose: walked.choose, id: "out" }), walked.said);
}

function im2col() {
  const window = { kernel: 3, ...settings };
  const matrix = columns(picture, window);
  const result = product(weights, matrix);
  at("shown").replaceChildren(grid(say("input"), picture, { id: "in" }),
    grid(say("matrix", matrix.length, matrix[0].length), matrix, { id: "matrix" }),
    grid(say("times"), [weights], { id: "row" }), grid(say("output"), [result], { id: "out" }));
}

function folding() {
  const window = { kernel: 3, stride: 1, pad: 1 }, norm = { ...settings, epsilon: 1e-5 };
  const apart = normalize(convolve(picture, weights, 0, window), norm);
  const { weights: taken, bias } = folded(weights, 0, norm);
  const once = convolve(picture, taken, bias, window);
  const worst = Math.max(...once.flatMap((row, y) => row.map((one, x) => Math.abs(one - apart[y][x]))));
  const threes = (row) => [0, 3, 6].map((i) => row.slice(i, i + 3));
  at("shown").replaceChildren(grid(say("input"), picture, { id: "in" }),
    grid(say("normalized"), apart, { id: "apart" }),
    grid(say("foldedkernel", text(bias)), threes(taken), { id: "taken" }),
    grid(say("once"), once, { id: "out" }),
    made("p", { id: "worst" }, say("worst", worst < 1e-9 ? "< 10⁻⁹" : worst.toExponential(1))));
}

const draw = () => LESSONS[lesson]();

export function wire() {
  at("lesson").addEventListener("change", (event) => {
    lesson = event.target.value;
    controls();
    draw();
  });
}
