// The line between this page and the program on this computer: one WebSocket, opened again when it breaks.

const REDRAWN = 1;
const PREVIEW = 2;
const SOUND = 3;
const FILMED = 4;
const MICROPHONE = 16;

// The program takes this page for a broken one, or for a stranger.
const REFUSED = 1008;
const PATIENCE_MS = [200, 500, 1000, 2000];
// Sound that waits longer than this is dropped: it would be heard too late.
const MOST_WAITING_BYTES = 32 * 1024;

export class Connection {
  /** `on` has state(patch), face(jpeg, redrawn), preview(jpeg), sound(untilS, samples), lost(), ended(reason). */
  constructor(on) {
    this.on = on;
    this.tries = 0;
    this.over = false;
    this.token = new URLSearchParams(location.search).get("token") ?? "";
  }

  open() {
    const socket = new WebSocket(`ws://${location.host}/socket?token=${encodeURIComponent(this.token)}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => {
      this.tries = 0;
      if (typeof event.data === "string") this.hear(JSON.parse(event.data));
      else this.receive(event.data);
    };
    socket.onclose = (event) => {
      if (event.code === REFUSED) this.end("refused");
      if (this.over) return;
      if (this.tries > 0) this.on.lost();
      const wait = PATIENCE_MS[Math.min(this.tries, PATIENCE_MS.length - 1)];
      this.tries += 1;
      setTimeout(() => this.open(), wait);
    };
    this.socket = socket;
  }

  hear(message) {
    if ("farewell" in message) this.end(message.farewell);
    else this.on.state(message);
  }

  /** The program has said why there is nothing more to come: do not ask again. */
  end(reason) {
    this.over = true;
    this.socket.close();
    this.on.ended(reason);
  }

  receive(data) {
    const kind = new Uint8Array(data)[0];
    if (kind === REDRAWN || kind === FILMED) this.on.face(data.slice(1), kind === REDRAWN);
    else if (kind === PREVIEW) this.on.preview(data.slice(1));
    else if (kind === SOUND) this.on.sound(new DataView(data).getFloat64(1, true), new Int16Array(data.slice(9)));
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Ask something of the call: a name and what belongs to it. Returns whether the program could be asked. */
  wish(name, details = {}) {
    if (this.isOpen) this.socket.send(JSON.stringify({ wish: name, ...details }));
    return this.isOpen;
  }

  /** Send 20 ms of sound (Int16Array of 960 samples). */
  sendSound(samples) {
    if (!this.isOpen || this.socket.bufferedAmount > MOST_WAITING_BYTES) return;
    const message = new Uint8Array(1 + samples.byteLength);
    message[0] = MICROPHONE;
    message.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), 1);
    this.socket.send(message);
  }
}
