// Small things that every part of the page does with its elements.

export const $ = (id) => document.getElementById(id);

export const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

/** Show or hide elements without a change where nothing changes, so that nothing is drawn or read aloud again. */
export function show(element, on) {
  // The attribute, since drawings have no such property.
  if (element.hasAttribute("hidden") === on) element.toggleAttribute("hidden", !on);
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** As `setText`, for sentences of the program's: an option that is named in one stays in one line. */
export function setSentence(element, text) {
  if (element.textContent === text) return;
  element.replaceChildren(
    ...text.split(/(\(?--[a-z-]+)/).map((part, index) => {
      if (index % 2 === 0) return part;
      const option = document.createElement("span");
      option.className = "whole";
      option.textContent = part;
      return option;
    }),
  );
}

/** How many of the first `now` were the last of `before`. */
export function overlap(before, now, same = (one, other) => one === other) {
  for (let length = Math.min(before.length, now.length); length > 0; length -= 1) {
    if (before.slice(-length).every((item, index) => same(item, now[index]))) return length;
  }
  return 0;
}

/** Let a button's drawing be another one of the page's icons. */
export function setIcon(button, name) {
  const use = button.querySelector("use");
  if (use.getAttribute("href") !== `#i-${name}`) use.setAttribute("href", `#i-${name}`);
}

export const wide = window.matchMedia("(min-width: 1000px)");
export const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
