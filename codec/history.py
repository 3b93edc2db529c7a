"""The motions that a side can refer to, by capture time: the last ones that came, whatever their order.

Both sides hold one: the receiver of what it has decoded, the sender of what it has sent.
"""

from codec.predictive import State
from codec.time import RESTART_TICKS

KEPT = 64


class History:
    """The states of the last 64 motions, by their continuous capture times; the longest held goes first."""

    def __init__(self) -> None:
        self._states: dict[int, State] = {}
        self._newest: int | None = None

    @property
    def newest(self) -> int | None:
        """The newest motion's time; None before the first."""
        return self._newest

    def __contains__(self, ticks: int) -> bool:
        return ticks in self._states

    def get(self, ticks: int) -> State | None:
        """Return the state of the motion captured at `ticks`, or None where it is not held."""
        return self._states.get(ticks)

    def add(self, ticks: int, state: State) -> None:
        """Hold a motion, in place of one of the same time: a packet that comes twice brings the same state twice."""
        if self._newest is None or ticks > self._newest or self._newest - ticks > RESTART_TICKS:
            self._newest = ticks
        self._states.pop(ticks, None)
        self._states[ticks] = state
        if len(self._states) > KEPT:
            del self._states[next(iter(self._states))]
