/** A surface of a picture with layers on it, drawn by mouse, pen or finger; every stroke can be undone. */
import { el } from "./dom.js";

const SIDE = 580; // pixels at which small pictures are shown

/** The layers `mask` (white where it is repainted), `scribble` and `paint`, each a list of strokes. */
export class Surface {
  constructor() {
    this.base = el("canvas");
    this.layers = Object.fromEntries(["paint", "scribble", "mask"].map((name) => [name, el("canvas", { class: name })]));
    for (const canvas of Object.values(this.layers)) canvas.getContext("2d", { willReadFrequently: true });
    this.top = el("canvas", { label: "Canvas" });
    this.node = el("div", { class: "board" }, this.base, ...Object.values(this.layers), this.top);
    this.brush = { layer: "mask", colour: "#ffffff", size: 40, erase: false };
    this.changed = () => {};
    this.clear(512, 512);
    this.listen();
  }

  /** Starts anew with an empty picture of this size. */
  clear(width, height, colour = "#ffffff") {
    for (const canvas of this.node.children) Object.assign(canvas, { width, height });
    const pen = this.base.getContext("2d");
    pen.fillStyle = colour;
    pen.fillRect(0, 0, width, height);
    this.done = [];
    this.undone = [];
    this.node.style.width = `${Math.max(Math.min(width, 2 * SIDE), Math.min(SIDE, SIDE * (width / height)))}px`;
    this.redraw();
  }

  /** Starts anew with a picture. */
  async load(file) {
    const image = await createImageBitmap(file);
    this.clear(image.width, image.height);
    const pen = this.base.getContext("2d");
    pen.clearRect(0, 0, image.width, image.height);
    pen.drawImage(image, 0, 0);
    for (const canvas of this.node.children) canvas.style.imageRendering = image.width < 200 ? "pixelated" : "";
    image.close();
  }

  listen() {
    const place = (event) => {
      const box = this.top.getBoundingClientRect();
      return [((event.clientX - box.left) * this.top.width) / box.width, ((event.clientY - box.top) * this.top.height) / box.height];
    };
    this.top.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.top.setPointerCapture(event.pointerId);
      this.stroke = { ...this.brush, size: (this.brush.size * this.top.width) / this.top.getBoundingClientRect().width, points: [place(event)] };
      this.pen(this.stroke);
    });
    this.top.addEventListener("pointermove", (event) => {
      if (!this.stroke) return;
      for (const one of event.getCoalescedEvents?.() ?? [event]) this.stroke.points.push(place(one));
      this.pen(this.stroke, true);
    });
    const end = () => {
      if (!this.stroke) return;
      this.done.push(this.stroke);
      this.undone = [];
      this.stroke = null;
      this.changed();
    };
    this.top.addEventListener("pointerup", end);
    this.top.addEventListener("pointercancel", end);
  }

  /** Draws a stroke, or only its last piece. */
  pen(stroke, last = false) {
    const pen = this.layers[stroke.layer].getContext("2d");
    pen.globalCompositeOperation = stroke.erase ? "destination-out" : "source-over";
    pen.strokeStyle = stroke.layer === "mask" ? "#ff3b30" : stroke.colour;
    pen.lineWidth = stroke.size;
    pen.lineCap = pen.lineJoin = "round";
    const points = last ? stroke.points.slice(-8) : stroke.points;
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (const point of points.length > 1 ? points.slice(1) : points) pen.lineTo(...point);
    pen.stroke();
  }

  redraw() {
    for (const canvas of Object.values(this.layers)) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    for (const stroke of this.done) this.pen(stroke);
    this.changed();
  }

  undo() {
    if (!this.done.length) return;
    this.undone.push(this.done.pop());
    this.redraw();
  }

  redo() {
    if (!this.undone.length) return;
    this.done.push(this.undone.pop());
    this.redraw();
  }

  /** Whether anything was drawn on a layer. */
  has(layer) {
    const { width, height } = this.layers[layer];
    const { data } = this.layers[layer].getContext("2d").getImageData(0, 0, width, height);
    for (let k = 3; k < data.length; k += 4) if (data[k] > 127) return true;
    return false;
  }

  /** The picture with what was painted on it. */
  picture() {
    return this.flat((pen) => { pen.drawImage(this.base, 0, 0); pen.drawImage(this.layers.paint, 0, 0); });
  }

  /** The mask: white where it was drawn, black elsewhere, nothing between. */
  mask() {
    return this.flat((pen, { width, height }) => {
      const drawn = this.layers.mask.getContext("2d").getImageData(0, 0, width, height);
      for (let k = 0; k < drawn.data.length; k += 4) {
        drawn.data.fill(drawn.data[k + 3] > 127 ? 255 : 0, k, k + 3);
        drawn.data[k + 3] = 255;
      }
      pen.putImageData(drawn, 0, 0);
    });
  }

  /** The strokes, with hard edges, transparent elsewhere. */
  scribble() {
    return this.flat((pen, { width, height }) => {
      const drawn = this.layers.scribble.getContext("2d").getImageData(0, 0, width, height);
      for (let k = 3; k < drawn.data.length; k += 4) drawn.data[k] = drawn.data[k] > 127 ? 255 : 0;
      pen.putImageData(drawn, 0, 0);
    });
  }

  flat(draw) {
    const canvas = el("canvas", { width: this.base.width, height: this.base.height });
    draw(canvas.getContext("2d"), canvas);
    return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  }
}
