// The panel beside the stage (below it on an upright phone) with its two tabs.

import { $, show, wide } from "./dom.js";

const TABS = ["details", "chat"];

export class Panel {
  /** `onOpen(tab)` is called when a tab comes in sight. */
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.tab = "details";
    this.touched = false;
    for (const name of TABS) {
      $(`open-${name}`).addEventListener("click", () => this.toggle(name));
      $(`tab-${name}`).addEventListener("click", () => this.open(name));
      $(`tab-${name}`).addEventListener("keydown", (event) => this.step(event));
    }
    $("panel-close").addEventListener("click", () => this.close());
    $("panel").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
  }

  isOpen(name) {
    return !$("panel").hidden && this.tab === name;
  }

  /** Open the details where there is room, once, if nobody has opened or closed anything yet. */
  offer() {
    if (wide.matches && !this.touched) this.open("details");
    this.touched = true;
  }

  toggle(name) {
    this.touched = true;
    if (this.isOpen(name)) this.close();
    else {
      this.open(name);
      $(name === "chat" ? "say-text" : "tab-details").focus();
    }
  }

  open(name) {
    this.tab = name;
    show($("panel"), true);
    this.draw();
    this.onOpen(name);
  }

  close() {
    const inside = $("panel").contains(document.activeElement);
    show($("panel"), false);
    this.draw();
    if (inside) $(`open-${this.tab}`).focus();
  }

  step(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = TABS[1 - TABS.indexOf(this.tab)];
    this.open(other);
    $(`tab-${other}`).focus();
  }

  draw() {
    for (const name of TABS) {
      $(`open-${name}`).setAttribute("aria-expanded", String(this.isOpen(name)));
      $(`tab-${name}`).setAttribute("aria-selected", String(this.tab === name));
      $(`tab-${name}`).tabIndex = this.tab === name ? 0 : -1;
      show($(name), this.tab === name);
    }
  }
}
