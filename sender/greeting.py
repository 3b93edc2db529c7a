"""How a call begins for the sender: both sides say hello, and one that does not fit the other is told so. What is said
after that, and what becomes of the call, is not known here."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from codec.hello import Capability, Hello, compare
from sender.errors import SenderError

HELLO_LIMIT_S = 10.0


class Greeting:
    """Both sides' hellos, on the event loop.

    hello: what this side says of itself. in_order: all of the input is sent, at the receiver's pace, which is said too.
    """

    def __init__(self, hello: Hello, *, in_order: bool) -> None:
        sends_in_order = Capability.SENDS_IN_ORDER if in_order else 0
        self.mine = replace(hello, capabilities=hello.capabilities | sends_in_order)
        self._in_order = in_order
        self._theirs: Hello | None = None  # once both sides have agreed
        self._agreed = asyncio.Event()

    def take(self, theirs: Hello) -> None:
        """Take the other side's hello. Raises HelloMismatch or SenderError where it does not fit this side's."""
        compare(self.mine, theirs)
        if self._in_order and not theirs.capabilities & Capability.DRAWS_IN_ORDER:
            raise SenderError(
                "The other side cannot draw a clip as fast as it goes: update Visavis there, "
                "or send in real time."
            )
        self._theirs = theirs
        self._agreed.set()

    async def theirs(self) -> Hello:
        """Wait for the other side's hello. Raises SenderError where it takes too long."""
        try:
            async with asyncio.timeout(HELLO_LIMIT_S):
                await self._agreed.wait()
        except TimeoutError:
            raise SenderError(
                f"The other side is connected but has said no hello for {HELLO_LIMIT_S:g} seconds: "
                "is it Visavis?"
            ) from None
        assert self._theirs is not None, "both sides have agreed with it"
        return self._theirs
