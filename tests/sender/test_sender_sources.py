"""What motion is drawn from in the course of a call, with a peer that has no network."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from codec.control import Message, decode_control
from codec.flow_packet import AttachedFlow, detach_flow
from codec.hello import Hello
from codec.predictive_encoder import Capture
from codec.transfer import PicturePiece, PictureRefused
from sender.bring import Seen
from sender.coding import Packet
from sender.held import HeldPictures
from sender.mirror import Mirror
from sender.observe import View
from sender.present import PICTURE_TRIES, Presentation
from sender.residual_flow import FlowInTurn
from sender.source import SourcePicture
from sender.sources import Sources
from tests.patience import PATIENCE_S
from tests.sender.held_fakes import MirrorTalker, face, held, motion, turned
from tests.sender.sender_fakes import SIZE, FakePeer

RATE = 25.0


class OpenMirror(Mirror):
    """Shows what it was given to begin with, and marks what is rebased."""

    pictures: HeldPictures

    def begin(self, pictures: HeldPictures) -> None:
        self.pictures = pictures
        super().begin(pictures)

    def rebase(self, view: View, *, of: SourcePicture, to: SourcePicture) -> np.ndarray:
        return view.expression + 1


class Call:
    """A call's sources, and frames that go out."""

    def __init__(self, flow_in_turn: FlowInTurn | None = None) -> None:
        self.notices: list[str] = []
        self.talker = MirrorTalker()
        self.mirror = OpenMirror(self.talker, on_notice=self.notices.append)  # type: ignore[arg-type]
        self.mirror.budget_bytes_per_s = 0.0
        self.presentation = Presentation()
        self.peer = FakePeer(Hello(1, "fake", bytes(32), bytes(32), SIZE, RATE, 0, bytes(16)))
        self.peer.on_control = lambda data: self.presentation.take(decode_control(data))  # type: ignore[arg-type]
        first = self.talker.knows(held(0, picture=turned(face(), 0)))
        self.sources = Sources(
            first.source,
            self.mirror,
            flow_in_turn=flow_in_turn,
            presentation=self.presentation,
            peer=self.peer,
            dropped=lambda: 0,
            on_notice=self.notices.append,
        )
        self.frame = 0

    async def send(self, picture: np.ndarray, *, until: Callable[[], bool]) -> None:
        """Let frames go out until something has come about."""
        async with asyncio.timeout(PATIENCE_S):
            await self._send(picture, until=until)

    async def _send(self, picture: np.ndarray, *, until: Callable[[], bool]) -> None:
        while not until():
            self.frame += 1
            at_s, its = self.frame / RATE, motion()
            now = self.sources.current
            ticks = round(60 * at_s)
            view = View(turned(picture, 0), its.rotation, its.translation, its.expression)
            view, now = self.sources.choose(view, now, ticks=ticks)

            def last(coded: Capture = Capture(its, at_s)) -> Capture:
                return coded

            self.sources.follow(view, now, ticks=ticks, captured_s=at_s, last=last)
            self.sources.acknowledge(ticks % 4096)
            await asyncio.sleep(0.01)
            assert self.sources._watch is not None
            # A frame's time says nothing of how long a look takes.
            while self.sources._watch.looking:  # noqa: ASYNC110 -- it happens on a thread
                await asyncio.sleep(0.001)


def other() -> np.ndarray:
    return face(seed=12)


async def test_what_the_mirror_asks_for_is_brought_and_drawn_from() -> None:
    call = Call()
    await call.send(face(), until=lambda: call.mirror.counts.looks >= 3)
    await call.send(other(), until=lambda: call.sources.current.slot != 0)
    await call.sources.stop()
    pieces = [message for message in call.peer.messages if isinstance(message, PicturePiece)]
    assert {piece.slot for piece in pieces} == {call.sources.current.slot}
    assert b"".join(piece.data for piece in pieces) == call.sources.current.source.data
    assert call.presentation.sent_bytes == len(call.sources.current.source.data)


