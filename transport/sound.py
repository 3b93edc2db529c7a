"""The sound of one connection: microphone blocks in and onto the wire, received ones out at an even pace.

A `SoundLine` is handed to a `Peer` when that is made. What is sent is Opus, mono, and nothing but a word on the room's
noise while nobody speaks; each packet repeats the one before for as long as packets get lost. Reports of the receiving
side say whether they do. What is received passes `transport.sound_buffer`. It knows no devices and no pictures.
"""

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from aiortc import RTCDtlsTransport

from transport.motion_packet import MotionPacket
from transport.rtp import SEQUENCE_CYCLE, TIME_CYCLE
from transport.rtp_port import RtpPort
from transport.sound_activity import Activity
from transport.sound_buffer import Heard, SoundBuffer
from transport.sound_coder import FRAMES_MS, MAX_RATE_BPS, MIN_RATE_BPS, Encoder, Samples
from transport.sound_packet import (
    MAX_OFFSET,
    SAMPLE_RATE,
    SOURCE,
    Block,
    Report,
    SoundPacket,
    SoundPacketError,
    read_packet,
    read_report,
    riders_bytes,
    room_bytes,
    write_packet,
    write_report,
)

BLOCK_SAMPLES = 960  # 20 ms: what microphones give and speakers take
BLOCK_S = BLOCK_SAMPLES / SAMPLE_RATE
RATE_BPS = 16_000
REPORT_S = 2.0
# Repetition begins with the connection, since nothing is known of it yet, and ends when nothing was lost for so long.
CLEAN_S = 15.0
# While nobody speaks the room's noise is told this often, and when it has changed by so much.
NOISE_S = 1.0
NOISE_STEP_DB = 6
STALLED_S = 0.1  # a microphone that has given nothing for so long gives nothing soon


class Riders(Protocol):
    """Whose packets ride along with sound: `transport.motion_line.MotionLine`."""

    def board(self, room_bytes: int) -> tuple[MotionPacket, ...]:
        """Return what goes with the packet that leaves now and has room for so much."""

    def stay_behind(self) -> None:
        """Wait for sound no longer: none leaves for now."""

    def arrive(self, rider: MotionPacket) -> None:
        """Take what came along with the other side's sound."""


@dataclass(frozen=True)
class SoundStats:
    """Counters of a connection's sound.

    `sent_bytes` and `received_bytes` are RTP packets without what rode along, and without SRTP's, UDP's and IP's 38
    bytes each. `lost` packets of the other side did not come, `repeated` blocks of sound came with the next packet
    instead, `late` ones after their time; `concealed` counts 20 ms that had to be made up. `delay_s` is what the jitter
    buffer holds over the quickest packet. `loss` is the share of packets lost over the last seconds, 0 to 1.
    """

    sent_packets: int = 0
    sent_bytes: int = 0
    received_packets: int = 0
    received_bytes: int = 0
    lost: int = 0
    repeated: int = 0
    late: int = 0
    concealed: int = 0
    bad: int = 0
    delay_s: float = 0.0
    loss: float = 0.0
    repeating: bool = True


