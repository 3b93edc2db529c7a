"""The ordinary video of a call, across lost lines: which way it passes now, and how much of a limit it may take.

A `VideoLink` lives as long as the call; each connection has a `VideoLine`, and `use` lets video pass over it. It knows
no camera: whole frames are put in, and what the other side sends is handed on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.talker import Picture
    from transport.video import VideoLine

# Below this a face is all blocks, and redrawn it is far better.
LEAST_KBPS = 150.0
# What sound and everything else takes of a limit, at most: Opus at 16 kbit/s in packets of 60 ms, said twice.
BESIDE_BPS = 40_000.0
TOO_NARROW = (
    "Ordinary video needs {least:.0f} kbit/s, and at most {allowed:.0f} are allowed here: "
    "raise the limit, or leave the thrifty setting, then try again."
)
BACK_TO_REDRAWN = "That is too little for ordinary video: your face is redrawn again."


def refusal(allowed_kbps: float | None) -> str | None:
    """Say why ordinary video cannot be sent under a limit on all that is sent; None where it can."""
    if allowed_kbps is None or allowed_kbps >= LEAST_KBPS:
        return None
    return TOO_NARROW.format(least=LEAST_KBPS, allowed=allowed_kbps)


class VideoLink:
    """A call's ordinary video; on the event loop, but for `put`.

    on_picture: called on the event loop with each of the other side's pictures (uint8 HxWx3 RGB). on_frame: called with
    each own picture that is put in, and when it was captured.
    """

    def __init__(
        self,
        *,
        on_picture: Callable[[Picture], None],
        on_frame: Callable[[Picture, float], None] = lambda picture, captured_s: None,
    ) -> None:
        self.shown = 0  # pictures of the other side's, over all lines
        self._on_picture = on_picture
        self._on_frame = on_frame
        self._line: VideoLine | None = None
        self._sends = self._receives = False
        self._limit_bps: float | None = None

    def use(self, line: VideoLine) -> None:
        """Let video pass over this line from now on."""
        before, self._line = self._line, line
        if before is not None and before is not line:
            before.send(False)
            before.receive(False)
        self.limit(self._limit_bps)
        self.send(self._sends)
        self.receive(self._receives)

    def send(self, on: bool) -> None:
        """Send what is put in, or nothing."""
        self._sends = on
        if self._line is not None:
            self._line.send(on)

    def receive(self, on: bool) -> None:
        """Expect the other side's video, or not."""
        self._receives = on
        if self._line is not None:
            self._line.receive(on, self._show)

    def limit(self, limit_bps: float | None) -> None:
        """Leave to video what a limit on all that is sent has beside the rest; None: what the line takes."""
        self._limit_bps = limit_bps
        if self._line is not None:
            rate_bps = None if limit_bps is None else max(limit_bps - BESIDE_BPS, 0.0)
            self._line.limit(rate_bps, limit_bps=limit_bps)

    def put(self, picture: Picture, captured_s: float) -> None:
        """Send a whole frame (uint8 HxWx3 RGB, captured at monotonic seconds); from any thread."""
        self._on_frame(picture, captured_s)
        if (line := self._line) is not None:
            line.put(picture, captured_s)

    def _show(self, picture: Picture) -> None:
        self.shown += 1
        self._on_picture(picture)
