// A visit to the blind test: which pair is shown and when it can be answered, what was chosen, and the result. Knows the
// pairs from the page's key, and nothing of how their films were made.
"use strict";
const find = (id) => document.getElementById(id);
const bytesOf = (id) => Uint8Array.from(atob(find(id).textContent), (letter) => letter.charCodeAt(0));
const test = JSON.parse(new TextDecoder().decode(bytesOf("key")));
const count = test.pairs.length;
const films = [find("camera"), find("first"), find("second")];
const answers = [...document.querySelectorAll("[data-choice]")];
const sections = [find("test"), find("turn"), find("result")];
const KEYS = { 1: "first", 2: "second", 0: "same" };
const PLACE = "visavis-blind-" + test.page;
// Pairs that have played through since the page was opened, and whether the visitor holds the films still.
const seen = new Set();
let held = false, keeps = true;

// A visit: who, in which order, whose film is first in each place, and what was chosen so far.
const below = (limit) => Math.floor(crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32 * limit);
function shuffled(items) {
  const left = [...items];
  return items.map(() => left.splice(below(left.length), 1)[0]);
}
function newVisit() {
  const odd = below(2);  // the side that has one more where pairs cannot be halved
  const firsts = test.pairs.map((_, index) => (index + odd) % 2 ? "ours" : "rival");
  const visitor = [...crypto.getRandomValues(new Uint8Array(16))];
  return { visitor: visitor.map((byte) => byte.toString(16).padStart(2, "0")).join(""),
           order: shuffled([...test.pairs.keys()]), firsts: shuffled(firsts), choices: [], ended: false, saved: false };
}
function fits(kept) {
  const every = (list, length, right) => list.length === length && list.every(right);
  return kept.visitor.length === 32 && every([...kept.order].sort((a, b) => a - b), count, (pair, i) => pair === i) &&
    every(kept.firsts, count, (side) => side === "ours" || side === "rival") && kept.choices.length <= count &&
    kept.choices.every((choice) => Object.values(KEYS).includes(choice));
}
function recall() {
  let kept = null;
  try { kept = localStorage.getItem(PLACE); } catch { keeps = false; }
  // What is not a visit of this page is as good as nothing.
  try { const before = JSON.parse(kept); if (fits(before)) return before; } catch { return newVisit(); }
  return newVisit();
}
function keep() {
  try { localStorage.setItem(PLACE, JSON.stringify(visit)); } catch { keeps = false; }
  find("unkept").hidden = keeps;
}

function show() {
  const place = visit.choices.length;
  const section = place < count ? sections[0] : visit.ended ? sections[2] : sections[1];
  const from = sections.find((one) => !one.hidden);
  for (const one of sections) one.hidden = one !== section;
  find("task").hidden = section !== sections[0];
  find("back").hidden = !place || visit.ended;
  find("over").hidden = !place;
  if (section === sections[0]) showPair(place); else for (const film of films) film.pause();
  if (section === sections[2]) showResult();
  // Whoever uses the keyboard goes on where the page does.
  if (from && (from !== section || document.activeElement.hidden)) section.querySelector("[tabindex]").focus();
}
function showPair(place) {
  const pair = test.pairs[visit.order[place]];
  const sides = visit.firsts[place] === "ours" ? [pair.ours, pair.rival] : [pair.rival, pair.ours];
  find("place").textContent = "Pair " + (place + 1) + " of " + count;
  find("done").max = count;
  find("done").value = place;
  [pair.camera, ...sides].forEach((film, index) => {
    URL.revokeObjectURL(films[index].src);
    films[index].src = URL.createObjectURL(new Blob([bytesOf(film)], { type: "video/mp4" }));
  });
  held = false;
  openAnswers();
}
function openAnswers() {
  const open = seen.has(visit.order[visit.choices.length]);
  for (const button of answers) button.setAttribute("aria-disabled", String(!open));
  find("hint").textContent = open ? "You can answer now; the films repeat." : "You can answer once both have ended.";
}

