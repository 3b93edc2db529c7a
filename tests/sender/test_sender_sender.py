"""The course of a call, with a peer that has no network."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from codec.control import Message, encode_control
from codec.decoder import MotionDecoder
from codec.feedback import ReadyTransfers
from codec.format import MotionFormat
from codec.hello import Capability, Goodbye, Hello, HelloMismatch
from codec.motion import Motion
from codec.ordered import ORDERED_WINDOW, OrderedMotion
from codec.tables import fit_tables
from codec.transfer import PicturePiece, PictureReady, PictureRefused
from sender.capture import ClipInput, Frame
from sender.crop import FACE_IS_BACK, NO_FACE
from sender.errors import InputError, OtherSideError, SenderError
from sender.mirror import Mirror
from sender.rate import START_BPS
from sender.sender import FRESH_S, Sender
from sender.settings import SenderSettings
from tests.patience import PATIENCE_S
from tests.sender.sender_fakes import SIZE, FakePeer, FakeTalker, K, draw_frame, shown

FACE = draw_frame(160, 120, x=80, y=60, face=50)
EMPTY = np.full((120, 160, 3), 30, np.uint8)


@pytest.fixture(scope="module")
def motion_format() -> MotionFormat:
    still = Motion(np.zeros(3), np.zeros(3), np.zeros((K, 3)))
    return fit_tables([still], expression_steps=np.full((K, 3), 2**-8))


@pytest.fixture
def hello(motion_format: MotionFormat) -> Hello:
    return Hello(1, "fake-64", bytes(32), motion_format.hash, SIZE, 25.0, 0, bytes(16))


class Pictures:
    """A clip of given pictures, at `rate` a second."""

    name = "pictures"

    def __init__(self, pictures: Iterable[np.ndarray], *, rate: float = 25.0) -> None:
        self._pictures = pictures
        self._rate = rate

    def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        for index, picture in enumerate(self._pictures):
            yield index / self._rate, picture


def clip(pictures: Iterable[np.ndarray], *, realtime: bool = False, rate: float = 25.0) -> ClipInput:
    return ClipInput(Pictures(pictures, rate=rate), realtime=realtime)


class Call:
    """A sender and a fake peer that know each other."""

    def __init__(
        self, source, motion_format: MotionFormat, hello: Hello, *, talker=None, settings=None
    ) -> None:
        self.notices: list[str] = []
        self.seen: list[tuple[int, int, float, np.ndarray]] = []
        self.talker = talker or FakeTalker()
        self.sender = Sender(
            self.talker,
            source,
            motion_format=motion_format,
            hello=hello,
            settings=settings or SenderSettings(),
            on_frame=lambda *seen: self.seen.append(seen),
            on_notice=self.notices.append,
        )
        self.peer = FakePeer(hello)
        self.peer.on_control = self.sender.on_control

    async def run(self) -> None:
        await asyncio.wait_for(self.sender.run(self.peer), PATIENCE_S)


async def test_a_clip_is_sent_whole_in_its_order_and_ends_with_goodbye(motion_format, hello) -> None:
    call = Call(clip([FACE] * 60), motion_format, hello)
    await call.run()
    stats = call.sender.stats
    assert (stats.frames_in, stats.frames_sent, stats.frames_dropped, stats.no_face_frames) == (60, 60, 0, 0)
    decoder = MotionDecoder(motion_format)
    decoded = [motion for packet in call.peer.motions for motion in decoder.decode(packet)]
    assert [motion.ticks for motion in decoded] == [ticks for _, ticks, _, _ in call.seen]
    assert set(np.diff([motion.ticks for motion in decoded])) <= {2, 3}
    assert stats.payload_bytes == sum(map(len, call.peer.motions))
    assert isinstance(call.peer.messages[0], Hello)
    assert isinstance(call.peer.messages[-1], Goodbye)
    assert call.peer.goodbye == "the input has ended"


async def test_no_motion_goes_before_the_source_picture_is_ready(motion_format, hello) -> None:
    call = Call(clip([FACE] * 30), motion_format, hello)
    sent_at_ready: list[int] = []

    def answer(message: Message) -> list[Message]:
        replies = call.peer.agree(message)
        if any(isinstance(reply, PictureReady) for reply in replies):
            sent_at_ready.append(len(call.peer.motions))
        return replies

    call.peer.answer = answer
    await call.run()
    assert sent_at_ready == [0]
    assert call.sender.stats.frames_sent == 30


async def test_feedback_that_names_the_picture_does_as_well_as_the_answer_that_is_late(
    motion_format, hello
) -> None:
    call = Call(clip([FACE] * 5), motion_format, hello)

    def answer(message: Message) -> list[Message]:
        return [
            replace(shown(0), ready=ReadyTransfers(reply.transfer))
            if isinstance(reply, PictureReady)
            else reply
            for reply in call.peer.agree(message)
        ]

    call.peer.answer = answer
    await call.run()
    assert call.sender.stats.frames_sent == 5
    assert call.sender.source is not None
    assert call.sender.stats.source_bytes == len(call.sender.source.data)


async def test_the_sender_draws_upon_the_picture_as_the_receiver_has_it(motion_format, hello) -> None:
    call = Call(clip([FACE] * 5), motion_format, hello)
    await call.run()
    source = call.sender.source
    assert source is not None
    assert call.talker.prepared[0] is source.picture
    sent = b"".join(message.data for message in call.peer.messages if isinstance(message, PicturePiece))
    assert sent == source.data
    assert call.sender.stats.source_bytes == len(sent)


async def test_a_refused_picture_is_sent_again(motion_format, hello) -> None:
    call = Call(clip([FACE] * 5), motion_format, hello)

    def answer(message: Message) -> list[Message]:
        replies = call.peer.agree(message)
        return [
            PictureRefused(reply.transfer, "it is damaged")
            if isinstance(reply, PictureReady) and not reply.transfer
            else reply
            for reply in replies
        ]

    call.peer.answer = answer
    await call.run()
    assert call.sender.stats.frames_sent == 5
    assert call.sender.source is not None
    assert call.sender.stats.source_bytes == 2 * len(call.sender.source.data)


async def test_a_picture_refused_for_good_ends_the_call_with_the_reason(motion_format, hello) -> None:
    call = Call(clip([FACE] * 5), motion_format, hello)

    def answer(message: Message) -> list[Message]:
        if isinstance(message, PicturePiece):
            return [PictureRefused(message.transfer, "it is damaged")] if message.index == 0 else []
        return call.peer.agree(message)

    call.peer.answer = answer
    with pytest.raises(SenderError, match="it is damaged"):
        await call.run()
    assert call.peer.goodbye == "the sender failed"


async def test_another_profile_on_the_other_side_is_named(motion_format, hello) -> None:
    call = Call(clip([FACE] * 5), motion_format, hello)
    call.peer.hello = replace(hello, profile="laptop-512")
    with pytest.raises(HelloMismatch, match="laptop-512"):
        await call.run()
    assert not call.peer.motions


@pytest.mark.parametrize("crop", ["follow", "full"])
async def test_a_clip_without_a_face_is_refused_with_a_sentence(crop, motion_format, hello) -> None:
    call = Call(clip([EMPTY] * 40), motion_format, hello, settings=SenderSettings(crop=crop))
    with pytest.raises(InputError, match="No face was found in pictures"):
        await call.run()


async def test_a_face_that_leaves_for_seconds_does_not_end_the_call(motion_format, hello) -> None:
    call = Call(clip([FACE] * 30 + [EMPTY] * 75 + [FACE] * 30), motion_format, hello)
    await call.run()
    stats = call.sender.stats
    assert stats.no_face_frames + stats.frames_sent == 135
    assert 75 <= stats.no_face_frames <= 85
    assert NO_FACE in call.notices


@pytest.mark.parametrize("crop", ["follow", "full"])
async def test_what_a_clip_shows_is_told_as_it_is_played_and_not_while_its_beginning_is_searched(
    crop, motion_format, hello
) -> None:
    settings = SenderSettings(crop=crop)
    call = Call(clip([EMPTY] * 100 + [FACE] * 30), motion_format, hello, settings=settings)
    await call.run()
    assert call.notices == [NO_FACE, FACE_IS_BACK]


async def test_first_takes_the_first_picture_and_full_the_whole_frame(motion_format, hello) -> None:
    square = [draw_frame(SIZE, SIZE, x=32 + shift, y=34, face=36) for shift in range(8)]
    call = Call(clip(square), motion_format, hello, settings=SenderSettings(crop="full", source="first"))
    await call.run()
    assert all(seen[3] is picture for seen, picture in zip(call.seen, square, strict=True))
    assert call.sender.source is not None
    assert np.abs(call.sender.source.picture.astype(int) - square[0]).mean() < 6


async def test_a_picture_file_can_be_the_source(motion_format, hello, tmp_path: Path) -> None:
    path = tmp_path / "me.png"
    cv2.imwrite(str(path), draw_frame(300, 200, x=200, y=100, face=60, background=200)[:, :, ::-1])
    call = Call(clip([FACE] * 3), motion_format, hello, settings=SenderSettings(source=path))
    await call.run()
    assert call.sender.source is not None
    assert call.sender.source.picture[2, 2] == pytest.approx([200, 200, 200], abs=12)


async def test_first_takes_no_picture_from_before_there_was_a_face(motion_format, hello) -> None:
    nobody = np.full((SIZE, SIZE, 3), 30, np.uint8)
    face = draw_frame(SIZE, SIZE, x=32, y=34, face=36)
    settings = SenderSettings(crop="full", source="first")
    call = Call(clip([nobody] * 30 + [face] * 30), motion_format, hello, settings=settings)
    await call.run()
    assert call.sender.source is not None
    assert np.abs(call.sender.source.picture.astype(int) - face).mean() < 6


async def test_a_long_clip_without_a_face_is_searched_for_a_minute_and_a_short_one_whole(
    motion_format, hello
) -> None:
    for frames, said in ((3, "No face was found in pictures:"), (70, "within its first minute")):
        call = Call(clip([EMPTY] * frames, rate=1.0), motion_format, hello)
        with pytest.raises(InputError, match=said):
            await call.run()


@pytest.mark.parametrize("crop", ["follow", "full"])
async def test_a_picture_file_without_a_face_is_refused(crop, motion_format, hello, tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    cv2.imwrite(str(path), EMPTY)
    call = Call(clip([FACE] * 3), motion_format, hello, settings=SenderSettings(crop=crop, source=path))
    with pytest.raises(InputError, match=r"wall\.png"):
        await call.run()


class GatedTalker(FakeTalker):
    """Waits in `estimate` once the call proper has begun, as a slow machine would."""

    def __init__(self, gate: threading.Semaphore) -> None:
        super().__init__()
        self._gate = gate
        self.looks = 0  # of the call proper, the one that waits included

    def estimate(self, picture: np.ndarray, source: object):
        if source is not None:
            self.looks += 1
            self._gate.acquire(timeout=PATIENCE_S)
        return super().estimate(picture, source)


class Camera:
    """A live input that gives a frame whenever the test says so."""

    name = "camera"
    keeps_all = False

    def __init__(self) -> None:
        self.ready = threading.Semaphore(0)
        self.stopped = False
        self.given = 0

    def opening(self) -> None:
        return None

    def frames(self) -> Iterator[Frame]:
        while True:
            self.ready.acquire()
            if self.stopped:
                return
            yield Frame(FACE, self.given / 25, self.given)
            self.given += 1

    def rest(self, on: bool, *, on_failed: Callable[[InputError], None]) -> None:
        pass

    async def give(self) -> None:
        """Let a frame come, and wait until it has been handed over."""
        before = self.given
        self.ready.release()
        await until(lambda: self.given > before)

    def stop(self) -> None:
        self.stopped = True
        self.ready.release()


async def until(condition) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 (what is waited for happens on threads)
            await asyncio.sleep(0.002)


async def test_a_slow_machine_drops_frames_of_a_camera_and_counts_them(motion_format, hello) -> None:
    gate, camera = threading.Semaphore(0), Camera()
    call = Call(
        camera, motion_format, hello, talker=GatedTalker(gate), settings=SenderSettings(source="first")
    )
    running = asyncio.create_task(call.run())
    await camera.give()
    await until(lambda: any(isinstance(message, PicturePiece) for message in call.peer.messages))
    await until(lambda: call.sender.stats.frames_in == 0)  # what came before the call proper does not count
    # Capture goes on while the motion thread stands still.
    async with asyncio.timeout(PATIENCE_S):
        while call.sender.stats.frames_dropped < 9:
            await camera.give()
    for _ in range(10):
        gate.release()
    await until(lambda: call.sender.stats.frames_sent >= 1)
    await until(lambda: (s := call.sender.stats).frames_in == s.frames_sent + s.frames_dropped)
    call.sender.stop()
    await running
    stats = call.sender.stats
    assert stats.frames_dropped >= 9
    assert stats.frames_sent <= 3
    assert stats.frames_in == stats.frames_sent + stats.frames_dropped
    assert call.peer.goodbye == "the sender was stopped"


@pytest.mark.parametrize(("waited_s", "asked"), [(FRESH_S - 10, []), (FRESH_S + 1, ["repair"])])
async def test_a_picture_of_long_before_the_call_is_looked_at_whether_one_of_now_is_better(
    waited_s: float, asked: list[str], motion_format, hello, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Listening(Mirror):
        def ask(self, wanted: str, **on_vain: object) -> None:
            wishes.append(wanted)

    wishes: list[str] = []
    camera = Camera()
    call = Call(camera, motion_format, hello, settings=SenderSettings(source="first"))
    call.sender._mirror = Listening(call.talker, on_notice=call.notices.append)
    await asyncio.gather(call.sender.prepare(), camera.give())
    now_s = asyncio.get_running_loop().time
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now_s() + waited_s)
    running = asyncio.create_task(call.sender.run(call.peer))
    await until(lambda: call.sender.stats.mode is not None)
    call.sender.stop()
    await running
    assert wishes == asked


@pytest.mark.parametrize(("before", "after"), [(None, 20_000.0), (20_000.0, None), (50_000.0, 10_000.0)])
async def test_a_limit_that_changes_while_the_first_picture_is_on_its_way_holds(
    before: float | None, after: float | None, motion_format, hello
) -> None:
    settings = SenderSettings(source="first", limit_bps=before)
    call = Call(clip(itertools.repeat(FACE), realtime=True), motion_format, hello, settings=settings)
    answers = call.peer.answer

    def answer(message: Message) -> list[Message]:
        replies = answers(message)
        if any(isinstance(reply, PictureReady) for reply in replies):
            call.sender.limit(after)
        return replies

    call.peer.answer = answer
    running = asyncio.create_task(call.run())
    await until(lambda: call.sender.stats.frames_sent > 0)
    rate = call.sender.stats.rate
    call.sender.stop()
    await running
    assert rate is not None
    assert rate.believed_bps == min(after or START_BPS, START_BPS)


async def test_stopping_ends_everything_at_once(motion_format, hello) -> None:
    call = Call(clip([FACE] * 25, realtime=True, rate=0.11), motion_format, hello)
    running = asyncio.create_task(call.run())
    await until(lambda: call.peer.motions)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert call.peer.goodbye == "the sender was stopped"
    await until(lambda: not any(thread.name == "capture" for thread in threading.enumerate()))


async def test_goodbye_does_not_wait_for_what_a_thread_is_at(motion_format, hello, monkeypatch) -> None:
    monkeypatch.setattr("sender.sender.STOP_LIMIT_S", PATIENCE_S)
    gate, order = threading.Semaphore(0), []

    class Slow(GatedTalker):
        def estimate(self, picture: np.ndarray, source: object):
            seen = super().estimate(picture, source)
            if source is not None:
                order.append("looked")
            return seen

    talker = Slow(gate)
    call = Call(clip([FACE] * 25, realtime=True), motion_format, hello, talker=talker)

    def answer(message: Message) -> list[Message]:
        if isinstance(message, Goodbye):
            order.append("goodbye")
            gate.release()
        return call.peer.agree(message)

    call.peer.answer = answer
    running = asyncio.create_task(call.run())
    await until(lambda: talker.looks > 0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert order == ["goodbye", "looked"]


async def test_a_search_for_a_face_can_be_broken_off(motion_format, hello) -> None:
    searched = threading.Event()

    def pictures() -> Iterator[np.ndarray]:
        for index in itertools.count():
            if index > 2:
                searched.set()
            yield EMPTY

    call = Call(clip(pictures(), rate=1e9), motion_format, hello)
    searching = asyncio.create_task(call.sender.prepare())
    await until(searched.is_set)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    assert call.sender.source is None


async def test_the_other_side_may_end_the_call(motion_format, hello) -> None:
    call = Call(clip([FACE] * 25, realtime=True, rate=0.11), motion_format, hello)
    loop = asyncio.get_running_loop()
    call.peer.on_motion = lambda data: bool(loop.call_soon(call.sender.on_control, b"\x06\x00enough"))
    await call.run()
    assert call.notices == ["The other side has ended the call: enough."]


async def test_an_other_side_that_fails_is_an_error(motion_format, hello) -> None:
    call = Call(clip([FACE] * 25, realtime=True, rate=0.11), motion_format, hello)
    loop = asyncio.get_running_loop()
    broken = encode_control(Goodbye("it cannot write its output", failed=True))
    call.peer.on_motion = lambda data: bool(loop.call_soon(call.sender.on_control, broken))
    with pytest.raises(OtherSideError, match="it cannot write its output"):
        await call.run()


async def test_a_line_that_breaks_is_told(motion_format, hello) -> None:
    call = Call(clip([FACE] * 25, realtime=True, rate=0.11), motion_format, hello)
    call.peer.on_motion = lambda data: not call.sender.on_closed("The line to the other side is lost.")
    with pytest.raises(SenderError, match="is lost"):
        await call.run()


async def test_messages_that_do_not_decode_are_counted_and_end_nothing(motion_format, hello) -> None:
    call = Call(clip([FACE] * 5), motion_format, hello)
    call.sender.on_control(b"\xff\x00")
    call.sender.on_control(b"")
    await call.run()
    assert call.sender.stats.packets_bad == 2
    assert call.sender.stats.frames_sent == 5


async def test_what_the_line_cannot_take_is_counted_as_dropped(motion_format, hello) -> None:
    call = Call(clip([FACE] * 5, realtime=True, rate=50), motion_format, hello)
    call.peer.on_motion = lambda data: False
    await call.run()
    stats = call.sender.stats
    assert (stats.frames_sent, stats.frames_dropped, stats.payload_bytes) == (0, 5, 0)


async def test_as_fast_as_it_goes_is_said_in_the_hello_and_real_time_is_not(motion_format, hello) -> None:
    for realtime, said in ((False, Capability.SENDS_IN_ORDER), (True, 0)):
        call = Call(clip([FACE] * 3, realtime=realtime, rate=50), motion_format, hello)
        await call.run()
        assert call.peer.messages[0] == replace(hello, capabilities=said)
        ordered = [message for message in call.peer.messages if isinstance(message, OrderedMotion)]
        assert len(ordered) == (0 if realtime else 3)


async def test_as_fast_as_it_goes_waits_for_the_receiver_and_loses_nothing(motion_format, hello) -> None:
    call = Call(clip([FACE] * 50), motion_format, hello)
    loop, ahead, drawn = asyncio.get_running_loop(), [], []

    def draw() -> None:
        ahead.append(len(call.peer.motions) - len(drawn))
        drawn.append(None)
        call.sender.on_control(encode_control(shown(len(drawn))))

    def answer(message: Message) -> list[Message]:
        if not isinstance(message, OrderedMotion):
            return call.peer.agree(message)
        call.peer.motions.append(message.packet)
        loop.call_later(0.004 * (len(call.peer.motions) - len(drawn)), draw)
        return []

    call.peer.answer = answer
    await call.run()
    assert call.sender.stats.frames_sent == len(drawn) == 50
    assert max(ahead) <= ORDERED_WINDOW
    assert call.peer.goodbye == "the input has ended"


async def test_a_receiver_that_cannot_draw_in_order_is_told_from_one_that_can(motion_format, hello) -> None:
    call = Call(clip([FACE] * 5), motion_format, hello)
    call.peer.hello = hello
    with pytest.raises(SenderError, match="as fast as it goes"):
        await call.run()
    assert not call.peer.motions
    call = Call(clip([FACE] * 5, realtime=True, rate=50), motion_format, hello)
    call.peer.hello = hello
    await call.run()


async def test_a_receiver_that_stands_still_does_not_hold_up_the_end(motion_format, hello) -> None:
    call = Call(clip([FACE] * 500), motion_format, hello)
    call.peer.answer = lambda message: [] if isinstance(message, OrderedMotion) else call.peer.agree(message)
    running = asyncio.create_task(call.run())
    await until(lambda: call.sender.stats.frames_sent == ORDERED_WINDOW)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert call.peer.goodbye == "the sender was stopped"
    await until(lambda: not any(thread.name == "capture" for thread in threading.enumerate()))


async def test_a_fault_in_a_graph_is_raised_and_not_hidden(motion_format, hello) -> None:
    class Broken(FakeTalker):
        def estimate(self, picture: np.ndarray, source: object):
            if source is not None:
                raise RuntimeError("the graph is broken")
            return super().estimate(picture, source)

    call = Call(clip([FACE] * 5), motion_format, hello, talker=Broken())
    with pytest.raises(RuntimeError, match="broken"):
        await call.run()
