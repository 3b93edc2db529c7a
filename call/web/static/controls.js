// The bar: every button asks, and shows what the call says has become of it.

import { $, setIcon, setText, show } from "./dom.js";

// What wants a connected call.
const NEED_A_CALL = ["new-source", "repair", "ordinary"];

const FORTH = "Send everything that your camera sees, the room as well, as ordinary video";
const RECORD = "Record the other side, picture and sound, to a file";
const STOP = "Stop recording and save the file; the call goes on";
const BACK = "Let your face be redrawn again, which costs a tenth and shows nothing of the room";

export class Controls {
  /** `tryMicrophone()` asks once more for a microphone where there is none. */
  constructor(wish, { tryMicrophone }) {
    this.state = null;
    this.hasMicrophone = true;
    $("mute").addEventListener("click", () => {
      if (this.hasMicrophone) wish("mute", { on: !this.state.muted });
      else tryMicrophone();
    });
    const toggles = [
      ["camera", "camera", () => !this.state.camera_on],
      ["record", "record", () => this.state.recording === null],
      ["ordinary", "ordinary_video", () => !this.state.ordinary_video],
    ];
    for (const [id, name, on] of toggles) $(id).addEventListener("click", () => wish(name, { on: on() }));
    $("new-source").addEventListener("click", () => wish("new_source"));
    $("repair").addEventListener("click", () => wish("repair"));
    $("hang-up").addEventListener("click", () => wish("hang_up"));
    $("more").addEventListener("click", () => this.openMore(!this.moreIsOpen()));
    $("more-controls").addEventListener("click", () => this.closeMore());
    $("bar").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.closeMore();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!$("bar").contains(event.target)) this.openMore(false);
    });
    show($("full"), document.fullscreenEnabled);
    $("full").addEventListener("click", () => {
      if (document.fullscreenElement === null) document.documentElement.requestFullscreen();
      else document.exitFullscreen();
    });
    document.addEventListener("fullscreenchange", () => this.showFull());
  }

  follow(state) {
    this.state = state;
    const inCall = state.phase === "connected";
    for (const id of NEED_A_CALL) $(id).disabled = !inCall;
    $("record").disabled = !inCall && state.recording === null;
    // What is drawn from a picture has no part in ordinary video, and neither is had of a camera that is off.
    $("new-source").disabled ||= state.ordinary_video || !state.camera_on;
    $("repair").disabled ||= state.their_ordinary_video || !state.their_camera_on;
    draw("ordinary", state.ordinary_video, state.ordinary_video ? "brush" : "film", state.ordinary_video ? "Redraw me" : "Ordinary video");
    $("ordinary").title = state.ordinary_video ? BACK : FORTH;
    this.showMute();
    draw("camera", !state.camera_on, state.camera_on ? "camera" : "camera-off", state.camera_on ? "Camera off" : "Camera on");
    draw("record", state.recording !== null, "record", state.recording === null ? "Record" : "Stop");
    $("record").title = state.recording === null ? RECORD : STOP;
  }

  /** Learn whether there is a microphone. */
  hear(hasMicrophone) {
    this.hasMicrophone = hasMicrophone;
    this.showMute();
  }

  showMute() {
    const { muted } = this.state;
    if (this.hasMicrophone) draw("mute", muted, muted ? "mic-off" : "mic", muted ? "Unmute" : "Mute");
    else draw("mute", true, "mic-off", "No microphone");
    $("mute").title = this.hasMicrophone ? "" : "Try the microphone again";
  }

  showFull() {
    const on = document.fullscreenElement !== null;
    draw("full", on, on ? "unfull" : "full", on ? "Leave full screen" : "Full screen");
  }

  moreIsOpen() {
    return $("more").getAttribute("aria-expanded") === "true";
  }

  /** Put the sheet away, if it is open, and let the keyboard go on where it was opened. */
  closeMore() {
    if (!this.moreIsOpen()) return;
    this.openMore(false);
    $("more").focus();
  }

  openMore(on) {
    $("more").setAttribute("aria-expanded", String(on));
    $("more-controls").classList.toggle("open", on);
  }
}

function draw(id, on, icon, name) {
  const button = $(id);
  button.classList.toggle("on", on);
  setIcon(button, icon);
  setText(button.querySelector(".name"), name);
}