// All three show the same moment: they begin together, and again when the longest has ended.
function play() {
  if (held || document.hidden) return;
  const again = films.every((film) => film.ended);
  for (const film of films) {
    if (again) film.currentTime = 0;
    // A browser that lets nothing play by itself leaves the button to the visitor.
    if (again || !film.ended) film.play().catch(() => {});
  }
}
for (const film of films) {
  film.addEventListener("canplay", () => { if (films.every((one) => one.paused && one.readyState > 2)) play(); });
  film.addEventListener("ended", () => {
    if (!films.every((one) => one.ended)) return;
    seen.add(visit.order[visit.choices.length]);
    openAnswers();
    play();
  });
  for (const change of ["play", "pause"]) film.addEventListener(change, () => {
    find("play").textContent = films.every((one) => one.paused) ? "Play" : "Pause";
  });
  film.addEventListener("error", () => {
    find("hint").textContent = "This browser cannot play the films (H.264 in MP4): open the page in another one.";
  });
}
find("play").addEventListener("click", () => {
  held = films.some((film) => !film.paused);
  if (held) for (const film of films) film.pause(); else play();
});
// Nobody watches a page in the background.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) for (const film of films) film.pause(); else if (!sections[0].hidden) play();
});

function choose(choice) {
  if (!seen.has(visit.order[visit.choices.length])) return;
  visit.choices.push(choice);
  keep();
  show();
}
for (const button of answers) button.addEventListener("click", () => choose(button.dataset.choice));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (Object.hasOwn(KEYS, event.key)) choose(KEYS[event.key]);
});
find("back").addEventListener("click", () => { visit.choices.pop(); keep(); show(); });
find("reveal").addEventListener("click", () => { visit.ended = true; keep(); show(); });
find("save").addEventListener("click", () => { visit.saved = true; keep(); });
find("over").addEventListener("click", () => {
  if (!visit.saved && !confirm("Start over? The choices made so far are not saved and will be lost.")) return;
  visit = newVisit();
  seen.clear();
  keep();
  show();
});
// The same page in another tab is the same visit.
addEventListener("storage", (event) => { if (event.key === PLACE) location.reload(); });

function showResult() {
  const choices = visit.choices.map((choice, index) => {
    const { clip, our_kbps, rival_kbps } = test.pairs[visit.order[index]], first = visit.firsts[index];
    const preferred = choice === "same" ? "same" : (choice === "first") === (first === "ours") ? "ours" : "rival";
    return { clip, preferred, first, place: index + 1, our_kbps, rival_kbps };
  });
  const times = (what) => choices.filter((one) => one.preferred === what).length;
  find("verdict").textContent = "Of " + count + (count === 1 ? " pair" : " pairs") + " you preferred Visavis in " +
    times("ours") + ", " + test.rival + " in " + times("rival") + ", and saw no difference in " + times("same") + ".";
  find("rival").textContent = test.codec + ", kbit/s";
  const names = { ours: "Visavis", rival: test.codec, same: "no difference" };
  const body = document.querySelector("#result tbody");
  body.replaceChildren();
  for (const one of choices) {
    const row = body.insertRow();
    for (const text of [one.clip, names[one.preferred], one.our_kbps.toFixed(1), one.rival_kbps.toFixed(1)]) {
      row.insertCell().textContent = text;
    }
  }
  const { page, profile, codec, ratio } = test;
  const file = JSON.stringify({ page, visitor: visit.visitor, profile, codec, ratio, choices }, null, 1);
  find("save").href = URL.createObjectURL(new Blob([file], { type: "application/json" }));
  find("save").download = "blind-choices-" + visit.visitor.slice(0, 8) + ".json";
}
let visit = recall();
// What was recalled is not written again: where a reload overtook the last change, that would be lost for good.
if (!visit.choices.length) keep();
show();
