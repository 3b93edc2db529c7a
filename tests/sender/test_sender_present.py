"""How pictures get to the receiver, and by what the sender learns that they are there."""

import asyncio

import pytest

from codec.feedback import ReadyTransfers
from codec.hello import Hello
from codec.transfer import PicturePiece, PictureReady, PictureRefused
from sender.present import PICTURE_TRIES, Presentation
from tests.sender.sender_fakes import SIZE, FakePeer


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
