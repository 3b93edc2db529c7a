"""The demo's page: one self-contained HTML file with the film inside and the figures under it.

Loads nothing from anywhere, so that it can be mailed and opened years later. Knows words and figures only.
"""

import base64
import html
from collections.abc import Sequence
from string import Template

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Visavis: a call with itself</title>
<style>
  :root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fbfbfa; --line: #d9d9d6; --faint: #6b6b70; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #ececee; --paper: #161618; --line: #38383c; --faint: #a0a0a6; }
  }
  body { margin: 0; background: var(--paper); color: var(--ink);
         font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
  main { max-width: 72rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
  h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
  p { max-width: 44rem; margin: .5rem 0 1rem; }
  .faint { color: var(--faint); }
  video { width: 100%; height: auto; border-radius: .5rem; background: #181818; display: block; }
  table { border-collapse: collapse; margin: 1.5rem 0; width: 100%; max-width: 44rem; }
  caption { text-align: left; font-weight: 600; padding-bottom: .5rem; }
  th, td { text-align: left; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); }
  td:last-child { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  th { font-weight: 400; }
</style>
</head>
<body>
<main>
<h1>A face in $bytes bytes a frame</h1>
<p>$lead</p>
<video controls autoplay loop muted playsinline
       aria-label="Three films side by side: the original, the redrawn face, H.264"
       src="data:video/mp4;base64,$film"></video>
<p class="faint">The middle picture is a synthesis: it is drawn from one picture of the face and from the numbers
that crossed the connection, not filmed.</p>
<table>
<caption>Measured in this call</caption>
<tbody>
$rows
</tbody>
</table>
<p class="faint">$made_by</p>
</main>
</body>
</html>
""")


def make_page(*, film: bytes, lead: str, payload: str, rows: Sequence[tuple[str, str]], made_by: str) -> str:
    """Return the page's HTML. `film` is an MP4 for browsers; `payload` stands in the headline."""
    return PAGE.substitute(
        bytes=html.escape(payload),
        lead=html.escape(lead),
        film=base64.b64encode(film).decode("ascii"),
        rows="\n".join(
            f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
            for name, value in rows
        ),
        made_by=html.escape(made_by),
    )
