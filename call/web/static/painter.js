// Draws the newest picture of a stream onto one or more canvases; a picture that comes while another is drawn waits,
// and the one that waited before it is forgotten. In a hidden tab nothing is decoded.

export class Painter {
  /** `onDrawn(canvas)` is called after every picture. */
  constructor(canvases, onDrawn = () => {}) {
    this.surfaces = canvases.map((canvas) => canvas.getContext("2d", { alpha: false }));
    this.onDrawn = onDrawn;
    this.next = null;
    this.busy = false;
    this.cleared = false; // since the picture that is being decoded has come
  }

  put(jpeg) {
    this.next = jpeg;
    if (!this.busy) this.draw();
  }

  /** Forget what is shown: it belongs to a call that is no more. */
  clear() {
    this.next = null;
    this.cleared = true;
    for (const { canvas } of this.surfaces) canvas.parentElement.classList.remove("drawn");
  }

  async draw() {
    this.busy = true;
    while (this.next !== null) {
      // A hidden tab draws no frames.
      if (document.hidden) await new Promise(requestAnimationFrame);
      const jpeg = this.next;
      this.next = null;
      this.cleared = false;
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null);
      if (bitmap === null || this.cleared) continue;
      for (const surface of this.surfaces) paint(surface, bitmap);
      bitmap.close();
      this.onDrawn(this.surfaces[0].canvas);
    }
    this.busy = false;
  }
}

function paint(surface, bitmap) {
  const { canvas } = surface;
  canvas.parentElement.classList.add("drawn");
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.parentElement.style.setProperty("--aspect", bitmap.width / bitmap.height);
  }
  surface.drawImage(bitmap, 0, 0);
}
