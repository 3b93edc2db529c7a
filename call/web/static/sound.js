// Microphone and loudspeaker: the browser's own capture, with its echo cancellation, noise suppression and gain
// control, and playback at the time that each block of sound comes with.

import { $, clamp, show } from "./dom.js";

const RATE = 48_000;
// From the program's hands to the screen a picture takes about this long; sound waits as long.
const PICTURE_S = 0.03;
// What arrives with less to spare than this is late too often.
const LEAST_LEAD_S = 0.02;
const QUIETEST_DB = -60;
const RESUME_MS = 500;

const SORRY = {
  NotAllowedError:
    "This page may not use the microphone. Allow it beside the address above, then choose it under Details. The call goes on without your voice.",
  NotFoundError:
    "No microphone was found. Plug one in and choose it under Details. The call goes on without your voice.",
  NotReadableError:
    "The microphone does not answer; another program may hold it. The call goes on without your voice.",
  OverconstrainedError:
    "That microphone is gone. Choose another one under Details. The call goes on without your voice.",
};
const UNHEARD = "Click anywhere on this page to hear the other side.";

/** Loudness (root of the mean square, 0 to 1) as a share of what an ear takes for loud. */
const asLevel = (loudness) => clamp(1 - (20 * Math.log10(loudness + 1e-9)) / QUIETEST_DB, 0, 1);

export class Sound {
  /** `onBlock(samples)` gets 20 ms of the microphone, `onLevel` its loudness 0 to 1, `onMicrophone` whether there is
   *  one, `say` sentences; what it returns takes the sentence away again. */
  constructor({ onBlock, onLevel, onMicrophone, say }) {
    this.onBlock = onBlock;
    this.onLevel = onLevel;
    this.onMicrophone = onMicrophone;
    this.say = say;
    this.context = null;
    this.ears = null; // where the microphone is connected: the same context where the browser lets it
    this.stream = null;
    this.asked = null; // the newest wish for a microphone
    this.muted = false;
    this.resuming = false;
    this.over = false;
    this.microphone = $("microphone");
    this.loudspeaker = $("loudspeaker");
    this.microphone.addEventListener("change", () => this.listen(this.microphone.value));
    this.loudspeaker.addEventListener("change", () => this.speak());
  }

  /** Open loudspeaker and microphone; again, it does nothing. */
  async start() {
    if (this.context !== null || this.over) return;
    this.context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    this.ears = this.context;
    try {
      await this.context.audioWorklet.addModule("/static/playback.js");
    } catch (error) {
      if (this.over) return; // and with the call the program that would have given it
      throw error;
    }
    this.player = new AudioWorkletNode(this.context, "playback", { numberOfInputs: 0, outputChannelCount: [1] });
    this.player.connect(this.context.destination);
    navigator.mediaDevices.addEventListener("devicechange", () => this.listDevices());
    await this.listen();
    await this.resume();
    // A laptop that slept, or a telephone call, may have taken the loudspeaker away.
    this.context.addEventListener("statechange", () => this.resume());
  }

  /** Let the other side be heard, or say what that wants. */
  async resume() {
    if (this.over || this.resuming || this.context.state === "running") return;
    this.resuming = true;
    // A browser that has lent its microphone lets a page be heard, too, but wants to be asked.
    const resumed = this.context.resume().catch(() => {});
    const late = new Promise((done) => setTimeout(done, RESUME_MS));
    await Promise.race([resumed, late]);
    if (!this.over && this.context.state !== "running") await this.clicked();
    this.resuming = false;
  }

  /** Let go of the microphone for good: the call is over, and nothing is to be said of it any more. */
  end() {
    this.over = true;
    this.hush();
  }

  /** Let the microphone be deaf or not. */
  mute(on) {
    this.muted = on;
    for (const track of this.stream?.getTracks() ?? []) track.enabled = !on;
  }

  /** Play a block in `untilS` seconds. */
  play(untilS, samples) {
    if (this.player === undefined || this.context.state !== "running") return;
    const heardAfter = this.context.outputLatency || this.context.baseLatency;
    const lead = Math.max(untilS + PICTURE_S - heardAfter, LEAST_LEAD_S);
    this.player.port.postMessage({ atS: this.context.currentTime + lead, samples }, [samples.buffer]);
  }

