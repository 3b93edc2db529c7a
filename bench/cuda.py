"""What NVIDIA cards make of every profile, in one bounded run: `python -m bench.cuda`.

For a machine with a card and PyTorch alone: no network, no clips, no other package than the training's. Speed does not
depend on weights, so that profiles without any are measured untrained. Each graph is timed on the card (CUDA events
about the recorded work) and as a call waits for it, copies included.
Where TensorRT is installed, its engine is timed as a call waits for it; first its graphs are built, into the user's
cache.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from bench.choice import choose
from bench.errors import BenchError

if TYPE_CHECKING:
    from runtime.engine import Arrays, Graph

app = typer.Typer(add_completion=False, rich_markup_mode=None)

TIMED = ("motion", "frame")
RUNS, WARM_UP = 200, 10
# Milliseconds on the card that are aimed at.
AIMS_MS = {("paper-512", "frame"): 8.0, ("laptop-512", "frame"): 1.5}


@app.command()
def main(
    output: Annotated[Path, typer.Option(help="A JSON file for the figures.")],
    minutes: Annotated[
        float, typer.Option(min=0.1, help="Begin no further profile once so much of the clock is over.")
    ] = 8.0,
    profiles: Annotated[str, typer.Option(help="Profiles with commas between; all if left out.")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there already.")
    ] = False,
) -> None:
    """Time the motion and frame graphs of every profile on an NVIDIA card, and write a JSON file.

    Example: python -m bench.cuda --minutes 5 --output out/cuda.json
    """
    from runtime.profile import list_profiles

    ends = time.monotonic() + 60 * minutes

    def keep(result: dict[str, Any]) -> None:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

    try:
        if output.exists() and not overwrite:
            raise BenchError(f"{output} is there already: --overwrite replaces it.")
        names = choose(profiles, list_profiles(), "profile")
        output.parent.mkdir(parents=True, exist_ok=True)
        result = run_cuda(names, ends=ends, on_rows=keep)
    except (BenchError, OSError) as error:
        typer.echo(f"bench.cuda: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{len(result['rows'])} rows on {result['card']}, written to {output}")


def run_cuda(
    names: Sequence[str], *, ends: float, on_rows: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Return the bench's JSON: the card, the libraries, and `rows`, each a profile's graph on an engine; prints them.

    ends: on the monotonic clock; profiles that are not begun by then have a `why` instead of figures.
    on_rows: is given all there is so far after each profile, for who is stopped keeps what was measured.

    Raises BenchError where torch has no CUDA device.
    """
    import torch

    if not torch.cuda.is_available():
        raise BenchError(f"There is no CUDA device for torch here (torch {torch.__version__}).")
    rows: list[dict[str, Any]] = []
    result = {
        "card": torch.cuda.get_device_name(),
        "memory_mb": round(torch.cuda.get_device_properties(0).total_memory / 2**20),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "runs": RUNS,
        "rows": rows,
    }
    for engine, measure in (("torch-cuda", measure_torch), ("tensorrt", measure_tensorrt)):
        for name in names:
            over = time.monotonic() >= ends
            found = [{"why": "the time was over"}] if over else measured(measure, name)
            for row in found:
                rows.append({"profile": name, "engine": engine, **row})
                typer.echo(line_of(rows[-1]))
            on_rows(result)
    return result


def measured(measure: Callable[[str], list[dict[str, Any]]], name: str) -> list[dict[str, Any]]:
    """Return a profile's rows on an engine, or why there are none: one that fails leaves the others theirs."""
    try:
        return measure(name)
    # A card or a driver that does not do something has as many exceptions as there are drivers.
    except Exception as error:
        return [{"why": str(error).strip().partition("\n")[0] or type(error).__name__}]


def measure_torch(name: str) -> list[dict[str, Any]]:
    """Time a profile's graphs by torch, recorded as CUDA graphs, batch 1."""
    import torch

    from models.cuda import record_networks
    from models.graphs import plans_of
    from models.networks import load_networks, networks_of
    from runtime.profile import profiles_folder

    folder = profiles_folder() / name
    trained = (folder / "weights.safetensors").is_file()
    networks = (load_networks(folder) if trained else networks_of(folder)).eval()
    inputs = {graph: arrays_of(plan[1], plan[2]) for graph, plan in plans_of(networks).items()}
    torch.cuda.reset_peak_memory_stats()
    graphs = record_networks(networks)
    rows = []
    for graph in TIMED:
        waited = waited_ms(graphs[graph], inputs[graph])
        rows.append(
            {
                "graph": graph,
                "trained": trained,
                "precision": "generator float16, the rest float32",
                **figures("card", graphs[graph].time_recorded(RUNS)),
                **figures("call", waited),
                "aim_ms": AIMS_MS.get((name, graph)),
            }
        )
    return [row | {"memory_mb": round(torch.cuda.max_memory_allocated() / 2**20)} for row in rows]


def measure_tensorrt(name: str) -> list[dict[str, Any]]:
    """Time a built profile's graphs by TensorRT as a call waits for them."""
    from models.graphs import plans_of
    from models.networks import load_networks
    from runtime.engine import load
    from runtime.profile import load_profile

    profile = load_profile(name)
    plans = plans_of(load_networks(profile.folder))
    graphs = load(profile, engine="tensorrt")
    half = "generator float16, the rest float32" if "frame" in profile.half else "float32"
    return [
        {
            "graph": graph,
            "trained": True,
            "precision": half if graph == "frame" else "float32",
            **figures("call", waited_ms(getattr(graphs, graph), arrays_of(*plans[graph][1:3]))),
        }
        for graph in TIMED
    ]


def arrays_of(examples: Sequence[Any], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return a graph's example tensors as the arrays that it takes."""
    return {name: np.ascontiguousarray(value.numpy()) for name, value in zip(names, examples, strict=True)}


def waited_ms(graph: Graph, inputs: Arrays) -> list[float]:
    """Return the milliseconds that a call waits for each of some runs of a graph."""
    times = []
    for run in range(WARM_UP + RUNS):
        began_s = time.perf_counter()
        graph(inputs)
        if run >= WARM_UP:
            times.append(1000 * (time.perf_counter() - began_s))
    return times


def figures(which: str, times_ms: Sequence[float]) -> dict[str, float]:
    """Return the median and 95th percentile of some times."""
    return {f"{which}_ms_p{share}": round(float(np.percentile(times_ms, share)), 4) for share in (50, 95)}


def line_of(row: Mapping[str, Any]) -> str:
    """Say a row in a line."""
    what = f"{row['profile']} {row['engine']}"
    if "why" in row:
        return f"{what}: not measured: {row['why']}"
    on_card = f", {row['card_ms_p50']} ms on the card" if "card_ms_p50" in row else ""
    aim = f" (aim {row['aim_ms']})" if row.get("aim_ms") else ""
    return f"{what} {row['graph']}: {row['call_ms_p50']} ms as a call waits{on_card}{aim}"


if __name__ == "__main__":
    app()
