"""`visavis bench call`: its options and its tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bench import report
from bench.options import Engine, Json, Profile
from bench.report import number, table_of
from call.line import parse_duration, parse_rate

BESIDES = (
    ("fresh pictures a second", "fps_received", 1),
    ("longest without a fresh or interpolated picture, ms", "longest_gap_ms", 0),
    ("latency, ms", "latency_ms", 0),
    ("sent in all in the busiest five seconds, kbit/s", "wire_kbps_sent_busiest", 1),
    ("lost of what it sent, share", "lost_share", 3),
    ("lips after their sound, the worst, ms", "lip_error_ms_worst", 0),
    ("marks within 45 ms, share", "lip_marks_within", 2),
    ("marks", "lip_marks", 0),
    ("20-ms pieces of sound made up", "sound_concealed", 0),
    ("frames that its machine left out, sent", "frames_dropped", 0),
    ("shown", "frames_skipped", 0),
    ("cores", "cpu_cores", 2),
)


def call(
    clip: Annotated[Path, typer.Argument(help="What the host films: a clip of a face, 2.5 seconds or more.")],
    other: Annotated[Path | None, typer.Argument(help="What the guest films; the same if not given.")] = None,
    minutes: Annotated[float, typer.Option(min=0.2, help="How long the call is.")] = 1.0,
    thrifty: Annotated[bool, typer.Option("--thrifty", help="Call with --thrifty.")] = False,
    cut: Annotated[
        bool,
        typer.Option("--cut", help="Cut the line for 10 seconds, and later change the guest's address."),
    ] = False,
    loss: Annotated[float, typer.Option(min=0, max=1, help="The line loses this share.")] = 0.02,
    delay: Annotated[
        float,
        typer.Option(
            parser=parse_duration, metavar="TIME", help="It takes so long each way.", show_default="50ms"
        ),
    ] = 0.05,
    rate: Annotated[
        float,
        typer.Option(
            parser=parse_rate, metavar="RATE", help="It carries so many bit/s each way.", show_default="60k"
        ),
    ] = 60_000.0,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    output: Annotated[
        Path | None, typer.Option(help="Leave call.json, what was filmed and the recordings in this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Hold a call of two processes in two network namespaces over a bad line; wants root on Linux.

    Pictures, sound and their recordings both ways: frames a second, lip sync, wire rate, and with --cut how soon the
    call is back. Both sides share this machine: where it is too slow for two, frames are left out.

    Example: sudo visavis bench call clip.mp4 --minutes 5 --cut
    """
    from bench.call import run_call
    from transport.impairment import Impairment

    with report.progress(round(60 * minutes), "calling") as on_step:
        result = run_call(
            (clip, other or clip),
            seconds=60 * minutes,
            line=Impairment(loss=loss, delay_s=delay, rate_bps=rate),
            thrifty=thrifty,
            cut=cut,
            profile=profile,
            engine=engine,
            output=output,
            on_step=on_step,
        )
    if output is not None:
        (output / "call.json").write_text(report.to_json(result) + "\n", encoding="utf-8")
    report.show(result, as_json=as_json, tables=call_tables)


def call_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return what is asked of each side beside what came of it, and the rest."""
    from bench.call import bars_of

    line = result["line"]
    title = (
        f"{result['seconds']:g} s{', thrifty' if result['thrifty'] else ''}: {100 * line['loss']:g} % lost, "
        f"{line['delay_ms']:g} ms and {line['rate_bps'] / 1000:g} kbit/s each way; load {result['load']:.1f}"
    )
    bars = table_of(title, ("", "asked for", *(side["side"] for side in result["sides"]), "met"))
    for rows in zip(*(bars_of(dict(result), side) for side in result["sides"]), strict=True):
        met = "yes" if all(row[3] for row in rows) else "no"
        bars.add_row(rows[0][0], rows[0][2], *(number(row[1], 1) for row in rows), met)
    words = "yes" if result["words_same"] else "no"
    bars.add_row("one set of safety words", "", "", "", words)
    rest = table_of("besides", ("", *(side["side"] for side in result["sides"])))
    for heading, key, digits in BESIDES:
        rest.add_row(heading, *(number(side[key], digits) for side in result["sides"]))
    return [bars, rest]
