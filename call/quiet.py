"""What goes wrong in a task that nobody waits for: told to a log, and never as a traceback in a person's terminal.

aiortc and aioice leave tasks behind when a connection goes down, which then meet a socket that is closed. What they say
of it is of use to nobody in a call.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from typing import Any

log = logging.getLogger("visavis")
# Whoever wants to read it sets up logging.
log.addHandler(logging.NullHandler())
log.propagate = False

THEIRS = ("aiortc", "aioice", "pylibsrtp", "pyee")


def keep_quiet(loop: asyncio.AbstractEventLoop, tell: Callable[[Exception], None]) -> None:
    """Log what happens in tasks without an owner; what is not known to be harmless is also given to `tell`."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        log.debug("%s", context.get("message", ""), exc_info=error)
        if isinstance(error, Exception) and not is_harmless(error):
            tell(error)

    loop.set_exception_handler(handle)


def is_harmless(error: BaseException) -> bool:
    """Whether an exception is what a WebRTC library has left behind: it was raised in its code, or in asyncio's for a
    transport of its own that is closed."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(module.partition(".")[0] in THEIRS for module in modules)
