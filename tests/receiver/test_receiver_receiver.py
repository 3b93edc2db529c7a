"""A receiving call with a fake talker and a fake peer: hello, source picture, motions, goodbye."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from receiver_fakes import SIZE, FakeLine, FakeTalker, hello, motion, motion_format

from codec.control import Message, encode_control
from codec.encoder import MotionEncoder
from codec.feedback import Feedback, ReadyTransfers
from codec.flow import Flow, encode_flow
from codec.flow_packet import attach_flow
from codec.hello import Capability, Goodbye, Hello
from codec.ordered import ORDERED_WINDOW, OrderedMotion
from codec.picture import Picture, cut_picture, encode_picture
from codec.transfer import PicturePiece, PictureReady, PictureRefused
from receiver.clock import MAX_DELAY_S
from receiver.errors import OtherSideError, OutputError, ReceiverError
from receiver.output import Nothing, Output, open_output
from receiver.playout import Shown
from receiver.receiver import Receiver
from receiver.stats import ReceiverStats
from runtime.view import View
from tests.patience import PATIENCE_S


@pytest.fixture(autouse=True)
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be drawn in the end is drawn and written, however long that takes, and whoever is slow has not begun
    anew."""
    for limit in (
        "receiver.drawing.FINISH_S",
        "receiver.playout.RESTART_S",
        "receiver.receiver.HELLO_LIMIT_S",
    ):
        monkeypatch.setattr(limit, PATIENCE_S)
    monkeypatch.setattr("receiver.writer.MAX_QUEUED", 10_000)


@dataclass
class Call:
    """A receiver under test, the line it speaks on, and what it showed."""

    receiver: Receiver
    line: FakeLine
    talker: FakeTalker
    shown: list[tuple[Shown, Picture, float]]
    task: asyncio.Task[ReceiverStats]
    encoder: MotionEncoder

    def tell(self, *messages: Message) -> None:
        for message in messages:
            self.receiver.on_control(encode_control(message))

    def send_motion(self, yaw: float, *, captured_s: float, source: int = 0) -> None:
        self.receiver.on_motion(self.encoder.encode(motion(yaw), captured_s=captured_s, source=source))

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for what the other threads are about to do."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 (threads set no event of a loop's)
                await asyncio.sleep(0.005)


def pieces(*, transfer: int = 1, slot: int = 0, size: int = SIZE) -> list[PicturePiece]:
    noise = np.random.default_rng(transfer).integers(0, 255, (size, size, 3), dtype=np.uint8)
    return cut_picture(encode_picture(noise, quality=60), transfer=transfer, slot=slot)


@asynccontextmanager
async def calling(output: Output | None = None, talker: FakeTalker | None = None) -> AsyncIterator[Call]:
    line, talker, shown = FakeLine(), talker or FakeTalker(), []
    receiver = Receiver(
        talker,  # type: ignore[arg-type]
        motion_format(),
        hello=hello(),
        output=output or Nothing(),
        on_shown=lambda *what: shown.append(what),
    )
    task = asyncio.create_task(receiver.run(line))
    await asyncio.sleep(0)
    try:
        yield Call(receiver, line, talker, shown, task, MotionEncoder(motion_format()))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def begin(call: Call) -> None:
    """Greet and bring a source picture, as a sender does."""
    call.tell(hello(), *pieces())
    await call.until(lambda: call.line.of(PictureReady))


async def play(call: Call, *, frames: int, first: int = 0) -> None:
    """Send motions in real time, their yaw counting them."""
    for index in range(first, first + frames):
        call.send_motion(float(index), captured_s=time.monotonic())
        await asyncio.sleep(0.04)


async def test_a_call_from_hello_to_goodbye_shows_every_motion() -> None:
    async with calling() as call:
        await begin(call)
        assert call.line.of(PictureReady) == [PictureReady(1, 0)]
        await play(call, frames=15)
        call.tell(Goodbye("the input has ended"))
        stats = await call.task
    assert isinstance(call.line.sent[0], Hello)
    assert call.line.sent[-1] == Goodbye("")
    fresh = [shown for shown, _, _ in call.shown if shown.kind == "fresh"]
    yaws = [round(shown.motion.rotation[0]) for shown in fresh]
    assert yaws == sorted(set(yaws))
    # What was still to come due was waited for. A machine that hesitates between capture and arrival is a line that
    # brings a motion late.
    assert 14 - stats.frames_late <= yaws[-1] <= 14
    assert stats.frames_fresh == len(yaws) == 15 - stats.frames_skipped - stats.frames_late
    assert stats.packets_bad == stats.packets_early == 0
    assert stats.pictures_received == 1
    assert stats.ended == "The other side has ended the call: the input has ended."


