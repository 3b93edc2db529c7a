"""What the rate-distortion bench leaves in a folder: rd.json, points.csv, report.html (one file with its plots and
strips inside), and what a README quotes: tables.md and rate.svg. It knows the result's keys; it measures nothing."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bench.rd_headline import headline_grid, to_markdown
from bench.rd_plots import chief_svg, curves_svg, ratios_svg
from bench.rd_summary import RATE_KEYS
from bench.rd_tables import (
    NARROW,
    Grid,
    bd_grid,
    clips_grid,
    clips_of,
    losses_grid,
    points_grid,
    ratios_grid,
)
from bench.report import to_json
from bench.statistics import METRICS
from call.film import whole_file

# Strips of our worst frames that stand in front of the clips' own.
WORST_SHOWN = 8
FILMS = "films"
NAMED = ("clip", "size", "codec", "setting", "frames", "seconds")

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; max-width: 1400px; margin: 2em auto; padding: 0 1.5em; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.2em; border-bottom: 1px solid #ddd; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; margin: .6em 0; }
caption { text-align: left; font-weight: 600; padding: .3em 0; }
th { text-align: right; color: #666; font-weight: 500; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; } td, th { padding: .2em .7em; border-bottom: 1px solid #eee; }
td { text-align: right; white-space: nowrap; } .note { color: #666; font-size: 13px; max-width: 80em; }
.strip { display: flex; flex-wrap: wrap; gap: 6px; margin: .4em 0 1.2em; }
figure { margin: 0; } figcaption { font-size: 12px; color: #444; } figcaption small { color: #777; }
.strip img { width: 320px; max-width: 100%; display: block; } svg { max-width: 100%; height: auto; }
"""


def write_report(folder: Path, result: Mapping[str, Any]) -> Path:
    """Write a result into `folder`; return where the HTML is."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    for path, text in (
        (folder / "rd.json", to_json(without_pictures(result)) + "\n"),
        (page, to_html(result)),
        (folder / "rate.svg", chief_svg(result) + "\n"),
        (folder / "tables.md", to_markdown_tables(result)),
    ):
        with whole_file(path) as part:
            part.write_text(text, encoding="utf-8")
    with whole_file(folder / "points.csv") as part:
        _write_csv(part, result["clips"])
    return page


def without_pictures(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result without its strips' pictures: what a script reads."""
    clips = [{key: value for key, value in clip.items() if key != "strips"} for clip in result["clips"]]
    return {**result, "clips": clips}


def film_path(clip: str, size: int) -> Path:
    """Return where a clip's film lies in the folder."""
    return Path(FILMS) / f"{clip}-{size}.mp4"


