"""The bench's command that fills a signalling server. It reads options and prints; it measures nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from bench import report
from bench.options import Json
from bench.tables import Rows, listed

SERVE: Rows = (
    ("rooms", "rooms", 0),
    ("connected sides", "peers", 0),
    ("until all had come in, s", "entered_s", 1),
    ("exchanges of offer and answer", "exchanges", 0),
    ("exchanges that failed", "exchanges_failed", 0),
    ("from offer to answer, ms: median", "round_trip_p50_ms", 1),
    ("the same, 95th percentile", "round_trip_p95_ms", 1),
    ("server's share of one core", "server_core_share", 2),
    ("rooms when all had left", "rooms_left", 0),
    ("server's memory before, MB", "memory_before_mb", 1),
    ("with all rooms full", "memory_full_mb", 1),
    ("when all had left", "memory_left_mb", 1),
    ("with all rooms full once more", "memory_full_again_mb", 1),
)


def serve(
    rooms: Annotated[int, typer.Option(min=1, max=5000, help="Rooms of two.")] = 500,
    seconds: Annotated[float, typer.Option(min=1, help="How long, when all have come in.")] = 30.0,
    every: Annotated[float, typer.Option(min=2, help="Seconds from meeting to meeting in a room.")] = 10.0,
    strangers: Annotated[int, typer.Option(min=0, help="Connections that send garbage all the while.")] = 20,
    as_json: Json = False,
) -> None:
    """Fill a signalling server with rooms: how long an offer takes to its answer, and what it does with its memory.

    Example: visavis bench serve --rooms 500 --seconds 30
    """
    from bench.serve import run_serve

    result = asyncio.run(run_serve(rooms, seconds=seconds, every_s=every, strangers=strangers))
    report.show(result, as_json=as_json, tables=serve_tables)


def serve_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return one table."""
    return [listed("the signalling server", result, SERVE)]
