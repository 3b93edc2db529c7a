"""The bench's commands about the mirror: its distance, the gallery, the repairs. They read options and print; they
measure nothing themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from bench import report
from bench.clips import backbones_folder
from bench.errors import BenchError
from bench.options import Clips, Data, Engine, Every, Json, Profile, choose_clips
from call.line import parse_rate
from sender.spending import BUDGET_BYTES_PER_S

RATIOS = (
    ("face LPIPS", "face_lpips"),
    ("mouth expression", "mouth_expression"),
    ("LPIPS", "lpips"),
    ("eye expression", "eye_expression"),
)


def mirror(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    every: Every = 15,
    clips: Clips = "",
    as_json: Json = False,
) -> None:
    """Compare cheap distances between pictures with LPIPS: how alike they order redrawn pictures of strangers.

    Example: visavis bench mirror --data ../shared/data/val
    """
    chosen = choose_clips(data, clips)
    from bench.judge import PictureJudge
    from bench.mirror import run_mirror
    from bench.talk import load_setup

    setup = load_setup(profile, engine=engine)
    judge = PictureJudge(backbones_folder())
    with report.progress(len(chosen), "comparing") as on_clip:
        result = run_mirror(setup, chosen, judge, every=every, on_clip=on_clip)
    report.show(result, as_json=as_json, tables=_mirror_tables)


def gallery(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    every: Every = 6,
    budget: Annotated[
        float, typer.Option(min=0, help="Bytes a second that the idle line has for the gallery.")
    ] = 1000.0,
    clips: Clips = "",
    as_json: Json = False,
) -> None:
    """Play the clips with the largest head turns and with the widest mouths, with the gallery and without.

    Those are looked for in the whole folder; of them `--clips` plays only some.

    Example: visavis bench gallery --data ../shared/data/val
    """
    wanted = {clip.name for clip in choose_clips(data, clips)}
    chosen = choose_clips(data, "")
    from bench.gallery import rank_clips, run_gallery
    from bench.judge import Judge
    from bench.talk import load_setup

    setup = load_setup(profile, engine=engine)
    judge = Judge(backbones_folder())
    with report.progress(len(chosen), "ranking") as on_clip:
        ranked = rank_clips(setup, chosen, on_clip)
    groups = {
        name: played for name, group in ranked.items() if (played := [c for c in group if c.name in wanted])
    }
    if not groups:
        found = ", ".join(clip.name for group in ranked.values() for clip in group)
        raise BenchError(f"None of these clips is among the most turned or the widest mouths: {found}.")
    with report.progress(
        len({clip.name for group in groups.values() for clip in group}), "playing"
    ) as on_clip:
        result = run_gallery(setup, groups, judge, budget_bytes_per_s=budget, every=every, on_clip=on_clip)
    report.show(result, as_json=as_json, tables=_gallery_tables)


def repair(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    line: Annotated[
        float,
        typer.Option(
            "--line", help="What the line carries.", parser=parse_rate, metavar="RATE", show_default="100k"
        ),
    ] = 100_000.0,
    budget: Annotated[
        float, typer.Option(min=0, help="Bytes a second that the line leaves for pictures in the long run.")
    ] = BUDGET_BYTES_PER_S,
    clips: Clips = "",
    as_json: Json = False,
) -> None:
    """Bring an object into clips, and exchange the person: time until it is noticed and repaired, and bytes.

    Example: visavis bench repair --data ../shared/data/val --line 50k --budget 200
    """
    chosen = choose_clips(data, clips)
    from bench.judge import PictureJudge
    from bench.mirror_repair import run_repairs
    from bench.talk import load_corrector, load_setup

    setup = load_setup(profile, engine=engine)
    judge = PictureJudge(backbones_folder())
    with report.progress(len(chosen), "repairing") as on_clip:
        result = run_repairs(
            setup,
            chosen,
            judge,
            line_bps=line,
            budget_bytes_per_s=budget,
            corrector=load_corrector(profile, setup),
            on_clip=on_clip,
        )
    report.show(result, as_json=as_json, tables=_repair_tables)


def _mirror_tables(result: Mapping[str, Any]) -> list[Table]:
    counts = f"{result['pictures']} pictures of {result['clips']} clips"
    title = f"rank correlation with LPIPS: {counts}, {result['profile']}"
    keys = ("whole", "whole_within", "face", "face_within")
    table = report.table_of(title, ("distance", *(key.replace("_", ", ") for key in keys), "microseconds"))
    for row in result["rows"]:
        table.add_row(
            row["name"], *(report.number(row[key]) for key in keys), report.number(row["microseconds"], 0)
        )
    return [table]


def _gallery_tables(result: Mapping[str, Any]) -> list[Table]:
    tables = []
    for name, summary in result["summary"].items():
        title = (
            f"{name}: {len(summary['clips'])} clips, {result['budget_bytes_per_s']:.0f} B/s for the gallery; "
            f"{summary['pictures']:.1f} pictures, {summary['picture_bytes'] / 1000:.1f} kB "
            f"({summary['picture_kbps']:.2f} kbit/s over five minutes); flicker at changes "
            f"{report.number(summary['flicker_at_changes'], 2)}"
        )
        table = report.table_of(title, ("", "gallery", "one", "ratio", "95 %", "while it fills"))
        for heading, key in RATIOS:
            low, high = summary[f"{key}_ratio_low"], summary[f"{key}_ratio_high"]
            table.add_row(
                heading,
                report.number(summary[key]),
                report.number(summary[f"{key}_one"]),
                report.number(summary[f"{key}_ratio"], 2),
                f"{report.number(low, 2)} to {report.number(high, 2)}",
                report.number(summary[f"first_{key}_ratio"], 2),
            )
        tables.append(table)
    return tables


def _repair_tables(result: Mapping[str, Any]) -> list[Table]:
    rows: Sequence[tuple[str, str, int]] = (
        ("cases", "cases", 0),
        ("noticed, share", "noticed_share", 2),
        ("within a second", "noticed_within_1_s", 2),
        ("noticed after s, median", "noticed_s_median", 2),
        ("worst", "noticed_s_worst", 2),
        ("LPIPS back under twice within 3 s, share", "back_share", 2),
        ("a call that begins then is, share", "possible_share", 2),
        ("of these, back within 3 s", "back_of_possible", 2),
        ("after s, median", "back_s_median", 2),
        ("worst", "back_s_worst", 2),
        ("bytes, mean", "bytes_mean", 0),
        ("by a new picture", "pictures", 0),
        ("by a residual", "residuals", 0),
        ("bytes of the largest residual", "residual_bytes_most", 0),
        ("alarms before anything happened", "false_alarms", 0),
    )
    summary = result["summary"]
    title = (
        f"repairs, {result['profile']}, a line of {result['line_kbps']:.0f} kbit/s with "
        f"{result['budget_bytes_per_s']:.0f} B/s for pictures"
    )
    table = report.table_of(title, ("", *summary))
    for heading, key, digits in rows:
        table.add_row(heading, *(report.number(figures[key], digits) for figures in summary.values()))
    return [table]
