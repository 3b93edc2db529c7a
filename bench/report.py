"""What the benches print and write: progress on stderr, tables or JSON on stdout, JSON and a plot in a folder. It knows
the figures' keys; it measures nothing."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench.errors import BenchError
from bench.statistics import METRICS, PROFILE_KEYS

# Nobody watches a pipe: tables there are as wide as they need to be.
output = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
errors = Console(stderr=True, highlight=False)
# A log file gets a line a minute at most, and what is left is told by the clips that ended last: those that an earlier
# run has measured take no time.
LOG_EVERY_S = 60.0
LOG_RECENT = 9
SPEED_S = 1200.0

# The figures whose spread over the clips the plot shows: the judge of the picture, and those of the face.
PLOTTED = ("lpips", "face_lpips", "mouth_akd", "mouth_expression")


def say(sentence: str) -> None:
    """Print a sentence on stderr, beside what a script reads."""
    errors.print(sentence, markup=False, soft_wrap=True)


def fail(sentence: str) -> None:
    """Print what went wrong on stderr."""
    say(f"visavis bench: {sentence}")


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[str], None]]:
    """Show a bar on stderr for `total` clips, or, where that is no terminal, say now and then how far it is; yields
    what to call with each clip's name before its work."""
    if not errors.is_terminal:
        yield _Log(total, what).on_clip
        return
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[clip]}"),
    )
    # A clip may take minutes: without the longer memory there would be no time left to tell.
    with Progress(*columns, console=errors, transient=True, speed_estimate_period=SPEED_S) as bar:
        task = bar.add_task(what, total=total, clip="")
        started = 0

        def on_clip(name: str) -> None:
            nonlocal started
            bar.update(task, completed=started, clip=name)
            started += 1

        yield on_clip


class _Log:
    """How far it is, in lines for a log file: none where all is done in a moment, later on one now and then."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what = total, what
        self._done = 0
        self._said_s = time.monotonic()
        self._recent_s: deque[float] = deque(maxlen=LOG_RECENT)

    def on_clip(self, name: str) -> None:
        """Note that a clip's work begins, and all before it is done."""
        now_s = time.monotonic()
        if self._done and now_s - self._said_s >= LOG_EVERY_S:
            self._said_s = now_s
            left_s = (now_s - self._recent_s[0]) / len(self._recent_s) * (self._total - self._done)
            say(f"{self._what}: {self._done} of {self._total}, {duration(left_s)} left, {name}")
        self._recent_s.append(now_s)
        self._done += 1


def duration(seconds: float) -> str:
    """Return a duration for people.

    >>> duration(42), duration(600), duration(5000)
    ('42 s', '10 min', '1 h 23 min')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def show(
    result: Mapping[str, Any], *, as_json: bool, tables: Callable[[Mapping[str, Any]], list[Table]]
) -> None:
    """Print a bench's result on stdout, as JSON or as tables."""
    if as_json:
        sys.stdout.write(to_json(result) + "\n")
        return
    for table in tables(result):
        output.print(table)


def to_json(result: Mapping[str, Any]) -> str:
    """Return JSON; a number that is not finite becomes null, as JSON has no other word."""
    return json.dumps(_finite(result), indent=2, ensure_ascii=False)


def quality_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return the set's table (a metric a row) and the clips' (a clip a row)."""
    return [_summary_table(result), _clips_table(result["clips"])]


def rate_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return one table, a mode a row."""
    keys = (
        *("bytes_clips", "bytes_mean", "bytes_median", "bytes_min", "bytes_max"),
        *("encode_us", "decode_us"),
    )
    deltas = ("lpips_delta", "face_lpips_delta")
    counts = f"{result['motions']} motions of {result['clips']} clips, {result['keypoints']} keypoints"
    title = f"{result['profile']}: {counts}"
    table = table_of(title, ("mode", *(key.replace("_", " ") for key in keys + deltas)))
    for mode, figures in result["modes"].items():
        cells = [number(figures[key], 1) for key in keys] + [number(figures[key], 5) for key in deltas]
        table.add_row(mode.replace("_", " "), *cells)
    return [table]


