"""The tables of the rate-distortion bench, as cells: the terminal and the report show the same. It knows the result's
keys; it measures nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from bench.rd_causes import LIT_PERCENT, STILL_LPIPS, TURNED_DEGREES
from bench.rd_losses import losing
from bench.rd_ours import MODES
from bench.rd_rows import ANCHORS
from bench.report import number, table_of
from sender.repair import FAULTY

# Heading, key, digits. Rates first, then what each judge says.
POINT: Sequence[tuple[str, str, int]] = (
    ("bpp", "bpp", 5),
    ("kbit/s", "payload_kbps", 1),
    ("wire", "wire_kbps", 1),
    ("LPIPS", "lpips", 3),
    ("face LPIPS", "face_lpips", 3),
    ("PSNR", "psnr", 1),
    ("SSIM", "ssim", 3),
    ("MS-SSIM", "ms_ssim", 3),
    ("mouth AKD", "mouth_akd", 1),
    ("eye AKD", "eye_akd", 1),
    ("mouth expr.", "mouth_expression", 2),
    ("eye expr.", "eye_expression", 2),
    ("identity", "identity_distance", 3),
    ("kept", "identity_kept", 2),
    ("flicker", "flicker", 2),
)
# What a terminal has room for; the report and the JSON have all.
NARROW = (
    "payload_kbps",
    "wire_kbps",
    "lpips",
    "face_lpips",
    "ms_ssim",
    "mouth_expression",
    "identity_distance",
)
RATIOS: Sequence[tuple[str, str]] = (
    ("payload", ""),
    ("payload, all in the clip", "_clip"),
    ("payload, all over 5 min", "_call"),
    ("wire", "_wire"),
    ("wire, all over 5 min", "_wire_call"),
    ("payload, at equal face LPIPS", "_face"),
    ("wire, at equal face LPIPS", "_face_wire"),
    ("payload, at equal mouth expr.", "_mouth"),
    ("payload, at equal MS-SSIM", "_ms_ssim"),
)
BD: Sequence[tuple[str, str]] = (
    ("LPIPS, payload", ""),
    ("face LPIPS, payload", "_face"),
    ("LPIPS, wire", "_wire"),
    ("face LPIPS, wire", "_face_wire"),
)
NAMES = {"h264": "H.264", "h265": "H.265"}
HAPPENS: Sequence[tuple[str, str, int]] = (
    ("turn, degrees", "turn_degrees", 0),
    ("light, %", "light_percent", 1),
    ("fault at the head", "fault_before_face", 2),
    ("elsewhere", "fault_elsewhere", 2),
)
LOST = " *"


@dataclass(frozen=True)
class Grid:
    """A table: its title, its columns, its rows of cells, and a sentence below it."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""


def rd_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables for the terminal: points and comparisons, and lost clips, size by size."""
    tables = []
    for size in result["sizes"]:
        narrow = points_grid(result, size, keys=NARROW)
        for grid in (
            narrow,
            ratios_grid(result, size),
            bd_grid(result, size),
            losses_grid(result, size),
        ):
            if grid.rows:
                table = table_of(grid.title, grid.columns)
                table.columns[0].no_wrap = True
                table.caption, table.caption_justify = grid.note, "left"
                for row in grid.rows:
                    table.add_row(*row)
                tables.append(table)
    return tables


def entries_of(result: Mapping[str, Any], size: int) -> list[Mapping[str, Any]]:
    """Return the codecs' entries of a size."""
    return [entry for entry in result["results"] if entry["size"] == size]


def clips_of(result: Mapping[str, Any], size: int) -> list[Mapping[str, Any]]:
    """Return the clips measured at a size."""
    return [clip for clip in result["clips"] if clip["size"] == size]


def points_grid(result: Mapping[str, Any], size: int, *, keys: Collection[str] | None = None) -> Grid:
    """Return every codec's points, means over the clips: all figures, or only those of `keys`."""
    rows = []
    columns = [column for column in POINT if keys is None or column[1] in keys]
    for entry in entries_of(result, size):
        for point in entry["points"]:
            cells = (number(point.get(key), digits) for _, key, digits in columns)
            rows.append((f"{entry['heading']}{setting_text(entry, point)}", *cells))
    profile = result["profiles"].get(str(size), "")
    enlarged = "" if profile.endswith(f"at {size}") else ", enlarged"
    title = f"{size} x {size}, {len(clips_of(result, size))} clips: means. Ours: {profile}{enlarged}"
    note = (
        "bpp and kbit/s: payload, our source picture spread over 5 minutes. wire: kbit/s at the IP layer, both ways. "
        "LPIPS and face LPIPS: SqueezeNet, which our training saw; the other judges it did not."
    )
    return Grid(title, ("", *(heading for heading, _, _ in columns)), rows, note)


