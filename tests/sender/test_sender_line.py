"""Whole calls without networks but over real peers and a bad line: a limit is kept, a better picture follows a small
one, and whatever arrives decodes."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from codec.fitting import Stream, fit_prediction
from codec.format import MotionFormat
from codec.hello import PROTOCOL_VERSION, Hello
from codec.motion import Motion
from codec.tables import fit_tables
from receiver.output import open_output
from receiver.receiver import Receiver
from receiver.stats import ReceiverStats
from sender.capture import ClipInput
from sender.sender import Sender
from sender.settings import SenderSettings
from sender.stats import SenderStats
from tests.patience import PATIENCE_S
from tests.sender.sender_fakes import FakeTalker, K, draw_frame, level_face
from transport.impairment import Impairment
from transport.meet import connect_in_process
from transport.peer import Peer
from transport.relay import Relay

SAMPLE_S = 0.05
SIZE = 192  # of a picture that takes 5 kB, and so is more than what a call under a limit begins with
WINDOW_S = 5.0  # over which a limit is kept
# Of a call's motion, which ends when it has shown what is asked of it.
SHORTEST_S, LONGEST_S = 5.5, PATIENCE_S


def walk(count: int) -> np.ndarray:
    """Return motions' numbers [count, 6 + 3K] as a talking head's come: never far, and never at rest."""
    random = np.random.default_rng(3)
    step = np.concatenate([np.full(3, 0.6), np.full(3, 0.002), np.full(3 * K, 0.01)])
    rows = np.zeros((count, 6 + 3 * K))
    for index in range(1, count):
        rows[index] = 0.95 * rows[index - 1] + random.normal(0, 1, len(step)) * step
    return rows


def motion_of(row: np.ndarray) -> Motion:
    return Motion(row[:3], row[3:6], row[6:].reshape(K, 3))


@pytest.fixture(scope="module")
def motion_format() -> MotionFormat:
    motions = [motion_of(row) for row in walk(200)]
    fitted = fit_tables(motions, expression_steps=np.full((K, 3), 2.0**-6))
    return fitted_with_prediction(fitted, motions)


def fitted_with_prediction(fitted: MotionFormat, motions: list[Motion]) -> MotionFormat:
    prediction = fit_prediction([Stream(motions, range(0, 2 * len(motions), 2))], fitted.steps)
    return MotionFormat(
        fitted.keypoints,
        fitted.rotation_step,
        fitted.translation_step,
        fitted.expression_steps,
        fitted.tables,
        fitted.exact_tables,
        prediction,
    )


@dataclass(frozen=True)
class Source:
    """What sender and receiver read of a prepared picture."""

    rotation: np.ndarray = field(default_factory=lambda: np.zeros(3, np.float32))
    translation: np.ndarray = field(default_factory=lambda: np.zeros(3, np.float32))
    expression: np.ndarray = field(default_factory=lambda: np.zeros((K, 3), np.float32))
    canonical: np.ndarray = field(default_factory=level_face)
    keypoints: np.ndarray = field(default_factory=level_face)


class Talker(FakeTalker):
    """Sees a head that moves at every frame, and draws nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._rows = iter(walk(round(25 * LONGEST_S) + 1))

    def prepare(self, picture: np.ndarray) -> Source:
        return Source()

    def estimate(self, picture: np.ndarray, source: object):
        rotation, translation, expression = super().estimate(picture, source)
        if source is None:
            return rotation, translation, expression
        moved = motion_of(next(self._rows))
        return rotation + moved.rotation, translation + moved.translation, expression + moved.expression

    def rebase(self, rotation: np.ndarray, expression: np.ndarray, *, of: Source, to: Source) -> np.ndarray:
        return expression

    def draw(self, *source_and_motion: object) -> np.ndarray:
        return np.zeros((SIZE, SIZE, 3), np.uint8)