def compare_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return one table, a metric a row."""
    table = table_of(
        f"{result['frames_judged']} of {result['frames']} frames", ("", "redrawn", "frozen", "why not")
    )
    for key in ("lpips", "face_lpips", "psnr", "ssim"):
        why = result["why"].get(key) or result["why"].get(f"{key}_frozen", "")
        table.add_row(key.replace("_", " "), number(result[key]), number(result[f"{key}_frozen"]), why)
    return [table]


def record_quality(profile: str, result: dict[str, Any]) -> None:
    """Keep a run's figures in the profile's toml, where `visavis models list` reads them; raise BenchError where one of
    them could not be measured."""
    from models.export import write_table
    from runtime.profile import load_profile

    summary = result["summary"]
    names = (
        "face_lpips",
        "lpips",
        "mouth_akd",
        "eye_akd",
        "mouth_expression",
        "eye_expression",
        "identity_distance",
    )
    ratios = {key: summary[key] for key in (*(f"{name}_ratio" for name in names), "share_beaten")}
    missing = [key for key, value in ratios.items() if value is None]
    if missing:
        raise BenchError(
            f"Nothing is kept in the profile: {missing[0]} could not be measured on these clips."
        )
    figures = {key: round(value, 4) for key, value in ratios.items()} | {"clips": len(result["clips"])}
    path = load_profile(profile).folder / "profile.toml"
    write_table(path, "quality", "of `visavis bench quality --record`, ratios to the frozen picture", figures)


def write_quality(folder: Path, result: Mapping[str, Any]) -> None:
    """Write quality.json and quality.png (the clips' ratios to their frozen pictures, in order) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quality.json").write_text(to_json(result) + "\n", encoding="utf-8")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for key in PLOTTED:
        ratios = sorted(clip[f"{key}_ratio"] for clip in result["clips"] if clip[f"{key}_ratio"] is not None)
        shares = [(index + 0.5) / len(ratios) for index in range(len(ratios))]
        axes.plot(ratios, shares, marker=".", label=key.replace("_", " "))
    axes.axvline(1, color="grey", linewidth=1)
    axes.set(
        xscale="log", xlabel="error over the frozen picture's (left is better)", ylabel="share of the clips"
    )
    axes.set_title(f"{result['profile']}, source {result['source']}, {len(result['clips'])} clips")
    axes.legend()
    figure.savefig(folder / "quality.png", dpi=150)
    pyplot.close(figure)


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure for a table, a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _summary_table(result: Mapping[str, Any]) -> Table:
    summary = result["summary"]
    title = (
        f"{result['profile']}, {result['keypoints']} keypoints, {len(result['clips'])} clips, "
        f"source {result['source']}, {summary['frames_judged']} frames judged: ratio to the frozen picture"
    )
    columns = ("", "redrawn", "frozen", "ratio", "95 % interval", "clips beaten", "worst", "worst clip")
    table = table_of(title, columns)
    for metric in METRICS:
        key = metric.key
        low, high, share = (summary[f"{key}_{part}"] for part in ("ratio_low", "ratio_high", "share_beaten"))
        table.add_row(
            metric.heading,
            number(summary[key]),
            number(summary[f"{key}_frozen"]),
            number(summary[f"{key}_ratio"], 2),
            "–" if low is None else f"{low:.2f} to {high:.2f}",
            "–" if share is None else f"{100 * share:.0f} %",
            number(summary[f"{key}_worst"], 2),
            summary[f"{key}_worst_clip"] or "–",
        )
    table.add_section()
    for heading, key, digits in (
        ("identities kept", "identity_kept", 2),
        ("flicker over the original's", "flicker", 2),
        ("payload B a frame", "payload_bytes_per_frame", 1),
        ("payload kbit/s", "payload_kbps", 2),
        ("H.264's rate for our LPIPS, over ours", "rate_ratio_h264", 2),
        ("the same, source within the clip", "rate_ratio_h264_clip", 2),
    ):
        table.add_row(heading, number(summary[key], digits))
    lost = summary["identity_lost"]
    table.add_row("clips whose identity is lost", "–" if lost is None else ", ".join(lost) or "none")
    if result["rival"] is not None:
        for key in PROFILE_KEYS:
            low, high = (summary.get(f"{key}_over_rival_{end}") for end in ("low", "high"))
            table.add_row(
                f"{key.replace('_', ' ')} over {result['rival']}'s, enlarged",
                *("", "", number(summary.get(f"{key}_over_rival"), 2)),
                "–" if low is None else f"{low:.2f} to {high:.2f}",
            )
    return table


def _clips_table(clips: Sequence[Mapping[str, Any]]) -> Table:
    keys = ("lpips", "face_lpips", "mouth_akd", "eye_akd", "mouth_expression", "eye_expression")
    headings = tuple(key.replace("_", " ") for key in keys)
    table = table_of(
        "ratio to the frozen picture, clip by clip",
        ("clip", *headings, "identity kept", "flicker", "kbit/s", "H.264 over ours"),
    )
    for clip in clips:
        ratios = [number(clip[f"{key}_ratio"], 2) for key in keys]
        others = [number(clip["identity_kept"], 2), number(clip["flicker"], 2)]
        others += [number(clip["payload_kbps"], 1), number(clip["rate_ratio_h264"], 1)]
        table.add_row(clip["name"], *ratios, *others)
    return table


def table_of(title: str, columns: Sequence[str]) -> Table:
    """Return an empty table; columns of numbers stand to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    for index, column in enumerate(columns):
        words = index == 0 or column in ("worst clip", "why not")
        table.add_column(column, justify="left" if words else "right")
    return table


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
