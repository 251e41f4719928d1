// The page Picture: one picture through every stage at once.
import { send, values } from "./ask.mjs";
import { at, attempt, figure, made, say, state, status } from "./page.mjs";
import { Pictures } from "./pictures.mjs";

const FIRST = 8; // drawn stages
const COMMON = 640; // pixels a side of a frame

let pictures;

export const show = async () => state.given && showAnswers();
export const leave = () => pictures.rest();

async function give(blob) {
  await send("picture", {}, blob);
  state.given = true;
  state.picture = blob;
  await showAnswers();
  if (at("picture").hidden) dispatchEvent(new Event("hashchange")); // another page shows it, too
}

async function showAnswers() {
  const query = { artifact: state.chosen };
  const found = await values("answers", { ...query, score: at("score").value });
  at("answer-rows").replaceChildren(
    ...found.map(({ stage, line, milliseconds }) =>
      made("tr", {}, made("td", {}, stage), made("td", {}, line || say("nothing")),
        made("td", { className: "number" }, milliseconds.toFixed(1)))),
  );
  at("answers").hidden = false;
  if (pictures.running === "camera") return;
  const drawn = [];
  for (const { stage } of found.slice(0, FIRST))
    drawn.push(await figure(stage, "drawn", { ...query, stage, score: at("score").value }));
  try {
    drawn.push(await figure(say("looks"), "activation", query));
  } catch (error) {
    drawn.push(made("p", { className: "hint" }, error.message));
  }
  at("drawn").replaceChildren(...drawn);
}

/** Show what the pad or the camera has, and send it when it is whole. */
async function take(kind, what, done) {
  if (kind === "file") return attempt(() => give(what));
  const [width, height] = kind === "pad" ? [what.width, what.height]
    : [what.videoWidth, what.videoHeight];
  const scale = Math.min(1, COMMON / Math.max(width, height)), canvas = at("canvas");
  Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
  canvas.getContext("2d").drawImage(what, 0, 0, canvas.width, canvas.height);
  if (kind === "pad" && !done) return;
  const blob = await new Promise((made) => canvas.toBlob(made, "image/png"));
  await attempt(() => give(blob));
}

export function wire() {
  const [video, file, camera, pad] = ["video", "file", "camera", "pad"].map(at);
  pictures = new Pictures({
    surface: at("canvas"), video, file, camera, pad, take,
    changed: () => (at("canvas").hidden = !pictures.running),
    refused: () => status(say("nocamera"), true),
  });
  at("score").addEventListener("input", (event) => {
    at("score-value").textContent = Number(event.target.value).toFixed(2);
  });
  at("score").addEventListener("change", () => state.given && attempt(showAnswers));
}
