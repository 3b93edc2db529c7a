"""What goes wrong in tasks that nobody waits for, and what the person at the terminal sees of it."""

from __future__ import annotations

import asyncio
import gc
import logging
from types import ModuleType

import pytest

from call.quiet import keep_quiet, log


def raiser_in(package: str) -> ModuleType:
    """A module of this name with a coroutine that fails."""
    module = ModuleType(package)
    exec("async def fail():\n    raise ConnectionError('the socket is closed')", module.__dict__)
    return module


@pytest.fixture(autouse=True)
def _without_other_orphans(capfd: pytest.CaptureFixture[str]) -> None:
    """Let what earlier tests have left behind be told of before this one's begins."""
    gc.collect()
    capfd.readouterr()


async def orphaned(package: str) -> list[str]:
    """Let a task of this package fail with nobody waiting for it, and return what the person is told."""
    told: list[str] = []
    keep_quiet(asyncio.get_running_loop(), lambda error: told.append(str(error)))
    task = asyncio.create_task(raiser_in(package).fail())
    await asyncio.wait({task})
    del task
    gc.collect()
    await asyncio.sleep(0)
    return told


@pytest.mark.parametrize("package", ["aioice.ice", "aiortc.rtcdtlstransport"])
async def test_what_a_closed_connection_leaves_behind_is_logged_and_not_told(
    package: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    log.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.DEBUG, logger="visavis"):
            assert await orphaned(package) == []
    finally:
        log.removeHandler(caplog.handler)
    assert "the socket is closed" in caplog.text
    assert capfd.readouterr() == ("", "")


async def test_a_fault_of_our_own_is_told_in_a_sentence_and_without_a_traceback(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert await orphaned("call.something") == ["the socket is closed"]
    assert capfd.readouterr() == ("", "")
