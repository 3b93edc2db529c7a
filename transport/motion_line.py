"""Motion and reports on the wire: each at once and once, in RTP packets with 50 bytes of headers (IP, UDP, RTP, SRTP)
where a data channel's have 85 and want acknowledgements; or along with sound, in 4. Knows the rhythm of what is sent,
and not what it says."""

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

from aiortc import RTCDtlsTransport

from transport.motion_packet import (
    MAX_PAYLOAD_BYTES,
    SOURCE,
    MotionPacket,
    MotionPacketError,
    read_packet,
    write_packet,
)
from transport.rtp_port import RtpPort
from transport.sound_packet import MAX_BLOCK_BYTES, MOST_RIDERS, riders_bytes

# A report rides with the next motion, in 27 bytes instead of 76, where that is due soon enough: nothing waits for
# longer, nor where it is due later than that.
RIDE_S = 0.06
LATE_S = 0.02  # by so much later than due the motion, or the sound, may come


class Carrier(Protocol):
    """What has packets of its own in which others may ride: `transport.sound.SoundLine`."""

    @property
    def leaves_in_s(self) -> float | None:
        """How long it takes at most until the next one leaves; None where none is about to."""


class MotionLine:
    """One connection's motion and reports, each way; on the event loop. Make it before the connection is begun.

    `sent`, `dropped` and `received` count motion packets. on_motion, on_report: called with each that comes.
    """

    def __init__(
        self,
        transport: RTCDtlsTransport,
        *,
        on_motion: Callable[[bytes], None],
        on_report: Callable[[bytes], None],
    ) -> None:
        self.sent = self.dropped = self.received = 0
        self._loop = asyncio.get_running_loop()
        self._on_motion, self._on_report = on_motion, on_report
        self._port = RtpPort(transport, source=SOURCE, on_packet=self._take, on_report=_forget)
        self._sequence = 0
        self._went_s, self._beat_s = (
            -math.inf,
            math.inf,
        )  # the last motion, and the time from the one before to it
        self._report = b""  # what waits for the next one
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False
        self._carrier: Carrier | None = None
        self._rides = False  # the last motion did
        self._riders: list[MotionPacket] = []  # what waits for the carrier
        self._departure: asyncio.TimerHandle | None = None  # of those, should it not come

    def begin(self) -> None:
        """Send and take from now on: the connection stands."""
        self._is_open = True

    def ride_on(self, carrier: Carrier) -> None:
        """Let motion that may ride do so here; the carrier calls `board` or `stay_behind`, and `arrive` at the other
        end."""
        self._carrier = carrier

    def send(self, motion: bytes, *, rides: bool = False) -> bool:
        """Send a motion packet, and what waits to ride with it; False where the connection is not open.

        Where it `rides` it goes with the next packet of sound, if one is about to leave.
        """
        if not self._is_open:
            self.dropped += 1
            return False
        self._rides = rides
        if self._wait(MotionPacket(motion=motion)):
            self.sent += 1
            return True
        self.stay_behind()  # what was sent before does not come after
        now_s = self._loop.time()
        self._went_s, self._beat_s = now_s, now_s - self._went_s
        if self._report and 1 + len(self._report) + len(motion) > MAX_PAYLOAD_BYTES:
            self._send_report()
        self._put(MotionPacket(motion=motion, report=self._take_report()))
        self.sent += 1
        return True

    def send_report(self, report: bytes) -> None:
        """Send a report with sound where motion rides, with the next motion, or alone where none is due; nothing where
        the connection is not open."""
        if not self._is_open:
            return
        self._send_report()  # the one that waits, if there is one
        if self._wait(MotionPacket(report=report)):
            return
        due_s = self._went_s + self._beat_s + LATE_S - self._loop.time()
        self._report = report
        if 0 < due_s <= RIDE_S:
            self._timer = self._loop.call_later(due_s, self._send_report)
        else:
            self._send_report()

    def board(self, room_bytes: int) -> tuple[MotionPacket, ...]:
        """Return what goes with the packet of sound that leaves now and has room for so much; the rest goes alone."""
        riders = tuple(self._riders)
        while riders and riders_bytes(riders) > room_bytes:
            riders = riders[:-1]
        del self._riders[: len(riders)]
        self.stay_behind()
        return riders

    def stay_behind(self) -> None:
        """Send what waits for sound by itself: none leaves for now."""
        if self._departure is not None:
            self._departure.cancel()
            self._departure = None
        waiting, self._riders = self._riders, []
        for rider in waiting:
            self._put(rider)

    def arrive(self, rider: MotionPacket) -> None:
        """Take what came along with the other side's sound."""
        if self._is_open:
            self._deliver(rider)

    def stop(self) -> None:
        """Send and take nothing any more."""
        self._take_report()
        self._riders.clear()
        self.stay_behind()
        self._is_open = False

    def _wait(self, rider: MotionPacket) -> bool:
        """Let something wait for the next packet of sound; False where none is about to leave, or has room."""
        leaves_in_s = self._carrier.leaves_in_s if self._rides and self._carrier is not None else None
        if leaves_in_s is None or len(self._riders) == MOST_RIDERS:
            return False
        if len(rider.motion) + len(rider.report) > MAX_BLOCK_BYTES:
            return False
        self._riders.append(rider)
        if self._departure is None:
            self._departure = self._loop.call_later(leaves_in_s + LATE_S, self.stay_behind)
        return True

    def _send_report(self) -> None:
        if self._report:
            self._put(MotionPacket(report=self._take_report()))

    def _take_report(self) -> bytes:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        report, self._report = self._report, b""
        return report

    def _put(self, packet: MotionPacket) -> None:
        self._port.send(write_packet(packet, sequence=self._sequence, at_s=self._loop.time()))
        self._sequence += 1

    def _take(self, data: bytes) -> None:
        if not self._is_open:
            return
        try:
            packet = read_packet(data)
        except MotionPacketError:
            return  # none of ours
        self._deliver(packet)

    def _deliver(self, packet: MotionPacket) -> None:
        if packet.report:
            self._loop.call_soon(self._on_report, packet.report)
        if packet.motion:
            self.received += 1
            self._loop.call_soon(self._on_motion, packet.motion)


def _forget(report: bytes) -> None:
    """Take no interest in what RTCP says: reports of ours say more."""
