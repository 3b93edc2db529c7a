// The text chat.

import { $, setText, show } from "./dom.js";

export class Chat {
  /** `isOpen()` tells whether the chat is in sight; what comes while it is not counts as unread. */
  constructor(wish, isOpen) {
    this.isOpen = isOpen;
    this.drawn = 0;
    this.unread = 0;
    $("say").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("say-text").value.trim();
      if (text === "") return;
      wish("say", { text });
      $("say-text").value = "";
    });
  }

  follow(lines) {
    if (lines.length < this.drawn) {
      // The call keeps the newest lines only, or is another one.
      $("lines-list").replaceChildren();
      this.drawn = 0;
    }
    for (const line of lines.slice(this.drawn)) {
      $("lines-list").append(drawn(line));
      if (!line.mine && !this.isOpen()) this.unread += 1;
    }
    if (lines.length > this.drawn) $("lines").scrollTop = $("lines").scrollHeight;
    this.drawn = lines.length;
    show($("no-lines"), lines.length === 0);
    show($("lines"), lines.length > 0);
    this.showUnread();
  }

  /** The person sees the chat now. */
  read() {
    this.unread = 0;
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

function drawn(line) {
  const item = document.createElement("li");
  item.className = line.mine ? "mine" : "theirs";
  const who = document.createElement("span");
  who.className = "unseen";
  who.textContent = line.mine ? "You: " : "The other side: ";
  item.append(who, line.text);
  return item;
}
