// The page: a picture from a file, the camera or a pad goes to the network, and the answer is drawn.
import { Network } from "./network.mjs";
import { Pictures } from "./pictures.mjs";
import { classify, detect, kernels, segment } from "./tasks.mjs";
import { WORDS } from "./words.mjs";

const MOST = 4096; // the longest side of a picture that is looked at

const at = (id) => document.getElementById(id);
const stage = at("stage");
const pen = stage.getContext("2d", { willReadFrequently: true });
let language = navigator.language.startsWith("ja") ? "ja" : "en";
let network, about;
let shown; // the ImageData that the answer is of
let sending; // a message in place of the answer's figures, as a key of WORDS

const say = (key, ...given) => {
  const word = WORDS[language][key];
  return typeof word === "function" ? word(...given) : word;
};

function status(key, ...given) {
  sending = [key, ...given];
  at("status").textContent = say(...sending);
}

function speak() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]"))
    element.textContent = say(element.dataset.text);
  at("language").textContent = say("other");
  at("language").lang = say("otherCode");
  stage.setAttribute("aria-label", say("seen"));
  if (about) at("figure").textContent = say(FIGURES[about.task]);
  if (sending) at("status").textContent = say(...sending);
}

const FIGURES = { detect: "score", classify: "probability", segment: "share" };

function color(label, alpha = 1) {
  const [r, g, b] = about.colors[label % about.colors.length];
  return `rgb(${r} ${g} ${b} / ${alpha})`;
}

function row(label, figure) {
  const line = document.createElement("tr");
  const name = document.createElement("td");
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  swatch.style.setProperty("background", color(label));
  name.append(swatch, about.classes[label] ?? `class ${label}`);
  const value = document.createElement("td");
  value.textContent = figure;
  line.append(name, value);
  return line;
}

/** Ask the network about an ImageData, draw it and the answer. */
function look(image) {
  shown = image;
  const { width, height, data } = image;
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + 1];
    rgb[to + 2] = data[from + 2];
  }
  const picture = { width, height, rgb };
  const start = performance.now();
  const answer = ANSWERS[about.task].ask(picture);
  const spent = performance.now() - start;
  if (stage.width !== width || stage.height !== height) Object.assign(stage, { width, height });
  pen.putImageData(image, 0, 0);
  const rows = ANSWERS[about.task].draw(answer, picture);
  at("rows").replaceChildren(...rows);
  at("table").hidden = rows.length === 0;
  const size = (network.exports.memory.buffer.byteLength / 2 ** 20).toFixed(1);
  if (rows.length) status("took", spent.toFixed(1), network.kernels, size);
  else status("nothing");
  document.body.dataset.answer = JSON.stringify(about.task === "segment" ? null : answer);
}

const ANSWERS = {
  detect: {
    ask: (picture) => detect(network, picture, Number(at("threshold").value)),
    draw(found, picture) {
      const line = Math.max(2, Math.round(Math.min(picture.width, picture.height) / 160));
      const size = Math.max(14, Math.round(Math.min(picture.width, picture.height) / 24));
      pen.font = `${size}px system-ui, sans-serif`;
      for (const { x1, y1, x2, y2, score, label } of [...found].reverse()) {
        const text = `${about.classes[label]} ${score.toFixed(2)}`;
        pen.lineWidth = line + 2;
        pen.strokeStyle = "#000";
        pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
        pen.lineWidth = line;
        pen.strokeStyle = color(label);
        pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
        const top = y1 >= 1.3 * size ? y1 - 1.3 * size : y1;
        pen.fillStyle = "#000c";
        pen.fillRect(x1, top, pen.measureText(text).width + 8, 1.3 * size);
        pen.fillStyle = "#fff";
        pen.fillText(text, x1 + 4, top + size);
      }
      return found.map(({ score, label }) => row(label, score.toFixed(3)));
    },
  },
  classify: {
    ask: (picture) => classify(network, picture),
    draw(scores) {
      const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a]);
      return order.slice(0, 5).map((label) => row(label, scores[label].toFixed(3)));
    },
  },
  segment: {
    ask: (picture) => segment(network, picture),
    draw(labels, { width, height }) {
      const image = pen.getImageData(0, 0, width, height);
      const counts = new Map();
      labels.forEach((label, i) => {
        counts.set(label, (counts.get(label) ?? 0) + 1);
        const one = about.colors[label % about.colors.length];
        for (let c = 0; c < 3; c++)
          image.data[4 * i + c] = (image.data[4 * i + c] + one[c]) / 2;
      });
      pen.putImageData(image, 0, 0);
      const order = [...counts].sort((a, b) => b[1] - a[1]);
      return order.map(([label, n]) => row(label, `${((100 * n) / labels.length).toFixed(1)} %`));
    },
  },
};

/** The pixels of an image or a video, at most MOST a side. */
function pixels(source, width, height) {
  const scale = Math.min(1, MOST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Look at what the pad, the camera or a file shows. */
async function take(kind, what) {
  if (kind === "pad") return look(pixels(what, what.width, what.height));
  if (kind === "camera") return look(pixels(what, what.videoWidth, what.videoHeight));
  try {
    const image = await createImageBitmap(what); // upright, as EXIF says
    look(pixels(image, image.width, image.height));
  } catch {
    status("unreadable");
  }
}

function wire() {
  const [video, file, camera, pad] = ["video", "file", "camera", "pad"].map(at);
  const pictures = new Pictures({
    surface: stage, video, file, camera, pad, take,
    changed: () => (at("clear").hidden = pictures.running !== "pad"),
    refused: () => status("nocamera"),
  });
  at("clear").addEventListener("click", () => pictures.wipe());
  at("threshold").addEventListener("input", (event) => {
    at("threshold-value").textContent = Number(event.target.value).toFixed(2);
    if (shown) look(shown);
  });
  at("language").addEventListener("click", () => {
    language = say("otherCode");
    speak();
  });
}

async function begin() {
  speak();
  if (location.protocol === "file:") return status("serve");
  try {
    about = await (await fetch("page.json")).json();
    network = await Network.open(await fetch(about.module));
  } catch (error) {
    return status("failed", error.message);
  }
  network.kernels = kernels(network);
  at("threshold-row").hidden = about.task !== "detect";
  status("waiting");
  speak();
  wire();
  document.body.dataset.ready = "yes";
}

begin();