async def test_a_frame_is_drawn_from_the_picture_that_shows_what_the_face_does_in_it() -> None:
    call = Call()
    seen_with = call.sources.current
    call.mirror.pictures.take(held(2, yaw=60))
    its = motion(yaw=60)
    view = View(face(), its.rotation, its.translation, its.expression)
    moved, chosen = call.sources.choose(view, seen_with, ticks=60)
    assert chosen.slot == call.sources.current.slot == 2
    assert (moved.expression == view.expression + 1).all()
    level = replace(view, rotation=motion().rotation)
    assert call.sources.choose(level, seen_with, ticks=120) == (level, seen_with)
    await call.sources.stop()


async def test_a_picture_that_is_refused_for_good_ends_no_call() -> None:
    call = Call()
    tries: Counter[int] = (
        Counter()
    )  # bytes by transfer, until the refusal is told; then the mirror may ask anew

    def refuse(message: Message) -> list[Message]:
        assert isinstance(message, PicturePiece)
        if not call.notices:
            tries[message.transfer] += len(message.data)
        last = message.index == message.count - 1
        return [PictureRefused(message.transfer, "it is damaged")] if last else []

    call.peer.answer = refuse
    await call.send(face(), until=lambda: call.mirror.counts.looks >= 3)
    await call.send(other(), until=lambda: bool(call.notices))
    await call.sources.stop()
    assert "it is damaged" in call.notices[0]
    assert call.sources.current.slot == 0
    assert len(tries) == PICTURE_TRIES
    assert len(set(tries.values())) == 1
    assert call.presentation.sent_bytes >= tries.total() > 0


async def test_a_motion_that_waits_for_its_bundle_is_not_shown_to_the_mirror() -> None:
    call = Call()
    view = View(face(), *(np.zeros(shape, np.float32) for shape in (3, 3, (20, 3))))
    call.sources.follow(
        view, call.sources.current, ticks=60, captured_s=1.0, last=lambda: Capture(motion(), 0.9)
    )
    await call.sources.stop()
    assert call.mirror.counts.looks == 0


async def test_without_a_mirror_everything_is_drawn_from_the_first_picture() -> None:
    call = Call()
    await call.sources.stop()
    sources = Sources(
        call.sources.current.source,
        None,
        presentation=call.presentation,
        peer=call.peer,
        dropped=lambda: 0,
        on_notice=call.notices.append,
    )
    view = View(other(), *(np.zeros(shape, np.float32) for shape in (3, 3, (20, 3))))
    for frame in range(100):
        sources.follow(
            view,
            sources.current,
            ticks=frame,
            captured_s=frame / 60,
            last=lambda: pytest.fail("nobody looks"),
        )
    await sources.stop()
    assert sources.current.slot == 0
    assert not call.peer.messages


class EveryOther(FlowInTurn):
    """Finds a flow in every second frame, whatever that shows."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def due(self, captured_s: float) -> bool:
        return round(RATE * captured_s) % 2 == 0

    def find(self, seen: Seen) -> bytes:
        self.seen.append(seen)
        return b"\x30"


async def test_in_order_a_flow_goes_with_the_frame_that_it_was_found_in() -> None:
    flows = EveryOther()
    call = Call(flow_in_turn=flows)
    its = motion()
    view, drawn_from = View(face(), its.rotation, its.translation, its.expression), held(2)
    sent: list[list[Packet]] = []
    for number in range(4):
        at_s = number / RATE

        def last(coded: Capture = Capture(its, 2 / RATE if number == 2 else 0.0)) -> Capture:
            return coded

        packets = [Packet(b"old", 1, at_s), Packet(b"New", 1, at_s)] if number != 3 else []
        sent.append(
            call.sources.bend(packets, view, drawn_from, ticks=round(60 * at_s), captured_s=at_s, last=last)
        )
    await call.sources.stop()
    assert [[packet.data[-3:] for packet in packets] for packets in sent] == [[b"old", b"New"]] * 3 + [[]]
    assert [detach_flow(packets[-1].data)[1] for packets in sent[:3]] == [
        AttachedFlow(2, b"\x30", 0), None, AttachedFlow(2, b"\x30", 0)
    ]  # fmt: skip
    assert [round(RATE * seen.captured_s) for seen in flows.seen] == [0, 2]
