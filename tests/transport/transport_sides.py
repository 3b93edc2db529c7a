"""A peer that notes what reaches it, and a wait for what must come."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.patience import PATIENCE_S
from transport.certificate import Certificate
from transport.description import IceServer
from transport.peer import Peer


class Side:
    """A peer with lists of what its callbacks were given; `log` keeps motion and control in their order."""

    def __init__(
        self, certificate: Certificate | None = None, *, ice_servers: Sequence[IceServer] = ()
    ) -> None:
        self.motions: list[bytes] = []
        self.controls: list[bytes] = []
        self.log: list[bytes] = []
        self.ends: list[str] = []
        self.peer = Peer(
            certificate=certificate,
            ice_servers=ice_servers,
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
        since_s, looks = loop.time(), 0
        # Where the machine was stopped, time has passed in which nobody looked.
        while loop.time() - since_s < for_s or looks < 10:
            counts = [side.peer.stats().received_packets for side in sides]
            if counts != seen:
                seen, since_s, looks = counts, loop.time(), 0
            await asyncio.sleep(0.02)
            looks += 1


@contextmanager
def held_port() -> Iterator[int]:
    """A port of the loopback at which nobody listens, and which the system gives to nobody else meanwhile; a server
    that asks for it by its number can have it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
