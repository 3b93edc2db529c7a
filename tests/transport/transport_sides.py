"""A peer that notes what reaches it, and a wait for what must come."""

import asyncio
from collections.abc import Callable

from tests.patience import PATIENCE_S
from transport.peer import Certificate, Peer


class Side:
    """A peer with lists of what its callbacks were given; `log` keeps motion and control in their order."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.motions: list[bytes] = []
        self.controls: list[bytes] = []
        self.log: list[bytes] = []
        self.ends: list[str] = []
        self.peer = Peer(
            certificate=certificate,
            on_motion=self.motion,
            on_control=self.control,
            on_closed=self.ends.append,
        )

    def motion(self, data: bytes) -> None:
        self.motions.append(data)
        self.log.append(data)

    def control(self, data: bytes) -> None:
        self.controls.append(data)
        self.log.append(data)


Pair = tuple[Side, Side]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come; the limit only keeps a broken run from hanging."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 -- the conditions are plain values, not events
            await asyncio.sleep(0.005)


async def quiet(*sides: Side, for_s: float = 0.3) -> None:
    """Wait until so long nothing has come to these sides, such as what is left of their meeting."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_S):
        seen: list[int] = []
        since_s = loop.time()
        while loop.time() - since_s < for_s:
            counts = [side.peer.stats().received_packets for side in sides]
            if counts != seen:
                seen, since_s = counts, loop.time()
            await asyncio.sleep(0.02)
