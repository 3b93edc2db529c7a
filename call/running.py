"""Runs a coroutine so that every signal to end ends it as Ctrl-C does: a call's with its goodbye and figures, a
server's."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from call.signals import endings

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end and return what it returns; a signal to end cancels it.

    Raises KeyboardInterrupt where it was cancelled and did not come to an end of its own.
    """
    before = {ending: signal.getsignal(ending) for ending in endings()}

    async def held() -> Result:
        task = asyncio.current_task()
        assert task is not None

        def end() -> None:
            # A window that is closed says so by its shell and by itself, and the second must not cut the goodbye off.
            if not task.cancelling():
                task.cancel()

        with contextlib.suppress(NotImplementedError):  # Windows
            # A script that starts us with & has Ctrl-C ignored, and asyncio then handles no signal of its own.
            for ending in before:
                asyncio.get_running_loop().add_signal_handler(ending, end)
        return await work

    try:
        return asyncio.run(held())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)
