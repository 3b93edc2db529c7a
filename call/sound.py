"""The sound of a call: from a microphone over the line of the moment to a speaker, across lost lines.

A `SoundLink` lives as long as the call. Each connection gets a `SoundLine` of its own (`new_line`, for the peer that is
made), and once the other side there is known to be the right one, `use` lets sound pass over it. Here sound has its
clock: blocks from the microphone are numbered in samples, as RTP counts them, and the other side is told how these
times go with the motions' capture times (`clock`, about once a second over `control`); what the other side tells
(`take`) and when its pictures were shown (`see`) keep lips and voice together. It knows no devices: what captures and
plays is a `Microphone` and a `Speaker` (`call.sound_files`, `call.web.sound`).
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Protocol

import numpy as np
import numpy.typing as npt

from call.sound_clock import CaptureClock
from codec.time import Clock
from receiver.lipsync import LipSync
from receiver.playout import Shown
from transport.rtp import TIME_CYCLE
from transport.sound import BLOCK_S, BLOCK_SAMPLES, RATE_BPS, SoundLine, SoundStats
from transport.sound_activity import loudness_db
from transport.sound_buffer import Heard
from transport.sound_coder import MAX_RATE_BPS, MIN_RATE_BPS
from transport.sound_packet import SAMPLE_RATE

Samples = npt.NDArray[np.int16]

# Blocks are handed to the speaker so long before they are to be heard: a browser needs some of it.
LEAD_S = 0.040
# Where the event loop, or the machine, was away for longer than this, playing goes on from now.
STALL_S = 0.5
# Loudness as a meter shows it: from a quiet room to as loud as one speaks into a microphone.
METER_FLOOR_DB, METER_TOP_DB = -55.0, -12.0
METER_FALL = 0.8  # of its height that a meter keeps with each block
ADJUSTED_EVERY = 10  # blocks: lips are looked at five times a second
MOST_SHOWN = 100
# Of what a call may send in all, sound takes so much at most while somebody speaks: a face with half the motions is
# still a face, words with half the sound are none.
SHARE = 0.56
# From the best to the cheapest: Opus bits a second, ms in a packet, and whether packets are repeated while they get
# lost, which takes the Opus rate twice.
CHOICES = (
    (24_000, 20, True),
    (16_000, 60, True),
    (12_000, 60, True),
    (8_000, 60, True),
    (6_000, 60, True),
    (8_000, 60, False),
    (6_000, 60, False),
)
# Of a packet, down to IP: 38 of IP, UDP and SRTP, 12 of RTP; where it repeats another, 5 more.
HEADERS_BYTES, REPETITION_BYTES = 50, 5


class Microphone(Protocol):
    """Gives sound in real time."""

    async def read(self) -> Samples:
        """Wait for the next 20 ms: int16[960], mono, 48 kHz. Raises EOFError where none will come any more."""


class Speaker(Protocol):
    """Takes sound to be heard."""

    def play(self, block: Samples, at_s: float) -> None:
        """Let a block, int16[960] mono 48 kHz, be heard at `at_s` (`time.monotonic`), some 40 ms from now.

        Blocks follow each other 20 ms apart; after a stall there may be a gap. Returns at once, on the event loop.
        """


OnHeard = Callable[[Samples, float | None, float], None]


class SoundLink:
    """A call's sound. `run` it as a task; all else at any time, on the event loop.

    Parameters
    ----------
    microphone_latency_s, speaker_latency_s
        How long before `read` gave it a block was sounded, and how long after its time it is heard, beyond a block's
        own 20 ms.
    picture_latency_s
        How long after its time of showing a picture is seen.
    hold_picture
        Called with how many seconds pictures are to be held back for the sound (`Receiver.hold`).
    on_heard
        Called with each block that is played, the capture time of its beginning, in ticks that count on as the
        pictures' do (None where it is not known), and when it is heard (`time.monotonic`): for recordings
        (`Receiver.hear`).
    """

    def __init__(
        self,
        microphone: Microphone,
        speaker: Speaker,
        *,
        rate_bps: int = RATE_BPS,
        frame_ms: int = 20,
        microphone_latency_s: float = 0.0,
        speaker_latency_s: float = 0.0,
        picture_latency_s: float = 0.0,
        hold_picture: Callable[[float], None] | None = None,
        on_heard: OnHeard | None = None,
    ) -> None:
        self._microphone, self._speaker = microphone, speaker
        self._rate_bps, self._frame_ms = rate_bps, frame_ms
        self._may_repeat = True
        self._speaker_latency_s = speaker_latency_s
        self._picture_latency_s = picture_latency_s
        self._hold_picture = hold_picture
        self._on_heard = on_heard
        self._line: SoundLine | None = None
        self._muted = False
        self._capture = CaptureClock(microphone_latency_s)
        self._lips = LipSync()
        self._shown: deque[tuple[int, float]] = deque(maxlen=MOST_SHOWN)  # from the drawing thread
        self._errors_s: deque[float] = deque(maxlen=MOST_SHOWN)
        self._heard: tuple[int, float] | None = None  # a sample's RTP time, and when it was heard
        self.level = 0.0
        self.their_level = 0.0

    def new_line(self) -> SoundLine:
        """Make the line of a connection to come: `Peer(sound=link.new_line())`. Nothing passes before `use`."""
        return SoundLine(rate_bps=self._rate_bps, frame_ms=self._frame_ms)

    def use(self, line: SoundLine | None) -> None:
        """Speak and hear over this line from now on, as the other side is known and has agreed; None: over none."""
        if line is self._line:
            return
        self._line, self._heard = line, None
        self._lips.restart()
        self._shown.clear()
        if line is not None:
            line.set_rate(self._rate_bps)
            line.set_frame_ms(self._frame_ms)
            line.set_repetition(self._may_repeat)
            line.hold_s = self._lips.sound_hold_s

    async def run(self) -> None:
        """Capture and play until cancelled. A microphone that has ended leaves the call silent, but hearing.

        Raises what the microphone or the speaker raises.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send())
                group.create_task(self._play())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    def mute(self, on: bool) -> None:
        """Send silence, or sound again."""
        self._muted = on

    @property
    def muted(self) -> bool:
        """Whether silence is sent."""
        return self._muted

    def set_rate(self, rate_bps: int) -> None:
        """Change the Opus rate, 6000 to 64000 bit/s; as much again is sent while packets get lost."""
        self._rate_bps = min(max(rate_bps, MIN_RATE_BPS), MAX_RATE_BPS)
        if self._line is not None:
            self._line.set_rate(self._rate_bps)

    def fit(self, total_bps: float | None) -> None:
        """Choose rate and packets for a call that may send so much in all, IP headers included; None: no limit."""
        most_bps = math.inf if total_bps is None else SHARE * total_bps
        fitting = (
            choice
            for choice in CHOICES
            if cost_bps(choice[0], choice[1], repeats=choice[2] and self.loses) <= most_bps
        )
        rate_bps, frame_ms, self._may_repeat = next(fitting, CHOICES[-1])
        self.set_rate(rate_bps)
        self.set_frame_ms(frame_ms)
        if self._line is not None:
            self._line.set_repetition(self._may_repeat)

    @property
    def loses(self) -> bool:
        """Whether packets of this side got lost lately, or may get lost for all that is known."""
        return self._line is None or self._line.loses

    @property
    def cost_bps(self) -> float:
        """What this side's sound takes of the line while somebody speaks, at the IP layer."""
        return cost_bps(self._rate_bps, self._frame_ms, repeats=self._may_repeat and self.loses)

    def set_frame_ms(self, frame_ms: int) -> None:
        """Send packets of 20 or of 60 ms: the longer ones for lines that carry less than 40 kbit/s in all."""
        if self._line is not None:
            self._line.set_frame_ms(frame_ms)
        self._frame_ms = frame_ms

    @property
    def packet_s(self) -> float:
        """How long a packet's sound lasts."""
        return self._frame_ms / 1000

    def stats(self) -> SoundStats:
        """Return the figures of the line of the moment."""
        return SoundStats() if self._line is None else self._line.stats()

    def clock(self) -> Clock | None:
        """Return what the other side needs for lip sync, to be said about once a second; None before there is sound."""
        return self._capture.pair(time.monotonic())

    def take(self, clock: Clock) -> None:
        """Take the other side's clock."""
        self._lips.take(clock)

    def see(self, shown: Shown, shown_s: float) -> None:
        """Note when a picture was shown (a receiver's `on_shown`); from any thread."""
        if shown.kind == "fresh":
            self._shown.append((shown.ticks, shown_s + self._picture_latency_s))

    @property
    def lip_error_s(self) -> float | None:
        """How much later than its sound a picture is shown, the median of the last ones; None where it is not known."""
        return median(self._errors_s) if self._errors_s else None

    async def _send(self) -> None:
        while True:
            try:
                block = await self._microphone.read()
            except EOFError:
                self.level = 0.0
                return
            rtp = self._capture.take(time.monotonic())
            if self._muted:
                block = np.zeros(BLOCK_SAMPLES, np.int16)
            self.level = _metered(self.level, block)
            if self._line is not None:
                self._line.send(block, rtp)

    async def _play(self) -> None:
        at_s = time.monotonic() + LEAD_S
        played = 0
        while True:
            now_s = time.monotonic()
            if now_s + LEAD_S - at_s > STALL_S:
                at_s = now_s + LEAD_S
            if at_s - LEAD_S > now_s:
                await asyncio.sleep(at_s - LEAD_S - now_s)
            self._play_block(at_s)
            at_s += BLOCK_S
            played += 1
            if played % ADJUSTED_EVERY == 0:
                self._keep_step()

    def _play_block(self, at_s: float) -> None:
        heard = (
            Heard(np.zeros(BLOCK_SAMPLES, np.int16), None)
            if self._line is None
            else self._line.pull(at_s - LEAD_S)
        )
        heard_s = at_s + self._speaker_latency_s
        ticks = None
        if heard.rtp is not None:
            self._heard = heard.rtp, heard_s
            ticks = self._lips.ticks_of(heard.rtp)
        self.their_level = _metered(self.their_level, heard.samples)
        self._speaker.play(heard.samples, at_s)
        if self._on_heard is not None:
            self._on_heard(heard.samples, ticks, heard_s)

    def _keep_step(self) -> None:
        """Let the quicker one of picture and sound wait for the other."""
        while self._shown:
            ticks, shown_s = self._shown.popleft()
            rtp = self._lips.rtp_of(ticks)
            due_s = None if self._line is None or rtp is None else self._line.due_s(rtp)
            if rtp is None or due_s is None:
                continue
            due_s += LEAD_S + self._speaker_latency_s
            heard_s = due_s
            if self._heard is not None:
                known, known_s = self._heard
                heard_s = known_s + _between(known, rtp) / SAMPLE_RATE
                self._errors_s.append(shown_s - heard_s)
            self._lips.see(ticks, shown_s, due_s, heard_s)
        self._lips.adjust()
        if self._line is not None:
            self._line.hold_s = self._lips.sound_hold_s
        if self._hold_picture is not None:
            self._hold_picture(self._lips.picture_hold_s)


def cost_bps(rate_bps: float, frame_ms: int, *, repeats: bool) -> float:
    """Return what speech takes at the IP layer (IPv4), in bit/s."""
    headers_bytes = HEADERS_BYTES + REPETITION_BYTES * repeats
    return (1 + repeats) * rate_bps + 8 * headers_bytes * 1000 / frame_ms


def _metered(before: float, block: Samples) -> float:
    """Return a meter's height, 0 to 1: up at once, down slowly."""
    height = (loudness_db(block) - METER_FLOOR_DB) / (METER_TOP_DB - METER_FLOOR_DB)
    return max(min(max(height, 0.0), 1.0), before * METER_FALL)


def _between(earlier: int, later: int) -> int:
    """Return how many samples lie between two RTP times, negative where they are the other way round."""
    half = TIME_CYCLE // 2
    return (later - earlier + half) % TIME_CYCLE - half
