"""How long a round trip takes, from what is answered at once: control messages by SCTP, and what ICE asks every few
seconds. It knows neither."""

from collections import deque

# The shortest of so many newest round trips counts, as in LEDBAT (RFC 6817, CURRENT_FILTER).
ROUND_TRIPS = 4


class RoundTrips:
    """The newest round trips of a connection, in seconds."""

    def __init__(self) -> None:
        self._newest_s: deque[float] = deque(maxlen=ROUND_TRIPS)

    def note(self, round_trip_s: float) -> None:
        """Note one more."""
        self._newest_s.append(round_trip_s)

    @property
    def shortest_s(self) -> float | None:
        """What the line takes as it is now; None before anything was answered."""
        return min(self._newest_s, default=None)