class Pictures:
    """A disc before a background that takes some bytes, 25 times a second."""

    name = "pictures"

    def __init__(self) -> None:
        self.enough = False

    def pictures(self):
        frame = draw_frame(320, 240, x=160, y=120, face=100)
        noise = np.kron(np.random.default_rng(1).integers(0, 190, (60, 80, 3)), np.ones((4, 4, 1)))
        frame = np.where(frame[:, :, :1] > 200, frame, noise).astype(np.uint8)
        for index in range(round(25 * LONGEST_S)):
            if self.enough:
                return
            yield index / 25, frame


@dataclass
class Held:
    """A call that was held. `sent_bytes` at the IP layer, with times in seconds; `late` how much later than captured
    frames were sent, and when; `sources` the slots in their order; `decided` what was sent when it was enough."""

    sent: SenderStats
    received: ReceiverStats
    sent_bytes: list[tuple[float, int]]
    late: list[tuple[float, float]]
    sources: list[int]
    decided: dict[str, Any] | None

    def most_kbps(self) -> float:
        """Return the most that was sent in a window, kbit/s. Where the machine stood still, what came late is of a
        longer time."""
        times_s, totals = np.array(self.sent_bytes).T
        late_at_s, late_s = np.array([*self.late, *self._stalls()]).T
        most = 0.0
        for begins_s, before in self.sent_bytes:
            last = np.searchsorted(times_s, begins_s + WINDOW_S, side="right") - 1
            within = (begins_s <= late_at_s) & (late_at_s <= times_s[last])
            longer_s = late_s[within].max(initial=0.0)
            most = max(most, 8 * (totals[last] - before) / (WINDOW_S + longer_s) / 1000)
        return most

    def _stalls(self) -> list[tuple[float, float]]:
        """Return when the event loop went on after it had stood still, and for how long."""
        times_s = [at_s for at_s, _ in self.sent_bytes]
        return [(later, later - earlier - SAMPLE_S) for earlier, later in pairwise(times_s)]


Enough = Callable[[SenderStats, list[int]], bool]


async def hold(motion_format: MotionFormat, line: Impairment, enough: Enough, **settings: object) -> Held:
    hello = Hello(PROTOCOL_VERSION, "fake-64", bytes(32), motion_format.hash, SIZE, 25.0, 0, bytes(16))
    sources: list[int] = []
    late: list[tuple[float, float]] = []
    pictures = Pictures()

    def on_frame(index: int, ticks: int, captured_s: float, picture: np.ndarray) -> None:
        now_s = time.monotonic()
        late.append((now_s, now_s - captured_s))

    receiver = Receiver(
        Talker(),  # type: ignore[arg-type]
        motion_format,
        hello=hello,
        output=open_output("none"),
        on_source=lambda slot, picture: sources.append(slot),
    )
    sender = Sender(
        Talker(),  # type: ignore[arg-type]
        ClipInput(pictures, realtime=True),
        motion_format=motion_format,
        hello=hello,
        settings=SenderSettings(source="first", **settings),  # type: ignore[arg-type]
        on_frame=on_frame,
        on_notice=lambda sentence: None,
    )
    sending = Peer(on_motion=lambda data: None, on_control=sender.on_control, on_closed=sender.on_closed)
    receiving = Peer(
        on_motion=receiver.on_motion, on_control=receiver.on_control, on_closed=receiver.on_closed
    )
    sent_bytes: list[tuple[float, int]] = []
    decided: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()

    async def sample() -> None:
        while True:
            now_s = loop.time()
            sent_bytes.append((now_s, sending.stats().sent_bytes))
            lasts = bool(late) and now_s - late[0][0] > SHORTEST_S and receiver.stats().frames_fresh > 0
            if lasts and not pictures.enough and enough(sender.stats, sources):
                pictures.enough = True
                decided.extend(decisions(sender.stats)[-1:])
            await asyncio.sleep(SAMPLE_S)

    relay, sampling = Relay(line, line, seed=4), asyncio.create_task(sample())
    try:
        await connect_in_process(sending, receiving, relay=relay, timeout_s=PATIENCE_S)
        await asyncio.gather(sender.run(sending), receiver.run(receiving))
    finally:
        sampling.cancel()
        await asyncio.gather(sending.close(), receiving.close(), sampling, return_exceptions=True)
        relay.close()
    return Held(
        sender.stats, receiver.stats(), sent_bytes, late, sources, decided=decided[0] if decided else None
    )


