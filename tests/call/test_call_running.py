"""How a command that runs is ended by a signal."""

import asyncio
import os
import signal

import pytest

from call import running


def test_a_signal_that_comes_twice_does_not_cut_off_the_end_that_the_first_has_begun() -> None:
    ended: list[str] = []

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0.1)
            ended.append("goodbye")

    before = signal.getsignal(signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt):
        running.run(work())
    assert ended == ["goodbye"]
    assert signal.getsignal(signal.SIGHUP) is before
