"""How pictures get to the receiver, and by what the sender learns that they are there."""

import asyncio

import pytest

from codec.control import Message, encode_control
from codec.feedback import ReadyTransfers
from codec.hello import Hello
from codec.picture import PIECE_BYTES
from codec.transfer import PicturePiece, PictureReady, PictureRefused
from sender.adapting import LEAST_PIECES_BPS
from sender.errors import SenderError
from sender.present import HEADERS_BYTES, PICTURE_TRIES, Presentation
from tests.sender.sender_fakes import SIZE, FakePeer
from tests.virtual_time import in_virtual_time


class Silent:
    """A presentation to a receiver that answers nothing by itself."""

    def __init__(self) -> None:
        self.presentation = Presentation()
        self.peer = FakePeer(Hello(1, "fake", bytes(32), bytes(32), SIZE, 25, 0, bytes(16)))
        self.peer.answer = lambda message: []

    async def begin(self, picture: bytes) -> "asyncio.Task[None]":
        """Send a picture; returns once it is on its way."""
        task = asyncio.create_task(self.presentation.send(picture, self.peer))
        for _ in range(5):
            await asyncio.sleep(0)
        return task

    @property
    def transfers(self) -> list[int]:
        return [message.transfer for message in self.peer.messages if isinstance(message, PicturePiece)]


class Carrying(FakePeer):
    """Acknowledges one message after a round trip, and each other after it has been carried."""

    ROUND_TRIP_S, CARRIED_S = 0.2, 0.1
    unanswered = 0

    async def drain(self, timeout_s: float = 0.3, *, one: bool = False) -> None:
        await asyncio.sleep(self.ROUND_TRIP_S if one else self.CARRIED_S * (self.unanswered - 1))

    def send_control(self, data: bytes) -> None:
        self.unanswered += 1
        self.counters.sent_bytes += len(data) + HEADERS_BYTES
        super().send_control(data)


@in_virtual_time
async def test_what_a_line_carries_shows_in_how_far_apart_its_answers_come() -> None:
    call = Silent()
    call.peer = Carrying(Hello(1, "fake", bytes(32), bytes(32), SIZE, 25, 0, bytes(16)))
    call.peer.answer = lambda message: []
    sending = await call.begin(bytes(3 * PIECE_BYTES))
    await asyncio.sleep(1.0)
    assert call.presentation.carried is not None
    assert call.presentation.carried.again is False
    sizes = [len(encode_control(message)) + HEADERS_BYTES for message in call.peer.messages[1:]]
    assert call.presentation.carried.bps == pytest.approx(8 * sum(sizes) / (len(sizes) * Carrying.CARRIED_S))
    call.presentation.take(PictureReady(call.transfers[-1], 0))
    await sending


async def test_feedback_tells_that_a_picture_is_ready() -> None:
    call = Silent()
    sending = await call.begin(b"a picture")
    call.presentation.learn(None)
    assert not sending.done()
    call.presentation.learn(ReadyTransfers(call.transfers[-1]))
    await sending
    call.presentation.take(PictureReady(call.transfers[-1], 0))  # late, and nothing new


async def test_what_feedback_says_of_earlier_pictures_says_nothing_of_this_one() -> None:
    call = Silent()
    first = await call.begin(b"a picture")
    old = ReadyTransfers(call.transfers[-1])
    call.presentation.learn(old)
    await first
    second = await call.begin(b"another picture")
    call.presentation.learn(old)
    await asyncio.sleep(0)
    assert not second.done()
    call.presentation.learn(ReadyTransfers(call.transfers[-1] + 1, 0b1))
    await second


async def test_feedback_after_a_refusal_comes_too_late_for_that_transfer() -> None:
    call = Silent()
    sending = await call.begin(b"a picture")
    for _ in range(PICTURE_TRIES):
        refused = call.transfers[-1]
        call.presentation.take(PictureRefused(refused, "it is damaged"))
        for _ in range(5):
            await asyncio.sleep(0)
        call.presentation.learn(ReadyTransfers(refused))
    with pytest.raises(Exception, match="it is damaged"):
        await sending
    assert len(set(call.transfers)) == PICTURE_TRIES


@in_virtual_time
async def test_a_picture_takes_as_long_as_a_line_takes_that_has_hardly_room_for_it() -> None:
    call = Silent()
    loop = asyncio.get_running_loop()
    carried_s = loop.time()

    def carry(message: Message) -> list[Message]:
        nonlocal carried_s
        assert isinstance(message, PicturePiece)
        carried_s = max(carried_s, loop.time()) + 8 * len(message.data) / LEAST_PIECES_BPS
        if message.index == message.count - 1:
            loop.call_at(carried_s, call.presentation.take, PictureReady(message.transfer, 0))
        return []

    async def live() -> None:
        while True:  # the line lives: reports on motion come
            call.peer.counters.received_bytes += 20
            await asyncio.sleep(0.25)

    call.peer.answer = carry
    living = asyncio.create_task(live())
    fine = asyncio.create_task(call.presentation.send(bytes(14_000), call.peer, slot=1))
    await asyncio.sleep(1)
    await call.presentation.send(bytes(3_000), call.peer, slot=2)
    await fine
    call.peer.answer = lambda message: []
    with pytest.raises(SenderError, match="has not taken the source picture"):
        await call.presentation.send(bytes(3_000), call.peer)
    living.cancel()