async def test_a_recording_is_whole_when_the_call_ends(tmp_path: Path) -> None:
    target = tmp_path / "call.mp4"
    async with calling(open_output(str(target))) as call:
        await begin(call)
        await play(call, frames=10)
        call.tell(Goodbye(""))
        stats = await call.task
    with av.open(str(target)) as video:
        frames = list(video.decode(video=0))
    assert len(frames) == len(call.shown)
    assert stats.frames_unwritten == 0
    assert os.listdir(tmp_path) == [target.name]


async def test_a_call_that_is_interrupted_completes_its_recording_and_says_goodbye(tmp_path: Path) -> None:
    target = tmp_path / "call.mp4"
    async with calling(open_output(str(target))) as call:
        await begin(call)
        await play(call, frames=5)
        call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task
    assert call.line.sent[-1] == Goodbye("")
    with av.open(str(target)) as video:
        assert len(list(video.decode(video=0))) == len(call.shown) >= 1
    assert call.receiver.stats().ended == "This side has ended the call."


async def test_a_call_that_is_interrupted_twice_completes_its_recording_and_draws_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "call.mp4"
    drains = asyncio.Event()

    async def drain_for_ever(line: FakeLine) -> None:
        drains.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(FakeLine, "drain", drain_for_ever)
    async with calling(open_output(str(target))) as call:
        await begin(call)
        await play(call, frames=5)
        call.task.cancel()
        await drains.wait()  # the other side is gone, and who waits for it presses Ctrl-C again
        call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task
    with av.open(str(target)) as video:
        assert len(list(video.decode(video=0))) == len(call.shown) >= 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("receiver-")]


async def test_a_line_lost_after_a_picture_is_an_error_and_keeps_what_came(tmp_path: Path) -> None:
    target = tmp_path / "call.mp4"
    async with calling(open_output(str(target))) as call:
        await begin(call)
        await play(call, frames=3)
        call.receiver.on_closed("The line to the other side is lost.")
        with pytest.raises(OtherSideError, match="The line to the other side is lost"):
            await call.task
    assert call.receiver.stats().ended == "The line to the other side is lost."
    with av.open(str(target)) as video:
        assert len(list(video.decode(video=0))) == len(call.shown) >= 1


async def test_a_sender_that_fails_is_an_error_here_too() -> None:
    async with calling() as call:
        await begin(call)
        await play(call, frames=3)
        call.tell(Goodbye("the sender failed", failed=True))
        with pytest.raises(OtherSideError, match="The other side has ended the call: the sender failed"):
            await call.task
    assert call.line.sent[-1] == Goodbye("")


async def test_a_line_lost_before_a_picture_is_an_error() -> None:
    async with calling() as call:
        call.receiver.on_closed("The line to the other side is lost.")
        with pytest.raises(
            ReceiverError, match="before a picture was shown: the line to the other side is lost"
        ):
            await call.task


async def test_the_end_of_the_line_after_goodbye_is_nothing_to_tell() -> None:
    async with calling() as call:
        call.tell(hello(), Goodbye("the input has ended"))
        call.receiver.on_closed("The other side has ended the connection.")
        await call.task


async def test_another_profile_on_the_other_side_is_one_sentence_for_both() -> None:
    async with calling() as call:
        call.tell(hello(profile="paper-512"))
        with pytest.raises(ReceiverError, match=r"'paper-512'.*'fake-64'.*--profile") as raised:
            await call.task
    assert call.line.of(Goodbye) == [Goodbye(str(raised.value), failed=True)]


async def test_broken_packets_and_messages_are_counted_and_harm_nothing() -> None:
    async with calling() as call:
        await begin(call)
        noise = np.random.default_rng(0)
        for length in range(40):
            call.receiver.on_motion(b"\xff" + noise.bytes(length))
            call.receiver.on_control(b"\xff" + noise.bytes(length))
        await play(call, frames=3)
        call.tell(Goodbye(""))
        stats = await call.task
    assert stats.packets_bad == 80
    assert stats.frames_fresh + stats.frames_skipped + stats.frames_late == 3


async def test_motions_before_the_picture_that_they_name_are_not_drawn() -> None:
    async with calling() as call:
        call.send_motion(1.0, captured_s=0.0)  # before the hello
        call.tell(hello())
        call.send_motion(2.0, captured_s=0.04)  # before any picture
        call.tell(*pieces())
        await call.until(lambda: call.line.of(PictureReady))
        call.send_motion(3.0, captured_s=0.08, source=2)  # of a picture that is not there
        call.send_motion(4.0, captured_s=0.12)
        await call.until(lambda: call.shown)
        call.tell(Goodbye(""))
        stats = await call.task
    assert call.talker.drawn[0] == 4.0
    assert stats.packets_early == 3


