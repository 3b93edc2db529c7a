// Draws the newest picture of a stream onto one or more canvases; a picture that comes while another is drawn waits,
// and the one that waited before it is forgotten. In a hidden tab nothing is decoded.

export class Painter {
  /** `onDrawn(canvas)` is called after every picture. */
  constructor(canvases, onDrawn = () => {}) {
    this.surfaces = canvases.map((canvas) => canvas.getContext("2d", { alpha: false }));
    this.onDrawn = onDrawn;
    this.next = null;
    this.busy = false;
  }

  put(jpeg) {
    this.next = jpeg;
    if (!this.busy) this.draw();
  }

  async draw() {
    this.busy = true;
    while (this.next !== null) {
      // A hidden tab draws no frames.
      if (document.hidden) await new Promise(requestAnimationFrame);
      const jpeg = this.next;
      this.next = null;
      const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).catch(() => null);
      if (bitmap === null) continue;
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
