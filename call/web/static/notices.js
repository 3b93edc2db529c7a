// Sentences for the person: shown over the stage, read aloud, gone after a while.

import { overlap, setSentence } from "./dom.js";

const STAY_MS = 12_000;
const MOST = 3;

export class Notices {
  constructor(list) {
    this.list = list;
    this.known = null;
  }

  /** Show what is new in the call's notices; it keeps a few, oldest first. */
  follow(sentences) {
    // A page that is opened in mid-call says the newest only: the others were said to the one before it.
    const fresh = this.known === null ? sentences.slice(-1) : sentences.slice(overlap(this.known, sentences));
    for (const sentence of fresh) this.add(sentence);
    this.known = sentences;
  }

  /** Show a sentence of the page's own or the call's; returns what takes it away. */
  add(sentence) {
    const item = document.createElement("li");
    const text = document.createElement("p");
    setSentence(text, sentence);
    const close = document.createElement("button");
    close.type = "button";
    close.className = "round";
    close.setAttribute("aria-label", "Dismiss this notice");
    close.append(document.querySelector("#panel-close svg").cloneNode(true));
    close.addEventListener("click", () => item.remove());
    item.append(text, close);
    this.list.append(item);
    while (this.list.children.length > MOST) this.list.firstElementChild.remove();
    this.leaveLater(item);
    return () => item.remove();
  }

  clear() {
    this.list.replaceChildren();
  }

  leaveLater(item) {
    setTimeout(() => {
      // Whoever points at it or has the focus in it still reads.
      if (item.matches(":hover, :focus-within")) this.leaveLater(item);
      else item.remove();
    }, STAY_MS);
  }
}
