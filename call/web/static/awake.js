// Keeps the screen from going dark while a call is held, where the browser can.

const HELD = new Set(["ringing", "connecting", "connected", "reconnecting"]);

export class Awake {
  constructor() {
    this.lock = null;
    this.wanted = false;
    this.settled = Promise.resolve();
    // The browser lets go of it whenever the page is out of sight.
    document.addEventListener("visibilitychange", () => this.hold());
  }

  follow({ phase }) {
    if (this.wanted === HELD.has(phase)) return;
    this.wanted = HELD.has(phase);
    this.hold();
  }

  /** Do one thing after the other: a lock that is still asked for could be neither released nor found held. */
  hold() {
    this.settled = this.settled.then(() => this.settle());
  }

  async settle() {
    if (!this.wanted) {
      await this.lock?.release();
      this.lock = null;
    } else if (!document.hidden && (this.lock === null || this.lock.released)) {
      // A battery that is nearly empty has its own rules.
      this.lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
    }
  }
}
