"""Two persons in a call: what each sees of the other, over real sockets and through a line that breaks."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import call.encounter
from call.encounter import CALL_OF_TWO, LEFT, ONE_WAY, SILENCE_S
from call.ends import Ends
from call.errors import CallError
from call.film import read_film
from call.link import Link
from call.media import Media
from call.own_side import CAMERA_GONE
from call.quiet import keep_quiet
from call.ringing import FOREIGN, KNOCK, Manners, Ringing
from call.sound import SoundLink
from call.state import Line
from call.talk import NOBODY_THERE, NOTHING_BETTER, SOMEBODY_THERE
from codec.control import Message
from codec.conversation import Condition, Name, Status
from codec.feedback import Feedback
from codec.hello import Goodbye, make_hello
from codec.transfer import PictureOffer
from runtime.talker import Talker
from sender.capture import ClipInput, Frame, Input, LiveInput
from sender.clips import VideoClip
from sender.errors import InputError
from sender.first_source import FirstSource
from tests.call.session_sides import READY, Side, Table, until
from tests.patience import PATIENCE_S
from transport.certificate import make_certificate
from transport.motion_line import MotionLine
from transport.motion_packet import MotionPacket
from transport.peer import Peer
from transport.sound import BLOCK_SAMPLES
from transport.sound_packet import SAMPLE_RATE

pytestmark = pytest.mark.usefixtures("patient")


class Hall:
    """Makes sides that meet at one table, and ends what they leave running."""

    def __init__(self, ends: Ends, clip: Path, stack: ExitStack) -> None:
        self.ends, self.clip, self.stack = ends, clip, stack
        self.table = Table()
        self.sides: list[Side] = []

    def side(self, ends: Ends | None = None, clip: Path | None = None, **more: Any) -> Side:
        side = Side(ends or self.ends, self.table, clip or self.clip, self.stack, **more)
        self.sides.append(side)
        return side

    async def pair(self, opened: Input | None = None) -> tuple[Side, Side]:
        """Two sides that talk and see each other; the first sends what is `opened`, if it is."""
        one, other = self.side(opened=opened), self.side()
        await asyncio.gather(*(side.until(lambda state: state.phase == "connected") for side in (one, other)))
        await asyncio.gather(one.shows("fresh"), other.shows("fresh"))
        return one, other


@pytest.fixture
async def hall(ends: Ends, face_clip: Path) -> AsyncIterator[Hall]:
    with ExitStack() as stack:
        hall = Hall(ends, face_clip, stack)
        yield hall
        for side in hall.sides:
            side.session.hang_up()
        await asyncio.gather(*(side.running for side in hall.sides), return_exceptions=True)
        hall.table.close()


class Webcam:
    """A camera before which a clip is played over and over."""

    frame_rate = 25.0

    def __init__(self, clip: Path) -> None:
        self._pictures = cycle(list(read_film(clip)))
        self.is_open = True

    def read(self) -> Any:
        time.sleep(1 / self.frame_rate)
        return next(self._pictures)

    def close(self) -> None:
        self.is_open = False


class Voice:
    """A microphone that hears a tone for ever."""

    async def read(self) -> Any:
        await asyncio.sleep(BLOCK_SAMPLES / SAMPLE_RATE)
        return (8000 * np.sin(2 * np.pi * 440 * np.arange(BLOCK_SAMPLES) / SAMPLE_RATE)).astype(np.int16)


class Silence:
    """A speaker that is switched off."""

    def play(self, block: Any, at_s: float) -> None:
        pass


async def test_motion_rides_with_the_voice_while_the_line_is_narrow_and_is_shown_as_ever(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    came_along: list[bytes] = []
    arrive = MotionLine.arrive

    def note(line: MotionLine, rider: MotionPacket) -> None:
        came_along.append(rider.motion)
        arrive(line, rider)

    monkeypatch.setattr(MotionLine, "arrive", note)
    one, other = hall.side(), hall.side()
    for side in (one, other):
        side.session.use(lambda duplex: Media(sound=SoundLink(Voice(), Silence())))
    await asyncio.gather(*(side.until(lambda state: state.phase == "connected") for side in (one, other)))
    await asyncio.gather(one.shows("fresh"), other.shows("fresh"))
    one.session.limit(20.0)
    await until(lambda: sum(map(bool, came_along)) > 10)
    await other.shows("fresh", frames=10)


async def test_two_people_see_each_other_and_know_what_the_other_does(hall: Hall) -> None:
    cameras: list[Webcam] = []

    def open_camera() -> Webcam:
        if len(cameras) == 1:
            cameras.append(Webcam(hall.clip))
            raise InputError("The camera is in use by another program.")
        cameras.append(Webcam(hall.clip))
        return cameras[-1]

    one, other = await hall.pair(LiveInput("camera", open_camera))
    await one.until(lambda state: len(state.safety_words) == 4)
    await other.until(lambda state: state.safety_words == one.session.state.safety_words)

    one.session.say("Can you hear me?")
    await other.until(lambda state: state.chat == (Line(False, "Can you hear me?"),))
    other.session.say("Yes.")
    await one.until(lambda state: state.chat == (Line(True, "Can you hear me?"), Line(False, "Yes.")))

    one.session.mute(True)
    await other.until(lambda state: state.their_muted)
    one.session.mute(False)
    await other.until(lambda state: not state.their_muted)

    one.session.camera(False)
    await other.until(lambda state: not state.their_camera_on)
    await other.shows("idle", frames=3)
    assert not one.session.state.camera_on
    await until(lambda: not cameras[0].is_open)  # let go of by a thread
    one.session.camera(True)
    await one.told("The camera is in use by another program.")
    await one.until(lambda state: not state.camera_on)
    one.session.camera(True)
    await other.until(lambda state: state.their_camera_on)
    await other.shows("fresh", frames=3)
    assert cameras[-1].is_open

    await one.until(lambda state: state.figures.sent_kbps and state.figures.received_kbps)
    one.session.hang_up()
    await asyncio.gather(one.running, other.running)
    assert one.phases == other.phases == ["waiting", "connecting", "connected", "ended"]
    assert one.session.state.sentence == "You have ended the call."
    assert other.session.state.sentence == "The other side has ended the call."


async def test_who_hangs_up_as_soon_as_both_have_said_yes_has_ended_a_call(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree = Ringing._agree

    async def agree_and_be_left(ringing: Ringing, link: Link) -> bool:
        agreed = await agree(ringing, link)
        ringing.refuse(LEFT)
        return agreed

    monkeypatch.setattr(Ringing, "_agree", agree_and_be_left)
    sides = [hall.side(), hall.side()]
    await asyncio.gather(*(side.running for side in sides))
    for side in sides:
        assert side.phases[-2:] == ["connected", "ended"]
        assert side.session.state.sentence == LEFT
        assert side.session.held is not None


async def test_nothing_is_recorded_any_more_once_the_call_is_over(hall: Hall) -> None:
    one, other = hall.side(), hall.side()
    files: list[str] = []

    def start() -> str:
        files.append("call.mp4")
        return files[-1]

    recorder = SimpleNamespace(start=start, stop=lambda on_ended: files.clear())
    other.session.use(lambda duplex: Media(recorder=recorder))
    await asyncio.gather(*(side.until(lambda state: state.phase == "connected") for side in (one, other)))
    other.session.record(True)
    assert files
    one.session.hang_up()
    while not other.running.done():  # from before the goodbye on
        other.session.record(True)
        await asyncio.sleep(0)
    other.session.record(True)
    assert not files
    assert other.session.state.recording is None


async def test_the_listener_turns_the_head_in_mid_call(hall: Hall) -> None:
    yaws: list[float] = []

    class Noting(Talker):
        def draw(
            self, source: Any, rotation: Any, translation: Any, expression: Any, flow: Any = None
        ) -> Any:
            if threading.current_thread().name.startswith("receiver-drawing"):  # not the mirror's
                yaws.append(float(rotation[0]))
            return super().draw(source, rotation, translation, expression)

    noting = Noting(hall.ends.talker.graphs, picture_size=hall.ends.profile.picture_size)
    watching, watched = hall.side(replace(hall.ends, talker=noting)), hall.side()

    async def drawn_at(yaw: float) -> None:
        """Wait until what is drawn is turned so much further than at first, give or take how the person moves."""
        async with asyncio.timeout(PATIENCE_S):
            while np.mean(yaws[-2:]) - before != pytest.approx(yaw, abs=10):  # noqa: ASYNC110 -- a thread appends
                await asyncio.sleep(0.01)

    await watching.shows("fresh", frames=4)
    await watched.until(lambda state: state.phase == "connected")
    before = float(np.mean(yaws))
    watching.session.turn(25.0, 0.0)
    assert watching.session.state.view == (25.0, 0.0)
    await drawn_at(25.0)
    watching.session.turn(0.0, 0.0)
    await drawn_at(0.0)
    watching.session.turn(90.0, -90.0)
    assert watching.session.state.view == (30.0, -30.0)


async def test_a_new_source_picture_crosses_when_either_side_wants_one_and_a_limit_holds_at_once(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine's mirror looks seldom, and its line is taken for a full one, over which a picture takes minutes:
    # neither is what is asked here.
    monkeypatch.setattr("sender.watch.COSTLY_S", 60.0)
    monkeypatch.setattr("sender.watch.SLOWEST_S", 0.5)
    monkeypatch.setattr("sender.adapting.LEAST_PIECES_BPS", 200_000.0)
    one, other = await hall.pair()

    def counted() -> tuple[int, int]:
        mirror = one.session.duplex.sender.stats.mirror
        assert mirror is not None
        return mirror.repairs, other.session.duplex.receiver.stats().pictures_received

    async def one_more(repairs: int, pictures: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while counted()[0] <= repairs or counted()[1] <= pictures:  # noqa: ASYNC110 -- plain counters
                await asyncio.sleep(0.02)

    one.session.limit(40.0)
    await one.until(lambda state: state.limit_kbps == 40.0)
    rate = one.session.duplex.sender.stats.rate
    assert rate is not None
    assert rate.believed_bps <= 40_000
    one.session.limit(None)

    before = counted()
    one.session.new_source()
    await one_more(*before)
    mirror = one.session.duplex.sender.stats.mirror
    assert mirror is not None
    before_repair = mirror.repairs + mirror.corrections
    other.session.repair()
    # By a code or by a picture; what these frames show may be as good as it gets, and then that is said.
    async with asyncio.timeout(PATIENCE_S):
        while (
            mirror.repairs + mirror.corrections <= before_repair
            and NOTHING_BETTER not in other.session.state.notices
        ):
            await asyncio.sleep(0.02)
            mirror = one.session.duplex.sender.stats.mirror
    if mirror.repairs + mirror.corrections <= before_repair:
        assert mirror.vain == 1


async def test_who_asks_for_a_repair_is_told_where_nothing_would_be_better(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sender.watch.COSTLY_S", 60.0)
    monkeypatch.setattr("sender.mirror.mend", lambda *frames, **how: None)
    one, other = await hall.pair()
    other.session.repair()
    await other.told(NOTHING_BETTER)
    assert NOTHING_BETTER not in one.session.state.notices


@pytest.mark.parametrize("comes_back", [True, False], ids=["the old line comes back", "only a new one does"])
async def test_a_call_survives_a_line_that_is_cut_for_three_seconds(
    hall: Hall, comes_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No picture but the first has a reason to cross, however slow the machine makes the line look.
    monkeypatch.setattr("sender.first_source.first_picture_bytes", lambda **_: 1_000_000)
    for user in ("sender.steering", "sender.mirror"):
        monkeypatch.setattr(f"{user}.BUDGET_BYTES_PER_S", 0.0)
    hall.table.make_passable(False)
    one, other = hall.side(), hall.side()
    await asyncio.gather(*(side.until(lambda state: state.phase == "waiting") for side in (one, other)))
    hall.table.make_passable(True)
    await asyncio.gather(*(side.until(lambda state: state.phase == "connected") for side in (one, other)))
    await asyncio.gather(one.shows("fresh"), other.shows("fresh"))
    await one.until(lambda state: len(state.safety_words) == 4)
    words = one.session.state.safety_words
    pictures = other.session.duplex.receiver.stats().pictures_received
    one.session.turn(10.0, 5.0)
    one.session.mute(True)
    await other.until(lambda state: state.their_muted)

    # Only one way to come back can come about, however long that takes.
    monkeypatch.setattr("call.link.OLD_KEPT_S", PATIENCE_S)
    with monkeypatch.context() as impatient:
        impatient.setattr(call.encounter, "SILENCE_S", SILENCE_S)
        hall.table.cut()
        hall.table.make_passable(False)
        await asyncio.gather(
            *(side.until(lambda state: state.phase == "reconnecting") for side in (one, other))
        )
    one.session.say("Are you still there?")
    one.session.mute(False)
    if comes_back:
        hall.table.mend()
    else:
        hall.table.make_passable(True)
    await asyncio.gather(*(side.until(lambda state: state.phase == "connected") for side in (one, other)))
    await other.until(lambda state: state.chat == (Line(False, "Are you still there?"),))
    await other.until(lambda state: not state.their_muted)
    await asyncio.gather(one.shows("fresh"), other.shows("fresh"))

    assert hall.table.met == (1 if comes_back else 2)
    assert one.session.state.safety_words == other.session.state.safety_words == words
    assert one.session.state.view == (10.0, 5.0)
    assert one.session.newest.reconnects == other.session.newest.reconnects == 1
    assert one.session.newest.longest_outage_s > 1.5
    # What the other side holds is not sent again.
    assert other.session.duplex.receiver.stats().pictures_received == pictures
    other.session.hang_up()
    await asyncio.gather(one.running, other.running)


async def test_nothing_leaves_before_its_sender_has_seen_it_and_nobody_comes_in_unasked(hall: Hall) -> None:
    host = hall.side(manners=Manners())
    guest = hall.side()
    await host.until(lambda state: state.phase == "consent")
    assert len(host.previews) == 1
    assert host.previews[0].shape == (256, 256, 3)
    host.session.agree(False)
    await host.until(lambda state: len(host.previews) == 2)
    host.session.accept(True)  # nobody has asked
    assert host.session.state.phase == "consent"
    await guest.until(lambda state: state.phase == "waiting")
    host.session.agree(True)
    await host.until(lambda state: state.phase == "ringing")
    assert host.session.state.sentence == KNOCK
    await guest.until(lambda state: state.sentence == "Ringing at the other side.")
    assert guest.session.duplex.sender.stats.source_bytes == 0
    host.session.accept(False)
    await asyncio.gather(host.running, guest.running)
    assert host.session.state.sentence == "The call was declined."
    assert guest.session.state.sentence == "The other side has declined the call."
    assert host.session.duplex.receiver.stats().pictures_received == 0


@pytest.mark.parametrize("answer", [True, False, None], ids=["agreed to", "declined", "nobody to ask"])
async def test_a_foreign_picture_is_shown_only_where_the_other_side_agrees(
    hall: Hall, answer: bool | None
) -> None:
    hall.side(manners=replace(READY, foreign=True))
    asked = hall.side(manners=replace(READY, asks=answer is not None))
    if answer is not None:
        await asked.until(lambda state: state.phase == "ringing")
        assert asked.session.state.sentence == FOREIGN
        asked.session.accept(answer)
    if answer:
        await asked.until(lambda state: state.phase == "connected")
        assert asked.session.state.their_picture_is_foreign
        return
    await asyncio.gather(*(side.running for side in hall.sides))
    assert "declined" in hall.sides[0].session.state.sentence
    assert "camera" in hall.sides[0].session.state.sentence
    assert asked.session.duplex.receiver.stats().pictures_received == 0


async def test_who_waits_may_go_and_a_cancelled_call_is_ended_on_both_sides(hall: Hall) -> None:
    alone = hall.side(manners=Manners())
    await alone.until(lambda state: state.phase == "consent")
    alone.session.hang_up()
    await alone.running
    assert alone.session.state.phase == "ended"

    waiting = hall.side()
    await waiting.until(lambda state: state.phase == "waiting")
    waiting.session.hang_up()
    await waiting.running
    assert waiting.phases[-1] == "ended"

    one, other = hall.side(), hall.side()
    await asyncio.gather(*(side.until(lambda state: state.phase == "connected") for side in (one, other)))
    one.running.cancel()
    await asyncio.gather(other.running, asyncio.wait({one.running}))
    assert one.running.cancelled()
    assert one.session.state.phase == other.session.state.phase == "ended"


@pytest.mark.parametrize("only_receives", [False, True])
async def test_who_sends_in_one_direction_only_is_told_so_and_nobody_waits_for_its_ring(
    hall: Hall, monkeypatch: pytest.MonkeyPatch, only_receives: bool
) -> None:
    side = hall.side()
    said: list[Message] = []
    certificate = make_certificate()
    one_way = Link(
        lambda **callbacks: Peer(certificate=certificate, **callbacks),
        mine=make_hello(hall.ends.profile, hall.ends.motion_format, frame_rate=25.0),
        sound=None,
    )
    await side.until(lambda state: state.phase == "waiting")
    await hall.table.meet(one_way.peer)
    await one_way.peer.connected(PATIENCE_S)
    await one_way.greet()
    one_way.trust(on_motion=lambda data: None, on_message=lambda message, data: said.append(message))
    one_way.say(Feedback(None, 0, 0, 0, 0))  # may come before a ring that got lost
    one_way.say(Name("Ann"))
    await side.until(lambda state: state.their_name == "Ann")
    assert side.session.state.phase != "ended"
    if only_receives:
        monkeypatch.setattr("call.encounter.UNRUNG_S", 0.0)
        one_way.say(Feedback(None, 0, 0, 0, 0))
    else:
        one_way.say(PictureOffer(0, 0, bytes(32)))
    await asyncio.wait_for(side.running, PATIENCE_S)
    assert side.session.state.sentence == ONE_WAY
    assert Goodbye(CALL_OF_TWO) in said
    await one_way.close()


async def test_a_call_that_fails_says_so_on_both_sides(hall: Hall, faceless_clip: Path) -> None:
    nobody = hall.side(clip=faceless_clip)
    with pytest.raises(Exception, match="No face was found"):
        await nobody.running
    assert nobody.session.state.phase == "failed"
    assert "No face was found" in nobody.session.state.sentence

    silent = hall.side(manners=Manners(asks=False))
    with pytest.raises(CallError, match="Nobody is here to agree"):
        await silent.running


async def test_who_hangs_up_while_a_face_is_looked_for_is_not_told_that_there_was_none(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nobody(first: FirstSource) -> None:
        for _ in first._reader.frames():
            pass
        raise InputError("No face was found.")

    monkeypatch.setattr(FirstSource, "find", find_nobody)
    faults: list[Exception] = []
    keep_quiet(asyncio.get_running_loop(), faults.append)
    side = hall.side()
    sender = side.session.duplex.sender
    await until(lambda: sender._choosing is not None)
    search = [sender._choosing]
    side.session.hang_up()
    await side.running
    await asyncio.wait(search)
    search.clear()
    gc.collect()
    assert faults == []


async def test_a_camera_that_fails_ends_its_own_direction_only(hall: Hall) -> None:
    pulled_out = threading.Event()

    class Unplugged(ClipInput):
        """A camera that is pulled out."""

        def frames(self) -> Iterator[Frame]:
            for frame in super().frames():
                if pulled_out.is_set():
                    raise InputError("The camera was disconnected.")
                yield frame

    one, other = await hall.pair(Unplugged(VideoClip(hall.clip), realtime=True, repeat_s=600))
    pulled_out.set()
    await other.until(lambda state: not state.their_camera_on)
    await one.told("The camera was disconnected.")
    assert not one.session.state.camera_on
    await asyncio.gather(one.shows("fresh"), other.shows("idle"))
    one.session.camera(True)
    await one.told(CAMERA_GONE)
    assert not one.session.state.camera_on
    one.session.say("I can still write.")
    await other.until(lambda state: bool(state.chat))


async def test_a_face_that_nobody_sits_before_idles_and_the_person_is_told(hall: Hall) -> None:
    one, other = await hall.pair()
    one.session._encounter._link.say(Status(Condition.AWAY))  # type: ignore[union-attr]
    await other.told(NOBODY_THERE)
    one.session._encounter.talk.tell_status()
    await other.told(SOMEBODY_THERE)
