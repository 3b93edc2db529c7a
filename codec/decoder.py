"""The receiving side's state machine: packets in, motions with continuous capture times out.

It remembers the newest capture time only, so a lost packet costs nothing but itself. It does not know when a
motion is to be shown.
"""

from dataclasses import dataclass

from codec import static
from codec.errors import BitstreamError
from codec.format import MotionFormat
from codec.motion import Motion
from codec.packet import Kind, read_header
from codec.time import Unwrapper


@dataclass(frozen=True)
class DecodedMotion:
    """A motion with its capture time, in continuous ticks of 1/60 s, and its source picture's number, 0..3."""

    ticks: int
    source: int
    motion: Motion


class MotionDecoder:
    """Decodes the packets of one sender, whichever of them arrive and in whatever order."""

    def __init__(self, motion_format: MotionFormat) -> None:
        self._format = motion_format
        self._unwrapper = Unwrapper()

    def decode(self, packet: bytes) -> list[DecodedMotion]:
        """Return the packet's motions, oldest first (a static packet holds one).

        Raises BitstreamError, and nothing else, for bytes that are no such packet; the state is then as
        before.
        """
        header, code = read_header(packet)
        if header.left_out > self._format.keypoints:
            raise BitstreamError(
                f"{header.left_out} of {self._format.keypoints} keypoints cannot be left out"
            )
        keypoints = self._format.keypoints - header.left_out
        rounding = header.kind is Kind.STATIC
        motion = static.decode(code, self._format, rounding=rounding, keypoints=keypoints)
        return [DecodedMotion(self._unwrapper.unwrap(header.ticks), header.source, motion)]