@pytest.fixture(scope="module")
def calls(motion_format: MotionFormat) -> dict[str, Held]:
    """Calls that are held at the same time, as each takes its time."""
    with pytest.MonkeyPatch.context() as patch:
        for side in ("sender.greeting", "receiver.receiver"):
            patch.setattr(f"{side}.HELLO_LIMIT_S", PATIENCE_S)
        return asyncio.run(hold_all(motion_format))


def decisions(stats: SenderStats) -> list[dict[str, Any]]:
    """Return what the rate controller has decided until now."""
    return [] if stats.rate is None else stats.rate.decisions


def is_sparing(decision: dict[str, Any]) -> bool:
    return bool(decision["bundle"] > 1 or decision["frames_per_s"] < 25)


def is_repeating(decision: dict[str, Any]) -> bool:
    """Say whether motions come again: in the packets that follow, or in copies of their own."""
    return bool(decision["repeat"] or decision["copies"] > 1)


async def hold_all(motion_format: MotionFormat) -> dict[str, Held]:
    lines: dict[str, tuple[Impairment, Enough, dict[str, object]]] = {
        "limit of 20k": (Impairment(delay_s=0.02), lambda stats, sources: True, {"limit_bps": 20_000.0}),
        "limit of 50k": (
            Impairment(delay_s=0.02),
            lambda stats, sources: len(sources) > 1,
            {"limit_bps": 50_000.0},
        ),
        "line of 20k": (
            Impairment(delay_s=0.02, rate_bps=20_000.0),
            lambda stats, sources: any(map(is_sparing, decisions(stats)[-1:])),
            {},
        ),
        "loss": (
            Impairment(delay_s=0.02, loss=0.2),
            lambda stats, sources: any(map(is_repeating, decisions(stats))),
            {},
        ),
        "fixed": (
            Impairment(),
            lambda stats, sources: bool(sources),
            {"mode": "static", "limit_bps": 50_000.0},
        ),
    }
    held = await asyncio.gather(
        *(hold(motion_format, line, enough, **wanted) for line, enough, wanted in lines.values())
    )
    return dict(zip(lines, held, strict=True))


@pytest.mark.parametrize("limit_kbps", [20, 50])
def test_a_limit_is_kept_over_any_five_seconds_from_the_meeting_on(
    calls: dict[str, Held], limit_kbps: int
) -> None:
    call = calls[f"limit of {limit_kbps}k"]
    assert 0.1 * limit_kbps < call.most_kbps() <= 1.1 * limit_kbps
    assert call.received.frames_fresh > 0


def test_a_call_under_a_limit_begins_with_a_small_picture_and_goes_on_with_a_better_one(
    calls: dict[str, Held],
) -> None:
    call = calls["limit of 50k"]
    assert call.sources == [0, 1]
    assert calls["fixed"].sources[0] == 0
    assert call.received.pictures_received == 2


def test_a_narrow_line_is_found_out_and_kept_to(calls: dict[str, Held]) -> None:
    call = calls["line of 20k"]
    assert call.decided is not None  # it was enough, and no call that was ended by its length
    assert is_sparing(call.decided)
    assert call.received.frames_fresh > 0


def test_with_a_fifth_of_all_packets_lost_whatever_comes_decodes_and_motions_come_again(
    calls: dict[str, Held],
) -> None:
    call = calls["loss"]
    assert call.received.packets_bad == call.received.packets_early == 0
    assert any(map(is_repeating, decisions(call.sent)))


def test_what_was_sent_adds_up(calls: dict[str, Held]) -> None:
    for call in calls.values():
        sent = call.sent
        known = sent.frames_sent + sent.frames_dropped + sent.frames_left_out + sent.no_face_frames
        assert sent.frames_in == known
        assert sum(sent.frames_by_mode.values()) >= sent.frames_sent
    assert set(calls["fixed"].sent.frames_by_mode) == {"static"}