async def test_a_picture_of_another_size_or_no_picture_is_refused_and_the_call_goes_on() -> None:
    async with calling() as call:
        call.tell(hello(), *pieces(transfer=1, size=2 * SIZE))
        call.tell(*cut_picture(b"no picture at all", transfer=2, slot=0))
        await call.until(lambda: len(call.line.of(PictureRefused)) == 2)
        await begin(call)
    refused = call.line.of(PictureRefused)
    assert {one.transfer for one in refused} == {1, 2}
    assert all(one.reason for one in refused)


async def test_each_motion_is_drawn_from_the_source_that_it_names() -> None:
    class Remembering(FakeTalker):
        def draw(self, source, rotation, translation, expression, flow=None):  # type: ignore[no-untyped-def]
            drawn.setdefault(round(float(rotation[0])), source.brightness)
            return super().draw(source, rotation, translation, expression, flow)

    drawn: dict[int, float] = {}
    async with calling(talker=Remembering()) as call:
        call.tell(hello())
        for slot, grey in enumerate((50, 200)):
            flat = np.full((SIZE, SIZE, 3), grey, np.uint8)
            call.tell(*cut_picture(encode_picture(flat, quality=90), transfer=slot, slot=slot))
        await call.until(lambda: len(call.line.of(PictureReady)) == 2)
        for yaw, slot in ((20, 1), (40, 0)):
            call.send_motion(yaw, captured_s=yaw / 25, source=slot)
            await call.until(lambda: yaw in drawn)  # noqa: B023
    assert drawn[20] == pytest.approx(200, abs=3)
    assert drawn[40] == pytest.approx(50, abs=3)


class SlowTalker(FakeTalker):
    """Needs longer for a picture than a sender for a motion."""

    def draw(self, source, rotation, translation, expression, flow=None):  # type: ignore[no-untyped-def]
        time.sleep(0.01)
        return super().draw(source, rotation, translation, expression, flow)


async def test_in_order_every_motion_is_drawn_and_written_at_its_time_in_the_clip(tmp_path: Path) -> None:
    target = tmp_path / "call.mp4"
    times_s = [index / 25 for index in range(20)] + [4 + index / 25 for index in range(10)]  # nobody for 3 s
    async with calling(open_output(str(target)), talker=SlowTalker()) as call:
        call.tell(hello(capabilities=Capability.SENDS_IN_ORDER), *pieces())
        await call.until(lambda: call.line.of(PictureReady))
        for index, captured_s in enumerate(times_s):
            packet = call.encoder.encode(motion(float(index)), captured_s=captured_s, source=0)
            call.tell(OrderedMotion(packet))
        await call.until(lambda: any(one.shown == 30 for one in call.line.of(Feedback)))
        call.tell(Goodbye("the input has ended"))
        stats = await call.task
    assert isinstance(call.line.sent[0], Hello)
    assert call.line.sent[0].capabilities & Capability.DRAWS_IN_ORDER
    assert [round(shown.motion.rotation[0]) for shown, _, _ in call.shown] == list(range(30))
    assert {shown.kind for shown, _, _ in call.shown} == {"fresh"}
    assert stats.frames_late == stats.frames_skipped == stats.frames_unwritten == 0
    with av.open(str(target)) as video:
        written_s = [frame.time for frame in video.decode(video=0)]
    assert written_s == pytest.approx(times_s, abs=1 / 60)


async def test_in_order_drawing_waits_for_the_output_instead_of_dropping_pictures() -> None:
    class SlowOutput(Nothing):
        def write(self, picture: Picture, at_s: float) -> None:
            time.sleep(0.01)
            written.append(at_s)

    written: list[float] = []
    async with calling(SlowOutput()) as call:
        call.tell(hello(capabilities=Capability.SENDS_IN_ORDER), *pieces())
        await call.until(lambda: call.line.of(PictureReady))
        for index in range(ORDERED_WINDOW):
            packet = call.encoder.encode(motion(float(index)), captured_s=index / 25, source=0)
            call.tell(OrderedMotion(packet))
        await call.until(lambda: len(call.shown) == ORDERED_WINDOW)
        call.tell(Goodbye(""))
        stats = await call.task
    assert len(written) == ORDERED_WINDOW
    assert stats.frames_unwritten == 0


async def test_only_the_first_hello_says_how_the_call_is_held() -> None:
    async with calling() as call:
        await begin(call)
        call.tell(hello(capabilities=Capability.SENDS_IN_ORDER))
        await play(call, frames=5)
        await call.until(lambda: any(shown.kind == "relaxed" for shown, _, _ in call.shown))