  /** Two soft notes, as when somebody calls. */
  ring() {
    if (this.context?.state !== "running") return;
    [660, 880].forEach((pitch, index) => {
      const from = this.context.currentTime + 0.18 * index;
      const note = new OscillatorNode(this.context, { frequency: pitch });
      const loudness = new GainNode(this.context, { gain: 0 });
      loudness.gain.setValueAtTime(0, from);
      loudness.gain.linearRampToValueAtTime(0.12, from + 0.02);
      loudness.gain.exponentialRampToValueAtTime(0.001, from + 0.5);
      note.connect(loudness).connect(this.context.destination);
      note.start(from);
      note.stop(from + 0.55);
    });
  }

  /** Use this microphone, or with "" the one that the browser chooses. */
  async listen(deviceId = "") {
    if (this.over) return;
    this.hush();
    const asked = (this.asked = Symbol(deviceId));
    // The call may end, or another microphone be asked for, while the browser lends this one.
    const isVain = () => this.over || this.asked !== asked;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: {
          deviceId: deviceId === "" ? undefined : { exact: deviceId },
          channelCount: 1,
          echoCancellation: true,
          noiseSuppression: true,
          autoGainControl: true,
        },
      });
      if (isVain()) {
        letGo(stream);
        return;
      }
      this.stream = stream;
      await this.capture(stream);
    } catch (error) {
      if (isVain()) return;
      this.hush();
      this.say(SORRY[error.name] ?? `The microphone cannot be used (${error.message}). The call goes on without your voice.`);
    }
    if (isVain()) return;
    this.onMicrophone(this.stream !== null);
    await this.listDevices();
  }

  hush() {
    if (this.stream !== null) letGo(this.stream);
    this.source?.disconnect();
    if (this.ears !== this.context) this.ears.close();
    this.ears = this.context;
    this.stream = null;
    this.onLevel(0);
  }

  async capture(stream) {
    const [track] = stream.getTracks();
    track.enabled = !this.muted;
    track.addEventListener("ended", () => {
      this.say("The microphone was unplugged; the next one is tried.");
      this.listen();
    });
    try {
      this.source = this.ears.createMediaStreamSource(stream);
    } catch {
      // Firefox connects a microphone only to a context of its own rate; the worklet interpolates.
      this.ears = new AudioContext();
      this.source = this.ears.createMediaStreamSource(stream);
    }
    await this.ears.audioWorklet.addModule("/static/capture.js");
    if (this.stream !== stream) return; // it was let go of meanwhile
    const capture = new AudioWorkletNode(this.ears, "capture", { numberOfOutputs: 0 });
    capture.port.onmessage = ({ data }) => {
      this.onBlock(data.samples);
      this.onLevel(asLevel(data.loudness));
    };
    this.source.connect(capture);
  }

  async listDevices() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const used = this.stream?.getTracks()[0].getSettings().deviceId ?? "";
    const microphones = devices.filter((device) => device.kind === "audioinput");
    fill(this.microphone, microphones, used, used === "" ? "No microphone" : null);
    // Without a permission a browser tells of a loudspeaker only that there is one.
    const loudspeakers = devices.filter(
      (device) => device.kind === "audiooutput" && device.label !== "" && device.deviceId !== "default",
    );
    const chosen = this.loudspeaker.value;
    fill(this.loudspeaker, loudspeakers, chosen, "The computer's own");
    if (chosen !== "" && this.loudspeaker.value !== chosen) await this.speak(); // it was unplugged
    show($("loudspeaker-field"), "setSinkId" in this.context && loudspeakers.length > 0);
  }

  /** Ask for a click or a key, without which the browser plays nothing. */
  async clicked() {
    const dismiss = this.say(UNHEARD);
    const settled = new AbortController();
    await new Promise((done) => {
      for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, done, { signal: settled.signal });
    });
    settled.abort();
    await this.context.resume().catch(() => {});
    dismiss();
  }

  /** Play through the loudspeaker that is chosen. */
  async speak() {
    try {
      await this.context.setSinkId(this.loudspeaker.value);
    } catch (error) {
      this.say(`That loudspeaker cannot be used (${error.message}). Choose another one under Details.`);
    }
  }
}

/** Let go of a microphone. */
function letGo(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** Offer devices, with `none` (if not null) before them for what the browser chooses itself, or nothing. */
function fill(select, devices, used, none) {
  const options = devices.map((device, index) => new Option(device.label || `Device ${index + 1}`, device.deviceId));
  if (none !== null) options.unshift(new Option(none, ""));
  select.replaceChildren(...options);
  select.selectedIndex = Math.max(0, options.findIndex((option) => option.value === used));
}
