"""The blind test's page: one self-contained HTML file of paired films, from the first pair to the person's result.

Loads nothing from anywhere. Each visitor gets an order and sides of their own; which film is whose is not to be seen
before the end, and who decodes the page's source can find out, as with any page that works without a server. Choices
are saved as JSON, which `bench.blind_count` reads.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from string import Template

from bench.blind import Pair
from bench.blind_count import Comparison

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; media-src blob:; img-src data:">
<link rel="icon" href="data:,">
<title>Which call would you rather have?</title>
<style>
  :root { color-scheme: light dark; --ink: #12181b; --paper: #eceff1; --card: #fff; --line: #d5dcdf; --edge: #7b888f;
          --faint: #55626a; --accent: #0f766e; --on-accent: #fff; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #eef2f3; --paper: #0c0f11; --card: #171c1f; --line: #2b3439; --edge: #6d7a81; --faint: #a2b0b7;
            --accent: #4cc9bd; --on-accent: #06211f; }
  }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--paper); color: var(--ink);
         font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
  main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .75rem; }
  h2 { font-size: 1.15rem; line-height: 1.35; margin: 0 0 1rem; }
  p { margin: 0 0 1rem; }
  section { background: var(--card); border: 1px solid var(--line); border-radius: 1rem; padding: 1rem; }
  .faint, figcaption { color: var(--faint); }
  .bar { display: flex; justify-content: space-between; align-items: center; gap: 1rem; }
  progress { display: block; width: 100%; height: .25rem; margin: .75rem 0 1rem; border: 0; border-radius: 1rem;
             overflow: hidden; background: var(--line); }
  progress::-webkit-progress-bar { background: var(--line); }
  progress::-webkit-progress-value { background: var(--accent); }
  progress::-moz-progress-bar { background: var(--accent); }
  figure { margin: 0; text-align: center; }
  figure.small { width: 9rem; margin: 0 auto; grid-column: 1 / -1; }
  .films { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem .75rem; align-items: end; }
  /* Answers are in sight on a low screen too. */
  @media (max-height: 54rem) and (min-width: 46rem) {
    .films { grid-template-columns: 9rem 1fr 1fr; }
    figure.small { grid-column: auto; }
  }
  video { display: block; width: 100%; aspect-ratio: 1; border-radius: .5rem; background: #181818; }
  .choices { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .5rem; margin: .75rem 0; }
  button, .main { font: inherit; color: inherit; background: transparent; border: 1px solid var(--edge);
                  border-radius: .5rem; padding: .5rem 1rem; min-height: 2.75rem; cursor: pointer; }
  button:hover { border-color: var(--accent); }
  .choices button, .main { font-weight: 600; }
  .choices button { padding: .5rem .25rem; }
  button[aria-disabled="true"] { border-color: var(--line); color: var(--faint); cursor: not-allowed; }
  .main { display: inline-block; background: var(--accent); border-color: var(--accent); color: var(--on-accent);
          text-decoration: none; }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  [tabindex="-1"]:focus { outline: none; }
  .bar p, #hint { margin: 0; text-align: center; }
  footer { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .75rem; }
  .wide { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; font-size: .9375rem; }
  th, td { text-align: left; padding: .35rem 0 .35rem .6rem; border-bottom: 1px solid var(--line); }
  th:first-child, td:first-child { padding-left: 0; overflow-wrap: anywhere; min-width: 5rem; }
  tr:last-child td { border-bottom: 0; }
  th:nth-child(n+3), td:nth-child(n+3) { text-align: right; font-variant-numeric: tabular-nums; }
  [hidden] { display: none !important; }
</style>
</head>
<body>
<main>
<h1>Which call would you rather have?</h1>
<p id="task">The small film is the camera's own picture. In the large ones the same moment came over a line in two ways:
which one would you rather look at in a call? Watch both to the end, then choose.
<span class="faint">Keys: 1, 2, and 0 for no difference.</span></p>
<p id="unkept" hidden>This browser does not keep what you choose: leave the page open until you have saved it.</p>
<section id="test" hidden>
<div class="bar"><p id="place" tabindex="-1" aria-live="polite"></p><button id="play">Play</button></div>
<progress id="done" aria-label="Pairs answered" value="0"></progress>
<div class="films">
<figure class="small"><video id="camera" muted playsinline disablepictureinpicture aria-label="The camera's picture">
</video><figcaption>camera</figcaption></figure>
<figure><video id="first" muted playsinline disablepictureinpicture aria-label="Film 1"></video>
<figcaption>1</figcaption></figure>
<figure><video id="second" muted playsinline disablepictureinpicture aria-label="Film 2"></video>
<figcaption>2</figcaption></figure>
</div>
<div class="choices">
<button data-choice="first" aria-describedby="hint">1 is better</button>
<button data-choice="same" aria-describedby="hint">No difference</button>
<button data-choice="second" aria-describedby="hint">2 is better</button>
</div>
<p class="faint" id="hint" role="status"></p>
</section>
<section id="turn" hidden>
<h2 tabindex="-1">That was the last pair.</h2>
<p>You can still go back. Once you have seen which film was whose, your choices stand.</p>
<button id="reveal" class="main">Show which was which</button>
</section>
<section id="result" hidden>
<h2 id="verdict" tabindex="-1"></h2>
<p><a id="save" class="main">Save your choices</a></p>
<p class="faint">Hand the file to who asked you. It holds what you chose and a random number, nothing about you.</p>
<div class="wide"><table><thead><tr><th scope="col">clip</th><th scope="col">you preferred</th>
<th scope="col">Visavis, kbit/s</th><th scope="col" id="rival"></th></tr></thead><tbody></tbody></table></div>
</section>
<footer>
<button id="back">Back to the previous pair</button>
<button id="over">Start over for another person</button>
</footer>
</main>
$films
<script id="key" type="application/octet-stream">$key</script>
<script>
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
</script>
</body>
</html>
""")


def make_blind_page(pairs: Sequence[Pair], compared: Comparison) -> str:
    """Return the page's HTML for at least one pair.

    Its id is a digest of what it shows: the same films make the same page. Films stand in the order of their digests,
    which are their names too, so that neither tells whose they are.
    """
    films = {_name(film): film for pair in pairs for film in (pair.original, pair.ours, pair.rival)}
    test = asdict(compared) | {
        "rival": compared.rival,
        "pairs": [
            {
                "clip": pair.clip,
                "camera": _name(pair.original),
                "ours": _name(pair.ours),
                "rival": _name(pair.rival),
                "our_kbps": pair.our_kbps,
                "rival_kbps": pair.rival_kbps,
            }
            for pair in pairs
        ],
    }
    page = _name(json.dumps(test, sort_keys=True).encode())
    return PAGE.substitute(
        films="\n".join(_hold(name, films[name]) for name in sorted(films)),
        key=_text(json.dumps(test | {"page": page}).encode()),
    )


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _hold(name: str, film: bytes) -> str:
    return f'<script id="{name}" type="application/octet-stream">{_text(film)}</script>'


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