def film_clips(result: Mapping[str, Any], size: int) -> list[str]:
    """Return the clips worth a film: those with the best, the median and the worst face LPIPS beside frozen."""
    ratios = {}
    for clip in clips_of(result, size):
        ours = next((point for point in clip["points"] if point["codec"].startswith("ours")), None)
        if ours is not None:
            ratios[clip["clip"]] = ours["face_lpips_ratio"] or ours["lpips_ratio"] or 0.0
    ranked = sorted(ratios, key=lambda name: ratios[name])
    if not ranked:
        return []
    return list(dict.fromkeys((ranked[0], ranked[len(ranked) // 2], ranked[-1])))


def to_html(result: Mapping[str, Any]) -> str:
    """Return the report, everything in one file but the films."""
    sizes = [size for size in result["sizes"] if clips_of(result, size)]
    body = "".join(_size_section(result, size) for size in sizes)
    title = "Visavis: rate and distortion"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style>"
        f"<h1>{title}</h1>{_preface(result)}{_table(headline_grid(result))}{chief_svg(result)}"
        f"{body}{_skipped(result)}</html>\n"
    )


def to_markdown_tables(result: Mapping[str, Any]) -> str:
    """Return the tables that a README quotes: the headline, and at each size all points and BD-rates."""
    sizes = [size for size in result["sizes"] if clips_of(result, size)]
    grids = [headline_grid(result)]
    for size in sizes:
        grids += [points_grid(result, size, keys=NARROW), bd_grid(result, size), losses_grid(result, size)]
    return "\n".join(to_markdown(grid) for grid in grids if grid.rows)


def _preface(result: Mapping[str, Any]) -> str:
    quick = " This is a quick look: few clips, few points." if result["quick"] else ""
    sentences = (
        f"Each clip goes through every codec whole; {result['frames_judged']} frames of it, evenly spread, are judged."
        f"{quick} The conventional codecs run as a call would run them: no frame waits for another, one thread, "
        "constant quality, a key frame first and then one in 250 frames.",
        "Payload is what a codec's own bytes are; ours are motion packets and source pictures. A call sends its first "
        "picture once, in a small code and then in a fine one, and those of the gallery once: they are spread over "
        "five minutes. What a clip makes the sender repair counts within the clip. On the wire RTP, SRTP, UDP and IPv6 "
        "are added to the codecs' frames, and to ours DTLS, SCTP, acknowledgements, feedback and clocks in both "
        "directions.",
        "A gallery holds pictures of the same clip, from between the frames judged and none nearer to one than 0.2 s: "
        "that is its best case, as a call would have filled it in earlier minutes.",
        "The frozen picture is the clip's first frame, repeated. A codec that does not beat it on the face does "
        "nothing. LPIPS comes from SqueezeNet, which our networks were trained with: believe it where landmarks, "
        "identity and MS-SSIM agree.",
    )
    return "".join(f"<p class=note>{escape(sentence)}</p>" for sentence in sentences)


def _size_section(result: Mapping[str, Any], size: int) -> str:
    grids = (points_grid(result, size), ratios_grid(result, size), bd_grid(result, size))
    parts = [f"<h2>{size} x {size}</h2>", curves_svg(result, size), *(_table(grid) for grid in grids)]
    parts += [ratios_svg(result, size), _table(clips_grid(result, size)), _table(losses_grid(result, size))]
    strips = [(clip, strip) for clip in clips_of(result, size) for strip in clip.get("strips", [])]
    if strips:
        worst = sorted(
            (pair for pair in strips if pair[1]["what"] == "worst"), key=lambda pair: -pair[1]["error"]
        )
        parts.append("<h3>Our worst frames</h3>")
        parts += [_strip(clip["clip"], strip) for clip, strip in worst[:WORST_SHOWN]]
        parts.append("<h3>A middling frame of each clip</h3><details open><summary>show or hide</summary>")
        parts += [_strip(clip["clip"], strip) for clip, strip in strips if strip["what"] == "middle"]
        parts.append("</details><h3>Films</h3>")
        for name in film_clips(result, size):
            href = escape(film_path(name, size).as_posix())
            parts.append(f"<p><a href='{href}'>{escape(name)}</a></p>")
    return "".join(parts)


def _table(grid: Grid) -> str:
    if not grid.rows:
        return ""
    head = "".join(f"<th>{escape(column)}</th>" for column in grid.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in grid.rows
    )
    note = f"<p class=note>{escape(grid.note)}</p>" if grid.note else ""
    table = f"<table><caption>{escape(grid.title)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<div class=scroll>{table}</div>{note}"


def _strip(clip: str, strip: Mapping[str, Any]) -> str:
    figures = "".join(
        f"<figure><img alt='{escape(panel['title'])}' src='data:image/jpeg;base64,{panel['jpeg']}'>"
        f"<figcaption>{escape(panel['title'])}<br><small>{escape(panel['subtitle'])}</small></figcaption></figure>"
        for panel in strip["panels"]
    )
    judge = {"lpips": "LPIPS", "face_lpips": "face LPIPS"}[strip["judge"]]
    place = f"{clip}, {strip['at_s']:.1f} s, {judge} {strip['error']:.3f}"
    return f"<div class=note>{escape(place)}</div><div class=strip>{figures}</div>"


def _skipped(result: Mapping[str, Any]) -> str:
    if not result["skipped"]:
        return ""
    rows: list[tuple[str, ...]] = [(row["clip"], str(row["size"]), row["why"]) for row in result["skipped"]]
    return "<h2>Left out</h2>" + _table(Grid("", ("clip", "size", "why"), rows))


def _write_csv(path: Path, clips: Sequence[Mapping[str, Any]]) -> None:
    figures = (*RATE_KEYS, *(metric.key for metric in METRICS), "flicker")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow((*NAMED, *figures))
        for clip in clips:
            for point in clip["points"]:
                row = {**clip, **point}
                writer.writerow([row[key] for key in (*NAMED, *figures)])
