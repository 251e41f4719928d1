// Segmenters on the page Errors: pictures by how far what was found agrees with what is labeled.
import { scatter } from "./chart.mjs";
import { decimals } from "./draw.mjs";
import { at, made, say, table } from "./page.mjs";

/** How pictures are put in order, by the IoU of the first and of the second form. */
const ORDERS = {
  worstFirst: (a) => a,
  worstSecond: (_, b) => b,
  apart: (a, b) => -Math.abs(a - b),
};

export const choices = Object.keys(ORDERS);
export const sides = ["found", "wrong"];

/** The IoU of a picture, of a class or the mean of those that are in it; NaN for none. */
function iouOf(row, label) {
  const known = (label < 0 ? row : [row[label]]).filter((one) => one !== null);
  return known.reduce((sum, one) => sum + one, 0) / known.length;
}

/** The figures of both over all pictures: those of tatami evaluate. */
function figures({ result, measure, figure }, name) {
  const one = result.classes.find((each) => each.name === name);
  return one
    ? [["IoU", one.iou], [say("accuracy"), one.accuracy], ["Dice", one.dice], [say("boundary"), one.boundary_f1]]
    : [[measure, figure], [say("accuracy"), result.pixel_accuracy], ["Dice", result.mean_dice],
      [say("boundary"), result.boundary_f1]];
}

/** The pictures that both looked at and that have the class: both IoU, where they are worst first. */
export function rows(compared) {
  const [first, second] = compared.map(({ judged }) => judged);
  const label = first.classes.indexOf(at("class").value);
  const order = ORDERS[at("which").value];
  const places = new Map(second.pictures.map((name, i) => [name, i]));
  const found = first.pictures.flatMap((name, i) => {
    if (!places.has(name)) return [];
    const numbers = [i, places.get(name)];
    const ious = [first, second].map((one, k) => iouOf(one.agreement[numbers[k]], label));
    if (!ious.every(Number.isFinite)) return [];
    return [{ name, at: numbers, ious, said: ious.map((one) => `IoU ${decimals(one)}`) }];
  });
  return { all: first.pictures.length,
    chosen: found.sort((a, b) => order(...a.ious) - order(...b.ious)) };
}

/** The table of both forms, and a chart of all pictures: opened(row) where one is chosen. */
export function describe(compared, opened) {
  const name = at("class").value, { chosen } = rows(compared);
  const heads = figures(compared[0].judged, name).map(([head]) => head);
  at("points").replaceChildren(table([say("form"), ...heads],
    compared.map(({ form, judged }) =>
      [form.name, ...figures(judged, name).map(([, value]) => decimals(value))])),
  legend(compared[0].judged));
  const told = made("p", { id: "told-iou", role: "status" }, say("hoverpicture"));
  const chart = chosen.length && scatter(
    chosen.map((row) => ({ x: row.ious[0], y: row.ious[1], label: 4, row,
      name: `${row.name}: ${compared.map(({ form }, k) => `${form.name} ${row.said[k]}`).join(", ")}` })),
    { name: say("eachpicture"), axes: compared.map(({ form }) => `IoU, ${form.name}`),
      chosen: (point) => (told.textContent = point.name), opened: ({ row }) => opened(row) });
  at("traded").replaceChildren(...(chart ? [chart, told] : []));
}

/** The colors of the classes. */
const legend = ({ classes, colors }) => made("p", { className: "row legend" },
  ...classes.map((name, label) => {
    const sample = made("span", { className: "swatch", ariaHidden: true });
    sample.style.setProperty("background", `rgb(${colors[label].join(" ")})`);
    return made("span", {}, sample, ` ${name}`);
  }));
