"""Two sessions in one process, over real sockets: a meeting in memory, a bad line between, and what each side saw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from call import options
from call.ends import Ends, make_sender
from call.ringing import Manners
from call.session import Notify, Session
from call.state import CallState, Phase
from codec.hello import make_hello
from receiver.output import Nothing
from receiver.receiver import Receiver
from sender.capture import Input, open_input
from sender.sender import Sender
from tests.patience import PATIENCE_S
from transport.certificate import make_certificate
from transport.errors import TransportError
from transport.impairment import Impairment
from transport.meeting import Meeting
from transport.peer import Peer
from transport.relay import Relay
from transport.rooms import RoomMeeting

READY = Manners(asks=False, sends_picture=True, lets_in=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is seen in plain values; the limit only keeps a broken run from hanging."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 -- another thread changes them
            await asyncio.sleep(0.01)


class Table:
    """Where two sessions of one process meet: the first peer that comes waits for the second."""

    def __init__(self) -> None:
        self._passable = asyncio.Event()
        self._passable.set()
        self.met = 0
        self._relays: list[Relay] = []
        self._waiting: tuple[Peer, asyncio.Future[None]] | None = None

    def make_passable(self, on: bool) -> None:
        """Let peers meet, or not: a line that is cut often takes the way to the meeting with it."""
        (self._passable.set if on else self._passable.clear)()

    def cut(self) -> None:
        """Lose everything between the peers that have met."""
        self._impair(Impairment(loss=1.0))

    def mend(self) -> None:
        """Let everything through again."""
        self._impair(Impairment())

    def _impair(self, impairment: Impairment) -> None:
        for relay in self._relays:
            for end in (relay._offerer, relay._answerer):
                end.line.impairment = impairment

    async def meet(self, peer: Peer) -> None:
        await self._passable.wait()
        if self._waiting is None or self._waiting[1].done():
            done = asyncio.get_running_loop().create_future()
            self._waiting = waiting = peer, done
            try:
                await done
            finally:
                if self._waiting is waiting:
                    self._waiting = None
            return
        (other, done), self._waiting = self._waiting, None
        relay = Relay(Impairment(), Impairment())
        self._relays.append(relay)
        try:
            offer = await relay.stand_in(await peer.create_offer())
            answer = await relay.stand_in(await other.accept(offer))
            await peer.complete(answer)
        except BaseException:
            if not done.done():  # nor shall the other one wait for who has gone away meanwhile
                done.set_exception(TransportError("The exchange was cut off in the middle."))
            raise
        self.met += 1
        if not done.done():
            done.set_result(None)

    def close(self) -> None:
        for relay in self._relays:
            relay.close()


class Seat:
    """One session's way to the table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def open(self) -> None:
        pass

    async def meet(self, peer: Peer) -> None:
        await self._table.meet(peer)

    async def knocked(self) -> None:
        await asyncio.Event().wait()

    def admit(self) -> None:
        pass

    def reopen(self, *, new_code: bool) -> None:
        pass

    async def close(self) -> None:
        pass


class Side:
    """A session, its states and what its receiver showed."""

    def __init__(
        self,
        ends: Ends,
        table: Table | Meeting,
        clip: Path,
        stack: ExitStack,
        *,
        manners: Manners = READY,
        opened: Input | None = None,
        fault: str | None = None,
        profile: str | None = None,
        **more: Any,
    ) -> None:
        self.states: list[CallState] = []
        self.kinds: list[str] = []
        self.rotations: list[float] = []
        self.previews: list[Any] = []
        hello = make_hello(ends.profile, ends.motion_format, frame_rate=25.0)
        hello = replace(hello, profile=profile or hello.profile)
        inputs = [] if opened is None else [opened]
        wanted = options.Input(str(clip), "full", "first")
        certificate = make_certificate()

        def sender(notice: Notify, camera_on: bool) -> tuple[Sender, str | None]:
            source = inputs.pop() if inputs else open_input(str(clip), repeat_s=600)
            stack.enter_context(source)
            return make_sender(ends, source, wanted, hello=hello, on_notice=notice), fault

        def receiver() -> Receiver:
            return Receiver(
                ends.talker,
                ends.motion_format,
                hello=hello,
                output=Nothing(),
                on_shown=lambda shown, picture, at_s: self.kinds.append(shown.kind),
            )

        self.session = Session(
            Seat(table) if isinstance(table, Table) else table,
            make_sender=sender,
            make_receiver=receiver,
            make_peer=lambda **callbacks: Peer(certificate=certificate, **callbacks),
            manners=manners,
            on_state=self.states.append,
            on_preview=self.previews.append,
            **more,
        )
        self.running = asyncio.get_running_loop().create_task(self.session.run())

    @property
    def phases(self) -> list[Phase]:
        """The phases that were told, each once in a row."""
        return [
            state.phase
            for before, state in zip([None, *self.states], self.states, strict=False)
            if before is None or before.phase != state.phase
        ]

    async def until(self, condition: Callable[[CallState], Any], limit_s: float = PATIENCE_S) -> None:
        """Wait for a state; the limit only keeps a broken run from hanging."""
        async with asyncio.timeout(limit_s):
            while not condition(self.session.state):
                if self.running.done():
                    self.running.result()
                    raise AssertionError(f"the call ended: {self.session.state.sentence}")
                await asyncio.sleep(0.01)

    async def comes_to(self, phase: Phase) -> None:
        """Wait until the call has been in a phase for the first time, which may be over by the time one looks."""
        await self.until(lambda state: phase in self.phases)

    async def kill(self) -> None:
        """End without a word to anybody, as a process does that is killed."""
        link, meeting = self.session._encounter._link, self.session._meeting
        assert link is not None
        link.say = lambda message: None  # type: ignore[method-assign]
        if isinstance(meeting, RoomMeeting) and meeting._line is not None:
            await meeting._line.close()
        self.session.hang_up()
        await self.running

    async def told(self, notice: str) -> None:
        """Wait until the person was told something, whatever else they are told."""
        await self.until(lambda state: notice in state.notices)

    async def shows(self, *kinds: str, frames: int = 5) -> None:
        """Wait for so many more pictures of these kinds."""
        begins = len(self.kinds)
        await until(lambda: sum(kind in kinds for kind in self.kinds[begins:]) >= frames)
