"""The bench's commands that look at one network each: the student and `locate`, canonical keypoints, the free view, the
residual code, and the rate controller. They read options and print; they measure nothing themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench import report
from bench.clips import backbones_folder, list_clips, write_picture
from bench.options import (
    RANKED,
    Clips,
    Data,
    Engine,
    Every,
    Json,
    Overwrite,
    Profile,
    Source,
    choose_clips,
    spare,
)
from call.line import Burst, Jitter, Loss, Seed, parse_duration, parse_rate

# People on the sheet of repairs.
SHOWN = 8


def pose(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    every: Every = 5,
    clips: Clips = "",
    as_json: Json = False,
) -> None:
    """Measure the motion student against its teacher, and how often `locate` finds a face in a larger picture.

    Example: visavis bench pose --data ../shared/data/val
    """
    chosen = choose_clips(data, clips)
    from bench.pose import run_pose
    from bench.tables import pose_tables
    from bench.talk import load_setup

    setup = load_setup(profile, engine=engine)
    with report.progress(len(chosen), "looking") as on_clip:
        result = run_pose(setup, chosen, every=every, on_clip=on_clip)
    report.show(result, as_json=as_json, tables=pose_tables)


def canonical(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    every: Every = 10,
    clips: Clips = "",
    as_json: Json = False,
) -> None:
    """Measure how well canonical keypoints tell people apart, whatever their pose and expression.

    Example: visavis bench canonical --data ../shared/data/val
    """
    chosen = choose_clips(data, clips)
    from bench.canonical import run_canonical
    from bench.tables import canonical_tables
    from bench.talk import load_setup

    setup = load_setup(profile, engine=engine)
    with report.progress(len(chosen), "looking") as on_clip:
        result = run_canonical(setup, chosen, every=every, on_clip=on_clip)
    report.show(result, as_json=as_json, tables=canonical_tables)


def view(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    source: Source = "first",
    clips: Clips = "",
    strangers: Annotated[int, typer.Option(min=1, help="How many people are turned.")] = 60,
    sheet_file: Annotated[
        Path | None, typer.Option("--sheet", help="Write a sheet of -30 to 30 degrees of four of them here.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Turn strangers' heads by -30 to 30 degrees, and judge the angle and the identity of what is drawn.

    Example: visavis bench view --data ../shared/data/val --sheet out/view.png
    """
    spare(sheet_file, overwrite=overwrite)
    chosen = choose_clips(data, clips)
    from bench.judge import Judge
    from bench.sheet import pick_strangers
    from bench.tables import view_tables
    from bench.talk import load_setup
    from bench.view import calibrate, summarise_turns, turn_stranger, view_sheet

    setup = load_setup(profile, engine=engine)
    judge = Judge(backbones_folder())
    people = pick_strangers(chosen, strangers)
    # A shape's depth shows only in heads that are turned: the judge is measured on all that there are.
    everybody = list_clips(data)
    with report.progress(len(everybody), "measuring the judge") as on_clip:
        calibration = calibrate(setup, everybody, judge, on_clip=on_clip)
    turned = []
    with report.progress(len(people), "turning") as on_clip:
        for clip in people:
            on_clip(clip.name)
            turned.append(turn_stranger(setup, clip, judge, calibration, source=source))
    if sheet_file is not None:
        shown = {clip.name for clip in pick_strangers(people, RANKED)}
        write_picture(sheet_file, view_sheet([each for each in turned if each.name in shown]))
    report.show(summarise_turns(setup, turned, calibration), as_json=as_json, tables=view_tables)


def residual(
    data: Data,
    stage: Annotated[
        Path | None,
        typer.Option(help="The folder where a training left a residual network; else the profile's own."),
    ] = None,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    every: Every = 25,
    clips: Clips = "",
    sheet_file: Annotated[
        Path | None, typer.Option("--sheet", help="Write a sheet of covered, redrawn and repaired here.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Paste hands and objects before strangers, and measure what a residual code repairs, and what it weighs.

    Example: visavis bench residual --data ../shared/data/val
    """
    spare(sheet_file, overwrite=overwrite)
    chosen = choose_clips(data, clips)
    from bench.judge import PictureJudge
    from bench.residual import built_repairer, load_repairer, run_residual
    from bench.sheet import Row, lay_out
    from bench.tables import residual_tables
    from bench.talk import load_setup

    repairer = built_repairer(profile) if stage is None else load_repairer(stage)
    setup = load_setup(profile, engine=engine)
    judge = PictureJudge(backbones_folder())
    shown: list[Row] = []
    with report.progress(len(chosen), "repairing") as on_clip:
        result = run_residual(setup, chosen, repairer, judge, every=every, shown=shown, on_clip=on_clip)
    if sheet_file is not None:
        write_picture(sheet_file, lay_out(shown[:SHOWN]))
    report.show(result, as_json=as_json, tables=residual_tables)


def line(
    capacities: Annotated[
        str,
        typer.Option("--capacities", help="What the line carries from when on: SECONDS:RATE, with commas."),
    ] = "0:300k,20:20k,50:100k",
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long, in simulated time.")] = 90.0,
    loss: Loss = 0.0,
    burst: Burst = 1.0,
    delay: Annotated[
        float,
        typer.Option(
            help="Hold every packet up, each way, as in 100ms.",
            parser=parse_duration,
            metavar="TIME",
            show_default="50ms",
        ),
    ] = 0.05,
    jitter: Jitter = 0.0,
    limit: Annotated[
        float | None,
        typer.Option(
            "--limit", help="What the user allows, as in 50k bit/s.", parser=parse_rate, metavar="RATE"
        ),
    ] = None,
    predictive: Annotated[
        bool, typer.Option("--predictive/--static", help="Whether the other side decodes predictive packets.")
    ] = True,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Run the rate controller against a simulated line, a second a row: what it decides, sends and lets queue.

    Example: visavis bench line --capacities 0:300k,20:20k,50:100k --loss 0.1
    """
    from bench.errors import BenchError
    from bench.line import parse_steps, run_line
    from bench.tables import line_tables
    from transport.impairment import Impairment

    try:
        impairment = Impairment(loss=loss, burst=burst, delay_s=delay, jitter_s=jitter)
    except ValueError as error:
        raise BenchError(f"The line cannot be like that: {error}.") from None
    result = run_line(
        parse_steps(capacities),
        seconds=seconds,
        impairment=impairment,
        limit_bps=limit,
        predictive=predictive,
        seed=seed,
    )
    report.show(result, as_json=as_json, tables=line_tables)
