"""The jitter buffer of sound: blocks come in as the line brings them, 20 ms go out whenever they are asked for.

Sans-IO: `push` takes a block and when it came, `pull` gives what is to be heard next; times are handed in. The delay
over the quickest packet adapts (40 to 200 ms) until nearly every block, be it by repetition, is there in its time. What
is not there is bridged from what was heard before; silence is a faint noise as loud as the other side's room. The pace
is changed by whole periods of the voice, so that the delay moves without a click. It knows no sockets.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from transport.rtp import TIME_CYCLE
from transport.sound_coder import LOOKAHEAD_SAMPLES, Decoder, Samples
from transport.sound_packet import SAMPLE_RATE, Block
from transport.sound_shape import (
    FADE,
    FADED,
    HISTORY,
    LONGEST_PERIOD,
    Wave,
    blend,
    go_on,
    lengthen,
    period_of,
    shorten,
)

PULLED_SAMPLES = 960
MIN_DELAY_S, MAX_DELAY_S = 0.040, 0.200
WINDOW = 256  # blocks that the delay is learned from: 5 s at 20 ms, 15 s at 60
# The share of blocks that are to come in time: at two losses in a hundred the repetition is waited for.
COVERED = 0.985
MARGIN_S = 0.008
SHRINK = 0.02  # the share of the way that the delay goes back with each block; it grows at once
RESTART_S = 2.0  # a block this far from its time belongs to another clock, once one of another packet agrees
# A sender that starts anew is followed once no block by its old clock has come for so long. Late strays come between
# such blocks, however many together; while nobody speaks there is one a second.
ANEW_S = 1.5
MAX_WAITING = 64
# How far playing may be from where it should be before its pace is changed, and how often that is done.
SLACK_SAMPLES = 480
PACED_EVERY = 5
JUMP_SAMPLES = 24_000
LOUDEST_NOISE_DB = -40  # a stranger says how loud it is
NO_NOISE_DB = -127
NOISE_SAMPLES = 3 * SAMPLE_RATE  # after which the noise begins again
DULL_HZ = 400.0


@dataclass
class SoundCounts:
    """Blocks by what became of them, and pulls of 20 ms that had to be bridged."""

    received: int = 0
    repeated: int = 0  # lost, and brought by the next packet
    late: int = 0
    concealed: int = 0
    restarts: int = 0


@dataclass(frozen=True)
class Heard:
    """20 ms to be heard: int16[960], and the sender's time of its first sample modulo 2^32 (None: not known yet)."""

    samples: Samples
    rtp: int | None


