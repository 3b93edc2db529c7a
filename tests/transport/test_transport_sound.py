"""Sound between two peers over real sockets, and the private parts of upstream that it stands on."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable

import numpy as np
import numpy.typing as npt
import pytest
from aiortc.rtcdtlstransport import RTCDtlsTransport
from transport_sides import until

from tests.patience import PATIENCE_S
from transport.description import MAX_SDP_BYTES, Description
from transport.impairment import ImpairedLine, Impairment
from transport.meet import connect_in_process
from transport.peer import Peer
from transport.relay import Relay
from transport.sound import BLOCK_SAMPLES, SoundLine
from transport.sound_activity import Activity, loudness_db
from transport.sound_packet import MOST_RIDERS, SAMPLE_RATE, SOURCE

BEGAN_S = 100.0
HEADERS = 12 + 10 + 8 + 20  # RTP, SRTP's tag, UDP, IP
Samples = npt.NDArray[np.int16]


class SoundClock:
    """What sound takes for the time: it goes on by 20 ms with every block, however long that takes."""

    def __init__(self) -> None:
        self.now_s = BEGAN_S

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SoundClock:
    clock = SoundClock()
    monkeypatch.setattr("transport.sound.time", clock)
    return clock


class Speaking:
    """A peer with sound, and what is heard there."""

    def __init__(self, line: SoundLine | None) -> None:
        self.line = line
        self.ends: list[str] = []
        self.controls: list[bytes] = []
        self.heard: list[Samples] = []
        self.peer = Peer(
            sound=line,
            on_motion=self.controls.append,
            on_control=self.controls.append,
            on_closed=self.ends.append,
        )


async def speak(
    sides: tuple[Speaking, Speaking],
    spoken: Samples,
    clock: SoundClock,
    *,
    lost: Callable[[], int] = lambda: 0,
) -> Samples:
    """Let the first side speak; return what the second one hears. `lost` counts what got lost on the way."""
    first, second = sides
    assert first.line is not None
    heard = []
    for index in range(len(spoken) // BLOCK_SAMPLES):
        clock.now_s += 0.02
        first.line.send(spoken[BLOCK_SAMPLES * index : BLOCK_SAMPLES * (index + 1)], BLOCK_SAMPLES * index)
        await settle()
        if second.line is not None:
            await until(lambda: in_flight(first, second) <= lost())
            heard.append(second.line.pull(clock.now_s).samples)
    return np.concatenate(heard) if heard else np.empty(0, np.int16)


async def settle() -> None:
    """Let what was sent arrive: on this machine that takes some turns of the event loop, and no time."""
    for _ in range(10):
        await asyncio.sleep(0)


def in_flight(first: Speaking, second: Speaking) -> int:
    """Return how many of the first side's packets have not reached the second one."""
    assert first.line is not None
    assert second.line is not None
    return first.line.stats().sent_packets - second.line.stats().received_packets


def tone(seconds: float, hz: float = 440.0) -> Samples:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(
        np.int16
    )


def loudness(heard: Samples) -> npt.NDArray[np.float64]:
    blocks = heard.astype(float).reshape(-1, BLOCK_SAMPLES)
    return np.sqrt(np.mean(blocks**2, 1))


@pytest.fixture
async def sides() -> AsyncIterator[tuple[Speaking, Speaking]]:
    both = Speaking(SoundLine(rate_bps=16_000)), Speaking(SoundLine(rate_bps=16_000))
    yield both
    for side in both:
        await side.peer.close()


def test_upstream_sends_and_takes_rtp_where_sound_and_motion_sit() -> None:
    source = inspect.getsource(RTCDtlsTransport._recv_next)
    assert "await self._handle_rtp_data(data, arrival_time_ms=arrival_time_ms)" in source
    assert "await self._handle_rtcp_data(data)" in source
    assert list(inspect.signature(RTCDtlsTransport._handle_rtp_data).parameters) == [
        "self",
        "data",
        "arrival_time_ms",
    ]
    assert list(inspect.signature(RTCDtlsTransport._handle_rtcp_data).parameters) == ["self", "data"]
    assert list(inspect.signature(RTCDtlsTransport._send_rtp).parameters) == ["self", "data"]


