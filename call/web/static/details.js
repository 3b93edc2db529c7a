// The details: what the call costs and gives, the limit on what is sent, the safety words.

import { $, setText, show } from "./dom.js";
import { CostGraph } from "./graph.js";

// What the slider stands on, in kbit/s; its last place is no limit.
const LIMITS = [20, 25, 30, 35, 40, 50, 60, 80, 100, 150, 250, 400, 700];
// The comparison is made over so many seconds: a single one jumps too much to be read.
const COMPARED_S = 5;
const FILMED = "The other side sends ordinary video. A redrawn face takes a fraction of it.";
const THRIFTY_KBPS = 30;
const THRIFTY = "At most 30 kbit/s each way, sound included.";
const THEY_ARE_THRIFTY = "At most 30 kbit/s each way, sound included: the other side has asked for it.";
const UNKNOWN = "–";

const whole = (value, unit) => (value === null ? UNKNOWN : `${Math.round(value)} ${unit}`);
const limitAt = (place) => LIMITS[place] ?? null;
const limitText = (kbps) => (kbps === null ? "No limit" : `${Math.round(kbps)} kbit/s`);

const latencyText = (ms) => (ms !== null && ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : whole(ms, "ms"));

function nearestPlace(kbps) {
  if (kbps === null) return LIMITS.length;
  const distances = LIMITS.map((limit) => Math.abs(limit - kbps));
  return distances.indexOf(Math.min(...distances));
}

export class Details {
  constructor(wish) {
    this.graph = new CostGraph($("graph"));
    this.slider = $("limit");
    this.slider.max = LIMITS.length;
    this.held = false;
    this.recent = []; // the figures of the last seconds, newest last
    this.slider.addEventListener("input", () => {
      this.held = true;
      this.showLimit(limitAt(this.slider.valueAsNumber));
    });
    $("thrifty").addEventListener("change", () => wish("thrifty", { on: $("thrifty").checked }));
    this.slider.addEventListener("change", () => {
      this.held = false;
      wish("limit", { kbps: limitAt(this.slider.valueAsNumber) });
    });
  }

  follow(state) {
    this.showFigures(state.figures, state.their_ordinary_video);
    const words = state.safety_words.join(" ");
    show($("safety"), words !== "");
    setText($("safety-words"), words);
    const asked = state.their_thrifty && !state.thrifty;
    $("thrifty").checked = state.thrifty || asked;
    $("thrifty").disabled = asked;
    setText($("thrifty-hint"), asked ? THEY_ARE_THRIFTY : THRIFTY);
    this.slider.disabled = $("thrifty").checked;
    if (!this.held) {
      const limit = $("thrifty").checked ? Math.min(state.limit_kbps ?? THRIFTY_KBPS, THRIFTY_KBPS) : state.limit_kbps;
      this.slider.value = nearestPlace(limit);
      this.showLimit(limit);
    }
  }

  /** Add a second to the graph. */
  tick(figures) {
    this.graph.push(figures);
  }

  showFigures(figures, filmed) {
    const cost = figures.received_kbps;
    setText($("cost-now"), cost === null ? UNKNOWN : String(Math.round(cost)));
    this.compare(figures, filmed ? FILMED : "");
    setText($("figure-fps"), whole(figures.frames_per_s, "a second"));
    setText($("figure-latency"), latencyText(figures.latency_ms));
    setText($("figure-loss"), figures.loss === null ? UNKNOWN : `${(100 * figures.loss).toFixed(1)} %`);
    setText($("figure-sent"), whole(figures.sent_kbps, "kbit/s"));
  }

  compare(figures, unknown) {
    if (figures === this.recent.at(-1)) return;
    const known = figures.received_kbps !== null && figures.h264_kbps !== null;
    this.recent = known ? [...this.recent, figures].slice(-COMPARED_S) : [];
    setText($("compared"), known ? comparison(mean(this.recent, "received_kbps"), mean(this.recent, "h264_kbps")) : unknown);
  }

  showLimit(kbps) {
    setText($("limit-text"), limitText(kbps));
    this.slider.setAttribute("aria-valuetext", limitText(kbps));
  }
}

const mean = (seconds, name) => seconds.reduce((sum, second) => sum + second[name], 0) / seconds.length;

function comparison(cost, h264) {
  if (cost <= 0) return "";
  const times = h264 / cost;
  const need = `H.264 would need ${Math.round(h264)} kbit/s for the same picture`;
  return times >= 1.5 ? `${need}: ${times.toFixed(times < 9.5 ? 1 : 0)} times as much.` : `${need}.`;
}
