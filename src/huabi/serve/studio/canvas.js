/** A surface of a picture with layers on it, drawn by mouse, pen or finger; every stroke can be undone. */
import { el } from "./dom.js";

const SIDE = 580; // pixels at which small pictures are shown

/** The layers `mask` (white where it is repainted), `scribble` and `paint`, each a list of strokes. */
export class Surface {
  constructor() {
    this.base = el("canvas");
    this.layers = Object.fromEntries(["paint", "scribble", "mask"].map((name) => [name, el("canvas", { class: name })]));
    for (const canvas of Object.values(this.layers)) canvas.getContext("2d", { willReadFrequently: true });
    this.top = el("canvas", { label: "Canvas", tabIndex: 0, hint: "Arrow keys move the brush, the space bar sets it down and lifts it." });
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
    this.at = [width / 2, height / 2]; // the brush that keys move
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
    const width = () => (this.brush.size * this.top.width) / this.top.getBoundingClientRect().width;
    const begin = (point) => {
      this.stroke = { ...this.brush, size: width(), points: [point] };
      this.pen(this.stroke);
    };
    this.top.addEventListener("pointerdown", (event) => {
      if (event.button || this.stroke) return; // a second finger draws nothing
      this.top.setPointerCapture(event.pointerId);
      this.show(0);
      begin(place(event));
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
    this.top.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (way) {
        const sides = [this.top.width, this.top.height];
        this.at = this.at.map((x, k) => Math.min(sides[k], Math.max(0, x + (way[k] * width()) / 4)));
        if (this.stroke) {
          this.stroke.points.push(this.at);
          this.pen(this.stroke, true);
        }
      } else if (event.key === " ") {
        if (this.stroke) end();
        else begin(this.at);
      } else return;
      event.preventDefault();
      this.show(width());
    });
    this.top.addEventListener("blur", () => {
      end();
      this.show(0);
    });
  }

  /** Shows where the brush that keys move is, by a ring of this width; 0 hides it. */
  show(width) {
    const pen = this.top.getContext("2d");
    pen.clearRect(0, 0, this.top.width, this.top.height);
    for (const [colour, line] of width ? [["#ffffff", 3], ["#1d1f23", 1]] : []) {
      pen.strokeStyle = colour;
      pen.lineWidth = (line * this.top.width) / this.top.getBoundingClientRect().width;
      pen.beginPath();
      pen.arc(...this.at, width / 2, 0, 2 * Math.PI);
      pen.stroke();
    }
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
    for (const point of points.slice(1)) pen.lineTo(...point);
    if (points.length === 1) pen.lineTo(points[0][0] + 0.01, points[0][1]); // a line of no length would be no dot
    pen.stroke();
  }

  /** Draws over all of the picture with a brush. */
  whole(brush) {
    const { width, height } = this.top;
    this.done.push({ ...brush, size: 2 * Math.hypot(width, height), points: [[0, height / 2], [width, height / 2]] });
    this.undone = [];
    this.redraw();
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