def ratios_grid(result: Mapping[str, Any], size: int) -> Grid:
    """Return how many times our rate H.264 and H.265 need for our quality: medians over the clips."""
    ours = [entry for entry in entries_of(result, size) if entry["ours"]]
    rows = [
        (
            f"{NAMES[anchor]}: {heading}",
            *(interval(entry, f"rate_ratio_{anchor}{suffix}", 1) for entry in ours),
        )
        for anchor in ANCHORS
        for heading, suffix in RATIOS
    ]
    title = f"{size} x {size}: rate over ours for the same quality, median over clips (95 % interval)"
    note = (
        "At equal LPIPS where nothing else is said. 'payload' is the benchmark's own row: our source picture spread "
        "over 5 minutes, a codec's key frame within the clip. The rows with 'all' treat both alike. 'over' and "
        "'under': in the middle clip ours is better than the codec's finest point, or worse than its coarsest, whose "
        "rate is the bound; '?' is an end of the interval that lies there."
    )
    columns = ("", *(MODES[entry["codec"]].heading.removeprefix("ours, ") for entry in ours))
    return Grid(title, columns, rows if ours else [], note)


def bd_grid(result: Mapping[str, Any], size: int) -> Grid:
    """Return BD-rates against H.264 and H.265: medians over the clips whose curves overlap, where half of them do."""
    rows = []
    count = len(clips_of(result, size))
    for entry in entries_of(result, size):
        keys = [f"bd_rate_vs_{anchor}{suffix}" for anchor in ANCHORS for _, suffix in BD]
        if any(entry.get(key) is not None for key in keys):
            rows.append((entry["heading"], *(_shared(entry, key, count) for key in keys)))
    columns = ("", *(f"{NAMES[anchor]}: {heading}" for anchor in ANCHORS for heading, _ in BD))
    title = f"{size} x {size}: BD-rate in percent, median over clips (95 % interval); below 0 saves bits"
    note = (
        "In brackets behind the interval: in how many clips the two curves have three points each and share a quarter "
        "of their quality; where that is less than half of the clips, no median is given. A codec of one point has no "
        "curve, and stands in the table above alone."
    )
    return Grid(title, columns, rows, note)


def _shared(entry: Mapping[str, Any], key: str, count: int) -> str:
    """Return a median over the clips that have it, with their number; none where most clips have it not."""
    known = entry[f"{key}_known"]
    return (
        f"{interval(entry, key, 0)} [{known} of {count}]" if 2 * known >= count else f"– [{known} of {count}]"
    )


def clips_grid(result: Mapping[str, Any], size: int) -> Grid:
    """Return a row a clip, the one where we save least first."""
    entry = next((entry for entry in entries_of(result, size) if entry["ours"]), None)
    if entry is None:
        return Grid("", (), [])
    ratios = {anchor: entry["by_clip"][f"rate_ratio_{anchor}"] for anchor in ANCHORS}
    rows = []
    for clip in clips_of(result, size):
        ours = next(point for point in clip["points"] if point["codec"] == entry["codec"])
        cells = [number(ours[key], 3) for key in ("lpips", "lpips_frozen", "face_lpips", "face_lpips_frozen")]
        cells += [number(ours["mouth_expression_ratio"], 2), number(ours["identity_distance"], 3)]
        cells += [number(ours["payload_kbps"], 1), number(ours["wire_kbps"], 1)]
        compared = [_compared(clip, anchor, ours, ratios[anchor].get(clip["clip"])) for anchor in ANCHORS]
        name = f"{clip['clip']}{LOST if clip['lost_to_frozen'] else ''}"
        rows.append((compared[0][0], (name, *cells, *(text for _, text in compared))))
    rows.sort(key=lambda row: row[0])
    columns = (
        "clip",
        "LPIPS",
        "frozen",
        "face LPIPS",
        "frozen",
        "mouth expr. / frozen",
        "identity",
        "kbit/s",
        "wire",
    )
    names = tuple(f"{NAMES[anchor]} over ours" for anchor in ANCHORS)
    title = f"{size} x {size}, clip by clip: {entry['heading']}, where it saves least first"
    note = (
        f"{LOST.strip()}: the frozen picture is better in one figure at least; the next table says in which."
    )
    return Grid(title, (*columns, *names), [cells for _, cells in rows], note)


