"""One connection of a call: made through the meeting, greeted, and known again.

A call has one link after another: the first brings the two sides together, each later one is the same call over a new
connection, which the other side's resumption secret proves. Knows no phases of a call, no faces and no sound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import cycle
from typing import TYPE_CHECKING, Any, Protocol

from call.errors import CallError
from codec.control import Message, decode_control, encode_control
from codec.errors import BitstreamError
from codec.hello import Goodbye, Hello, HelloMismatch, compare
from transport.errors import LeftError, TransportError, TurnedAwayError

if TYPE_CHECKING:
    from transport.meeting import Meeting
    from transport.peer import Peer
    from transport.sound import SoundLine

CONNECT_LIMIT_S = 20.0
HELLO_LIMIT_S = 10.0
# Coming back. A try that hangs because the line is still cut must not last into its return; one over a slow line must
# be given the time: so most tries are short and some are longer. The longest is for both sides to wait for a STUN
# server that does not answer, one after the other (`transport.wire.GATHER_TIMEOUT_S`).
RETURN_LIMITS_S = (1.5, 1.5, 3.0, 1.5, 1.5, 6.0)
RETURN_CONNECT_LIMIT_S = 5.0
RETRY_S = 0.2
# The other side's messages are a few a second; a line that was silent and brings one lives again.
ALIVE_S = 0.3
# Where this machine has moved, the old connection follows it within two round trips, with which nothing should compete.
FOLLOWING_S = 1.0
# So long the old connection may still come back. Then it is closed, which the other side sees if it hears us at all.
OLD_KEPT_S = 6.0
LOOK_S = 0.05
# Between the hello and its being checked little is said.
MOST_EARLY = 16


OnMotion = Callable[[bytes], None]
OnMessage = Callable[[Message, bytes], None]


class MakePeer(Protocol):
    """Makes a peer with this sound and these callbacks, always with the same certificate."""

    def __call__(
        self,
        *,
        sound: SoundLine | None,
        on_motion: Callable[[bytes], None],
        on_control: Callable[[bytes], None],
        on_closed: Callable[[str], None],
    ) -> Peer: ...


class Link:
    """A peer and what is said over it: the hellos, and once it is trusted everything else."""

    def __init__(
        self,
        make_peer: MakePeer,
        *,
        mine: Hello,
        sound: SoundLine | None,
    ) -> None:
        self.sound = sound
        self._mine = mine
        self._on_motion: OnMotion | None = None  # neither, before it is trusted
        self._on_message: OnMessage | None = None
        self._greeted: asyncio.Future[Hello] = asyncio.get_running_loop().create_future()
        # Nobody may be waiting any more when the connection ends.
        self._greeted.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._early: list[bytes] = []
        self.closed = asyncio.Event()
        self.peer = make_peer(
            sound=sound, on_motion=self._motion, on_control=self._control, on_closed=self._end
        )

    @property
    def silent_s(self) -> float:
        """How long nothing has come from the other side; for ever where the connection has ended."""
        return self.peer.stats().silent_s if self.peer.is_open else float("inf")

    def say(self, message: Message) -> None:
        """Send a control message."""
        self.peer.send_control(encode_control(message))

    async def greet(self) -> Hello:
        """Exchange hellos over the connected peer. Raises CallError or HelloMismatch."""
        self.say(self._mine)
        try:
            async with asyncio.timeout(HELLO_LIMIT_S):
                theirs = await self._greeted
        except TimeoutError:
            raise CallError(
                f"The other side is connected but has said no hello for {HELLO_LIMIT_S:g} seconds: is it Visavis?"
            ) from None
        try:
            compare(self._mine, theirs)
        except HelloMismatch as mismatch:
            self.say(Goodbye(str(mismatch)[:200]))
            await self.peer.drain()
            raise
        return theirs

    def trust(self, *, on_motion: OnMotion, on_message: OnMessage) -> None:
        """Hand on what comes from now on, and what has come behind the hello; messages decoded and as they came."""
        self._on_motion, self._on_message = on_motion, on_message
        early, self._early = self._early, []
        for data in early:
            self._control(data)

    async def close(self) -> None:
        """End the connection."""
        self._on_motion = self._on_message = None
        await self.peer.close()

    def _motion(self, data: bytes) -> None:
        if self._on_motion is not None:
            self._on_motion(data)

    def _control(self, data: bytes) -> None:
        try:
            message = decode_control(data)
        except BitstreamError:
            return
        if isinstance(message, Hello):
            if not self._greeted.done():
                self._greeted.set_result(message)
        elif isinstance(message, Goodbye) and not self._greeted.done():
            self._greeted.set_exception(CallError(_refused(message.reason)))
        elif self._on_message is not None:
            self._on_message(message, data)
        elif len(self._early) < MOST_EARLY:
            self._early.append(data)

    def _end(self, reason: str) -> None:
        self.closed.set()
        if not self._greeted.done():
            self._greeted.set_exception(TransportError(reason))


def _refused(reason: str) -> str:
    return (
        f"The other side refuses the call: {reason.rstrip('.')}."
        if reason
        else "The other side refuses the call."
    )


async def first_link(
    meeting: Meeting, make_link: Callable[[], Link], *, on_met: Callable[[], None]
) -> tuple[Link, Hello]:
    """Wait for the other side and greet it. Raises TransportError, CallError or HelloMismatch.

    on_met: called when the other side is there and the connection is being made.
    """
    link = make_link()
    try:
        await meeting.meet(link.peer)
        on_met()
        await _connect(meeting, link, CONNECT_LIMIT_S)
        return link, await link.greet()
    except BaseException:
        await link.close()
        raise


async def next_link(
    meeting: Meeting,
    make_link: Callable[[], Link],
    *,
    old: Link,
    known: Hello,
    is_wanted: bool,
    on_failed: Callable[[Exception], None] = lambda error: None,
) -> tuple[Link, Hello]:
    """Find the other side again, for as long as it takes: over a new connection, or over the old one, if that comes
    back first; which of them it is, the caller sees. The old one is closed in time, otherwise the caller closes it.

    known: the other side's first hello. Where the one that is returned has another secret, the other side was started
    anew, or is somebody else. is_wanted: a new connection is what the other side has asked for, whatever still comes
    over the old one, and gets a first try for itself. on_failed: is told why a try has failed. Raises TurnedAwayError
    and LeftError, after which there is nobody to be found.
    """
    loop = asyncio.get_running_loop()
    back = loop.create_task(_comes_back(old, after_s=RETURN_LIMITS_S[0] if is_wanted else 0.0))
    attempt: asyncio.Task[tuple[Link, Hello]] | None = None
    try:
        if old.peer.has_moved and not is_wanted:
            await asyncio.wait({back}, timeout=FOLLOWING_S)
            if back.done():
                return old, known
        for limit_s in cycle(RETURN_LIMITS_S):
            attempt = loop.create_task(_return(meeting, make_link, limit_s))
            await asyncio.wait({attempt, back}, return_when=asyncio.FIRST_COMPLETED)
            await _end(attempt)
            error = None if attempt.cancelled() else attempt.exception()
            if not attempt.cancelled() and error is None:
                await _end(back)
                return attempt.result()
            if back.done():
                return old, known
            if isinstance(error, TurnedAwayError | LeftError):
                raise error
            if isinstance(error, Exception):
                on_failed(error)
            await asyncio.wait({back}, timeout=RETRY_S)
    except asyncio.CancelledError:
        if attempt is not None:
            await _end(attempt)
            if not attempt.cancelled() and attempt.exception() is None:
                # Nobody else knows of what it has found.
                await attempt.result()[0].close()
        raise
    finally:
        await _end(back)
    raise AssertionError("a cycle has no end")


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end; one that has ended is not waited for, so that nothing can come between."""
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _comes_back(old: Link, *, after_s: float) -> None:
    """Return when the old connection lives again, after so long at the earliest; never, where it has ended."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(after_s)
    end_s = loop.time() + OLD_KEPT_S
    while old.peer.is_open and loop.time() < end_s:
        # What came over an address that is lost is no sign of life.
        if old.silent_s < ALIVE_S and not old.peer.has_moved:
            return
        await asyncio.sleep(LOOK_S)
    await old.close()
    await asyncio.Event().wait()


async def _return(meeting: Meeting, make_link: Callable[[], Link], limit_s: float) -> tuple[Link, Hello]:
    link = make_link()
    try:
        async with asyncio.timeout(limit_s):
            await meeting.meet(link.peer)
        await _connect(meeting, link, RETURN_CONNECT_LIMIT_S)
        return link, await link.greet()
    except BaseException:
        await link.close()
        raise


async def _connect(meeting: Meeting, link: Link, limit_s: float) -> None:
    """Wait for the connection, unless the other side begins again: then this one is of no use to it any more."""
    connected = asyncio.create_task(link.peer.connected(limit_s))
    knocked = asyncio.create_task(meeting.knocked())
    try:
        await asyncio.wait({connected, knocked}, return_when=asyncio.FIRST_COMPLETED)
        if not connected.done():
            raise TransportError("The other side has come back once more.")
        connected.result()
    finally:
        for task in (connected, knocked):
            task.cancel()
        await asyncio.gather(connected, knocked, return_exceptions=True)
