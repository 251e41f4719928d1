// The page Errors: two forms of networks picture by picture, and the report of a run.
import * as agreement from "./agreement.mjs";
import { send, values } from "./ask.mjs";
import * as mistakes from "./mistakes.mjs";
import { at, attempt, figure, made, say, state, status } from "./page.mjs";

const SHOWN = 6; // pictures at a time
const CONFUSED = 40; // classes up to which it is shown what is taken for what
/** How the pictures of a task are judged: { choices, sides, judge?, describe, tally?, rows }. */
const WAYS = { mistakes, agreement };

let forms = []; // every stage of every artifact that is judged: { artifact, stage, name, way }
let compared; // of both: { form, judged, wrong: mistakes of each picture }
let way; // of WAYS
let shown = SHOWN;
let first; // the name of a picture that comes before all others

export async function show() {
  forms = state.artifacts.flatMap(({ name, stages, judged_by: by }, artifact) =>
    (by ? stages : []).map((stage) => ({ artifact, stage, name: `${name}: ${stage}`, way: by })));
  const own = forms.findIndex(({ artifact }) => artifact === state.chosen);
  const last = forms.findLastIndex(({ artifact }) => artifact === state.chosen);
  fill("first", forms.map(({ name }, i) => [name, i]), own);
  fill("second", forms.map(({ name }, i) => [name, i]), last);
  const { run, stages, judged_by: by } = state.artifacts[state.chosen];
  at("comparing").hidden = own < 0;
  at("measure").hidden = !run || !stages;
  at("report").hidden = !run || !at("report").src;
  at("compared").hidden = !compared || own < 0;
  at("unjudged").hidden = !stages || Boolean(by);
  if (!stages) status(say("unfinished"));
  if (compared && own >= 0) {
    choices();
    await draw();
  }
}

/** Give a select its options: names and values; what was chosen stays. */
function fill(id, options, usual) {
  const before = at(id).value;
  at(id).replaceChildren(...options.map(([name, value]) => new Option(name, value)));
  at(id).value = options.some(([, value]) => String(value) === before) ? before : usual;
}

/** What can be chosen for the way in which these are judged. */
function choices() {
  fill("class", [[say("all"), ""], ...compared[0].judged.classes.map((name) => [name, name])], "");
  fill("size", Object.keys(mistakes.SIZES).map((key) => [say(key), key]), "all");
  fill("which", way.choices.map((key) => [say(key), key]), way.choices[0]);
  for (const one of document.querySelectorAll("#compared [data-way]"))
    one.hidden = WAYS[one.dataset.way] !== way;
}

async function compare() {
  const both = ["first", "second"].map((id) => ({ form: forms[at(id).value] }));
  if (both[0].form.way !== both[1].form.way) throw new Error(say("unlike"));
  for (const one of both) {
    const { artifact, stage } = one.form;
    one.judged = await send("judge", { artifact, stage });
  }
  [compared, way, first, shown] = [both, WAYS[both[0].form.way], undefined, SHOWN];
  at("above").value = both[0].judged.score;
  at("compared").hidden = false;
  choices();
  await judge();
}

/** Ask what is wrong at the score, and draw it. */
async function judge() {
  await way.judge?.(compared);
  for (const one of compared) {
    const { artifact, stage } = one.form;
    one.confusion = await values("confusion", { artifact, stage, score: at("above").value });
  }
  await draw();
}

function describe() {
  way.describe(compared, (row) => {
    first = row.name;
    attempt(pairs);
  });
}

async function draw() {
  describe();
  way.tally?.(compared);
  confuse();
  await pairs();
}

/** What each class is taken for: shares of a row, the right ones framed. */
function confuse() {
  const { classes } = compared[0].judged;
  const several = compared[0].form === compared[1].form ? [compared[0]] : compared;
  at("confused").hidden = classes.length > CONFUSED;
  at("confusions").replaceChildren(...several.map(({ form, confusion }) => {
    const names = confusion.length > classes.length ? [...classes, say("background")] : classes;
    const rows = confusion.map((row, label) => {
      const all = row.reduce((sum, one) => sum + one, 0);
      const cells = row.map((count, answer) => {
        const share = all ? count / all : 0;
        const cell = made("td", { className: "number", title: String(count) },
          count ? (100 * share).toFixed(1) : "");
        const color = label === answer ? "var(--accent)" : "var(--other)";
        const strength = count ? 8 + 30 * share : 0;
        cell.style.setProperty("background", `color-mix(in srgb, ${color} ${strength}%, transparent)`);
        return cell;
      });
      return made("tr", {}, made("th", { scope: "row" }, names[label]), ...cells);
    });
    return made("div", { className: "scrolled", tabIndex: 0, role: "group", ariaLabel: form.name },
      made("table", { className: "grid confusion" }, made("caption", {}, form.name),
        made("thead", {}, made("tr", {}, made("th", { scope: "col" }, say("trueFound")),
          ...names.map((name) => made("th", { scope: "col" }, name)))),
        made("tbody", {}, ...rows)));
  }));
}

/** The pictures that are asked for, the worst first: labeled, and as both found them. */
async function pairs() {
  const { all, chosen } = way.rows(compared);
  const order = [...chosen.filter(({ name }) => name === first),
    ...chosen.filter(({ name }) => name !== first)];
  at("counted").textContent = say("counted", chosen.length, all);
  at("more").hidden = order.length <= shown;
  const several = compared[0].form === compared[1].form ? [0] : [0, 1];
  const drawn = [];
  for (const { name, at: numbers, said } of order.slice(0, shown)) {
    const asked = (k, side) => ({ artifact: compared[k].form.artifact, side,
      stage: compared[k].form.stage, picture: numbers[k], score: at("above").value });
    const found = several.flatMap((k) => way.sides.map((side) =>
      figure(side === "found" ? `${compared[k].form.name}: ${said[k]}`
        : `${compared[k].form.name}: ${say("wrongpixels")}`, "judged", asked(k, side))));
    drawn.push(made("article", {}, made("h3", {}, name), made("div", { className: "triple" },
      await figure(say("labeled"), "judged", asked(0, "labeled")), ...await Promise.all(found))));
  }
  at("pairs").replaceChildren(...drawn);
}

export function forget() {
  at("report").removeAttribute("src");
  for (const id of ["first", "second"]) at(id).replaceChildren();
  compared = undefined;
}

async function measure() {
  const { page } = await send("report", { artifact: state.chosen });
  const frame = at("report");
  frame.hidden = false;
  frame.title = say("errors");
  frame.src = page;
}

export function wire() {
  at("measure").addEventListener("click", () => attempt(measure));
  at("compare").addEventListener("click", () => attempt(compare));
  at("above").addEventListener("input", describe);
  at("above").addEventListener("change", () => attempt(judge));
  for (const id of ["class", "size", "which"])
    at(id).addEventListener("change", () => {
      [shown, first] = [SHOWN, undefined];
      attempt(draw);
    });
  at("more").addEventListener("click", () => {
    shown += SHOWN;
    attempt(pairs);
  });
}
