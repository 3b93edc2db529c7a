"""The ways in which motion can be sent: what each costs on the wire, and how good a call it makes for all that is lost.

Scattered losses make the repetition of motions in the packets that follow worth its bytes, runs of losses more packets
as well, since the receiver bridges a gap only once something comes behind it. Knows neither what the line carries nor
which way is chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Literal

from codec.packet import MAX_FRAMES

Mode = Literal["static", "predictive"]

# At the IP layer with IPv6, where it is dearest: IP and UDP 48, RTP 12, SRTP's tag 10.
PACKET_BYTES = 48 + 12 + 10
RIDER_BYTES = 4  # where it rides in a packet of sound
HEADER_BYTES = 4
# Payload of a frame: predictive, the first of a packet and those that follow it, new or repeated.
FIRST_BYTES = 20
NEXT_BYTES = 12
FAR_BYTES = 14  # two frames apart
STATIC_BYTES = {None: 36, 10: 24}  # by K'
# Consent checks, clock messages, reports on the other direction that ride along.
OVERHEAD_BPS = 1_500.0

# The receiver waits for so long at most until it can bridge a gap (`receiver.clock.MAX_DELAY_S`), and as long as it
# takes for all but so many moments.
LONGEST_WAIT_S = 0.25
UNBRIDGED = 0.01

# What a viewer loses, in seconds of latency: if the face stood still all the time; if every motion were interpolated;
# half the frames; expression cut to fewer keypoints.
FROZEN_S = 8.0
INTERPOLATED_S = 0.2
SLOW_S = 0.05
COARSE_S = 0.03
# What 100 kbit/s are worth to the person who pays for them.
PRICE_S = 0.08


@dataclass(frozen=True)
class OperatingPoint:
    """One way to send: each `every`th of the camera's frames, `bundle` (1 to 4) to a packet, which repeats `repeat`
    motions before them, each `back`th; `keypoints` is K', None for as many as show. Each packet goes `copies` times, at
    even distances until the next one. Where it `rides`, it goes along with sound while somebody speaks."""

    mode: Mode
    every: int
    bundle: int
    repeat: int
    keypoints: int | None
    back: int = 1
    copies: int = 1
    rides: bool = False

    @property
    def payload_bytes(self) -> int:
        """What a packet carries, without its header."""
        if self.mode == "static":
            return STATIC_BYTES[self.keypoints]
        again = (NEXT_BYTES if self.back == 1 else FAR_BYTES) * self.repeat
        return FIRST_BYTES + NEXT_BYTES * (self.bundle - 1) + again

    def wire_bps(self, camera_fps: float) -> float:
        """Return what it costs at the IP layer in the direction of motion, in bit/s, in packets of its own."""
        return self._bps(camera_fps, PACKET_BYTES)

    def riding_bps(self, camera_fps: float) -> float:
        """Return what it costs along with sound."""
        return self._bps(camera_fps, RIDER_BYTES)

    def _bps(self, camera_fps: float, around_bytes: int) -> float:
        packets_per_s = self.copies * camera_fps / self.every / self.bundle
        return packets_per_s * 8 * (around_bytes + HEADER_BYTES + self.payload_bytes) + OVERHEAD_BPS

    def worth_s(self, camera_fps: float, loss: float, burst: float = 1.0, *, ride_s: float = 0.0) -> float:
        """Return how good a call it makes: higher is better, 0 is perfect (seconds).

        loss: share of packets lost; burst: the mean length of a run of lost ones, as in Gilbert's model, of which a run
        goes on with the same chance after each packet. ride_s: how long a packet of sound lasts.
        """
        frame_s = self.every / camera_fps
        packet_s = frame_s * self.bundle
        apart_s = packet_s / self.copies
        late_s = frame_s * (self.bundle - 1) + frame_s / 2 * (self.every - 1)
        if self.rides:
            # It waits for up to a packet of sound, and all that is in one is lost together.
            apart_s, late_s = max(apart_s, ride_s), late_s + ride_s
        goes_on = max(1 - 1 / max(burst, 1.0), loss)
        wait_s, frozen = _bridging(loss, goes_on, apart_s=apart_s, most_s=LONGEST_WAIT_S - late_s)
        lost = loss * goes_on ** (self.copies - 1)
        # A repetition that comes after its moment is of no use.
        reach = min(self.repeat // self.bundle * self.back, int(wait_s / packet_s) + 1)
        if self.rides:
            reach = int(reach * packet_s / apart_s)
        interpolated = lost * goes_on ** (self.copies * reach)
        coarse_s = COARSE_S * (self.keypoints is not None)
        return -(
            late_s
            + wait_s
            + FROZEN_S * frozen
            + INTERPOLATED_S * interpolated
            + SLOW_S * (self.every - 1)
            + coarse_s
            + PRICE_S * self.wire_bps(camera_fps) / 100_000
        )


def _bridging(loss: float, goes_on: float, *, apart_s: float, most_s: float) -> tuple[float, float]:
    """Return for how long a receiver waits so that gaps can be bridged, and the share of moments that are not.

    Of all moments the share `loss` x `goes_on` ** n is still in a gap n packets after the gap began.
    """
    if loss <= UNBRIDGED or goes_on <= 0:
        return 0.0, loss
    wait_s = min(apart_s * math.log(UNBRIDGED / loss) / math.log(goes_on), most_s) if goes_on < 1 else most_s
    return wait_s, loss * goes_on ** (wait_s / apart_s)


# A packet of static motions holds one and repeats none: that is what predictive coding is for, and there it is four at
# most, old and new. What stands alone is dear, so that on a narrow line it must be rare. Copies of a packet with more
# than one new motion would cost what packets with one do, and come later.
OPERATING_POINTS = (
    *(
        OperatingPoint("static", every, 1, 0, keypoints)
        for every, keypoints in product((1, 2, 4), STATIC_BYTES)
    ),
    *(OperatingPoint("static", 1, 1, 0, None, 1, copies) for copies in (2, 3)),
    *(
        OperatingPoint("predictive", every, bundle, times * bundle, None)
        for every, bundle, times in product((1, 2, 4), (1, 2, 3, 4), (0, 1, 2))
        if bundle * (1 + times) <= MAX_FRAMES
    ),
    *(
        OperatingPoint("predictive", 1, 1, repeat, None, back, copies)
        for repeat, back, copies in product((0, 1, 2, 3), (1, 2), (1, 2, 3))
        if (back, copies) != (1, 1) and (repeat or back == 1)
    ),
    # Copies would meet in one packet of sound.
    *(
        OperatingPoint("predictive", every, bundle, times * bundle, None, rides=True)
        for every, bundle, times in product((1, 2), (1, 2, 3), (0, 1, 2, 3))
        if bundle * (1 + times) <= MAX_FRAMES
    ),
)
