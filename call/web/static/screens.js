// What the stage shows in each phase of a call: a card, or the other's face with its badges.

import { inWords } from "./clock.js";
import { $, setIcon, setSentence, setText, show } from "./dom.js";

const CARDS = ["consent", "waiting", "ringing", "connecting", "over"];
const WITH_BAR = new Set(["waiting", "ringing", "connecting", "connected", "reconnecting"]);
const SAID = new Set(["consent", "waiting", "ringing", "connecting"]);
// What has just happened is said beside the face for so long.
const SAID_MS = 8000;
export const WITH_FACE = new Set(["connected", "reconnecting"]);

const TITLES = {
  connected: "In a call – Visavis",
  reconnecting: "Reconnecting – Visavis",
  ended: "The call has ended – Visavis",
};

function title({ phase, their_name: name }) {
  if (phase === "ringing") return `${name === "" ? "Somebody" : name} calls – Visavis`;
  return TITLES[phase] ?? "Visavis";
}

// What the page says where the program does not.
const OURS = {
  "taken over": {
    icon: "portrait",
    title: "This call is open in another tab",
    sentence: "It goes on there.",
    again: true,
  },
  over: { icon: "leave", title: "Visavis has stopped", sentence: "You can close this page." },
  refused: { icon: "alert", title: "Visavis ended the connection to this page", sentence: "Load the page again to go on." },
  lost: {
    icon: "alert",
    title: "Visavis does not answer",
    sentence: "The program on this computer has stopped or is busy. This page comes back as soon as it does.",
  },
};

export class Screens {
  /** `again()` opens this page anew, `qr` is the address of the invitation's QR code, `say` takes sentences. */
  constructor(wish, { again, qr, say }) {
    this.card = null;
    this.qr = qr;
    this.say = say;
    $("consent-yes").addEventListener("click", () => wish("agree", { yes: true }));
    $("consent-no").addEventListener("click", () => wish("agree", { yes: false }));
    $("consent-leave").addEventListener("click", () => wish("hang_up"));
    $("ringing-yes").addEventListener("click", () => wish("accept", { yes: true }));
    $("ringing-no").addEventListener("click", () => wish("accept", { yes: false }));
    $("over-again").addEventListener("click", again);
    $("copy").addEventListener("click", () => this.copy());
  }

  follow(state) {
    const { phase } = state;
    $("app").dataset.phase = phase;
    document.title = title(state);
    setText($("ringing-title"), state.their_name === "" ? "Somebody calls" : `${state.their_name} calls`);
    this.tell(state.sentence);
    show($("bar"), WITH_BAR.has(phase));
    show($("face"), WITH_FACE.has(phase));
    show($("own"), WITH_BAR.has(phase));
    this.open(phase === "ended" || phase === "failed" ? "over" : phase);
    if (phase === "ended") {
      this.sayOver({ icon: "leave", title: "The call has ended", sentence: state.sentence, lasted: inWords(state.talked_s), closes: true });
    } else if (phase === "failed") {
      this.sayOver({ icon: "alert", title: "The call did not work", sentence: state.sentence, lasted: inWords(state.talked_s), closes: true });
    } else if (SAID.has(phase)) {
      setSentence($(`${phase}-sentence`), state.sentence);
    }
    show($("interrupted"), phase === "reconnecting");
    setSentence($("interrupted-text"), phase === "reconnecting" ? state.sentence : "");
    this.invite(state.invitation);
    this.showBadges(state);
    this.showOwn(state);
  }

  /** Say what has become of the page itself: "taken over", "over", "refused" or "lost". */
  leave(reason) {
    $("app").dataset.phase = "left";
    for (const id of ["bar", "face", "own", "words", "recording"]) show($(id), false);
    setText($("sentence"), "");
    document.title = `${OURS[reason].title} – Visavis`;
    this.open("over");
    this.sayOver(OURS[reason]);
  }

  /** Say how the call is, at the top: for those who see it, as long as it is news. */
  tell(sentence) {
    if ($("sentence").textContent === sentence) return;
    setText($("sentence"), sentence);
    $("sentence").classList.remove("old");
    clearTimeout(this.ageing);
    this.ageing = setTimeout(() => $("sentence").classList.add("old"), SAID_MS);
  }

  open(card) {
    if (card === this.card) return;
    this.card = card;
    const hadFocus = document.activeElement === document.body || document.activeElement.closest("[hidden], .card");
    for (const name of CARDS) show($(`screen-${name}`), name === card);
    // Whoever uses the keyboard goes on at the new card, but nobody is taken out of a line that is being written.
    if (CARDS.includes(card) && hadFocus) $(`screen-${card}`).focus({ preventScroll: true });
  }

  sayOver({ icon, title, sentence, lasted = "", again = false, closes = false }) {
    setIcon($("screen-over"), icon);
    setText($("over-title"), title);
    setSentence($("over-sentence"), sentence);
    show($("over-lasted"), lasted !== "");
    setText($("over-lasted"), lasted);
    show($("over-again"), again);
    show($("over-hint"), closes);
  }

  invite(invitation) {
    setText($("waiting-title"), invitation === null ? "Waiting for the other side" : "Invite the other side");
    show($("invitation"), invitation !== null);
    if (invitation === null) return;
    if ($("command").textContent !== invitation.command) $("qr").src = this.qr;
    setText($("code"), invitation.code);
    setText($("command"), invitation.command);
    setText($("address"), invitation.address);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText($("command").textContent);
      this.say("The line is copied.");
    } catch {
      this.say("The browser does not let this page copy. Mark the line and copy it yourself.");
    }
  }

  showBadges(state) {
    show($("recording"), state.recording !== null && WITH_BAR.has(state.phase));
    setText($("recording-file"), state.recording === null ? "" : ` to ${state.recording.split(/[\\/]/).pop()}`);
    $("recording").title = state.recording ?? "";
    show($("badge-name"), state.their_name !== "");
    setText($("badge-name"), state.their_name);
    show($("badge-foreign"), state.their_picture_is_foreign);
    show($("badge-recording"), state.their_recording);
    show($("badge-camera"), !state.their_camera_on);
    show($("badge-muted"), state.their_muted);
    show($("pending-spinner"), state.their_camera_on);
    setText($("pending-text"), state.their_camera_on ? "Their picture is on its way" : "Their camera is off");
    const words = state.safety_words.join(" ");
    show($("words"), words !== "" && WITH_FACE.has(state.phase));
    setText($("words-text"), words);
    $("words").setAttribute("aria-label", `Safety words: ${words}`);
    const [yaw, pitch] = state.view;
    show($("turned"), yaw !== 0 || pitch !== 0);
    setText($("turned-text"), turnedText(yaw, pitch));
  }

  showOwn(state) {
    $("own").classList.toggle("off", !state.camera_on);
    show($("own-muted"), state.muted);
    show($("own-filmed"), state.ordinary_video && state.camera_on);
    setText($("own-text"), ownText(state));
  }
}

function ownText(state) {
  if (!state.camera_on) return "Camera off";
  return state.ordinary_video ? "You, video" : "You";
}

function turnedText(yaw, pitch) {
  const parts = [];
  if (yaw !== 0) parts.push(`${Math.abs(Math.round(yaw))}° ${yaw > 0 ? "right" : "left"}`);
  if (pitch !== 0) parts.push(`${Math.abs(Math.round(pitch))}° ${pitch > 0 ? "down" : "up"}`);
  return parts.length > 0 ? `Turned ${parts.join(", ")}` : "";
}
