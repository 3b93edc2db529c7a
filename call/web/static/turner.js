// Turns the other's head: drag on the face, or use the arrow keys; a double click or Home turns it back.

import { clamp } from "./dom.js";

const MOST_DEG = 30;
const STEP_DEG = 3;
// A drag across the whole face turns the head from one end to the other.
const DEG_PER_WIDTH = 2 * MOST_DEG;
const STILL_PX = 4;
// So long the answers to earlier wishes may still be on their way.
const ECHO_MS = 300;

const KEYS = new Map([
  ["ArrowLeft", [-STEP_DEG, 0]],
  ["ArrowRight", [STEP_DEG, 0]],
  ["ArrowUp", [0, -STEP_DEG]],
  ["ArrowDown", [0, STEP_DEG]],
]);

const limit = (angle) => Math.round(10 * clamp(angle, -MOST_DEG, MOST_DEG)) / 10;

export class Turner {
  /** `onTurn(yaw, pitch)` gets degrees, positive to the right and down. */
  constructor(element, onTurn) {
    this.element = element;
    this.onTurn = onTurn;
    this.shown = [0, 0];
    this.wished = [0, 0];
    this.wishedAt = -Infinity;
    this.drag = null;
    this.waiting = false;
    element.addEventListener("pointerdown", (event) => this.begin(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", () => this.end());
    element.addEventListener("pointercancel", () => this.end());
    element.addEventListener("dblclick", () => this.turn(0, 0));
    element.addEventListener("keydown", (event) => this.press(event));
  }

  /** Take over how the head is turned, as the call says. */
  show(view) {
    this.shown = view;
  }

  get from() {
    return performance.now() - this.wishedAt < ECHO_MS ? this.wished : this.shown;
  }

  begin(event) {
    if (event.button !== 0) return;
    this.drag = { x: event.clientX, y: event.clientY, from: this.from, moved: false };
    this.element.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (this.drag === null) return;
    const right = event.clientX - this.drag.x;
    const down = event.clientY - this.drag.y;
    this.drag.moved ||= Math.hypot(right, down) > STILL_PX;
    if (!this.drag.moved) return;
    const width = this.element.clientWidth;
    if (width === 0) {
      this.end(); // ordinary video has come, and there is nothing to turn any more
      return;
    }
    this.element.classList.add("dragging");
    const scale = DEG_PER_WIDTH / width;
    const [yaw, pitch] = this.drag.from;
    this.turn(yaw + right * scale, pitch + down * scale);
  }

  end() {
    this.drag = null;
    this.element.classList.remove("dragging");
  }

  press(event) {
    const step = KEYS.get(event.key);
    if (step !== undefined) this.turn(this.from[0] + step[0], this.from[1] + step[1]);
    else if (event.key === "Home" || event.key === "Escape") this.turn(0, 0);
    else return;
    event.preventDefault();
  }

  turn(yaw, pitch) {
    this.wished = [limit(yaw), limit(pitch)];
    this.wishedAt = performance.now();
    if (this.waiting) return;
    this.waiting = true;
    // A mouse tells more often than a screen shows.
    requestAnimationFrame(() => {
      this.waiting = false;
      this.onTurn(...this.wished);
    });
  }
}
