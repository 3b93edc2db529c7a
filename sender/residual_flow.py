"""What bends the receiver's pictures onto the camera's: every few frames one is drawn as the receiver draws it, and the
residual flow from there to what the camera saw goes out with a motion: in real time with the next one, found on a
thread of its own, so that motion never waits for it; in order with its own frame's. It knows neither when a packet goes
nor what else is drawn."""

from __future__ import annotations

import time
from collections.abc import Callable

from codec.flow import MAX_FLOW_BYTES, Flow, encode_flow
from runtime.geometry import Floats
from runtime.residual_flow import FlowFinder, quantise
from runtime.talker import Talker
from sender.beside import Beside
from sender.bring import Seen
from sender.redrawn import draw_from

# Every third frame at 25 a second: the time for three is what a flow may be old without much harm.
PERIOD_S = 0.11
# A line or a machine that allows less has flows more rarely: one that is half a second old brings more than one that is
# four times as coarse. Only beyond this does it get coarser, or, where it is the machine, is none sent.
LONGEST_S = 0.6
# Of one core's time, at most.
LOAD = 0.3
# Frames that this side has left out since the last flow: more is a busy machine, which has no time for flows for so
# long.
MOST_DROPPED, REST_S = 2, 2.0
# Numbers of steps: of a wave over the whole picture a tenth of a pixel of 256, and a quarter. What is coarser than that
# bends hair here and leaves it there; where a line has no room for more, none is better.
FINEST, COARSEST = 5, 8
# What goes into flow on a line that has room: more than almost any flow takes at the finest step.
BUDGET_BYTES_PER_S = 2000.0


class FlowCoder:
    """Codes flows within a budget; one thread at a time.

    bytes_per_s: what may be spent, from any thread.
    """

    def __init__(self) -> None:
        self.bytes_per_s = BUDGET_BYTES_PER_S

    def code(self, coefficients: Floats) -> tuple[bytes | None, float]:
        """Code the flow of coefficients [2, 32, 32] as finely as the budget of LONGEST_S allows, None where it allows
        none; and say for how many seconds it has to last."""
        bytes_per_s = self.bytes_per_s
        most = min(bytes_per_s * LONGEST_S, MAX_FLOW_BYTES)
        for step in range(FINEST, COARSEST + 1):
            try:
                code = encode_flow(Flow(step, quantise(coefficients, step)))
            except ValueError:  # longer than any may be
                continue
            if len(code) <= most:
                return code, max(PERIOD_S, len(code) / bytes_per_s)
        return None, LONGEST_S


class FlowWatch(Beside):
    """Finds the flows of what is offered. on_flow: is told the source picture's slot, a flow's code and the ticks of
    the frame that it was found in, on the thread."""

    def __init__(
        self,
        talker: Talker,
        *,
        dropped: Callable[[], int],
        on_flow: Callable[[int, bytes, int], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        super().__init__("residual-flow", dropped=dropped, on_error=on_error)
        self.coder = FlowCoder()
        self._finder = FlowFinder()
        self._talker = talker
        self._on_flow = on_flow

    def due(self, captured_s: float) -> bool:
        """Say whether the frame captured now should be offered; a busy machine's is not."""
        if self.looking or captured_s < self._next_s or not self._thread.is_alive():
            return False
        dropped = self._dropped()
        if dropped - self._dropped_before > MOST_DROPPED:
            self._next_s = captured_s + REST_S
        self._dropped_before = dropped
        return captured_s >= self._next_s

    def _look(self, seen: Seen) -> None:
        began_s = time.monotonic()
        code, lasts_s = self.coder.code(_find(self._finder, self._talker, seen))
        rests_s = (time.monotonic() - began_s) / LOAD
        self._next_s = seen.captured_s + max(lasts_s, rests_s)
        self.looking = False
        if code is not None and rests_s <= LONGEST_S:
            self._on_flow(seen.held.slot, code, seen.ticks)


class FlowInTurn:
    """Finds the flows of a call in order, which has time for each: a flow goes with the frame that it was found in. One
    thread at a time."""

    def __init__(self, talker: Talker) -> None:
        self._talker = talker
        self._finder, self._coder = FlowFinder(), FlowCoder()
        self._next_s = float("-inf")

    def due(self, captured_s: float) -> bool:
        """Say whether the frame captured now is to have one."""
        return captured_s >= self._next_s

    def find(self, seen: Seen) -> bytes | None:
        """Return the code of a frame's flow, None where none is short enough."""
        code, lasts_s = self._coder.code(_find(self._finder, self._talker, seen))
        self._next_s = seen.captured_s + lasts_s
        return code


def _find(finder: FlowFinder, talker: Talker, seen: Seen) -> Floats:
    source, motion = seen.held.source, seen.motion
    drawn = draw_from(talker, seen, source)
    keypoints = talker.keypoints_of(source.prepared, motion.rotation, motion.translation, motion.expression)
    return finder.find(drawn, seen.picture, keypoints)
