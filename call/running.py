"""Runs a coroutine so that SIGTERM ends it as Ctrl-C does: a call's with its goodbye and figures, a server's."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end and return what it returns; either signal cancels it.

    Raises KeyboardInterrupt where it was cancelled and did not come to an end of its own.
    """
    before = signal.getsignal(signal.SIGTERM)

    async def held() -> Result:
        task = asyncio.current_task()
        assert task is not None
        with contextlib.suppress(NotImplementedError):  # Windows
            # A script that starts us with & has Ctrl-C ignored, and asyncio then handles no signal of its own.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(held())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, before)
