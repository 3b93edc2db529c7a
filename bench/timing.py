"""The bench's commands that measure time: the trip of a frame, and a graph's nodes. They read options and print; they
measure nothing themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from bench import report
from bench.clips import LONGEST_S, Picture, read_video
from bench.errors import BenchError
from bench.options import Json, Overwrite, spare
from bench.report import number, table_of

# Torch's engines register themselves when they are asked for by name.
TORCH_ENGINES = ("torch", "torch-cuda")
PORTRAIT_FRAMES = 50


def speed(
    video: Annotated[
        Path | None, typer.Argument(help="A clip of a face; a swaying portrait if not given.")
    ] = None,
    profiles: Annotated[
        str, typer.Option(help="Only these profiles, with commas between; all that are built if not given.")
    ] = "",
    engines: Annotated[
        str, typer.Option(help="Only these engines, with commas between; all if not given.")
    ] = "",
    references: Annotated[
        bool, typer.Option(help="Measure ONNX Runtime and conventional codecs too.")
    ] = True,
    rounds: Annotated[int, typer.Option(min=1, help="How often the rows take turns.")] = 5,
    frames: Annotated[int, typer.Option(min=1, help="Frames of a row in each round.")] = 40,
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Time the frame graph's operations in OpenVINO instead.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", help="Write the JSON here too.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Time a frame's trip stage by stage, on every engine and profile, beside other runtimes and codecs.

    Example: visavis bench speed --engines openvino,openvino-f32 --output out/speed.json
    """
    from bench.choice import choose
    from bench.speed import OPENVINO_ENGINES, plan_rows, run_speed, steps_of
    from runtime.engine import ENGINES
    from runtime.profile import list_built_profiles, load_profile

    spare(output, overwrite=overwrite)
    chosen = choose(profiles, list_built_profiles(), "built profile")
    wanted = choose(engines, sorted({*ENGINES, *TORCH_ENGINES} - {"auto"}), "engine")
    sizes = {name: load_profile(name).picture_size for name in chosen}
    pictures = {size: read_clip(video, size) for size in sizes.values()}
    if nodes:
        from bench.nodes import run_nodes

        timed = [name for name in wanted if name in OPENVINO_ENGINES]
        if not timed:
            raise BenchError(f"--nodes is about OpenVINO's engines: {', '.join(OPENVINO_ENGINES)}.")
        with report.progress(len(chosen) * len(timed), "timing") as on_step:
            result = run_nodes(chosen, timed, pictures, runs=rounds * frames, on_profile=on_step)
        tables = nodes_tables
    else:
        rows = plan_rows(chosen, wanted, references=references)
        with report.progress(steps_of(rows, rounds), "timing") as on_step:
            result = run_speed(rows, pictures, sizes, rounds=rounds, frames=frames, on_step=on_step)
        tables = speed_tables
    result = {"clip": None if video is None else video.name, **result}
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(report.to_json(result) + "\n", encoding="utf-8")
    report.show(result, as_json=as_json, tables=tables)


def read_clip(video: Path | None, size: int) -> list[Picture]:
    """Return a clip's pictures as squares of `size`, or those of a portrait that sways like a listener."""
    if video is not None:
        return read_video(video, size=size, longest_s=LONGEST_S)[0]
    import cv2

    from call.portrait import load_portrait

    portrait = load_portrait(size)
    pictures = []
    for index in range(PORTRAIT_FRAMES):
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), 4 * float(np.sin(index / 6)), 1.0)
        turn[0, 2] += size / 50 * np.sin(index / 9)
        moved = cv2.warpAffine(portrait, turn, (size, size), borderMode=cv2.BORDER_REPLICATE)
        pictures.append(np.asarray(moved, np.uint8))
    return pictures


def speed_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return the stages' medians (a row each), and what a row costs besides."""
    machine = result["machine"]
    title = (
        f"{machine['processor']}, {machine['cores']} cores, {result['frames']} frames in {result['rounds']} rounds: "
        f"median ms (95th percentile)"
    )
    stages = list(result["rows"][0]["stages"])
    times = table_of(title, ("", *(stage.replace("_", " ") for stage in stages)))
    costs = table_of(
        "what it costs",
        ("", "pictures/s, drawn side by side", "cores of a call", "MB", "cold start s", "warm start s"),
    )
    costs.add_column("why not")
    for row in result["rows"]:
        times.add_row(row["label"], *(_time(row["stages"][stage]) for stage in stages))
        figures = zip(
            ("drawn_a_second", "cpu_cores", "rss_mb", "start_s_cold", "start_s_warm"),
            (1, 2, 0, 2, 2),
            strict=True,
        )
        why = row["why"].get("end_to_end", "")
        costs.add_row(row["label"], *(number(row[key], digits) for key, digits in figures), why)
    return [times, costs]


def nodes_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return a table for each profile: the frame graph's operations, the dearest first."""
    tables = []
    for graph in result["graphs"]:
        title = f"{graph['profile']} {graph['engine']}: frame graph, {number(graph['ms'], 2)} ms a run in its nodes"
        table = table_of(title, ("operation", "ms", "share %"))
        for heading in ("kind", "computed by", "calls"):
            table.add_column(heading)
        for node in graph["nodes"]:
            share = number(100 * node["ms"] / graph["ms"], 1) if graph["ms"] else "–"
            table.add_row(
                node["name"], number(node["ms"], 3), share, node["kind"], node["by"], str(node["calls"])
            )
        tables.append(table)
    return tables


def _time(stage: Mapping[str, Any]) -> str:
    if stage["ms_p50"] is None:
        return "–"
    return f"{number(stage['ms_p50'], 2)} ({number(stage['ms_p95'], 2)})"