class SoundLine:
    """One connection's sound, each way. Hand it to its `Peer`; use it on the event loop.

    Parameters
    ----------
    rate_bps
        Of the Opus data, 6000 to 64000; as much again is sent while it is repeated.
    frame_ms
        A packet's sound, 20 or 60: longer ones wait longer and cost a third of the headers.

    Raises ValueError for other numbers.
    """

    def __init__(self, *, rate_bps: int = RATE_BPS, frame_ms: int = 20) -> None:
        self._rate_bps, self._frame_ms = rate_bps, frame_ms
        self.set_rate(rate_bps)
        self.set_frame_ms(frame_ms)
        self._encoder: Encoder | None = None
        self._port: RtpPort | None = None
        self._activity = Activity()
        self._parts: list[Samples] = []
        self._speaks = False
        self._spoke = False  # the last packet's worth of sound was speech
        self._took_s = 0.0  # the last block
        self._riders: Riders | None = None
        self._began = 0  # the time of the first part
        self._before: Block | None = None  # what was sent last
        self._noise_db: int | None = None  # what was told last; None while somebody speaks
        self._noise_told_s = 0.0
        self._sequence = 0
        self._sent_packets = self._sent_bytes = 0
        self._may_repeat = True
        self._lost_there = 0
        self._loss_seen_s = time.monotonic()
        self._received = _Received()
        self._received_bytes = 0
        self._bad = 0
        self._reported_s = time.monotonic()
        self._buffer = SoundBuffer()

    def attach(self, transport: RTCDtlsTransport) -> None:
        """Use this connection; called by the peer, before it meets the other."""
        self._port = RtpPort(
            transport, source=SOURCE, on_packet=self._take_packet, on_report=self._take_report
        )

    def carry(self, riders: Riders) -> None:
        """Take their packets along; called by the peer, before it meets the other."""
        self._riders = riders

    @property
    def leaves_in_s(self) -> float | None:
        """How long it takes at most until the next packet leaves; None while nobody speaks."""
        if not self._spoke or time.monotonic() - self._took_s > STALLED_S:
            return None
        begun = self._encoder if self._parts else None  # which keeps its length, whatever has been set since
        frame_ms = self._frame_ms if begun is None else begun.frame_ms
        return frame_ms / 1000 - BLOCK_S * len(self._parts)

    def set_rate(self, rate_bps: int) -> None:
        """Change the Opus rate from the next packet on. Each change is heard, faintly: make few."""
        if not MIN_RATE_BPS <= rate_bps <= MAX_RATE_BPS:
            raise ValueError(f"sound takes {MIN_RATE_BPS} to {MAX_RATE_BPS} bit/s, not {rate_bps}")
        self._rate_bps = rate_bps

    def set_frame_ms(self, frame_ms: int) -> None:
        """Send packets of 20 or 60 ms from the next one on."""
        if frame_ms not in FRAMES_MS:
            raise ValueError(f"a packet holds {FRAMES_MS[0]} or {FRAMES_MS[1]} ms, not {frame_ms}")
        self._frame_ms = frame_ms

    def set_repetition(self, on: bool) -> None:
        """Repeat what was sent while packets get lost, or never: where a line has no room for it."""
        self._may_repeat = on

    @property
    def loses(self) -> bool:
        """Whether packets of this side got lost lately; at first nothing is known, and they may."""
        return time.monotonic() - self._loss_seen_s < CLEAN_S

    @property
    def hold_s(self) -> float:
        """How much longer than needed received sound waits, so that a slower picture can keep step."""
        return self._buffer.hold_s

    @hold_s.setter
    def hold_s(self, hold_s: float) -> None:
        self._buffer.hold_s = hold_s

    def send(self, block: Samples, rtp: int) -> None:
        """Send 20 ms, int16[960] at 48 kHz; `rtp` is the time of the first sample, modulo 2^32."""
        if self._port is None or not self._port.is_open:
            return
        if self._parts and rtp != (self._began + BLOCK_SAMPLES * len(self._parts)) % TIME_CYCLE:
            self._parts, self._speaks = [], False  # the microphone has leapt
        if not self._parts:
            self._began = rtp
            if self._encoder is None or (self._encoder.rate_bps, self._encoder.frame_ms) != (
                self._rate_bps,
                self._frame_ms,
            ):
                self._encoder = Encoder(self._rate_bps, self._frame_ms)
        assert self._encoder is not None
        self._took_s = time.monotonic()
        self._speaks |= self._activity.take(block)
        self._parts.append(block)
        if BLOCK_SAMPLES * len(self._parts) == self._encoder.samples:
            # Silence is coded as well, so that the coder is in step when somebody speaks.
            data = self._encoder.encode(np.concatenate(self._parts))
            self._put(Block(self._began, self._encoder.samples, data))
            self._parts, self._speaks = [], False

    def pull(self, now_s: float) -> Heard:
        """Return the next 20 ms of the other side, as far as they have come until `now_s` (monotonic)."""
        return self._buffer.pull(now_s)

    def due_s(self, rtp: int) -> float | None:
        """Say when `pull` would give a moment of the other side's, if nothing were held; None: nothing has come yet."""
        return self._buffer.due_s(rtp)

    def stats(self) -> SoundStats:
        """Return the counters as they stand; may be called after the connection's end."""
        counts = self._buffer.counts
        return SoundStats(
            sent_packets=self._sent_packets,
            sent_bytes=self._sent_bytes,
            received_packets=self._received.packets,
            received_bytes=self._received_bytes,
            lost=self._received.lost,
            repeated=counts.repeated,
            late=counts.late,
            concealed=counts.concealed,
            bad=self._bad,
            delay_s=self._buffer.delay_s + self._buffer.hold_s,
            loss=self._received.share,
            repeating=self._repeats,
        )

    @property
    def _repeats(self) -> bool:
        return self._may_repeat and self.loses

    def _put(self, block: Block) -> None:
        """Send a block of speech, or where nobody speaks the noise's loudness if that is due."""
        self._spoke = self._speaks
        if self._speaks:
            self._noise_db = None
        else:
            now_s = time.monotonic()
            noise_db = round(self._activity.noise_db)
            told_db = self._noise_db
            changed = told_db is None or abs(told_db - noise_db) >= NOISE_STEP_DB
            if not changed and now_s - self._noise_told_s < NOISE_S:
                if self._riders is not None:
                    self._riders.stay_behind()
                return
            self._noise_db, self._noise_told_s = noise_db, now_s
            block = Block(block.rtp, 0, bytes([-noise_db]))
        before = self._before
        near = before is not None and before.samples and (block.rtp - before.rtp) % TIME_CYCLE <= MAX_OFFSET
        blocks = (before, block) if before is not None and near and self._repeats else (block,)
        riders = () if self._riders is None else self._riders.board(room_bytes(blocks))
        packet = write_packet(SoundPacket(self._sequence, blocks, riders))
        self._before = block
        self._sequence = (self._sequence + 1) % SEQUENCE_CYCLE
        self._sent_packets += 1
        self._sent_bytes += len(packet) - riders_bytes(riders)
        assert self._port is not None
        self._port.send(packet)

    def _take_packet(self, data: bytes) -> None:
        now_s = time.monotonic()
        try:
            packet = read_packet(data)
        except SoundPacketError:
            self._bad += 1
            return
        self._received_bytes += len(data) - riders_bytes(packet.riders)
        self._received.add(packet.sequence)
        if self._riders is not None:
            for rider in packet.riders:
                self._riders.arrive(rider)
        *before, newest = packet.blocks
        # The newest first: where both are new the older one is the repetition.
        self._buffer.push(newest, now_s)
        for block in before:
            self._buffer.push(block, now_s, repeated=True)
        if now_s - self._reported_s >= REPORT_S and self._port is not None:
            self._reported_s = now_s
            self._port.send(write_report(self._received.report()))

    def _take_report(self, data: bytes) -> None:
        try:
            report = read_report(data)
        except SoundPacketError:
            self._bad += 1
            return
        if report.lost > self._lost_there:
            self._loss_seen_s = time.monotonic()
        self._lost_there = report.lost


