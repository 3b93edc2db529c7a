"""From motions to packets, in the mode that both sides can: `Static` gives every motion a packet of its own,
`Predictive` gathers bundles and codes them against what the receiver has said it holds. They know capture times and
the codec; how packets leave is the delivery's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from codec.bundle import MAX_SPACING
from codec.encoder import MotionEncoder
from codec.format import MotionFormat
from codec.motion import Motion
from codec.predictive_encoder import Capture, PredictiveEncoder
from codec.static import visible_keypoints
from codec.time import TICKS_PER_SECOND
from sender.errors import SenderError
from sender.present import SLOT

Mode = Literal["auto", "static", "predictive"]


@dataclass(frozen=True)
class Packet:
    """What goes out at once: the bytes, and how many frames are in them."""

    data: bytes
    frames: int


class Coder(Protocol):
    """What `Static` and `Predictive` have in common."""

    mode: str

    def put(self, motion: Motion, captured_s: float) -> list[Packet]:
        """Take a motion; return what is to be sent now."""

    def flush(self) -> list[Packet]:
        """Return what was held back: no motion follows for now."""

    def acknowledge(self, ticks: int) -> None:
        """Learn that the receiver holds the motion of this time, 0..4095."""


class Static:
    """Every packet stands alone. keypoints: K'; where it is None, as many as show, or all without rounding."""

    def __init__(self, motion_format: MotionFormat, *, rounding: bool, keypoints: int | None) -> None:
        self.mode = "static" if rounding else "static, not rounded"
        self._format = motion_format
        self._encoder = MotionEncoder(motion_format, rounding=rounding)
        self._adaptive = rounding and keypoints is None
        self._keypoints = keypoints

    def put(self, motion: Motion, captured_s: float) -> list[Packet]:
        """Return the motion's packet."""
        keypoints = visible_keypoints(motion, self._format) if self._adaptive else self._keypoints
        data = self._encoder.encode(motion, captured_s=captured_s, source=SLOT, keypoints=keypoints)
        return [Packet(data, 1)]

    def flush(self) -> list[Packet]:
        """Return nothing: nothing is held back."""
        return []

    def acknowledge(self, ticks: int) -> None:
        """Do nothing: no packet needs another one."""


class Predictive:
    """Bundles of up to `bundle` motions, 1 to 4, each packet against the newest motion acknowledged."""

    mode = "predictive"

    def __init__(self, motion_format: MotionFormat, *, bundle: int, keypoints: int | None) -> None:
        self._encoder = PredictiveEncoder(motion_format)
        self._bundle = bundle
        self._keypoints = keypoints
        self._waiting: list[Capture] = []

    def put(self, motion: Motion, captured_s: float) -> list[Packet]:
        """Return a packet where the bundle is full, or where the motion is too late for the one begun."""
        packets = []
        if self._waiting:
            apart = round((captured_s - self._waiting[-1].captured_s) * TICKS_PER_SECOND)
            if apart >= MAX_SPACING:
                packets = self.flush()
        self._waiting.append(Capture(motion, captured_s))
        return packets + self.flush() if len(self._waiting) == self._bundle else packets

    def flush(self) -> list[Packet]:
        """Return the bundle as far as it has come."""
        if not self._waiting:
            return []
        captures, self._waiting = self._waiting, []
        return [Packet(self._encoder.encode(captures, source=SLOT, keypoints=self._keypoints), len(captures))]

    def acknowledge(self, ticks: int) -> None:
        """Refer to this motion from now on."""
        self._encoder.acknowledge(ticks)


def make_coder(
    motion_format: MotionFormat,
    *,
    mode: Mode,
    bundle: int,
    rounding: bool,
    keypoints: int | None,
    decodes_predictive: bool,
) -> Coder:
    """Choose the coder: predictive where both sides can and motion is rounded, unless `mode` says otherwise.

    Raises SenderError where predictive coding is wanted and cannot be.
    """
    able = decodes_predictive and motion_format.prediction is not None and rounding
    if mode == "predictive" and not able:
        if not rounding:
            raise SenderError(
                "Predictive coding rounds motion: leave out --no-rounding or --mode predictive."
            )
        raise SenderError("The other side cannot decode predictive packets: leave out --mode predictive.")
    if able and mode != "static":
        return Predictive(motion_format, bundle=bundle, keypoints=keypoints)
    return Static(motion_format, rounding=rounding, keypoints=keypoints)
