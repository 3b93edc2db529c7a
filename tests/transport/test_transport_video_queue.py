"""What of a stranger's coded pictures reaches the decoder."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder, vp8_depayload

from tests.patience import PATIENCE_S
from tests.transport.transport_sides import Side, until
from transport.video import VideoLine
from transport.video_queue import LARGEST_RECEIVED, MOST_WAITING, CodedPictures
from transport.video_track import fitted


def coded(*, width: int = 64, height: int = 48, count: int = 1) -> list[bytes]:
    """Code pictures as aiortc does, the first of them whole."""
    encoder, frames = Vp8Encoder(), []
    for tick in range(count):
        frame = fitted(np.full((48, 64, 3), 5 * tick, np.uint8), 64)
        frame.pts = 3000 * tick
        frames.append(bytearray(b"".join(map(vp8_depayload, encoder.encode(frame)[0]))))
    frames[0][6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return [bytes(frame) for frame in frames]


async def film(line: VideoLine) -> None:
    """Send noise until cancelled."""
    tick = 0
    while True:
        line.put(np.random.default_rng(tick).integers(0, 255, (48, 64, 3), np.uint8), tick / 25)
        tick += 1
        await asyncio.sleep(0.04)


def offer(queue: CodedPictures, *frames: bytes) -> list[bytes]:
    """Put frames into a queue, and take out what is in it."""
    for data in frames:
        queue.put(("VP8", SimpleNamespace(data=data)))
    return [queue.get_nowait()[1].data for _ in range(queue.qsize())]


@pytest.mark.parametrize("size", [(16_383, 16_383), (LARGEST_RECEIVED + 1, 16), (16, LARGEST_RECEIVED + 1)])
def test_a_picture_that_says_it_is_larger_than_any_camera_s_never_reaches_the_decoder(
    size: tuple[int, int],
) -> None:
    (bomb,) = coded(width=size[0], height=size[1])
    whole, *others = coded(count=3)
    assert offer(CodedPictures(lambda: None), whole, bomb, *others) == [whole, *others]


def test_the_largest_pictures_and_broken_ones_are_the_decoder_s_business() -> None:
    (largest,) = coded(width=LARGEST_RECEIVED, height=LARGEST_RECEIVED)
    frames = [largest, b"", b"\0", largest[:9], b"\1"]
    assert offer(CodedPictures(lambda: None), *frames) == frames


def test_a_decoder_that_is_behind_goes_on_with_the_next_whole_picture_which_is_asked_for() -> None:
    asked: list[int] = []
    whole, *others = coded(count=3)
    queue = CodedPictures(lambda: asked.append(queue.qsize()))
    assert offer(queue, whole, *others * MOST_WAITING) == []
    assert asked
    asked.clear()
    assert offer(queue, *others, whole, *others) == [whole, *others]
    assert asked == [0, 0]
    assert offer(queue, *[whole] * (MOST_WAITING + 1)) == [whole], "a whole one needs none before it"


def test_the_end_does_not_wait_for_what_is_not_decoded_yet() -> None:
    queue = CodedPictures(lambda: None)
    for data in coded(count=3):
        queue.put(("VP8", SimpleNamespace(data=data)))
    queue.put(None)
    assert queue.get_nowait() is None


async def test_a_bomb_in_a_connection_s_video_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Side(), Side()
    (bomb,) = coded(width=16_383, height=16_383)
    decoded: list[bytes] = []
    decode = Vp8Decoder.decode

    def note(decoder: Vp8Decoder, frame: Any) -> Any:
        decoded.append(frame.data)
        return decode(decoder, frame)

    monkeypatch.setattr(Vp8Decoder, "decode", note)
    packetize = Vp8Encoder._packetize
    sent: list[int] = []

    def tamper(buffer: bytes, picture_id: int) -> list[bytes]:
        sent.append(picture_id)
        return packetize(bomb if len(sent) % 2 else buffer, picture_id)

    monkeypatch.setattr(Vp8Encoder, "_packetize", staticmethod(tamper))
    await one.peer.complete(await other.peer.accept(await one.peer.create_offer()))
    await asyncio.gather(one.peer.connected(PATIENCE_S), other.peer.connected(PATIENCE_S))
    other.peer.video.receive(True)
    one.peer.video.send(True)
    filming = asyncio.create_task(film(one.peer.video))
    await until(lambda: len(decoded) > 3)
    filming.cancel()
    await asyncio.gather(one.peer.close(), other.peer.close())
    assert bomb not in decoded
    assert len(sent) > 4
