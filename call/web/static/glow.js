// The colours of the other's picture, spread softly over the stage behind it, so that a square face on a wide screen
// does not stand in a hole.

import { calm } from "./dom.js";

const EVERY_MS = 1000;
const COARSE = 6;

export class Glow {
  constructor(canvas) {
    this.surface = canvas.getContext("2d");
    this.coarse = new OffscreenCanvas(COARSE, COARSE).getContext("2d");
    this.drawnAt = -Infinity;
  }

  follow(picture) {
    const now = performance.now();
    if (now - this.drawnAt < (calm.matches ? Infinity : EVERY_MS)) return;
    this.drawnAt = now;
    // Down to a few dots and up again, smoothed: a blur for nearly nothing.
    const { canvas } = this.surface;
    this.coarse.imageSmoothingQuality = "high";
    this.coarse.drawImage(picture, 0, 0, COARSE, COARSE);
    this.surface.imageSmoothingQuality = "high";
    this.surface.drawImage(this.coarse.canvas, 0, 0, canvas.width, canvas.height);
  }
}
