"""The figures of the rate-distortion bench that are quoted: how many times our rate H.264 and H.265 need, all sizes in
one table, and any table as Markdown. It knows the result's keys; it measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.rd_rows import ANCHORS
from bench.rd_tables import NAMES, Grid, clips_of, entries_of, interval
from bench.report import number

# Codec and setting, and what it is: what a call sends at first, what MEASURES.md compares, and that with more and with
# less between the packets. A gallery's pictures come from the clip that is judged, which is its best case: not quoted.
QUOTED: Mapping[tuple[str, int | None], str] = {
    ("ours_gallery", 1): "as a call begins",
    ("ours_predictive", None): "source picture uncompressed",
    ("ours_flow", 500): "the same, residual flow of up to 4 kbit/s",
    ("ours_flow", 2000): "the same, residual flow of up to 16 kbit/s",
    ("ours_predictive_by_4", None): "without flow, 4 frames to a packet",
    ("ours_static", None): "without flow, packets that stand alone",
}
RATIOS: Sequence[tuple[str, str, int]] = (
    ("LPIPS", "", 1),
    ("face LPIPS", "_face", 1),
    ("MS-SSIM", "_ms_ssim", 1),
    ("LPIPS, all over 5 min", "_call", 1),
    ("LPIPS, all in the clip", "_clip", 1),
    ("LPIPS, wire", "_wire", 1),
)


def headline_grid(result: Mapping[str, Any]) -> Grid:
    """Return how many times our rate H.264 and H.265 need, a row for each size and way of sending."""
    ratios = [
        (f"{NAMES[anchor]}: {heading}", f"rate_ratio_{anchor}{suffix}", digits)
        for anchor in ANCHORS
        for heading, suffix, digits in RATIOS
    ]
    rows = []
    for size in result["sizes"]:
        points = {
            (entry["codec"], point["setting"]): point
            for entry in entries_of(result, size)
            for point in entry["points"]
        }
        for place, name in QUOTED.items():
            if (point := points.get(place)) is None:
                continue
            rates = (number(point[key], 1) for key in ("payload_kbps", "wire_kbps"))
            cells = (interval(point, key, digits) for _, key, digits in ratios)
            rows.append((f"{size}: {name}", *rates, _beside_frozen(point), *cells))
    counts = ", ".join(f"{len(clips_of(result, size))} at {size}" for size in result["sizes"])
    note = (
        f"Rates are kbit/s. H.264 and H.265: their rate for the same quality over ours, payload or wire, medians over "
        f"the clips ({counts}) with 95 % intervals; 'over' and 'under' are bounds, where the middle clip lies outside "
        "the codec's curve. Our source pictures are spread over 5 minutes, a codec's key frame counts in the clip; two "
        "columns treat both alike. "
        "Wire: all headers, both directions."
    )
    headings = ("payload", "wire", "face LPIPS over frozen's", *(heading for heading, _, _ in ratios))
    return Grid("What is quoted", ("", *headings), rows, note)


def to_markdown(grid: Grid) -> str:
    """Return a table as Markdown, its title before and its note behind."""
    lines = [grid.columns, ("---", *["---:"] * (len(grid.columns) - 1)), *grid.rows]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "\n\n".join(part for part in (f"**{grid.title}**", table, grid.note) if part) + "\n"


def _beside_frozen(point: Mapping[str, Any]) -> str:
    """Return our face LPIPS over the frozen picture's, and how many clips are better than that."""
    value, share = point["face_lpips_ratio"], point["face_lpips_share_beaten"]
    return "–" if value is None else f"{number(value, 2)}, {100 * share:.0f} % of the clips under 1"
