// SVG: the network's graph, a histogram, a curve.
const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDE = 190, HIGH = 44, ACROSS = 204, DOWN = 62;

export function element(name, attributes = {}, ...children) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function cut(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** The layers as boxes, each below what it reads. losses: dB by name; choose: told the layer. */
export function graph(layers, losses, choose) {
  const places = new Map(
    layers.map((one) => [one.name, { x: 8 + one.lane * ACROSS, y: 8 + (one.depth - 1) * DOWN }]),
  );
  const lines = layers.flatMap((one) =>
    one.reads.map((from) => {
      const a = places.get(from), b = places.get(one.name);
      const x1 = a.x + WIDE / 2, y1 = a.y + HIGH, x2 = b.x + WIDE / 2, y2 = b.y;
      const middle = (y1 + y2) / 2;
      return element("path", { d: `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}` });
    }),
  );
  const boxes = layers.map((one) => {
    const { x, y } = places.get(one.name);
    const loss = losses[one.name];
    const box = element(
      "g",
      { tabindex: 0, role: "button", "aria-pressed": false, "data-layer": one.name,
        "aria-label": `${one.name}: ${one.operators.join(", ")}` },
      element("rect", { x, y, width: WIDE, height: HIGH, rx: 6 }),
      element("text", { x: x + 8, y: y + 18 }, cut(one.name, 24)),
      element("text", { x: x + 8, y: y + 35, class: "small" },
        cut(`${one.operators[0]} ${one.shape.join("×")}`, loss === undefined ? 30 : 20)),
    );
    if (loss !== undefined)
      box.append(element("text",
        { x: x + WIDE - 8, y: y + 35, class: "small loss", "text-anchor": "end" },
        `${loss.toFixed(1)} dB`));
    const chosen = () => choose(one);
    box.addEventListener("click", chosen);
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      chosen();
    });
    return box;
  });
  const width = 16 + Math.max(...layers.map((one) => one.lane)) * ACROSS + WIDE;
  const height = 16 + (Math.max(...layers.map((one) => one.depth)) - 1) * DOWN + HIGH;
  const size = (pixels) => `${(1.2 * pixels) / 16}rem`; // it grows with the page's type
  return element("svg", { width: size(width), height: size(height), viewBox: `0 0 ${width} ${height}` },
    ...lines, ...boxes);
}

/** A figure in four decimals; "-" where there is none. */
export const decimals = (value) => (Number.isFinite(value) ? value.toFixed(4) : "-");

/** A number in few letters. */
export function brief(value) {
  const size = Math.abs(value);
  return size && (size < 0.01 || size >= 1e5) ? value.toExponential(1) : value.toPrecision(3);
}

/** Bars of counts, on a scale of square roots so that few are seen beside many. */
export function histogram({ edges, counts }) {
  const most = Math.max(...counts, 1);
  const bars = counts.map((n, i) => {
    const height = 100 * Math.sqrt(n / most);
    return element("rect",
      { class: "bar", x: 4 + 8 * i, y: 108 - height, width: 7, height });
  });
  const width = 8 + 8 * counts.length;
  return element("svg", { viewBox: `0 0 ${width} 124`, role: "img", "aria-label": "histogram" },
    ...bars, element("text", { x: 4, y: 121 }, brief(edges[0])),
    element("text", { x: width - 4, y: 121, "text-anchor": "end" }, brief(edges.at(-1))));
}

/** Precision over recall of several, each with the point of a threshold; they differ in dashes, too. */
export function traded(several, name, [across, up]) {
  const x = (recall) => 46 + 340 * recall, y = (precision) => 150 - 135 * precision;
  const parts = several.flatMap(({ curve, point }, i) => {
    if (!curve) return [];
    const points = curve.true_positives.map((hits, k) =>
      `${x(hits / curve.truths).toFixed(1)},${y(hits / (k + 1)).toFixed(1)}`);
    const line = element("polyline", { class: `curve of-${i}`, points: points.join(" ") });
    if (!Number.isFinite(point.precision) || !Number.isFinite(point.recall)) return [line];
    return [line, element("circle",
      { class: `dot of-${i}`, cx: x(point.recall), cy: y(point.precision), r: 5 })];
  });
  const names = several.map((one, i) =>
    element("text", { x: 54, y: 132 + 14 * i, class: `name of-${i}` }, `${"●◆"[i]} ${one.name}`));
  return element("svg", { viewBox: "0 0 400 172", role: "img", "aria-label": name },
    element("path", { class: "axis", fill: "none", d: "M46 10V152H390" }), ...parts, ...names,
    element("text", { x: 46, y: 8 }, up),
    element("text", { x: 218, y: 168, "text-anchor": "middle" }, across),
    ...["1", "0"].map((text, i) =>
      element("text", { x: 42, y: [20, 152][i], "text-anchor": "end" }, text)),
    element("text", { x: 390, y: 168, "text-anchor": "end" }, "1"));
}