async def test_feedback_tells_what_came_and_what_was_shown() -> None:
    async with calling() as call:
        await begin(call)
        await play(call, frames=10)
        await call.until(lambda: any(one.source is not None and one.bitmap for one in call.line.of(Feedback)))
        await call.until(lambda: any(one.transit is not None for one in call.line.of(Feedback)))
    newest = call.line.of(Feedback)[-1]
    assert newest.newest_ticks is not None
    assert 0 < newest.playout_delay_ms <= 1000 * MAX_DELAY_S
    assert newest.source == 0
    assert newest.shown >= 1
    assert newest.ready == ReadyTransfers(1)
    assert 0 < newest.arrived_packets <= 10
    assert newest.arrived_bytes == 5000
    assert any(one.transit is not None for one in call.line.of(Feedback))


async def test_an_output_that_fails_ends_the_call_with_its_sentence() -> None:
    class Broken(Nothing):
        def write(self, picture: Picture, at_s: float) -> None:
            raise OutputError("out.mp4 cannot be written (No space left on device).")

    async with calling(Broken()) as call:
        await begin(call)
        call.send_motion(1.0, captured_s=0.0)
        with pytest.raises(OutputError, match="No space left"):
            await call.task
    assert call.line.of(Goodbye) == [Goodbye("it cannot write its output", failed=True)]


@pytest.mark.parametrize("method", ["prepare", "draw"])
async def test_a_graph_that_fails_ends_the_call_with_its_error(method: str) -> None:
    class Failing(FakeTalker):
        pass

    def fail(*arguments: object) -> None:
        raise RuntimeError("the graph is damaged")

    setattr(Failing, method, fail)
    async with calling(talker=Failing()) as call:
        call.tell(hello(), *pieces())
        if method == "draw":
            await call.until(lambda: call.line.of(PictureReady))
            call.send_motion(1.0, captured_s=0.0)
        with pytest.raises(RuntimeError, match="damaged"):
            await call.task


class BendingTalker(FakeTalker):
    """Remembers with which flow each yaw was drawn."""

    bends = True

    def __init__(self) -> None:
        super().__init__()
        self.flows: dict[int, np.ndarray | None] = {}

    def draw(self, source, rotation, translation, expression, flow=None):  # type: ignore[no-untyped-def]
        self.flows.setdefault(round(float(rotation[0])), flow)
        return super().draw(source, rotation, translation, expression, flow)


async def test_a_residual_flow_bends_the_pictures_after_it_and_a_damaged_one_is_counted() -> None:
    talker = BendingTalker()
    levels = np.zeros((2, 32, 32), np.int16)
    levels[0, 0, 0] = 40
    code = encode_flow(Flow(4, levels))
    async with calling(talker=talker) as call:
        assert call.line.of(Hello)[0].capabilities & Capability.DRAWS_FLOW
        # Every motion is drawn, and none between them.
        call.tell(hello(capabilities=Capability.SENDS_IN_ORDER), *pieces())
        await call.until(lambda: call.line.of(PictureReady))

        def send(yaw: float, attached: bytes | None = None, *, source: int = 0) -> None:
            packet = call.encoder.encode(motion(yaw), captured_s=yaw / 25, source=0)
            data = packet if attached is None else attach_flow(packet, attached, source=source)
            call.receiver.on_motion(data)

        send(1)
        send(2, code)  # counts from its own frame on, however early it came
        send(3, b"\x1f\xff\xff", source=3)  # for a picture that is not there; the motion counts
        send(4, b"\x40\x01")  # zeros, and something behind them
        send(5)
        await call.until(lambda: {1, 2, 3, 5} <= talker.flows.keys())
        assert call.receiver.stats().packets_bad == 1
    assert talker.flows[1] is None
    assert 4 not in talker.flows
    sizes = [float(np.abs(flow).mean()) for yaw in (2, 3, 5) if (flow := talker.flows[yaw]) is not None]
    assert len(sizes) == 3
    assert 0 < sizes[0] <= sizes[1] <= sizes[2]


async def test_a_head_that_the_listener_turns_is_not_bent() -> None:
    talker = BendingTalker()
    levels = np.zeros((2, 32, 32), np.int16)
    levels[:, :4, :4] = 3
    async with calling(talker=talker) as call:
        call.receiver.look(View(yaw=10))
        call.tell(hello(capabilities=Capability.SENDS_IN_ORDER), *pieces())
        await call.until(lambda: call.line.of(PictureReady))
        packet = call.encoder.encode(motion(1), captured_s=0.04, source=0)
        call.receiver.on_motion(attach_flow(packet, encode_flow(Flow(8, levels)), source=0))
        await call.until(lambda: talker.flows)
    assert list(talker.flows.values()) == [None]
