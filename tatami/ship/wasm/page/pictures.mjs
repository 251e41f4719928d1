// Where pictures come from, on this page and in the studio: a file, a drop, the camera, or a pad.
const PAD = 320, PEN = 22; // pixels
const POINTER = ["pointerdown", "pointermove", "pointerup"];

export class Pictures {
  running; // "camera", "pad" or undefined
  #pad = document.createElement("canvas");
  #ink = this.#pad.getContext("2d", { willReadFrequently: true });
  #last; // where the pen was

  /**
   * surface: the canvas that is drawn on. video: shows the camera to nobody. file, camera, pad:
   * what is pressed. take(kind, what, done): told a "file", the "camera" (its video) or the "pad"
   * (a canvas; done: no stroke goes on); what it promises is awaited before the next frame.
   * changed(): told that something else runs. refused(): told that there is no camera.
   */
  constructor({ surface, video, file, camera, pad, take, changed, refused }) {
    Object.assign(this, { surface, video, camera, pad, take, changed, refused });
    file.addEventListener("change", () => {
      const [one] = file.files;
      if (one) this.#opened(one);
      file.value = "";
    });
    camera.addEventListener("click", () => this.#toggle("camera"));
    pad.addEventListener("click", () => this.#toggle("pad"));
    for (const type of POINTER) surface.addEventListener(type, (event) => this.#stroke(event));
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      document.body.classList.remove("dropping");
      const [one] = event.dataTransfer.files;
      if (one) this.#opened(one);
    });
  }

  /** Stop the camera and put the pad away. */
  rest() {
    this.#run(undefined);
    this.video.srcObject?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
  }

  /** Begin a new sheet of the pad. */
  wipe() {
    Object.assign(this.#pad, { width: PAD, height: PAD });
    this.#ink.fillStyle = "#fff";
    this.#ink.fillRect(0, 0, PAD, PAD);
    Object.assign(this.#ink,
      { lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: "#111" });
    this.take("pad", this.#pad, false);
  }

  #opened(file) {
    this.rest();
    this.take("file", file, true);
  }

  async #toggle(kind) {
    const again = this.running === kind;
    this.rest();
    if (again) return;
    if (kind === "camera") return this.#watch();
    this.#run("pad");
    this.wipe();
  }

  #run(kind) {
    this.running = kind;
    for (const name of ["camera", "pad"]) this[name].setAttribute("aria-pressed", name === kind);
    this.surface.classList.toggle("pad", kind === "pad");
    this.changed();
  }

  async #watch() {
    const { video } = this;
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment" },
      });
      await video.play();
    } catch {
      return this.refused();
    }
    this.#run("camera");
    while (this.running === "camera") {
      if (video.videoWidth) await this.take("camera", video, false);
      await new Promise(requestAnimationFrame);
    }
  }

  #stroke(event) {
    if (this.running !== "pad") return;
    if (event.type === "pointerup") return this.take("pad", this.#pad, true);
    if (event.type === "pointerdown") {
      this.surface.setPointerCapture(event.pointerId);
      this.#last = undefined;
    } else if (!event.buttons) return;
    const box = this.surface.getBoundingClientRect();
    const here = [((event.clientX - box.left) / box.width) * PAD,
      ((event.clientY - box.top) / box.height) * PAD];
    this.#ink.beginPath();
    this.#ink.moveTo(...(this.#last ?? here));
    this.#ink.lineTo(...here);
    this.#ink.stroke();
    this.#last = here;
    this.take("pad", this.#pad, false);
  }
}
