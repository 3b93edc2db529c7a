"""The bench's command `rd`: rate against distortion beside the conventional codecs. It reads options, shows progress
and prints; it measures nothing itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bench import report
from bench.clips import backbones_folder
from bench.options import Engine, Json


def rd(
    clips: Annotated[
        list[Path],
        typer.Argument(
            help="Videos of a face, square crops as a rule; folders of them; data folders with clips/."
        ),
    ],
    sizes: Annotated[str, typer.Option(help="Sides of the pictures, with commas between.")] = "256,512",
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Three clips, few points, five frames: a look, no figure to quote."),
    ] = False,
    frames: Annotated[
        int, typer.Option(min=1, help="Frames of each clip that are judged, evenly spread.")
    ] = 8,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Sizes and weights, by name or folder; the size's own laptop profile, or else"
            " laptop-256 enlarged, if left out."
        ),
    ] = None,
    engine: Engine = "openvino",
    output: Annotated[
        Path | None,
        typer.Option(
            help="Write report.html, rate.svg, tables.md, rd.json, points.csv and films into this folder, and keep"
            " finished points there."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a dask scheduler, as in tcp://10.0.0.5:8786; its workers see all files under the same"
            " paths."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine; as many as cores if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure bits against picture, beside H.264, H.265, VP9 and AV1, and compare at equal quality.

    Finished points are kept (in OUTPUT, or in the user's cache), so the same command goes on where it was stopped.
    Each codec sees every frame; the judges see 8 of each clip, unless --frames says more.

    Example: visavis bench rd ../shared/data/val --sizes 256,512 --output out/rd
    """
    from bench.rd import Plan, find_clips, list_films, look_before, parse_sizes, run_rd, write_films
    from bench.rd_report import without_pictures, write_report
    from bench.rd_store import default_folder
    from bench.rd_tables import rd_tables

    plan = Plan(
        clips=find_clips(clips),
        sizes=parse_sizes(sizes),
        quick=quick,
        frames=frames,
        profile=profile,
        engine=engine,
        backbones=backbones_folder().resolve(),
        store=(default_folder() if output is None else output / "points").resolve(),
        strips=output is not None,
        scheduler=scheduler,
        workers=workers or os.cpu_count() or 1,
    )
    look_before(plan)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    try:
        with report.progress(len(plan.jobs()), "measuring") as on_clip:
            result = run_rd(plan, on_clip=on_clip, on_trouble=report.say)
        if output is not None:
            films = list_films(plan, result, output)
            with report.progress(len(films), "filming") as on_clip:
                write_films(plan, films, on_clip=on_clip, on_trouble=report.say)
            report.say(f"{write_report(output, result)}: open it in a browser")
    except KeyboardInterrupt:
        report.say("bench rd: stopped; the same command goes on with what is left")
        raise typer.Exit(130) from None
    report.show(without_pictures(result), as_json=as_json, tables=rd_tables)
    if failed := sum(row["failed"] for row in result["skipped"]):
        report.fail(f"{failed} of {len(plan.jobs())} could not be measured; see above.")
        raise typer.Exit(1)
