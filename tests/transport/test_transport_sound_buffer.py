"""The jitter buffer of sound on an imagined line: no sockets, no clock."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from transport.sound_buffer import ANEW_S, MAX_DELAY_S, MAX_WAITING, MIN_DELAY_S, SoundBuffer
from transport.sound_coder import Encoder
from transport.sound_packet import Block

RATE = 48_000
TONE_HZ = 220.0
Wave = npt.NDArray[np.float64]


def tone(seconds: float) -> npt.NDArray[np.int16]:
    return (8000 * np.sin(2 * np.pi * TONE_HZ * np.arange(round(seconds * RATE)) / RATE)).astype(np.int16)


def coded(samples: npt.NDArray[np.int16], *, frame_ms: int = 20, first_rtp: int = 0) -> Iterator[Block]:
    encoder = Encoder(24_000, frame_ms)
    for began in range(0, len(samples) - encoder.samples + 1, encoder.samples):
        data = encoder.encode(samples[began : began + encoder.samples])
        yield Block((first_rtp + began) % 2**32, encoder.samples, data)


def played(
    buffer: SoundBuffer,
    blocks: Iterator[Block],
    *,
    transit_s: Callable[[int], float | None],
    pace: float = 1.0,
    seconds: float | None = None,
) -> Wave:
    """Return what is heard; `transit_s` says for the nth block how long it is under way, None where it is lost."""
    arrivals = []
    for index, block in enumerate(blocks):
        took_s = transit_s(index)
        if took_s is not None:
            captured_s = (block.rtp / RATE) / pace
            arrivals.append((captured_s + block.samples / RATE + took_s, block))
    arrivals.sort(key=lambda each: each[0])
    length_s = arrivals[-1][0] if seconds is None else seconds
    parts = []
    for pull in range(int(length_s / 0.02)):
        while arrivals and arrivals[0][0] <= pull * 0.02:
            arrived_s, block = arrivals.pop(0)
            buffer.push(block, arrived_s)
        parts.append(buffer.pull(pull * 0.02).samples)
    return np.concatenate(parts).astype(float)


def loudness(heard: Wave) -> Wave:
    """Return the root mean square of each 20 ms."""
    blocks: Wave = np.sqrt(np.mean(heard[: len(heard) // 960 * 960].reshape(-1, 960) ** 2, 1))
    return blocks


def pitch(heard: Wave) -> float:
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    return float(np.argmax(spectrum)) * RATE / len(heard)


@pytest.mark.parametrize("frame_ms", [20, 60])
def test_a_tone_comes_out_as_it_went_in(frame_ms: int) -> None:
    buffer = SoundBuffer()
    heard = played(buffer, coded(tone(3), frame_ms=frame_ms), transit_s=lambda index: 0.05)
    body = heard[RATE:]
    assert loudness(body) == pytest.approx(8000 / 2**0.5, rel=0.1)
    assert pitch(body) == pytest.approx(TONE_HZ, abs=1)
    assert buffer.counts.concealed == 0
    assert buffer.delay_s == MIN_DELAY_S


def test_every_block_tells_when_what_it_plays_was_captured() -> None:
    samples = np.zeros(3 * RATE, np.int16)
    samples[2 * RATE : 2 * RATE + 200] = 20_000  # a clap after two seconds
    buffer = SoundBuffer()
    blocks = list(coded(samples, first_rtp=2**32 - RATE))  # its times wrap
    for block in blocks[:-1]:
        arrived_s = ((block.rtp + RATE) % 2**32) / RATE + 0.07
        buffer.push(block, arrived_s)
        heard = buffer.pull(arrived_s)
        loud = np.abs(heard.samples) > 5_000
        if loud.any():
            assert heard.rtp is not None
            assert (heard.rtp + int(np.argmax(loud))) % 2**32 == pytest.approx(RATE, abs=0.002 * RATE)
            break
    else:
        pytest.fail("the clap was not heard")


def test_jitter_grows_the_delay_until_nothing_is_missing_and_a_calm_line_shrinks_it_again() -> None:
    chance = np.random.default_rng(1)
    jitter_s = [float(chance.uniform(0, 0.12)) if index < 500 else 0.0 for index in range(1600)]
    delays_s: list[float] = []

    def transit_s(index: int) -> float:
        delays_s.append(buffer.delay_s)
        return 0.03 + jitter_s[index]

    buffer = SoundBuffer()
    blocks = coded(tone(32))
    heard = played(buffer, blocks, transit_s=transit_s, seconds=9.8)
    assert 0.1 < buffer.delay_s <= MAX_DELAY_S
    assert loudness(heard[3 * RATE :]).min() > 3000
    delay_s = buffer.delay_s
    calm = SoundBuffer()
    calm.delay_s = delay_s
    played(calm, coded(tone(8)), transit_s=lambda index: 0.03)
    assert calm.delay_s < delay_s / 2


def test_lost_blocks_leave_no_hole_and_no_click() -> None:
    buffer = SoundBuffer()
    heard = played(buffer, coded(tone(4)), transit_s=lambda index: None if index % 10 == 7 else 0.05)
    body = heard[RATE:]
    assert loudness(body).min() > 2500
    # No sample leaps further from the one before than in the tone itself, or hardly.
    steepest = 8000 * 2 * np.pi * TONE_HZ / RATE
    assert np.abs(np.diff(body)).max() < 3 * steepest
    assert buffer.counts.concealed > 10


@pytest.mark.parametrize("frame_ms", [20, 60])
def test_what_is_lost_and_comes_with_the_next_packet_is_heard_as_if_nothing_had_been(frame_ms: int) -> None:
    buffer = SoundBuffer()
    before: Block | None = None
    quietest = []
    for index, block in enumerate(coded(tone(12), frame_ms=frame_ms)):
        arrived_s = (block.rtp + block.samples) / RATE + 0.05
        if index % 10 != 7:
            buffer.push(block, arrived_s)
            if before is not None:
                buffer.push(before, arrived_s, repeated=True)
        before = block
        for part in range(frame_ms // 20):
            heard = buffer.pull(arrived_s + 0.02 * part).samples
            if block.rtp > 4 * RATE:
                quietest.append(loudness(heard.astype(float))[0])
    assert buffer.counts.repeated == 12_000 // frame_ms // 10
    # Until the delay has grown there are a few holes; afterwards none.
    assert min(quietest) > 5000
    assert buffer.counts.concealed < 10


def test_a_line_that_stays_silent_is_not_filled_for_long() -> None:
    buffer = SoundBuffer()
    heard = played(buffer, coded(tone(1)), transit_s=lambda index: 0.05, seconds=3.0)
    assert loudness(heard[int(1.5 * RATE) :]).max() == 0.0


def test_noise_is_heard_where_nobody_speaks_but_never_loudly() -> None:
    for level, least, most in ((60, 20, 50), (127, 0, 0), (0, 200, 500)):
        buffer = SoundBuffer()
        buffer.push(Block(0, 0, bytes([level])), 0.02)
        heard = np.concatenate([buffer.pull(0.02 * index).samples for index in range(4, 30)]).astype(float)
        assert least <= loudness(heard[4 * 960 :]).mean() <= most


@pytest.mark.parametrize("pace", [0.998, 1.002])
def test_a_microphone_that_runs_fast_or_slow_is_followed_without_holes(pace: float) -> None:
    buffer = SoundBuffer()
    heard = played(buffer, coded(tone(30)), transit_s=lambda index: 0.05, pace=pace)
    body = heard[2 * RATE :]
    assert loudness(body).min() > 4000
    assert pitch(body) == pytest.approx(TONE_HZ * pace, abs=2)
    steepest = 8000 * 2 * np.pi * TONE_HZ / RATE
    assert np.abs(np.diff(body)).max() < 3 * steepest


def test_held_sound_is_heard_that_much_later_and_without_a_hole() -> None:
    buffer = SoundBuffer()
    rtps: list[int] = []
    for index, block in enumerate(coded(tone(12))):
        arrived_s = block.rtp / RATE + 0.07
        buffer.push(block, arrived_s)
        if index == 150:
            buffer.hold_s = 0.15
        heard = buffer.pull(arrived_s)
        assert heard.rtp is not None
        rtps.append(heard.rtp - block.rtp)
        if index > 10:
            assert loudness(heard.samples.astype(float))[0] > 4000
    assert (rtps[140] - rtps[-1]) / RATE == pytest.approx(0.15, abs=0.015)
    assert buffer.due_s(0) == pytest.approx(0.07 + MIN_DELAY_S, abs=0.01)  # what it is without the hold


def push_all(buffer: SoundBuffer, blocks: Sequence[Block], began_s: float) -> None:
    """Let blocks come, each with the one before it as its repetition."""
    for index, block in enumerate(blocks):
        buffer.push(block, began_s + 0.02 * index)
        if index:
            buffer.push(blocks[index - 1], began_s + 0.02 * index, repeated=True)


@pytest.mark.parametrize(("silent_s", "followed_s"), [(0.0, ANEW_S), (ANEW_S, 0.02)])
def test_a_sender_that_begins_anew_is_followed_as_soon_as_it_cannot_be_a_stray(
    silent_s: float, followed_s: float
) -> None:
    buffer = SoundBuffer()
    push_all(buffer, list(coded(tone(2))), 0.07)
    for index, block in enumerate(coded(tone(2), first_rtp=10**9)):
        buffer.push(block, 2.07 + silent_s + 0.02 * index)
        if buffer.counts.restarts:
            break
    assert 0.02 * index == pytest.approx(followed_s, abs=0.021)
    assert index > 0


@pytest.mark.parametrize("packets", [1, 3])
def test_late_strays_do_not_turn_the_clock_back_while_the_stream_goes_on(packets: int) -> None:
    buffer = SoundBuffer()
    blocks = list(coded(tone(8)))
    push_all(buffer, blocks[:300], 0.07)
    for again in range(2):
        push_all(buffer, blocks[60 : 61 + packets], 6.051 + 0.001 * again)
    push_all(buffer, blocks[300:], 6.07)
    assert buffer.counts.restarts == 0
    assert buffer.counts.received == len(blocks)


def test_late_strays_do_not_turn_the_clock_back_while_nobody_speaks() -> None:
    buffer = SoundBuffer()
    blocks = list(coded(tone(8)))
    push_all(buffer, blocks[:300], 0.07)
    for second in range(1, 4):
        buffer.push(Block(300 * 960 + second * RATE, 0, b"\x40"), 6.07 + second)
        push_all(buffer, blocks[60:64], 6.99 + second)
    assert buffer.counts.restarts == 0


def test_it_holds_a_bounded_number_of_blocks_and_takes_each_once() -> None:
    buffer = SoundBuffer()
    block = Block(0, 960, bytes([9 << 3, 0, 0]))
    for index in range(3 * MAX_WAITING):
        for _ in range(2):
            buffer.push(Block(960 * index, 960, block.data), 0.02 * index)
    assert buffer.counts.received == 3 * MAX_WAITING
    assert len(buffer._waiting) <= MAX_WAITING


def test_what_is_no_opus_is_bridged_over() -> None:
    buffer = SoundBuffer()
    blocks = coded(tone(2))
    broken = (
        Block(block.rtp, block.samples, bytes([9 << 3 | 3, 0xFF, 0xFF])) if index == 60 else block
        for index, block in enumerate(blocks)
    )
    heard = played(buffer, broken, transit_s=lambda index: 0.05)
    assert loudness(heard[RATE // 2 :]).min() > 2500
