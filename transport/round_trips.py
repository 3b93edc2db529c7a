"""How long a round trip takes, from what is answered at once: control messages by SCTP, and what ICE asks every few
seconds. It knows neither."""

import time
from collections import deque

# The shortest of so many newest round trips counts, as in LEDBAT (RFC 6817, CURRENT_FILTER), and none that is so old
# where there is a newer one: lines change.
ROUND_TRIPS, KEPT_S = 4, 1.0


class RoundTrips:
    """The newest round trips of a connection, in seconds."""

    def __init__(self) -> None:
        self._newest: deque[tuple[float, float]] = deque(maxlen=ROUND_TRIPS)  # when, and how long

    def note(self, round_trip_s: float) -> None:
        """Note one more, which ends now."""
        now_s = time.monotonic()
        self._newest.append((now_s, round_trip_s))
        while self._newest[0][0] < now_s - KEPT_S:
            self._newest.popleft()

    @property
    def shortest_s(self) -> float | None:
        """What the line takes as it is now; None before anything was answered."""
        return min((round_trip_s for _, round_trip_s in self._newest), default=None)