async def test_a_tone_arrives_at_its_pitch_and_loudness_and_costs_what_it_may(
    sides: tuple[Speaking, Speaking], clock: SoundClock
) -> None:
    first, second = sides
    await connect_in_process(first.peer, second.peer, timeout_s=PATIENCE_S)
    before = first.peer.stats().sent_bytes
    heard = await speak(sides, tone(2.0), clock)
    cost = first.peer.stats().sent_bytes - before
    body = heard[-48_000:]
    spectrum = np.abs(np.fft.rfft(body * np.hanning(len(body))))
    assert int(np.argmax(spectrum)) == pytest.approx(440, abs=3)
    assert np.median(loudness(body)) == pytest.approx(8000 / 2**0.5, rel=0.1)
    assert first.line is not None
    stats = first.line.stats()
    assert stats.sent_packets == 100
    # Everything twice, since nothing is known of the line yet, with headers; the variable rate may exceed its mean.
    assert cost < 1.35 * (2 * 2 * 16_000 / 8) + 100 * (HEADERS + 5) + 1_000
    assert stats.sent_bytes < 1.35 * (2 * 2 * 16_000 / 8) + 100 * 17


async def test_long_packets_cost_a_third_of_the_headers(
    sides: tuple[Speaking, Speaking], clock: SoundClock
) -> None:
    first, second = sides
    assert first.line is not None
    await connect_in_process(first.peer, second.peer, timeout_s=PATIENCE_S)
    first.line.set_frame_ms(60)
    first.line.set_rate(12_000)
    heard = await speak(sides, tone(1.8), clock)
    assert first.line.stats().sent_packets == 30
    assert first.line.stats().sent_bytes < 1.35 * (2 * 1.8 * 12_000 / 8) + 30 * 17
    await until(lambda: second.line is not None and second.line.stats().received_packets == 30)
    assert np.median(loudness(heard[-24_000:])) == pytest.approx(8000 / 2**0.5, rel=0.1)


async def test_what_is_lost_comes_with_the_next_packet(clock: SoundClock) -> None:
    relay = Relay(Impairment(), Impairment())
    sides = Speaking(SoundLine(rate_bps=12_000, frame_ms=60)), Speaking(SoundLine())
    try:
        await connect_in_process(sides[0].peer, sides[1].peer, relay=relay, timeout_s=PATIENCE_S)
        relay._answerer.line = ImpairedLine(Impairment(loss=0.1), seed="5")
        heard = await speak(sides, tone(3.6), clock, lost=lambda: relay.forward.lost)
        assert sides[1].line is not None
        stats = sides[1].line.stats()
        assert stats.lost >= 2
        # All but what was lost twice in a row came with the next packet.
        assert stats.repeated >= 0.7 * stats.lost
        assert np.median(loudness(heard[96_000:])) == pytest.approx(8000 / 2**0.5, rel=0.1)
    finally:
        for side in sides:
            await side.peer.close()
        relay.close()


async def test_on_a_clean_line_nothing_is_repeated_for_long_and_after_a_loss_it_is(
    sides: tuple[Speaking, Speaking], monkeypatch: pytest.MonkeyPatch, clock: SoundClock
) -> None:
    first, second = sides
    await connect_in_process(first.peer, second.peer, timeout_s=PATIENCE_S)
    monkeypatch.setattr("transport.sound.CLEAN_S", 0.5)
    monkeypatch.setattr("transport.sound.REPORT_S", 0.1)
    await speak(sides, tone(1.0), clock)
    assert first.line is not None
    assert not first.line.stats().repeating
    first.line._sequence += 1  # what a lost packet is to the other side
    await speak(sides, tone(0.4), clock)
    await until(lambda: first.line is not None and first.line.stats().repeating)


@pytest.mark.parametrize("noise", [0, 30])
async def test_where_nobody_speaks_next_to_nothing_is_sent(
    sides: tuple[Speaking, Speaking], noise: int, clock: SoundClock
) -> None:
    first, second = sides
    await connect_in_process(first.peer, second.peer, timeout_s=PATIENCE_S)
    assert first.line is not None
    room = (noise * np.random.default_rng(1).standard_normal(2 * SAMPLE_RATE)).astype(np.int16)
    heard = await speak(sides, room, clock)
    stats = first.line.stats()
    assert 1 <= stats.sent_packets <= 10
    assert stats.sent_bytes + stats.sent_packets * HEADERS < 2 * 300
    assert loudness(heard[48_000:]).mean() == pytest.approx(noise, abs=noise / 2)


