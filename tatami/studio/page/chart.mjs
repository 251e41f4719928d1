// Charts: bars in a table, a map of places, points that can be chosen by mouse and by keyboard.
import { brief, element } from "./draw.mjs";
import { made, say } from "./page.mjs";

/** The classes' colors, distinct with any kind of color vision: tatami/types/colors.py. */
const COLORS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7",
  "#783cff", "#a5005a", "#7d5000"];
const SHAPES = [ // so that no point is told by its color alone
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "M-4-4h8v8h-8z", "M0-5L5 4H-5z", "M0-5L5 0L0 5L-5 0z",
];
export const look = (label) =>
  label < 0 ? { fill: "#808080", d: SHAPES[0] }
    : { fill: COLORS[label % COLORS.length], d: SHAPES[label % SHAPES.length] };

/** A table of names and counts, each with its bar. */
export function bars(title, rows) {
  const most = Math.max(1, ...rows.map(([, count]) => count));
  return made("table", { className: "bars" }, made("caption", {}, title),
    made("tbody", {}, ...rows.map(([name, count]) =>
      made("tr", {}, made("th", { scope: "row" }, name),
        made("td", { className: "number" }, String(count)),
        made("td", {}, element("svg",
          { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": true },
          element("rect", { class: "bar", width: (100 * count) / most, height: 10 })))))));
}

/** Counts in rows and columns over a picture; where there are most it is darkest. */
export function heat(counts, name) {
  const most = Math.max(1, ...counts.flat()), side = 240 / counts.length;
  const cells = counts.flatMap((row, y) => row.map((count, x) => element("rect",
    { class: "bar", x: x * side, y: y * side, width: side, height: side,
      "fill-opacity": (count / most).toFixed(3) })));
  return element("svg", { viewBox: "0 0 240 240", class: "heat", role: "img", "aria-label": name },
    element("rect", { class: "frame", width: 240, height: 240 }), ...cells);
}

const WIDE = 520, HIGH = 320, LEFT = 64, BELOW = 34, ABOVE = 26;

/**
 * Points { x, y, label, name } on a plane. chosen(point) is told of what the mouse is over, or the
 * arrows reach; opened(point) of a click and of Enter. axes: what x and y are. line: points to join.
 */
export function scatter(points, { name, axes = ["", ""], line = [], logarithmic, chosen, opened }) {
  const scale = logarithmic ? Math.log10 : (value) => value;
  const [xs, ys] = [points.map(({ x }) => scale(x)), points.map(({ y }) => y)];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const part = (value, from, to) => (to > from ? (value - from) / (to - from) : 0.5);
  const placeX = (x) => LEFT + 10 + (WIDE - LEFT - 20) * part(scale(x), left, right);
  const placeY = (y) => HIGH - BELOW - 10 - (HIGH - BELOW - ABOVE - 10) * part(y, low, high);
  const order = points.map((_, i) => i).sort((a, b) => xs[a] - xs[b]);
  const marks = points.map((point, i) => {
    const { fill, d } = look(point.label);
    const mark = element("path", { id: `${name}-${i}`.replace(/\W/g, "-"), class: "mark", d, fill,
      role: "option", "aria-selected": false, "aria-label": point.name,
      transform: `translate(${placeX(point.x).toFixed(1)} ${placeY(point.y).toFixed(1)})` },
    element("title", {}, point.name));
    mark.addEventListener("pointerenter", () => choose(i));
    mark.addEventListener("click", () => opened?.(point));
    return mark;
  });
  let at; // a place in order
  function choose(i) {
    for (const mark of marks) mark.setAttribute("aria-selected", mark === marks[i]);
    svg.setAttribute("aria-activedescendant", marks[i].id);
    at = order.indexOf(i);
    chosen?.(points[i]);
  }
  const joined = line.map(({ x, y }) => `${placeX(x).toFixed(1)},${placeY(y).toFixed(1)}`);
  const words = [
    [LEFT - 6, ABOVE + 4, "end", brief(high)], [LEFT - 6, HIGH - BELOW - 4, "end", brief(low)],
    [LEFT + 10, HIGH - 20, "middle", brief(Math.min(...points.map(({ x }) => x)))],
    [WIDE - 10, HIGH - 20, "end", brief(Math.max(...points.map(({ x }) => x)))],
    [(LEFT + WIDE) / 2, HIGH - 4, "middle", axes[0]], [LEFT + 4, 14, "start", axes[1]],
  ].map(([x, y, anchor, text]) =>
    element("text", { x, y, "text-anchor": anchor, "aria-hidden": true }, text));
  const svg = element("svg",
    { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "scatter", tabindex: 0, role: "listbox",
      "aria-label": name },
    element("path", { class: "axis", fill: "none", "aria-hidden": true,
      d: `M${LEFT} 6V${HIGH - BELOW}H${WIDE - 4}` }),
    element("polyline", { class: "curve", "aria-hidden": true, points: joined.join(" ") }),
    ...words, ...marks);
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (by) choose(order[(((at ?? -by) + by + order.length)) % order.length]);
    else if (event.key === "Enter" && at !== undefined) opened?.(points[order[at]]);
    else return;
    event.preventDefault();
  });
  return svg;
}

