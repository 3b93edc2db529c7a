// How long the call has lasted, beside the page's name, and in words when it is over.

import { $, setText, show } from "./dom.js";

const TICK_MS = 1000;
const LASTING = new Set(["connected", "reconnecting"]);

export class Clock {
  constructor() {
    this.phase = null;
    this.began = null; // on the page's own clock, milliseconds; null before the call
    setInterval(() => this.draw(), TICK_MS);
  }

  /** Take the state; `talked_s` is new with every phase. */
  follow({ phase, talked_s: seconds }) {
    if (seconds === null) this.began = null;
    else if (this.phase !== phase) this.began = performance.now() - 1000 * seconds;
    this.phase = phase;
    this.draw();
  }

  draw() {
    const lasts = this.began !== null && LASTING.has(this.phase);
    show($("duration"), lasts);
    if (lasts) setText($("duration"), asClock((performance.now() - this.began) / 1000));
  }
}

const two = (number) => String(number).padStart(2, "0");

function asClock(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = `${two(minutes)}:${two(Math.floor(seconds) % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** How long a call has lasted, in words; "" where there was none. */
export function inWords(seconds) {
  if (seconds === null || seconds < 1) return "";
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  const parts = hours > 0 ? [`${hours} h`, `${minutes} min`] : [...(minutes > 0 ? [`${minutes} min`] : []), `${rest} s`];
  return `It lasted ${parts.join(" ")}.`;
}
