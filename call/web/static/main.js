// The page of a call: takes the state that the program tells, and hands the person's wishes back to it.

import { Awake } from "./awake.js";
import { Chat } from "./chat.js";
import { Clock } from "./clock.js";
import { Connection } from "./connection.js";
import { Controls } from "./controls.js";
import { Details } from "./details.js";
import { $, show } from "./dom.js";
import { Glow } from "./glow.js";
import { Notices } from "./notices.js";
import { Painter } from "./painter.js";
import { Panel } from "./panel.js";
import { Screens, WITH_FACE } from "./screens.js";
import { Sound } from "./sound.js";
import { Turner } from "./turner.js";

const RING_MS = 2500;
const LEVEL_MS = 80;
const OVER = new Set(["ended", "failed"]);
// The microphone is asked for when the person has agreed to call, not while the picture is still asked for.
const AGREED = new Set(["waiting", "ringing", "connected", "reconnecting"]);

const state = {};
const wish = (name, details) => connection.wish(name, details);

const notices = new Notices($("notices"));
const screens = new Screens(wish, {
  again: () => location.reload(),
  qr: `/invitation.svg${location.search}`,
  say: (sentence) => notices.add(sentence),
});
const controls = new Controls(wish, { tryMicrophone: () => sound.listen() });
const details = new Details(wish);
const panel = new Panel((tab) => {
  controls.openMore(false);
  if (tab === "chat") chat.read();
});
const chat = new Chat(wish, {
  isOpen: () => panel.isOpen("chat"),
  say: (sentence) => notices.add(sentence),
});
const clock = new Clock();
const awake = new Awake();
const turner = new Turner($("turner"), (yaw, pitch) => wish("turn", { yaw, pitch }));
const glow = new Glow($("glow"));
const face = new Painter([$("picture")], (picture) => glow.follow(picture));
const own = new Painter([$("preview"), $("consent-picture")]);
const sound = new Sound({
  onBlock: (samples) => connection.sendSound(samples),
  onLevel: showLevel,
  onMicrophone: (has) => controls.hear(has),
  say: (sentence) => notices.add(sentence),
});

let leveledAt = 0;
function showLevel(level) {
  const now = performance.now();
  if (level > 0 && now - leveledAt < LEVEL_MS) return;
  leveledAt = now;
  for (const element of [$("level"), $("mute")]) element.style.setProperty("--level", level.toFixed(2));
  $("level").setAttribute("aria-valuenow", String(Math.round(100 * level)));
}

function follow(patch) {
  Object.assign(state, patch);
  if (OVER.has(state.phase)) {
    sound.end();
    panel.close(); // before the card that the keyboard goes on at
  }
  screens.follow(state);
  controls.follow(state);
  details.follow(state);
  chat.follow(state.chat, state);
  clock.follow(state);
  awake.follow(state);
  notices.follow(state.notices);
  turner.show(state.view);
  sound.mute(state.muted);
  $("face").style.setProperty("--level", state.their_level.toFixed(2));
  if (AGREED.has(state.phase)) sound.start();
  // A film that stands still would show what nobody films any more; a face that is drawn idles.
  const standsStill = !state.their_camera_on && !$("badge-filmed").hidden;
  if (!WITH_FACE.has(state.phase) || standsStill) forgetFace();
  if (state.phase === "connected") panel.offer();
}

/** Let nobody who comes next be shown with the face of the one before. */
function forgetFace() {
  face.clear();
  for (const badge of ["badge-redrawn", "badge-filmed"]) show($(badge), false);
}

const connection = new Connection({
  state: follow,
  face: (jpeg, redrawn) => {
    show($("badge-redrawn"), redrawn);
    show($("badge-filmed"), !redrawn);
    show($("turner"), redrawn);
    $("picture").setAttribute("aria-label", redrawn ? "The other's face, redrawn" : "The other's face, filmed");
    face.put(jpeg);
  },
  preview: (jpeg) => own.put(jpeg),
  sound: (untilS, samples) => sound.play(untilS, samples),
  lost: () => leave("lost"),
  ended: (reason) => {
    sound.end();
    leave(reason);
  },
});

/** Say that the program is gone, and why; but what the call said last is worth more. */
function leave(reason) {
  if (OVER.has(state.phase) && reason !== "taken over") return;
  state.phase = "left"; // nothing rings, is counted or keeps the screen awake for a page that is told of nothing more
  awake.follow(state);
  notices.clear();
  panel.close();
  screens.leave(reason);
}

$("turn-back").addEventListener("click", () => {
  turner.turn(0, 0);
  $("turner").focus();
});
$("words").addEventListener("click", () => {
  panel.open("details");
  $("safety").scrollIntoView({ block: "nearest" });
  $("tab-details").focus();
});
setInterval(() => {
  if (state.phase === "connected") details.tick(state.figures);
}, 1000);
setInterval(() => {
  if (state.phase === "ringing") sound.ring();
}, RING_MS);

connection.open();
