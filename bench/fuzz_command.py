"""`visavis bench fuzz`: its options, its table. It measures nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from bench import report
from bench.options import Json, Profile
from bench.report import number, table_of


def fuzz(
    count: Annotated[
        int, typer.Option(min=1, help="Packets in all; slow decoders get fewer of them.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(help="Draws the packets: the same again with the same seed.")] = 0,
    profile: Profile = "laptop-256",
    only: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Only this kind, which gets all packets; may stand several times."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Give every decoder damaged and random packets: what comes out, the slowest one, and whether memory grows.

    Ends with exit code 1 where one raises anything but its own error, takes over 50 ms of the processor's time, or
    memory grows. A quarter of the packets each are motions and control messages, a fifth is sound, a tenth hellos,
    8 percent pieces of pictures and repairs, 5 sound's reports, 5 what is said before there is a call; of what takes
    long to decode there are fewer: 1 percent whole pictures, 0.9 files of a profile, 0.4 repairs.

    Example: visavis bench fuzz --count 1000000 --kind motion --kind hello
    """
    from dataclasses import replace

    from bench.fuzz import run_fuzz
    from bench.fuzz_kinds import make_kinds
    from codec.format import MotionFormat
    from runtime.profile import load_profile

    kinds = make_kinds(MotionFormat.load(load_profile(profile).format_path))
    if only:
        names = [kind.name for kind in kinds]
        for name in only:
            if name not in names:
                raise typer.BadParameter(f"'{name}' is none of {', '.join(names)}", param_hint="--kind")
        kinds = [replace(kind, share=1.0) for kind in kinds if kind.name in only]
    with report.progress(len(kinds), "fuzzing") as on_kind:
        result = run_fuzz(kinds, count=count, seed=seed, on_kind=on_kind)
    report.show(result, as_json=as_json, tables=fuzz_tables)
    for sentence in result["failures"]:
        report.fail(sentence)
    if result["failures"]:
        raise typer.Exit(1)


def fuzz_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return the kinds' table and, where there are faults, that of the first ones."""
    columns = ("kind", "packets", "decoded", "refused", "faults", "slowest, ms", "memory grew, kB")
    table = table_of(f"{result['count']} packets, seed {result['seed']}", columns)
    for name, kind in result["kinds"].items():
        counts = [f"{kind[key]}" for key in ("cases", "values", "refused", "faults")]
        table.add_row(name, *counts, number(kind["worst_ms"], 1), number(kind["growth_kb"], 0))
    if not result["examples"]:
        return [table]
    faults = table_of("the first faults", ("kind", "case", "error"))
    for example in result["examples"]:
        faults.add_row(example["kind"], f"{example['case']}", example["error"])
    return [table, faults]
