// An audio worklet: turns what the microphone gives into blocks of 960 samples of int16 at 48 kHz.

const RATE = 48_000;
const SAMPLES = 960;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(SAMPLES);
    this.filled = 0;
    this.energy = 0;
    this.begun = false;
    // Some browsers give a microphone at its own rate; then samples are interpolated.
    this.step = sampleRate / RATE;
    this.position = 0;
    this.last = 0;
  }

  process([[input]]) {
    // Without an input it has not begun yet, or it is over and can be forgotten.
    if (input === undefined) return !this.begun;
    this.begun = true;
    // `position` counts from the last sample of the chunk before.
    while (this.position < input.length) {
      const index = Math.floor(this.position);
      const before = index === 0 ? this.last : input[index - 1];
      this.take(before + (this.position - index) * (input[index] - before));
      this.position += this.step;
    }
    this.position -= input.length;
    this.last = input[input.length - 1];
    return true;
  }

  take(sample) {
    this.energy += sample * sample;
    this.block[this.filled] = Math.max(-32_768, Math.min(32_767, Math.round(32_768 * sample)));
    this.filled += 1;
    if (this.filled < SAMPLES) return;
    const full = { samples: this.block, loudness: Math.sqrt(this.energy / SAMPLES) };
    this.port.postMessage(full, [full.samples.buffer]);
    this.block = new Int16Array(SAMPLES);
    this.filled = 0;
    this.energy = 0;
  }
}

registerProcessor("capture", Capture);