const MOST = 200; // points of a curve

/** Means of so many neighbors that few points are left: [points, how many each is of]. */
function thinned(points) {
  const each = Math.ceil(points.length / MOST) || 1;
  const means = Array.from({ length: Math.ceil(points.length / each) }, (_, i) => {
    const some = points.slice(i * each, (i + 1) * each);
    return [0, 1].map((k) => some.reduce((sum, point) => sum + point[k], 0) / some.length);
  });
  return [means, each];
}

/**
 * Runs { name, points, marks } over their steps. points have the left axis, which is logarithmic
 * where all are above 0 and far apart; marks, in 0 to 1, have the right one, called right. named:
 * whether it is told which run is which.
 */
export function course(runs, { name, right, named }) {
  const each = runs.map(({ points }) => thinned(points));
  const ys = each.flatMap(([points]) => points.map(([, y]) => y));
  const xs = runs.flatMap(({ points, marks }) => [...points, ...marks].map(([x]) => x));
  const [low, high] = [Math.min(...ys), Math.max(...ys)], last = Math.max(1, ...xs);
  const scale = low > 0 && high > 5 * low ? Math.log10 : (value) => value;
  const marked = runs.some(({ marks }) => marks.length);
  const end = marked ? WIDE - 40 : WIDE - 10, bottom = HIGH - BELOW;
  const placeX = (x) => (LEFT + ((end - LEFT) * x) / last).toFixed(1);
  const placeY = (y) => (bottom - 6 - (bottom - ABOVE - 6) *
    (high > low ? (scale(y) - scale(low)) / (scale(high) - scale(low)) : 0.5)).toFixed(1);
  const placeMark = (y) => (bottom - (bottom - ABOVE) * y).toFixed(1);
  const parts = runs.flatMap(({ marks }, i) => {
    const style = `of-${i % 4}`;
    return [
      element("polyline", { class: `curve ${style}`,
        points: each[i][0].map(([x, y]) => `${placeX(x)},${placeY(y)}`).join(" ") }),
      element("polyline", { class: `curve thin ${style}`,
        points: marks.map(([x, y]) => `${placeX(x)},${placeMark(y)}`).join(" ") }),
      ...marks.map(([x, y]) => element("path", { class: `dot ${style}`, d: SHAPES[i % 4],
        transform: `translate(${placeX(x)} ${placeMark(y)})` },
      element("title", {}, `${runs[i].name}, ${x}: ${y.toFixed(4)}`))),
    ];
  });
  const words = [
    [LEFT - 6, ABOVE + 4, "end", brief(high)], [LEFT - 6, bottom - 4, "end", brief(low)],
    [LEFT, HIGH - 20, "middle", "0"], [end, HIGH - 20, "end", String(Math.round(last))],
    [(LEFT + end) / 2, HIGH - 4, "middle", say("step")], [LEFT + 4, 14, "start", name],
    ...(marked ? [[end + 6, ABOVE + 4, "start", "1"], [end + 6, bottom, "start", "0"],
      [WIDE - 4, 14, "end", right]] : []),
  ].map(([x, y, anchor, text]) => element("text", { x, y, "text-anchor": anchor }, text));
  const names = !named || runs.length < 2 ? [] : runs.map((run, i) =>
    element("text", { x: end - 8, y: ABOVE + 12 + 14 * i, "text-anchor": "end", class: `name of-${i % 4}` },
      `${"●■▲◆"[i % 4]} ${run.name}`));
  const chart = element("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": name },
    element("path", { class: "axis", fill: "none",
      d: `M${LEFT} ${ABOVE - 6}V${bottom}H${end}${marked ? `V${ABOVE - 6}` : ""}` }),
    ...parts, ...words, ...names);
  return { chart, steps: Math.max(...each.map(([, steps]) => steps)) };
}

/** What the colors and shapes of classes mean. */
export const legend = (names) => made("p", { className: "row legend" },
  ...names.map((name, label) => {
    const { fill, d } = look(label);
    return made("span", {}, element("svg",
      { viewBox: "-6 -6 12 12", class: "sample", "aria-hidden": true },
      element("path", { class: "mark", d, fill })), ` ${name}`);
  }));
