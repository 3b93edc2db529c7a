"""The blind test's page: one self-contained HTML file of paired films, from the first pair to the person's result.

Loads nothing from anywhere. Which film is whose is not to be seen before the end; who reads the page's source can find
out, as with any page that works without a server. Choices are saved as JSON, which `bench.blind_count` reads.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from string import Template

from bench.blind import Pair

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Which call would you rather have?</title>
<style>
  :root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fbfbfa; --line: #c9c9c6; --faint: #5f5f64;
          --accent: #1f5fbf; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #ececee; --paper: #161618; --line: #48484c; --faint: #a8a8ae; --accent: #8db8ff; }
  }
  body { margin: 0; background: var(--paper); color: var(--ink);
         font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
  main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
  p { max-width: 44rem; margin: .5rem 0 1rem; }
  .faint { color: var(--faint); }
  .films { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; max-width: 46rem; margin: 0 auto; }
  .films video { width: 100%; height: auto; aspect-ratio: 1; border-radius: .5rem; background: #181818; }
  figure { margin: 0; text-align: center; }
  #original { width: 10rem; margin: 0 auto 1rem; }
  #original video { width: 100%; aspect-ratio: 1; border-radius: .5rem; background: #181818; }
  .choices { display: flex; gap: .75rem; justify-content: center; flex-wrap: wrap; margin: 1.25rem 0; }
  button { font: inherit; color: inherit; background: transparent; border: 1px solid var(--line);
           border-radius: .5rem; padding: .6rem 1.2rem; cursor: pointer; }
  button:hover { border-color: var(--accent); }
  button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
  table { border-collapse: collapse; margin: 1rem 0; }
  th, td { text-align: left; padding: .35rem 1.5rem .35rem 0; border-bottom: 1px solid var(--line); }
  th { font-weight: 600; }
  a { color: var(--accent); }
  [hidden] { display: none !important; }
</style>
</head>
<body>
<main>
<h1>Which call would you rather have?</h1>
<section id="test">
<p>The small film is the camera's own picture. Below it the same moment came over a line in two ways: which one
would you rather look at in a call? <span class="faint">Keys: 1, 2, and 0 for no difference.</span></p>
<p class="faint" id="place" aria-live="polite"></p>
<figure id="original"><video muted playsinline aria-label="The camera's picture"></video>
<figcaption class="faint">camera</figcaption></figure>
<div class="films">
<figure><video id="first" muted playsinline aria-label="Film 1"></video>
<figcaption>1</figcaption></figure>
<figure><video id="second" muted playsinline aria-label="Film 2"></video>
<figcaption>2</figcaption></figure>
</div>
<div class="choices">
<button data-choice="first">1 is better</button>
<button data-choice="same">No difference</button>
<button data-choice="second">2 is better</button>
</div>
</section>
<section id="result" hidden>
<p id="verdict" tabindex="-1"></p>
<table><thead><tr><th scope="col">clip</th><th scope="col">you preferred</th><th scope="col">Visavis</th>
<th scope="col">$rival</th></tr></thead><tbody></tbody></table>
<p><a id="save" download="blind-choices.json">Save your choices</a>
<span class="faint">and hand the file to who asked you.</span></p>
</section>
</main>
<script id="pairs" type="application/octet-stream">$pairs</script>
<script>
"use strict";
const rival = $rival_json;
const pairs = JSON.parse(new TextDecoder().decode(
  Uint8Array.from(atob(document.getElementById("pairs").textContent), (letter) => letter.charCodeAt(0))));
const films = [document.querySelector("#original video"), document.getElementById("first"),
               document.getElementById("second")];
const choices = [];
function show() {
  const pair = pairs[choices.length];
  document.getElementById("place").textContent = "Pair " + (choices.length + 1) + " of " + pairs.length;
  [pair.original, pair.first, pair.second].forEach((film, index) => {
    films[index].src = "data:video/mp4;base64," + film;
  });
}
// All three show the same moment: they begin together, and again when the longest has ended.
function playTogether() {
  if (films.some((film) => film.readyState < 3)) return;
  // Who answers at once has the next pair before this one plays, which is no fault.
  for (const film of films) { film.currentTime = 0; film.play().catch(() => {}); }
}
for (const film of films) {
  film.addEventListener("canplay", () => { if (films.every((one) => one.paused)) playTogether(); });
  film.addEventListener("ended", () => { if (films.every((one) => one.ended)) playTogether(); });
}
function choose(choice) {
  if (choices.length === pairs.length) return;
  const pair = pairs[choices.length];
  const preferred = choice === "same" ? "same" : (choice === "first") === pair.first_is_ours ? "ours" : "rival";
  choices.push({ clip: pair.clip, preferred, our_kbps: pair.our_kbps, rival_kbps: pair.rival_kbps });
  if (choices.length < pairs.length) show(); else finish();
}
function finish() {
  document.getElementById("test").hidden = true;
  document.getElementById("result").hidden = false;
  const ours = choices.filter((one) => one.preferred === "ours").length;
  const theirs = choices.filter((one) => one.preferred === "rival").length;
  const verdict = document.getElementById("verdict");
  verdict.textContent = "You preferred Visavis " + ours + " times, " + rival + " " + theirs + " times, and saw no " +
    "difference " + (choices.length - ours - theirs) + " times.";
  const body = document.querySelector("#result tbody");
  const names = { ours: "Visavis", rival, same: "no difference" };
  for (const one of choices) {
    const row = body.insertRow();
    for (const text of [one.clip, names[one.preferred], one.our_kbps.toFixed(1) + " kbit/s",
                        one.rival_kbps.toFixed(1) + " kbit/s"]) row.insertCell().textContent = text;
  }
  const saved = new Blob([JSON.stringify({ rival, choices }, null, 1)], { type: "application/json" });
  document.getElementById("save").href = URL.createObjectURL(saved);
  verdict.focus();
}
for (const button of document.querySelectorAll("[data-choice]")) {
  button.addEventListener("click", () => choose(button.dataset.choice));
}
document.addEventListener("keydown", (event) => {
  const choice = { 1: "first", 2: "second", 0: "same" }[event.key];
  if (choice && !event.repeat) choose(choice);
});
show();
</script>
</body>
</html>
""")


def make_blind_page(pairs: Sequence[Pair], *, rival: str) -> str:
    """Return the page's HTML for at least one pair; `rival` names the codec and its rate, for the result."""
    content = [
        {
            "clip": pair.clip,
            "original": _text(pair.original),
            "first": _text(pair.first),
            "second": _text(pair.second),
            "first_is_ours": pair.first_is_ours,
            "our_kbps": pair.our_kbps,
            "rival_kbps": pair.rival_kbps,
        }
        for pair in pairs
    ]
    return PAGE.substitute(
        pairs=_text(json.dumps(content).encode()),
        rival=html.escape(rival),
        rival_json=json.dumps(rival).replace("<", "\\u003c"),
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
