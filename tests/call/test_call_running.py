"""How a command that runs is ended by a signal."""

import asyncio
import os
import signal

import pytest

from call import running
from call.signals import endings


def test_a_signal_that_comes_twice_does_not_cut_off_the_end_that_the_first_has_begun() -> None:
    ended: list[str] = []

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(0.1)
            ended.append("goodbye")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        running.run(work())
    assert ended == ["goodbye"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_closed_window_ends_the_program_unless_nohup_has_it_go_on() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        assert signal.SIGHUP in endings()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert endings() == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)
