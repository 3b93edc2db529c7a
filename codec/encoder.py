"""The sending side's state machine: motions in, packets out.

Static packets need no memory, so all it keeps is the last motion as the receiver will have it. It does not
know what becomes of a packet.
"""

from codec import static
from codec.format import MotionFormat
from codec.motion import Motion
from codec.packet import Header, Kind, write_header
from codec.time import ticks_of


class MotionEncoder:
    """Codes motions, each into a packet of its own.

    Parameters
    ----------
    motion_format
        The profile's steps and tables.
    rounding
        False codes the numbers as fp16 holds them, the paper's scheme, at more than twice the bytes.
    """

    def __init__(self, motion_format: MotionFormat, *, rounding: bool = True) -> None:
        self._format = motion_format
        self._rounding = rounding
        self._last: tuple[Motion, int] | None = None

    @property
    def last(self) -> Motion | None:
        """The last motion as the receiver decodes it, which is what a mirror draws; worked out when asked for."""
        if self._last is None:
            return None
        motion, count = self._last
        return static.quantise(motion, self._format, rounding=self._rounding, keypoints=count)

    def encode(
        self, motion: Motion, *, captured_s: float, source: int, keypoints: int | None = None
    ) -> bytes:
        """Return one packet.

        Parameters
        ----------
        captured_s
            Capture time in seconds of the sender's own monotonic clock.
        source
            Which of the receiver's source pictures to draw from, 0..3.
        keypoints
            K', 0..K: how many offsets to send; all of them where it is None.

        Raises
        ------
        ValueError
            For a motion of another K, or a number outside of its range.
        """
        count = self._format.keypoints if keypoints is None else keypoints
        kind = Kind.STATIC if self._rounding else Kind.STATIC_EXACT
        code = static.encode(motion, self._format, rounding=self._rounding, keypoints=count)
        header = Header(kind, source, self._format.keypoints - count, ticks_of(captured_s))
        self._last = motion, count
        return write_header(header) + code
