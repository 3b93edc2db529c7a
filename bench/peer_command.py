"""`visavis bench peer`: its options, its tables and its plot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bench import report
from bench.options import Engine, Json, Profile
from bench.report import number, table_of

FIGURES = (
    ("interpolated pictures a second", "interpolated_fps_received", 2),
    ("extrapolated", "extrapolated_fps_received", 2),
    ("latency of what is received, ms: median", "latency_ms_received_p50", 0),
    ("95th percentile", "latency_ms_received_p95", 0),
    ("latency of what is sent, ms: median", "latency_ms_sent_p50", 0),
    ("95th percentile", "latency_ms_sent_p95", 0),
    ("on the wire, kbit/s: sent", "wire_kbps_sent", 1),
    ("received", "wire_kbps_received", 1),
    ("memory, MB: settled", "memory_start_mb", 0),
    ("at the end", "memory_end_mb", 0),
    ("cores of the other side, which has no networks", "other_cpu_cores", 2),
)


def peer(
    clip: Annotated[
        Path,
        typer.Argument(
            help="What the measured side films: a clip of a face, best 25 frames a second or more."
        ),
    ],
    other: Annotated[
        Path | None,
        typer.Option(help="The clip whose recorded motions the other side sends; the same if not given."),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.2, help="How long the call is.")] = 1.0,
    receive_only: Annotated[
        bool, typer.Option("--receive-only", help="The measured side watches and sends nothing.")
    ] = False,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    output: Annotated[
        Path | None,
        typer.Option(help="Write peer.json and the curves of memory and latency into this folder."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Hold one side of a call, the other side's motions replayed: frames a second, cores, latency, memory.

    The other side has no networks, so that the machine does one laptop's work. Means leave out the first seconds.

    Example: visavis bench peer clip.mp4 --minutes 30 --output out/peer
    """
    from bench.peer import run_peer

    with report.progress(round(60 * minutes), "calling") as on_second:
        result = run_peer(
            clip,
            other or clip,
            profile=profile,
            engine=engine,
            minutes=minutes,
            receive_only=receive_only,
            on_second=on_second,
        )
    if output is not None:
        write_peer(output, result)
    report.show(result, as_json=as_json, tables=peer_tables)


def peer_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return what is asked of a side beside what it did, and the rest."""
    from bench.peer import bars_of

    what = "receiving alone" if result["receive_only"] else "both ways"
    title = (
        f"{result['profile']} on {result['engine']}, {what}, {result['seconds']:.0f} s of {result['clip']}"
    )
    bars = table_of(title, ("", "measured", "asked for", "met"))
    for heading, key, bar, side in bars_of(dict(result)):
        # What is printed is what is compared: the ends of the time that is counted may cut off a frame of thousands.
        value = None if result[key] is None else round(result[key], 2)
        met = "–" if value is None else "yes" if (value < bar if side == "under" else value >= bar) else "no"
        bars.add_row(heading, number(value, 2), f"{side} {bar:g}", met)
    rest = table_of("besides", ("", "measured"))
    for heading, key, digits in FIGURES:
        rest.add_row(heading, number(result[key], digits))
    return [bars, rest]


def write_peer(folder: Path, result: Mapping[str, Any]) -> None:
    """Write peer.json, and curves.png: the measured side's memory and the latency of what it shows over the call."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peer.json").write_text(report.to_json(result) + "\n", encoding="utf-8")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, figsize=(7, 6), sharex=True, layout="constrained")
    if result["memory"]:
        above.plot([at_s / 60 for at_s, _ in result["memory"]], [mb for _, mb in result["memory"]])
        above.axhline(result["memory_start_mb"], color="grey", linewidth=1, label="settled")
        above.set_title(
            f"{result['profile']} on {result['engine']}: grown by {result['memory_growth_mb']:.1f} MB"
        )
        above.legend()
    above.set(ylabel="resident memory, MB", ylim=(0, None))
    below.plot([at_s / 60 for at_s, _ in result["latency"]], [ms for _, ms in result["latency"]])
    below.set(xlabel="minutes", ylabel="capture to shown, ms (medians of 10 s)", ylim=(0, None))
    figure.savefig(folder / "curves.png", dpi=150)
    pyplot.close(figure)
