// The page Errors: the report of a run.
import { send } from "./ask.mjs";
import { at, attempt, say, state, status } from "./page.mjs";

export async function show() {
  const run = state.artifacts[state.chosen].run && state.artifacts[state.chosen].stages;
  at("measure").hidden = !run;
  at("report").hidden = !run || !at("report").src;
  if (!run) status(say("norun"));
}

export const forget = () => at("report").removeAttribute("src");

async function measure() {
  const { page } = await send("report", { artifact: state.chosen });
  const frame = at("report");
  frame.hidden = false;
  frame.title = say("errors");
  frame.src = page;
}

export function wire() {
  at("measure").addEventListener("click", () => attempt(measure));
}
