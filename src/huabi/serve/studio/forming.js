/** The places of pictures in the making, which show what comes of them until they are done. */
import { el, picture } from "./dom.js";

export class Forming {
  constructor(count) {
    this.places = Array.from({ length: count }, () => el("figure", { class: "candidate" }, el("div", { class: "frame forming" })));
  }

  /** Shows the pictures of a job's event, where it brings some. */
  seen(event) {
    if (event.type !== "preview") return;
    event.positions.forEach((position, row) => {
      const frame = this.places[position].firstChild;
      const image = frame.firstChild ?? frame.appendChild(picture("", ""));
      image.src = `data:image/png;base64,${event.images[row]}`;
    });
  }

  /** Puts the pictures in their places. */
  done(figures) {
    figures.forEach((figure, position) => this.places[position].replaceWith(figure));
  }

  gone() {
    for (const place of this.places) place.remove();
  }
}
