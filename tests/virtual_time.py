"""An event loop whose clock is not the machine's: where nobody has anything to do, it leaps to the next timer.

For what only waits (pacing, retries, deadlines) and neither talks over sockets nor works in threads. There it holds on
a machine of any speed, and takes no time. Where sockets of this machine and threads have a share in it, the loop can
look out for them for a moment before each leap.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec
from unittest import mock

Given = ParamSpec("Given")

BEGIN_S = 1000.0


class LeapingSelector(selectors.DefaultSelector):
    """Lets time pass at once instead of waiting for it, but for `lookout_s` in which something may come."""

    def __init__(self, lookout_s: float) -> None:
        super().__init__()
        self.now_s = BEGIN_S
        self._lookout_s = lookout_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # nothing is planned: what comes is from outside
            return super().select(None)
        ready = super().select(min(timeout, self._lookout_s))
        if not ready:
            self.now_s += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with that clock. `lookout_s`: how long it looks out for sockets and threads before each leap."""

    def __init__(self, *, lookout_s: float = 0.0) -> None:
        self._leaping = LeapingSelector(lookout_s)
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now_s


def in_virtual_time(
    test: Callable[Given, Coroutine[Any, Any, None]], *, lookout_s: float = 0.0
) -> Callable[Given, None]:
    """Run an async test in virtual time, which `time.monotonic` tells too."""

    @functools.wraps(test)
    def run(*given: Given.args, **named: Given.kwargs) -> None:
        loop = VirtualLoop(lookout_s=lookout_s)
        with asyncio.Runner(loop_factory=lambda: loop) as runner, mock.patch("time.monotonic", loop.time):
            runner.run(test(*given, **named))

    return run
