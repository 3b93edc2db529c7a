"""`visavis bench cross`: its options, its tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bench import report
from bench.clips import backbones_folder, list_clips, write_picture
from bench.options import RANKED, Clips, Data, Engine, Json, Overwrite, Profile, choose_clips, spare
from bench.report import number, table_of

FIGURES = (
    ("identity distance from the source picture", "identity_distance", 3),
    ("identity kept, share", "identity_kept", 3),
    ("yaw, degrees off the driving head", "yaw_error", 1),
    ("pitch", "pitch_error", 1),
    ("roll", "roll_error", 1),
    ("mouth's opening, % of the eyes' distance off", "mouth_opening_error", 2),
    ("eyes' opening", "eye_opening_error", 2),
    ("a face found, share", "found_share", 3),
)
GOOD = (
    ("identity", "identity kept"),
    ("angle_15", "within 15 degrees"),
    ("both_15", "both"),
    ("angle_5", "within 5 degrees"),
    ("both_5", "both"),
)


def cross(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    clips: Clips = "",
    people: Annotated[int, typer.Option(min=2, help="How many people lend faces and motion.")] = 24,
    sheet_file: Annotated[
        Path | None, typer.Option("--sheet", help="Write a sheet of four pairs here too.")
    ] = None,
    overwrite: Overwrite = False,
    inception: Annotated[
        Path | None,
        typer.Option(help="Inception's weights of 2015 as TorchScript (inception-2015-12-05.pt), for FID."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw strangers with other strangers' motion, level and turned; judge identity, pose and expression.

    Example: visavis bench cross --data ../shared/data/val --sheet out/cross.png
    """
    from bench.cross import cross as cross_pair
    from bench.cross import cross_sheet, pair_up, summarise_crossed
    from bench.judge import Judge
    from bench.metrics.inception import Inception
    from bench.sheet import pick_strangers
    from bench.talk import load_setup
    from bench.view import calibrate

    spare(sheet_file, overwrite=overwrite)
    network = None if inception is None else Inception(inception)
    chosen = choose_clips(data, clips)
    pairs = pair_up(chosen if clips else pick_strangers(chosen, people))
    setup = load_setup(profile, engine=engine)
    judge = Judge(backbones_folder())
    everybody = list_clips(data)
    with report.progress(len(everybody), "measuring the judge") as on_clip:
        calibration = calibrate(setup, everybody, judge, on_clip=on_clip)
    crossed = []
    with report.progress(len(pairs), "crossing") as on_clip:
        for driver, lender in pairs:
            on_clip(driver.name)
            crossed.append(cross_pair(setup, driver, lender, judge, calibration))
    if sheet_file is not None:
        write_picture(sheet_file, cross_sheet(crossed[:RANKED]))
    result = summarise_crossed(setup, crossed, calibration, inception=network)
    report.show(result, as_json=as_json, tables=cross_tables)


def cross_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return one table: a figure a row, drawn beside the frozen source picture."""
    summary = result["summary"]
    table = table_of(f"{result['profile']}, {summary['pairs']} pairs of people", ["", "drawn", "frozen"])
    for heading, key, digits in FIGURES:
        table.add_row(heading, number(summary[key], digits), number(summary[key + "_frozen"], digits))
    table.add_row("FID", number(summary["fid"], 1), number(summary["fid_frozen"], 1))
    if "fid" in result["why"]:
        table.caption, table.caption_justify = f"FID: {result['why']['fid']}.", "left"
    good = table_of("share of good pictures, as in the paper's table 3", ["", "drawn", "frozen"])
    for name, what in (("frontal", "brought level"), ("free_view", "turned by 10 to 30 degrees")):
        for key, heading in GOOD:
            figures = (number(summary[f"{name}_{key}{suffix}"]) for suffix in ("", "_frozen"))
            good.add_row(f"{what}: {heading}", *figures)
    good.caption, good.caption_justify = "Frozen: the same head, neither levelled nor turned.", "left"
    return [table, good]
