"""`visavis bench net`: its options, its table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bench import report
from bench.clips import backbones_folder
from bench.options import Data, Engine, Json, Overwrite, Profile, choose_clips, spare
from bench.report import number, table_of

COLUMNS = (
    ("first_picture_s", "first picture s", 1),
    ("fresh_fps", "fresh /s", 1),
    ("interpolated_fps", "interp. /s", 1),
    ("extrapolated_fps", "extrap. /s", 1),
    ("longest_gap_ms", "longest gap ms", 0),
    ("frozen_share", "frozen share", 3),
    ("latency_ms_p50", "latency ms", 0),
    ("latency_ms_p95", "p95", 0),
    ("added_latency_ms", "added", 0),
    ("wire_kbps_forward", "wire kbit/s", 1),
    ("wire_kbps_back", "back", 1),
    ("lost_share", "lost", 2),
    ("lpips", "LPIPS", 3),
)


def net(
    data: Data,
    clip: Annotated[str, typer.Option(help="The clip that is sent, by name; the first if not given.")] = "",
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    lines: Annotated[
        str, typer.Option(help="Only these lines, by name, with commas between; all if not given.")
    ] = "",
    seconds: Annotated[
        float, typer.Option(min=8, help="How long each call lasts; its first 5 count for little.")
    ] = 30.0,
    lpips: Annotated[bool, typer.Option(help="Judge the pictures, too.")] = True,
    output: Annotated[Path | None, typer.Option("--output", help="Write the JSON here too.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Hold a call over bad lines, ours beside H.264 over RTP: what is shown, how late, at what rate.

    Calls take their own time and some seconds more each: all lines are done in about 20 minutes.

    Example: visavis bench net --data ../shared/data/val --lines "clean,loss 20%,50 kbit/s"
    """
    from bench.judge import PictureJudge
    from bench.net import CONDITIONS, SYSTEMS, run_net

    spare(output, overwrite=overwrite)
    chosen = choose_clips(data, clip)[0]
    conditions = [name.strip() for name in lines.split(",") if name.strip()] or list(CONDITIONS)
    judge = PictureJudge(backbones_folder()) if lpips else None
    with report.progress(len(conditions) * len(SYSTEMS), "calling") as on_row:
        result = run_net(
            chosen,
            profile=profile,
            engine=engine,
            conditions=conditions,
            seconds=seconds,
            judge=judge,
            on_row=on_row,
        )
    if not lpips:
        for row in result["rows"]:
            row["why"]["lpips"] = "it was not asked for"
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(report.to_json(result), encoding="utf-8")
    report.show(result, as_json=as_json, tables=net_tables)


def net_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return one table, a line and a system a row."""
    from bench.net_figures import START_S
    from bench.net_video import LOWEST_BPS

    table = table_of(
        f"{result['clip']}, {result['seconds']:g} s a call", ["line", "", *(title for _, title, _ in COLUMNS)]
    )
    for row in result["rows"]:
        table.add_row(row["line"], row["system"], *(number(row[key], digits) for key, _, digits in COLUMNS))
    notes = [
        f"first picture: s since the sides began to meet; all else from {START_S:g} s after it to the call's end",
        "wire: IP-level kbit/s that are offered to the line, of whose packets the share 'lost' does not arrive",
        f"h264: aiortc's own, but that its rate may go down to {LOWEST_BPS / 1000:g} kbit/s",
    ]
    notes += [
        f"{row['system']}, {row['line']}: {row['why'][key]}"
        for row in result["rows"]
        for key in ("call", "fresh_fps")
        if key in row["why"] and row["system"] != "frozen"
    ]
    table.caption = "\n".join(notes)
    table.caption_justify = "left"
    return [table]
