// An audio worklet: plays blocks of sound at the times that they come with. A block follows the one before without a
// seam as long as its time says about the same; where times drift away from this clock, or after a gap, it moves.

const HELD = 1 << 16; // samples, more than a second
const MOST_AHEAD = 0.8; // of what is held
// A block's time is as exact as its way here was quick: this much off is no drift (seconds).
const JITTER_S = 0.04;
const DRIFT_S = 0.01;
const SMOOTHING = 0.05;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ring = new Float32Array(HELD);
    this.end = 0; // where the next block begins, in samples of this clock
    this.drift = 0;
    this.port.onmessage = ({ data }) => this.place(data.atS, data.samples);
  }

  place(atS, samples) {
    const wanted = Math.round(atS * sampleRate);
    if (wanted - currentFrame > MOST_AHEAD * HELD) return;
    const off = wanted - this.end;
    this.drift += SMOOTHING * (off - this.drift);
    if (this.end < currentFrame || Math.abs(off) > JITTER_S * sampleRate || Math.abs(this.drift) > DRIFT_S * sampleRate) {
      this.end = wanted;
      this.drift = 0;
    }
    for (let index = 0; index < samples.length; index += 1) {
      // What should have been heard already is left out.
      if (this.end + index >= currentFrame) this.ring[(this.end + index) % HELD] = samples[index] / 32_768;
    }
    this.end += samples.length;
  }

  process(inputs, [[output]]) {
    for (let index = 0; index < output.length; index += 1) {
      const place = (currentFrame + index) % HELD;
      output[index] = this.ring[place];
      this.ring[place] = 0;
    }
    return true;
  }
}

registerProcessor("playback", Playback);
