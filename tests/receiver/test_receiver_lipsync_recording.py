"""A marked picture and a mark in the sound, captured at one moment, over a bad line and into a recording."""

import asyncio
import functools
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import av
import numpy as np
import numpy.typing as npt
import pytest
from receiver_fakes import SIZE, FakeLine, FakeTalker, hello, motion, motion_format

from call.sound import SoundLink
from call.sound_files import Pacer, Silence
from codec.control import encode_control
from codec.encoder import MotionEncoder
from codec.picture import cut_picture, encode_picture
from codec.transfer import PictureReady
from receiver.drawing import Drawing
from receiver.output import open_output
from receiver.receiver import Receiver
from tests.patience import PATIENCE_S
from tests.virtual_time import in_virtual_time
from transport.impairment import Impairment
from transport.meet import connect_in_process
from transport.peer import Peer
from transport.relay import Relay

LONG_S = 4.0
MARK_S = 0.2  # of each second, from its half on
NOTICED_S = 0.045
LOOKOUT_S = 0.001  # datagrams of this machine are there at once


class NotYetError(BaseException):
    """Nothing is to be drawn for so long; no `Exception`, as those end the drawing."""

    def __init__(self, for_s: float | None) -> None:
        self.for_s = for_s


class Unshared:
    """Stands in for the condition on which drawing threads wait, where nobody else draws."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def wait(self, for_s: float | None) -> None:
        raise NotYetError(for_s)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        assert condition()

    def notify_all(self) -> None:
        self.changed.set()


def draw_on_the_loop(patch: pytest.MonkeyPatch) -> None:
    """Let what threads would draw be drawn by a task, in whose time a machine's speed does not count."""

    async def draw(drawing: Drawing, unshared: Unshared) -> None:
        while True:
            unshared.changed.clear()
            try:
                return drawing._work()
            except NotYetError as not_yet:
                with suppress(TimeoutError):
                    await asyncio.wait_for(unshared.changed.wait(), not_yet.for_s)

    def start(drawing: Drawing) -> None:
        drawing._changed = unshared = Unshared()  # type: ignore[assignment]
        drawing._threads = [asyncio.create_task(draw(drawing, unshared))]  # type: ignore[list-item]

    def finish(drawing: Drawing) -> None:
        assert not drawing._playout.waiting

    patch.setattr(Drawing, "start", start)
    patch.setattr(Drawing, "finish", finish)


class Marked:
    """A microphone that hears a tone while a mark is due."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self._pacer = Pacer()

    async def read(self) -> npt.NDArray[np.int16]:
        times_s = await self._pacer.wait() - self._began_s + np.arange(960) / 48_000
        due = (times_s > 0) & marked(times_s)
        return (due * 12_000 * np.sin(2 * np.pi * 500 * times_s)).astype(np.int16)


def marked(times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return (times_s % 1.0 >= 0.5) & (times_s % 1.0 < 0.5 + MARK_S)


def onsets(times_s: npt.NDArray[np.float64], on: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return when something comes on that was off for a fifth of a second."""
    begun = times_s[on]
    return begun[np.diff(begun, prepend=-1.0) > 0.2]


def ignore(data: object) -> None:
    """Take no interest."""


async def send_pictures(
    receiver: Receiver, mine: SoundLink, theirs: SoundLink, *, began_s: float, under_way_s: float
) -> None:
    """Send 25 motions a second, turned aside while a mark is due, and tell the time."""
    encoder = MotionEncoder(motion_format())
    loop = asyncio.get_running_loop()
    for index in range(round(25 * LONG_S)):
        captured_s = began_s + index / 25
        await asyncio.sleep(max(captured_s - time.monotonic(), 0.0))
        clock = mine.clock()
        if clock is not None and index % 25 == 1:
            theirs.take(clock)
        aside = bool(marked(np.array([index / 25 + 1e-6]))[0])
        packet = encoder.encode(motion(90.0 if aside else 0.0), captured_s=captured_s, source=0)
        loop.call_later(under_way_s, receiver.on_motion, packet)
    await asyncio.sleep(0.5)


@pytest.mark.parametrize("under_way_s", [0.03, 0.4])
@functools.partial(in_virtual_time, lookout_s=LOOKOUT_S)
async def test_a_recording_has_the_marks_of_picture_and_sound_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, under_way_s: float
) -> None:
    draw_on_the_loop(monkeypatch)
    monkeypatch.setattr("receiver.writer.MAX_QUEUED", 10_000)  # writing takes real time
    apart_s = await recorded(tmp_path / "call.mp4", under_way_s)
    assert len(apart_s) >= 3
    assert np.median(np.abs(apart_s)) < NOTICED_S, apart_s


async def recorded(target: Path, under_way_s: float) -> list[float]:
    """Hold and record a call; returns how much later than its picture each mark is heard, seconds."""
    line = FakeLine()
    receiver = Receiver(
        FakeTalker(),  # type: ignore[arg-type]
        motion_format(),
        hello=hello(),
        output=open_output(str(target), sound=True),
        on_shown=lambda shown, picture, at_s: theirs.see(shown, at_s),
    )
    receiving = asyncio.create_task(receiver.run(line))
    await asyncio.sleep(0)
    receiver.on_control(encode_control(hello()))
    for piece in cut_picture(
        encode_picture(np.zeros((SIZE, SIZE, 3), np.uint8), quality=60), transfer=1, slot=0
    ):
        receiver.on_control(encode_control(piece))
    async with asyncio.timeout(PATIENCE_S):
        while not line.of(PictureReady):  # noqa: ASYNC110 -- a thread tells it
            await asyncio.sleep(0.01)
    began_s = time.monotonic() + 0.2
    mine = SoundLink(Marked(began_s), Silence(), frame_ms=60)
    theirs = SoundLink(Silence(), Silence(), hold_picture=receiver.hold, on_heard=receiver.hear)
    relay = Relay(Impairment(loss=0.02, delay_s=0.05), Impairment(), seed=1)
    peers = [
        Peer(sound=link.new_line(), on_motion=ignore, on_control=ignore, on_closed=ignore)
        for link in (mine, theirs)
    ]
    await connect_in_process(*peers, relay=relay, timeout_s=PATIENCE_S)
    for link, peer in zip((mine, theirs), peers, strict=True):
        link.use(peer.sound)
    running = [asyncio.create_task(link.run()) for link in (mine, theirs)]
    try:
        await send_pictures(receiver, mine, theirs, began_s=began_s, under_way_s=under_way_s)
    finally:
        receiver.stop()
        await receiving
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for peer in peers:
            await peer.close()
        relay.close()
    with av.open(str(target)) as video:
        frames = [
            (float(frame.time or 0), frame.to_ndarray(format="gray").mean())
            for frame in video.decode(video=0)
        ]
    with av.open(str(target)) as video:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in video.decode(audio=0)])
    times_s, greys = np.array(frames).T
    seen_s = onsets(times_s, greys > 170)
    heard_s = onsets(np.arange(len(sound)) / 48_000, np.abs(sound) > 0.1)
    apart_s = [heard_s[np.argmin(np.abs(heard_s - at_s))] - at_s for at_s in seen_s]
    assert theirs.lip_error_s is not None
    return [away_s for away_s in apart_s if abs(away_s) < 0.5]  # marks that were seen and heard
