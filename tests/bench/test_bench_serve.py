"""The load on a signalling server, small."""

import json
import sys

import pytest
from typer.testing import CliRunner

from bench.__main__ import app
from tests.patience import PATIENCE_S


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_small_load_meets_without_a_failure_and_leaves_an_empty_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("START_LIMIT_S", "ANSWER_LIMIT_S", "LEAVE_LIMIT_S"):
        monkeypatch.setattr(f"bench.serve.{name}", PATIENCE_S)
    result = CliRunner().invoke(
        app, ["serve", "--rooms", "8", "--seconds", "3", "--every", "2", "--strangers", "3", "--json"]
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["rooms"] == 8
    assert 16 <= figures["peers"] <= 19  # strangers come and go
    assert figures["exchanges"] >= 4
    assert figures["exchanges_failed"] == 0
    assert figures["rooms_left"] == 0
    assert 0 < figures["round_trip_p50_ms"] <= figures["round_trip_p95_ms"]
    assert figures["memory_full_again_mb"] < figures["memory_full_mb"] + 5