async def test_a_side_without_sound_still_meets_one_that_has_it(clock: SoundClock) -> None:
    for first, second in ((Speaking(SoundLine()), Speaking(None)), (Speaking(None), Speaking(SoundLine()))):
        try:
            await connect_in_process(first.peer, second.peer, timeout_s=PATIENCE_S)
            if first.line is not None:
                await speak((first, second), tone(0.3), clock)
            first.peer.send_control(b"still there")
            await until(lambda second=second: second.controls == [b"still there"])  # type: ignore[misc]
            assert not first.ends + second.ends
        finally:
            await first.peer.close()
            await second.peer.close()


async def test_descriptions_are_those_of_a_call_without_sound(sides: tuple[Speaking, Speaking]) -> None:
    first, second = sides
    offer = await first.peer.create_offer()
    answer = await second.peer.accept(offer)
    for description in (offer, answer):
        assert description.sdp.count("m=") == 1
        assert len(description.sdp) < MAX_SDP_BYTES / 4
        assert Description.from_json(description.to_json()) == description
    await first.peer.complete(answer)
    await asyncio.gather(first.peer.connected(PATIENCE_S), second.peer.connected(PATIENCE_S))


@pytest.fixture
async def talking(
    sides: tuple[Speaking, Speaking], clock: SoundClock, monkeypatch: pytest.MonkeyPatch
) -> tuple[Speaking, Speaking]:
    """Two sides of which the first is speaking, in packets of 60 ms, of which one has just left; nobody gives them up
    for a stalled microphone."""
    monkeypatch.setattr("transport.motion_line.LATE_S", 10 * PATIENCE_S)
    first, second = sides
    await connect_in_process(first.peer, second.peer, timeout_s=PATIENCE_S)
    assert first.line is not None
    first.line.set_frame_ms(60)
    await speak(sides, tone(0.12), clock)
    return sides


async def say(sides: tuple[Speaking, Speaking], samples: Samples, clock: SoundClock) -> None:
    """Let the first side go on."""
    first, _ = sides
    assert first.line is not None
    for block in samples.reshape(-1, BLOCK_SAMPLES):
        first.line.send(block, BLOCK_SAMPLES * round((clock.now_s - BEGAN_S) / 0.02))
        clock.now_s += 0.02
        await settle()


async def test_motion_and_reports_ride_in_the_packets_of_sound_while_somebody_speaks(
    talking: tuple[Speaking, Speaking], clock: SoundClock
) -> None:
    first, second = talking
    before = first.peer.stats()
    sound_before = first.line.stats().sent_bytes if first.line is not None else 0
    assert first.peer.send_motion(b"one", rides=True)
    await say(talking, tone(0.04), clock)
    assert first.peer.send_motion(b"two", rides=True)
    first.peer.send_report(b"report")
    assert not second.controls
    await say(talking, tone(0.02), clock)
    await until(lambda: second.controls == [b"one", b"two", b"report"])
    after = first.peer.stats()
    assert after.sent_packets == before.sent_packets + 1
    assert after.motion_sent == before.motion_sent + 2
    assert second.peer.stats().motion_received == 2
    assert first.line is not None
    assert second.line is not None
    sound_bytes = first.line.stats().sent_bytes - sound_before
    assert after.sent_bytes - before.sent_bytes - sound_bytes in (38 + 3 * 4 + 12, 58 + 3 * 4 + 12)
    assert second.line.stats().received_bytes == first.line.stats().sent_bytes


async def test_motion_waits_for_a_packet_that_was_begun_with_another_length(
    talking: tuple[Speaking, Speaking], clock: SoundClock
) -> None:
    first, _ = talking
    assert first.line is not None
    await say(talking, tone(0.02), clock)
    first.line.set_frame_ms(20)
    assert first.line.leaves_in_s == pytest.approx(0.04)
    await say(talking, tone(0.04), clock)
    assert first.line.leaves_in_s == pytest.approx(0.02)


