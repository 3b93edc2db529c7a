"""The receiving side's state machine: packets in, motions with continuous capture times out.

It holds the last 64 motions of predictive packets, so that a packet decodes from the motion that it refers to, and
a lost packet costs nothing but itself. It does not know when a motion is to be shown.
"""

from dataclasses import dataclass

from codec import static
from codec.bundle import read_bundle
from codec.errors import BitstreamError
from codec.format import MotionFormat
from codec.history import History
from codec.motion import Motion
from codec.packet import Header, Kind, read_header
from codec.prediction import fine_from_levels, motion_from_fine
from codec.predictive import origin
from codec.time import TICK_CYCLE, Unwrapper


@dataclass(frozen=True)
class DecodedMotion:
    """A motion with its capture time, in continuous ticks of 1/60 s, and its source picture's number, 0..3; `repeated`
    where its own packet has not come."""

    ticks: int
    source: int
    motion: Motion
    repeated: bool = False


class MotionDecoder:
    """Decodes the packets of one sender, whichever of them arrive and in whatever order."""

    def __init__(self, motion_format: MotionFormat) -> None:
        self._format = motion_format
        self._unwrapper = Unwrapper()
        self._history = History()
        self._acknowledged: int | None = None

    @property
    def acknowledged(self) -> int | None:
        """What the last packet with an acknowledgement said: a time, 0..4095, for `PredictiveEncoder.acknowledge`."""
        return self._acknowledged

    @property
    def newest_ticks(self) -> int | None:
        """The newest motion that predictive packets may refer to, 0..4095: what to acknowledge; None without one."""
        return None if self._history.newest is None else self._history.newest % TICK_CYCLE

    def decode(self, packet: bytes) -> list[DecodedMotion]:
        """Return the packet's motions, oldest first; without those that only a repetition would bring again.

        Raises BitstreamError, and nothing else, for bytes that are no such packet, and for one whose reference is not
        held; the state is then as before.
        """
        header, code = read_header(packet)
        if header.kind is Kind.PREDICTIVE:
            motions = self._decode_bundle(header, code)
        else:
            motions = [self._decode_static(header, code)]
        if header.acknowledged is not None:
            self._acknowledged = header.acknowledged
        return motions

    def _decode_static(self, header: Header, code: bytes) -> DecodedMotion:
        if header.left_out > self._format.keypoints:
            raise BitstreamError(
                f"{header.left_out} of {self._format.keypoints} keypoints cannot be left out"
            )
        keypoints = self._format.keypoints - header.left_out
        rounding = header.kind is Kind.STATIC
        motion = static.decode(code, self._format, rounding=rounding, keypoints=keypoints)
        return DecodedMotion(self._unwrapper.unwrap(header.ticks), header.source, motion)

    def _decode_bundle(self, header: Header, code: bytes) -> list[DecodedMotion]:
        prediction = self._format.prediction
        if prediction is None:
            raise BitstreamError("a predictive packet, and a motion format without prediction")
        first = self._unwrapper.peek(header.ticks)
        reference = origin(prediction)
        if header.distance:
            held = self._history.get(first - header.distance)
            if held is None:
                raise BitstreamError(f"the reference {header.distance} ticks before a motion is not held")
            reference = held
        coded = read_bundle(
            code, reference, frames=header.frames, distance=header.distance, prediction=prediction
        )
        decoded = []
        for one in coded:
            ticks = self._unwrapper.unwrap((header.ticks + one.after) % TICK_CYCLE)
            if one.repeated:
                if ticks in self._history:
                    continue
            else:
                self._history.add(ticks, one.state)
            fine = fine_from_levels(one.state.levels, prediction)
            motion = motion_from_fine(fine, self._format.steps)
            decoded.append(DecodedMotion(ticks, header.source, motion, one.repeated))
        return decoded
