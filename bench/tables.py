"""The tables of the smaller benches: pose, canonical keypoints, free view, repairs, rate control. It knows their
keys; it measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from bench.report import number, table_of

# Heading, key, digits; shares and percents are said in the heading.
Rows = Sequence[tuple[str, str, int]]

POSE: Rows = (
    ("yaw, degrees: median error", "yaw_degrees_median", 2),
    ("the same, 95th percentile", "yaw_degrees_p95", 2),
    ("pitch, degrees: median error", "pitch_degrees_median", 2),
    ("the same, 95th percentile", "pitch_degrees_p95", 2),
    ("roll, degrees: median error", "roll_degrees_median", 2),
    ("the same, 95th percentile", "roll_degrees_p95", 2),
    ("keypoints, % of the eyes' distance: median", "keypoints_percent_median", 2),
    ("the same, 95th percentile", "keypoints_percent_p95", 2),
    ("mouth", "mouth_percent_median", 2),
    ("eyes", "eyes_percent_median", 2),
    ("brows", "brows_percent_median", 2),
    ("nose, chin and jaw", "rigid_percent_median", 2),
    ("faces found in larger pictures, share", "found_share", 4),
    ("a face seen anywhere, share", "located_share", 4),
    ("its centre, % of the face's height: median", "centre_percent_median", 1),
    ("its height over the true one: median", "size_ratio_median", 3),
)
LINE = (
    "line_kbps",
    "believed_kbps",
    "mode",
    "frames_per_s",
    "bundle",
    "repeat",
    "back",
    "copies",
    "keypoints",
    "repair_kbps",
    "sent_kbps",
    "queued_ms",
    "delay_ms",
    "lost",
)
CANONICAL: Rows = (
    ("right person, canonical keypoints", "accuracy", 3),
    ("the same, heads turned by 10 degrees", "accuracy_turned", 3),
    ("right person, keypoints as they lie", "accuracy_placed", 3),
    ("the same, heads turned by 10 degrees", "accuracy_placed_turned", 3),
    ("right person, by chance", "accuracy_chance", 3),
    ("spread within a clip, eyes' distances", "spread_within", 4),
    ("spread between clips", "spread_between", 4),
    ("within over between", "spread_ratio", 3),
)
RESIDUAL: Rows = (
    ("LPIPS over the object's box, redrawn", "region_lpips_redrawn", 3),
    ("the same, repaired", "region_lpips", 3),
    ("the same, of a new source picture", "region_lpips_anew", 3),
    ("repaired over redrawn, geometric mean", "region_lpips_ratio", 3),
    ("clips where it is halved, share", "halved_share", 2),
    ("LPIPS over the picture, redrawn", "lpips_redrawn", 3),
    ("the same, repaired", "lpips", 3),
    ("residual code, bytes", "code_bytes", 0),
    ("message with its motion, bytes", "message_bytes", 0),
    ("the largest, bytes", "message_bytes_most", 0),
    ("new source picture, bytes", "anew_bytes", 0),
    ("frames whose residual is the smaller, share", "cheaper_share", 2),
    ("cells sent, share", "sent_share", 3),
)


def listed(title: str, figures: Mapping[str, Any], rows: Rows) -> Table:
    """Return a table of `figures`, a row each."""
    table = table_of(title, ("", "figure"))
    for heading, key, digits in rows:
        table.add_row(heading, number(figures[key], digits))
    return table


def pose_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return the set's figures, and the clips where the student or `locate` is worst."""
    summary = result["summary"]
    worst = table_of("the worst clips", ("clip", "yaw", "pitch", "roll", "keypoints %", "found"))
    for row in sorted(result["clips"], key=lambda row: -row["keypoints_percent"])[:5]:
        keys = ("yaw_degrees", "pitch_degrees", "roll_degrees", "keypoints_percent", "found_share")
        worst.add_row(row["name"], *(number(row[key], 2) for key in keys))
    title = f"{result['profile']}, {summary['frames']} frames of {len(result['clips'])} clips"
    return [listed(title, summary, POSE), worst]


def canonical_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return one table."""
    title = (
        f"{result['profile']}, {result['people']} people, {result['probes']} frames, "
        f"{result['probes_turned']} of them turned"
    )
    return [listed(title, result, CANONICAL)]


def view_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return one table, an asked angle a row."""
    summary = result["summary"]
    title = (
        f"{result['profile']}, {summary['people']} people; degrees, medians; the judge itself errs by "
        f"{summary['judge_yaw_degrees']:.1f} in yaw and {summary['judge_pitch_degrees']:.1f} in pitch on originals"
    )
    digits = {
        "got": 1,
        "error": 1,
        "turn_error": 1,
        "identity_distance": 3,
        "identity_kept": 2,
        "found_share": 2,
    }
    table = table_of(title, ("turn", "asked", *(key.replace("_", " ") for key in digits)))
    for row in result["angles"]:
        table.add_row(
            row["axis"], f"{row['asked']:+d}", *(number(row[key], places) for key, places in digits.items())
        )
    return [table]


def residual_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return one table."""
    title = f"{result['profile']}, {len(result['clips'])} clips: something before a tenth of the picture"
    return [listed(title, result["summary"], RESIDUAL)]


def line_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return one table, a second a row."""
    summary = result["summary"]
    title = (
        f"the rate controller: {summary['changes']} changes, "
        f"a queue of over 0.1 s in {100 * summary['queued_share']:.0f} % of the seconds; "
        f"{100 * summary['shown_share']:.1f} % of the display ticks shown, longest gap "
        f"{number(summary['longest_gap_ms'], 0)} ms; at most {summary['peak_kbps_forward']:.1f} kbit/s over 5 s"
    )
    table = table_of(title, ("second", *(key.replace("_", " ") for key in LINE)))
    for row in result["rows"]:
        table.add_row(number(row["at_s"], 0), *(_cell(row[key]) for key in LINE))
    return [table]


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else number(value, 1 if isinstance(value, float) else 0)