async def test_motion_that_waits_goes_alone_once_nobody_speaks_any_more(
    talking: tuple[Speaking, Speaking], clock: SoundClock
) -> None:
    first, second = talking
    assert first.line is not None
    for index in range(200):  # until the voice has died away, and the room's noise been told
        await say(talking, np.zeros(BLOCK_SAMPLES, np.int16), clock)
        if index == 0:
            first.peer.send_motion(b"waits", rides=True)
        if first.line.leaves_in_s is None:
            break
    await until(lambda: second.controls == [b"waits"])
    sent = first.line.stats().sent_packets
    first.peer.send_motion(b"goes at once", rides=True)
    await until(lambda: second.controls[1:] == [b"goes at once"])
    assert first.line.stats().sent_packets == sent


async def test_motion_does_not_wait_for_a_microphone_that_has_stalled(
    talking: tuple[Speaking, Speaking], clock: SoundClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = talking
    monkeypatch.setattr("transport.motion_line.LATE_S", 0.05)
    first.peer.send_motion(b"waits", rides=True)
    await until(lambda: second.controls == [b"waits"])
    clock.now_s += 0.2
    monkeypatch.setattr("transport.motion_line.LATE_S", 10 * PATIENCE_S)
    first.peer.send_motion(b"knows", rides=True)
    await until(lambda: second.controls[1:] == [b"knows"])


async def test_what_may_not_ride_or_finds_no_room_overtakes_nothing(
    talking: tuple[Speaking, Speaking], clock: SoundClock
) -> None:
    first, second = talking
    first.peer.send_motion(b"rides", rides=True)
    first.peer.send_motion(b"goes")
    await until(lambda: second.controls == [b"rides", b"goes"])
    second.controls.clear()
    motions = [bytes([index]) * 300 for index in range(MOST_RIDERS)]
    for motion in motions:
        first.peer.send_motion(motion, rides=True)
    assert not second.controls
    await say(talking, tone(0.06), clock)  # its packet has room for three of them
    await until(lambda: sorted(second.controls) == motions)
    second.controls.clear()
    for motion in [*motions, b"one too many"]:
        first.peer.send_motion(motion, rides=True)
    await until(lambda: second.controls == [*motions, b"one too many"])


async def test_what_a_stranger_sends_as_sound_is_counted_and_ends_nothing(
    sides: tuple[Speaking, Speaking], clock: SoundClock
) -> None:
    first, second = sides
    await connect_in_process(first.peer, second.peer, timeout_s=PATIENCE_S)
    assert first.line is not None
    assert first.line._port is not None
    await speak(sides, tone(0.2), clock)
    ours = SOURCE.to_bytes(4, "big")
    malformed = [
        (b"\x80\x6f", ours, b"\xff" * 1_300),  # too long
        (b"\x80\x3f", ours, b"\xff\xff"),  # a repetition that ends in its header
        (b"\x80\x0d", ours, b"\xff"),  # a noise without a level
        (b"\x80\x6f", ours, b"\x40"),  # 10 ms
        (b"\x80\x6f", b"else", b"\x48" * 50),  # another's stream
    ]
    for index, (start, source, payload) in enumerate(malformed):
        first.line._port.send(start + (100 + index).to_bytes(2, "big") + bytes(4) + source + payload)
    first.line._port.send(b"\x81\xc9\x00\x01" + ours + ours)  # a report that ends too soon
    await until(lambda: second.line is not None and second.line.stats().bad == 5)
    assert not second.ends


def test_rates_and_packets_out_of_range_are_refused() -> None:
    for make in (
        lambda: SoundLine(rate_bps=5_999),
        lambda: SoundLine(rate_bps=64_001),
        lambda: SoundLine(frame_ms=40),
    ):
        with pytest.raises(ValueError, match="not"):
            make()


def test_quiet_speech_above_a_noisy_room_is_told_apart_and_a_held_tone_passes() -> None:
    chance = np.random.default_rng(1)
    activity = Activity()
    room = (60 * chance.standard_normal((150, BLOCK_SAMPLES))).astype(np.int16)
    assert not any([activity.take(block) for block in room][20:])
    assert activity.noise_db == pytest.approx(loudness_db(room), abs=2)
    quiet = tone(0.02) // 25
    assert activity.take(quiet + room[0])
    assert activity.take(room[1])  # a word's end
    held = tone(10.0).reshape(-1, BLOCK_SAMPLES)
    assert all(activity.take(block) for block in held)
