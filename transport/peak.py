"""The fullest few seconds of a line, exactly: what a limit is held against. Knows no sockets."""

from collections import deque

PEAK_S = 5.0


class Peak:
    """Learns of packets in their order, and remembers the most bytes of any `PEAK_S` seconds."""

    def __init__(self) -> None:
        self.most_bytes = 0
        self._within: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def add(self, size: int, at_s: float) -> None:
        """Count a packet of so many bytes at this time, in seconds of any steady clock."""
        while self._within and self._within[0][0] <= at_s - PEAK_S:
            self._bytes -= self._within.popleft()[1]
        self._within.append((at_s, size))
        self._bytes += size
        self.most_bytes = max(self.most_bytes, self._bytes)

    @property
    def rate_bps(self) -> float:
        """The highest rate over `PEAK_S` seconds; a shorter time counts as if nothing had come before."""
        return 8 * self.most_bytes / PEAK_S