class _Received:
    """Which packets came, by their numbers."""

    def __init__(self) -> None:
        self.packets = 0
        self.share = 0.0  # of the packets between the last two reports that were lost
        self._first: int | None = None
        self._newest = 0  # goes on counting
        self._recent = 0  # bit i: packet newest - i came
        self._before = (0, 0)  # expected and lost at the last report

    @property
    def lost(self) -> int:
        """How many did not come; those that come late are taken back."""
        return 0 if self._first is None else max(self._newest - self._first + 1 - self.packets, 0)

    def add(self, sequence: int) -> None:
        """Note a packet's number, modulo 2^16."""
        if self._first is None:
            self._first = self._newest = sequence
        half = SEQUENCE_CYCLE // 2
        ahead = (sequence - self._newest + half) % SEQUENCE_CYCLE - half
        if ahead > 0:
            self._newest += ahead
            self._recent = (self._recent << min(ahead, 64)) & (1 << 64) - 1
            ahead = 0
        if -ahead < 64 and not self._recent >> -ahead & 1:
            self._recent |= 1 << -ahead
            self.packets += 1

    def report(self) -> Report:
        """Say what was lost until now."""
        expected = 0 if self._first is None else self._newest - self._first + 1
        lost = self.lost
        expected_before, lost_before = self._before
        self._before = expected, lost
        self.share = max(lost - lost_before, 0) / max(expected - expected_before, 1)
        return Report(lost, self.share, self._newest % TIME_CYCLE)
