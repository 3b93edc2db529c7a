"""What motion is drawn from in the course of a call: the first source picture, and those that the mirror has brought
since. It joins what is held, the mirror's watch and the presentation; the motion thread asks it for the picture of the
next frame, and never waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from codec.predictive_encoder import Capture
from codec.repair import cut_repair
from sender.beside import Beside
from sender.bring import Bring, Seen
from sender.coding import Packet
from sender.delivery import Wire
from sender.errors import SenderError
from sender.held import Held, HeldPictures
from sender.mirror import Mirror
from sender.observe import View
from sender.posture import Posture, posture_in, posture_of
from sender.present import SLOT, Presentation
from sender.residual_flow import FlowInTurn, FlowWatch
from sender.source import SourcePicture
from sender.watch import Watch

FIRST_SCENE = 0


class Sources:
    """The source pictures of one call, from the first on; made, started and stopped on the event loop.

    mirror: None leaves it at the first picture. flow, flow_in_turn: find residual flows, if anything does, the second
    in a call in order. dropped: how many frames this side has left out. on_notice: one sentence for the user, from any
    thread.
    """

    def __init__(
        self,
        first: SourcePicture,
        mirror: Mirror | None,
        *,
        flow: FlowWatch | None = None,
        flow_in_turn: FlowInTurn | None = None,
        presentation: Presentation,
        peer: Wire,
        dropped: Callable[[], int],
        on_notice: Callable[[str], None],
    ) -> None:
        self._pictures = HeldPictures(Held(SLOT, first, posture_in(first.prepared), FIRST_SCENE))
        self._mirror = mirror
        self._presentation = presentation
        self._peer = peer
        self._on_notice = on_notice
        self._loop = asyncio.get_running_loop()
        self._bringing: set[asyncio.Task[None]] = set()
        self._halted = False
        self._flow_in_turn = flow_in_turn
        self._flow = flow
        if flow is not None:
            flow.start()
        self._watch: Watch | None = None
        if mirror is not None:
            mirror.begin(self._pictures)
            self._watch = Watch(mirror, dropped=dropped, on_wish=self._wish, on_error=self._fail)
            self._watch.start()

    @property
    def current(self) -> Held:
        """What the next frame is to be looked at with: what it is drawn from, unless `choose` says otherwise."""
        return self._pictures.current

    def choose(self, view: View, held: Held, *, ticks: int) -> tuple[View, Held]:
        """Choose what a frame is drawn from, by what the face does in it. It was seen relative to `held`, and is
        returned with its expression relative to what was chosen."""
        if self._mirror is None:
            return view, held
        self._pictures.choose(_posture_in(view, held), ticks)
        chosen = self._pictures.current
        if chosen.source is held.source:
            return view, chosen
        return replace(view, expression=self._mirror.rebase(view, of=held.source, to=chosen.source)), chosen

    def acknowledge(self, newest_ticks: int) -> None:
        """Learn the newest motion, 0..4095, that the receiver has."""
        self._pictures.acknowledge(newest_ticks)

    def bend(
        self,
        packets: list[Packet],
        view: View,
        held: Held,
        *,
        ticks: int,
        captured_s: float,
        last: Callable[[], Capture | None],
    ) -> list[Packet]:
        """Return the packets of a frame, drawn from `held`, with its residual flow before the last one where a call in
        order has one; `last` as in `follow`. On the motion thread."""
        if self._flow_in_turn is None or not packets or not self._flow_in_turn.due(captured_s):
            return packets
        coded = last()
        if coded is None or coded.captured_s != captured_s:
            return packets
        code = self._flow_in_turn.find(Seen(view.picture, coded.motion, held, captured_s, ticks))
        if code is None:
            return packets
        return [*packets[:-1], packets[-1].bent(code, source=held.slot, ticks=ticks)]

    def follow(
        self,
        view: View,
        held: Held,
        *,
        ticks: int,
        captured_s: float,
        last: Callable[[], Capture | None],
    ) -> None:
        """Take note of a motion that went out, drawn from `held`; `last` gives the motion coded last, as the receiver
        decodes it. On the motion thread."""
        self._pictures.name(held.slot, ticks)
        if self._mirror is None or self._watch is None:
            return
        self._mirror.note(_posture_in(view, held), ticks)
        wanting: list[Beside] = [self._watch] if self._watch.due(captured_s) else []
        if self._flow is not None and self._flow.due(captured_s):
            wanting.append(self._flow)
        coded = last() if wanting else None
        if coded is not None and coded.captured_s == captured_s:  # else it waits for its bundle
            for each in wanting:
                each.offer(Seen(view.picture, coded.motion, held, captured_s, ticks))

    def improve(self, better: SourcePicture) -> None:
        """Bring a better code of the first picture as the line has room for it, and draw from that then."""
        self._start(self._improve(better))

    def halt(self) -> None:
        """Bring nothing more; waits for nothing."""
        self._halted = True
        for task in self._bringing:
            task.cancel()

    async def stop(self) -> None:
        """End the mirror and what is on its way."""
        self.halt()
        await asyncio.gather(*self._bringing, return_exceptions=True)
        for each in (self._watch, self._flow):
            if each is not None:
                await asyncio.to_thread(each.stop)

    def _wish(self, bring: Bring) -> None:
        self._loop.call_soon_threadsafe(self._begin, bring)

    def _begin(self, bring: Bring) -> None:
        if not self._halted:
            self._start(self._bring(bring))

    def _start(self, bringing: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(bringing)
        self._bringing.add(task)
        task.add_done_callback(self._bringing.discard)

    async def _improve(self, better: SourcePicture) -> None:
        slot = self._pictures.make_room()
        if slot is None:
            return
        try:
            await self._presentation.send(better.data, self._peer, slot=slot)
        except SenderError as error:
            self._pictures.lose(slot)
            self._on_notice(str(error))
        else:
            held = Held(slot, better, posture_in(better.prepared), FIRST_SCENE)
            self._pictures.improve(held, of=SLOT)

    async def _bring(self, bring: Bring) -> None:
        assert self._mirror is not None, "it was the mirror's wish"
        arrived = False
        try:
            if bring.coded == "residual":
                await self._presentation.send(bring.source.data, self._peer, slot=bring.slot, cut=cut_repair)
            else:
                await self._presentation.send(bring.source.data, self._peer, slot=bring.slot)
            arrived = True
        except SenderError as error:
            self._on_notice(str(error))
        finally:
            self._mirror.brought(bring, arrived=arrived)

    def _fail(self, error: Exception) -> None:
        self._on_notice(f"The picture is not looked after any more: {error}")


def _posture_in(view: View, held: Held) -> Posture:
    """Return what the face does in a frame that was seen relative to `held`."""
    return posture_of(view.rotation, view.translation, view.expression, held.source.prepared)