class SoundBuffer:
    """Orders blocks of sound by their time and gives them out at an even pace."""

    def __init__(self) -> None:
        self.counts = SoundCounts()
        self.delay_s = MIN_DELAY_S
        self.hold_s = 0.0
        self._decoder = Decoder()
        self._noise = _Noise()
        self._pulled = 0
        self._accepted_s = 0.0  # when the newest block by the clock that counts came
        self._restart()

    def _restart(self) -> None:
        self._transits_s: deque[float] = deque(maxlen=WINDOW)
        self._known: deque[int] = deque(maxlen=WINDOW)  # times of blocks that came
        self._waiting: dict[int, Block] = {}  # by their time, which here goes on counting
        self._newest: int | None = None
        self._suspect_s: tuple[float, float] | None = None  # when it came, and its transit
        self._next: int | None = None  # the time of the sample to be heard next
        self._coming: Wave = np.empty(0, np.float32)  # decoded, from there on
        self._heard: Wave = np.zeros(HISTORY, np.float32)
        self._missing = FADED  # samples bridged since the last real one
        self._period = LONGEST_PERIOD
        self._tail: Wave = self._heard[-LONGEST_PERIOD:]  # what is repeated in place of missing samples

    def push(self, block: Block, arrived_s: float, *, repeated: bool = False) -> None:
        """Take in a block; `repeated` where it is an older one that came along with its successor."""
        time = self._continuous(block.rtp)
        transit_s = arrived_s - time / SAMPLE_RATE
        if self._transits_s and abs(transit_s - self._base_s) > RESTART_S:
            # Strays must not turn the clock back: another packet has to agree, and none come by the old clock.
            suspect_s, self._suspect_s = self._suspect_s, (arrived_s, transit_s)
            if suspect_s is None or suspect_s[0] == arrived_s or arrived_s - self._accepted_s < ANEW_S:
                return
            if abs(transit_s - suspect_s[1]) > RESTART_S:
                return
            self.counts.restarts += 1
            self._restart()
            time = self._continuous(block.rtp)
            transit_s = arrived_s - time / SAMPLE_RATE
        self._suspect_s = None
        if time in self._known:
            return
        self._known.append(time)
        self._accepted_s = arrived_s
        self._newest = time if self._newest is None else max(time, self._newest)
        self.counts.received += 1
        self.counts.repeated += repeated
        self._learn(transit_s)
        if self._next is not None and block.samples and time + block.samples <= self._next:
            self.counts.late += 1
            return
        self._waiting[time] = block
        if len(self._waiting) > MAX_WAITING:
            del self._waiting[min(self._waiting)]

    def pull(self, now_s: float) -> Heard:
        """Return the next 20 ms, as what has come until `now_s` makes them."""
        self._pulled += 1
        if not self._transits_s:
            return Heard(self._noise.take(PULLED_SAMPLES).astype(np.int16), None)
        wanted = int((now_s - self._base_s - self.delay_s - self.hold_s) * SAMPLE_RATE)
        if self._next is None:
            self._next = wanted
        self._pace(wanted - self._next)
        began, missing, parts = self._next, 0, [np.empty(0, np.float32)]
        while (count := PULLED_SAMPLES - sum(map(len, parts))) > 0:
            part = self._take(count)
            if part is None:
                fading = self._missing < FADED
                part = self._bridge(count)
                missing += len(part) if fading else 0
            parts.append(part)
            self._next += len(part)
            self._heard = np.concatenate([self._heard, part])[-HISTORY:]
        self.counts.concealed += missing > PULLED_SAMPLES // 2
        samples = np.clip(np.rint(np.concatenate(parts)), -32_768, 32_767).astype(np.int16)
        return Heard(samples, (began - LOOKAHEAD_SAMPLES) % TIME_CYCLE)

    def due_s(self, rtp: int) -> float | None:
        """Say when a moment of the other side's would be played without any hold; None before the first block."""
        if not self._transits_s:
            return None
        return (self._continuous(rtp) + LOOKAHEAD_SAMPLES) / SAMPLE_RATE + self._base_s + self.delay_s

    @property
    def _base_s(self) -> float:
        """The quickest block's transit, in which the two clocks' offset is."""
        return min(self._transits_s)

    def _learn(self, transit_s: float) -> None:
        self._transits_s.append(transit_s)
        ordered_s = sorted(self._transits_s)
        late_s = ordered_s[int(COVERED * (len(ordered_s) - 1))] - ordered_s[0] + MARGIN_S
        wanted_s = min(max(late_s, MIN_DELAY_S), MAX_DELAY_S)
        if wanted_s > self.delay_s:
            self.delay_s = wanted_s
        else:
            self.delay_s += SHRINK * (wanted_s - self.delay_s)

    def _continuous(self, rtp: int) -> int:
        if self._newest is None:
            return rtp
        half = TIME_CYCLE // 2
        return self._newest + (rtp - self._newest + half) % TIME_CYCLE - half

    def _pace(self, behind: int) -> None:
        """Go on faster or slower, where playing is `behind` its time by so many samples (or, negative, ahead)."""
        assert self._next is not None
        if abs(behind) > JUMP_SAMPLES:
            self._next += behind
            self._coming = self._coming[:0]
        elif self._missing >= FADED and not len(self._coming):
            # Nobody hears a leap over silence, but what has come is not leapt over.
            limits = [time for time, block in self._waiting.items() if time + block.samples > self._next]
            self._next = min(
                self._next + behind, max(min(limits), self._next) if limits else self._next + behind
            )
        elif abs(behind) <= SLACK_SAMPLES or self._pulled % PACED_EVERY or self._missing:
            return
        elif behind > 0 and self._fill(LONGEST_PERIOD + FADE):
            self._coming, gone = shorten(self._coming)
            self._next += gone
        elif behind < 0 and self._fill(FADE):
            self._coming, more = lengthen(self._heard, self._coming)
            self._next -= more

    def _fill(self, count: int) -> bool:
        """Decode what follows on, and say whether `count` samples are there."""
        assert self._next is not None
        while len(self._coming) < count:
            decoded = self._decode_at(self._next + len(self._coming))
            if decoded is None:
                return False
            self._coming = np.concatenate([self._coming, decoded])
        return True

    def _decode_at(self, time: int) -> Wave | None:
        """Decode the block that covers a time, from that time on; None where there is none."""
        for began in sorted(self._waiting):
            if began > time:
                break
            block = self._waiting.pop(began)
            if not block.samples:
                self._noise.set_level_db(-block.data[0])
                self._missing = FADED
            elif began + block.samples > time:
                decoded = self._decoder.decode(block.data, block.samples)
                if decoded is not None:
                    return decoded[time - began :].astype(np.float32)
        return None

    def _take(self, count: int) -> Wave | None:
        """Return up to `count` samples that are there, None where the next one is missing."""
        if not self._fill(1):
            return None
        if 0 < self._missing < FADED:
            self._coming = blend(self._gone_on(FADE), self._coming)
        self._missing = 0
        part, self._coming = self._coming[:count], self._coming[count:]
        return part

    def _bridge(self, count: int) -> Wave:
        """Return up to `count` samples in place of missing ones, up to where something is there again."""
        assert self._next is not None
        if self._missing == 0:
            self._period = period_of(self._heard)
            self._tail = self._heard[-self._period :]
        count = min([time - self._next for time in self._waiting if time > self._next] + [count])
        bridge = self._gone_on(count)
        self._missing = min(self._missing + count, FADED)
        return bridge

    def _gone_on(self, count: int) -> Wave:
        return self._noise.take(count) + go_on(self._tail, count, period=self._period, after=self._missing)


class _Noise:
    """Faint, dull noise: a room in which nobody speaks."""

    def __init__(self) -> None:
        self._wave = _dull_noise()
        self._place = 0
        self._gain = 0.0

    def set_level_db(self, level_db: int) -> None:
        """Be as loud as so many dB below full scale, within reason; -127 is silence itself."""
        self._gain = 0.0 if level_db <= NO_NOISE_DB else 32_768 * 10 ** (min(level_db, LOUDEST_NOISE_DB) / 20)

    def take(self, count: int) -> Wave:
        """Return the next samples."""
        places = np.arange(self._place, self._place + count) % NOISE_SAMPLES
        self._place = (self._place + count) % NOISE_SAMPLES
        return self._wave[places] * np.float32(self._gain)


def _dull_noise() -> Wave:
    """Make noise as a quiet room's, loudest below `DULL_HZ`, of root mean square 1 and without a seam."""
    frequencies = np.fft.rfftfreq(NOISE_SAMPLES, 1 / SAMPLE_RATE)
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, len(frequencies))
    spectrum = np.exp(1j * phases) / (1 + (frequencies / DULL_HZ) ** 2)
    spectrum[0] = 0.0
    wave = np.fft.irfft(spectrum)
    return (wave / np.sqrt(np.mean(wave**2))).astype(np.float32)
