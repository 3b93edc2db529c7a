// The bar: every button asks, and shows what the call says has become of it.

import { $, setIcon, setText, show } from "./dom.js";

// What wants a connected call.
const NEED_A_CALL = ["new-source", "repair"];

export class Controls {
  constructor(wish) {
    this.state = null;
    const toggles = [
      ["mute", "mute", () => !this.state.muted],
      ["camera", "camera", () => !this.state.camera_on],
      ["record", "record", () => this.state.recording === null],
    ];
    for (const [id, name, on] of toggles) $(id).addEventListener("click", () => wish(name, { on: on() }));
    $("new-source").addEventListener("click", () => wish("new_source"));
    $("repair").addEventListener("click", () => wish("repair"));
    $("hang-up").addEventListener("click", () => wish("hang_up"));
    $("more").addEventListener("click", () => this.openMore($("more").getAttribute("aria-expanded") !== "true"));
    $("bar").addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || $("more").getAttribute("aria-expanded") !== "true") return;
      this.openMore(false);
      $("more").focus();
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
    draw("mute", state.muted, state.muted ? "mic-off" : "mic", state.muted ? "Unmute" : "Mute");
    draw("camera", !state.camera_on, state.camera_on ? "camera" : "camera-off", state.camera_on ? "Camera off" : "Camera on");
    draw("record", state.recording !== null, "record", state.recording === null ? "Record" : "Stop");
  }

  showFull() {
    const on = document.fullscreenElement !== null;
    draw("full", on, on ? "unfull" : "full", on ? "Leave full screen" : "Full screen");
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
