// The text chat.

import { $, overlap, setText, show } from "./dom.js";

// What is told of a line while the chat is not in sight.
const TOLD = 120;
const ADDRESS = /(https?:\/\/[^\s<>"]*[^\s<>".,;:!?()[\]{}'])/;

const isSame = (one, other) => one.mine === other.mine && one.text === other.text;

export class Chat {
  /** `wish` says whether it could be asked. `isOpen()` tells whether the chat is in sight; what comes while it is not
   *  counts as unread and is told by `say`, which returns what takes the sentence away again. */
  constructor(wish, { isOpen, say }) {
    this.isOpen = isOpen;
    this.say = say;
    this.lines = null;
    this.unread = 0;
    this.told = []; // each takes a notice away
    $("say").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("say-text").value.trim();
      if (text !== "" && wish("say", { text })) $("say-text").value = "";
    });
  }

  /** Show the lines that the call keeps, of which the oldest go as new ones come. */
  follow(lines, { their_name: name }) {
    if (lines === this.lines) return;
    const before = this.lines ?? [];
    const kept = overlap(before, lines, isSame);
    for (let gone = before.length - kept; gone > 0; gone -= 1) $("lines-list").firstElementChild.remove();
    const fresh = lines.slice(kept);
    $("lines-list").append(...fresh.map(drawn));
    const theirs = fresh.filter((line) => !line.mine);
    if (theirs.length > 0 && !this.isOpen()) {
      this.unread += theirs.length;
      // A page that is opened in mid-call counts what is there, and does not call it out.
      if (this.lines !== null) this.told.push(this.say(asNotice(theirs.at(-1).text, name)));
    }
    this.lines = lines;
    show($("no-lines"), lines.length === 0);
    show($("lines"), lines.length > 0);
    if (fresh.length > 0) $("lines").scrollTop = $("lines").scrollHeight;
    if (lines.length === 0) this.unread = 0;
    this.showUnread();
  }

  /** The person sees the chat now. */
  read() {
    this.unread = 0;
    for (const dismiss of this.told.splice(0)) dismiss();
    this.showUnread();
    $("lines").scrollTop = $("lines").scrollHeight;
  }

  showUnread() {
    show($("unread"), this.unread > 0);
    setText($("unread"), this.unread > 0 ? String(this.unread) : "");
    if (this.unread > 0) $("open-chat").setAttribute("aria-label", `Chat, ${this.unread} unread`);
    else $("open-chat").removeAttribute("aria-label");
  }
}

function asNotice(text, name) {
  const short = text.length > TOLD ? `${text.slice(0, TOLD).trimEnd()}…` : text;
  return `${name === "" ? "Message" : name}: ${short}`;
}

function drawn(line) {
  const item = document.createElement("li");
  item.className = line.mine ? "mine" : "theirs";
  const who = document.createElement("span");
  who.className = "unseen";
  who.textContent = line.mine ? "You: " : "The other side: ";
  item.append(who, ...line.text.split(ADDRESS).map((part, index) => (index % 2 === 0 ? part : link(part))));
  return item;
}

/** A link in a tab of its own, which learns nothing of this page. */
function link(address) {
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  anchor.textContent = address;
  return anchor;
}