def losses_grid(result: Mapping[str, Any], size: int) -> Grid:
    """Return a row for each clip that the frozen picture or H.264 draws better, with what happens in it."""
    clips = clips_of(result, size)
    lost = losing(clips)
    rows = []
    for clip in lost:
        happens = clip["happens"]
        rows.append(
            (
                clip["clip"],
                _judges(clip["lost_to_frozen"]),
                _judges(clip["lost_to_h264"]),
                *(number(happens[key], digits) for _, key, digits in HAPPENS),
                ", ".join(clip["causes"]) or "nothing of these",
            )
        )
    frozen = sum(bool(clip["lost_to_frozen"]) for clip in clips)
    rival = sum(bool(clip["lost_to_h264"]) for clip in clips)
    title = f"{size} x {size}, where we lose: to the frozen picture {frozen} of {len(clips)} clips, to H.264 {rival}"
    note = (
        "Turn: of the head, away from the source picture. Light: change of the median pixel, of white. Faults: what "
        "the source picture does not show, in the mirror's unit, in which 1 is one. All are the 90th percentile over "
        f"the frames judged; from {TURNED_DEGREES:.0f} degrees, {LIT_PERCENT:.0f} % and {FAULTY:.0f} on they count as "
        f"causes. A clip hardly moves where the frozen picture's LPIPS is under {STILL_LPIPS:g}. H.264 is better where "
        "it needs less than our rate for our quality, and 'at any rate' where its coarsest point is."
    )
    columns = (
        "clip",
        "frozen better in",
        "H.264 better in",
        *(heading for heading, _, _ in HAPPENS),
        "cause",
    )
    return Grid(title, columns, rows, note)


def setting_text(entry: Mapping[str, Any], point: Mapping[str, Any]) -> str:
    """Return what tells a codec's points apart."""
    if point["setting"] is None:
        return ""
    if entry["ours"]:
        return f", {MODES[entry['codec']].settings.format(point['setting'])}"
    return f", CRF {point['setting']}"


def _judges(keys: Sequence[str]) -> str:
    """Name figures in a cell."""
    return (
        "; ".join(key.replace("lpips", "LPIPS").replace("akd", "AKD").replace("_", " ") for key in keys)
        or "–"
    )


def _compared(
    clip: Mapping[str, Any], anchor: str, ours: Mapping[str, Any], value: float | None
) -> tuple[float, str]:
    """Return a codec's rate over ours in a clip, for sorting and as a cell: the bound where our LPIPS lies outside its
    curve."""
    if value is not None:
        return value, number(value, 1)
    curve = sorted(
        (point["lpips"], point["payload_kbps"]) for point in clip["points"] if point["codec"] == anchor
    )
    if not curve:
        return 0.0, "–"
    better = ours["lpips"] < curve[0][0]
    bound = curve[0 if better else -1][1] / ours["payload_kbps"]
    return bound, f"{'over' if better else 'under'} {number(bound, 1)}"


def interval(entry: Mapping[str, Any], key: str, digits: int) -> str:
    """Return a median with its interval, or its bound where it lies outside the codec's curves."""
    value, low, high = (entry.get(f"{key}{end}") for end in ("", "_low", "_high"))
    if value is None:
        # The middle clip lies outside the curve: its end is a bound.
        least, most = entry.get(f"{key}_least"), entry.get(f"{key}_most")
        if least is not None:
            return f"over {least:.{digits}f}"
        return "–" if most is None else f"under {most:.{digits}f}"
    if low == high:  # one clip has no interval
        return f"{value:.{digits}f}"
    # An end that lies outside the curves is open.
    ends = f"{number(low, digits) if low is not None else '?'} to {number(high, digits) if high is not None else '?'}"
    return f"{value:.{digits}f} ({ends})"
