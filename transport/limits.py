"""How much one address may ask of a server. Knows no sockets; the clock is handed in."""

import ipaddress
from collections import defaultdict
from dataclasses import dataclass

# A few households behind one address, each with a call that comes back every other second from a bad line.
MAX_OPEN = 40
OPENINGS, OPENINGS_PER_S = 60.0, 1.0
# A mistyped code now and then, not a search: of 2^40 values an address tries a hundred an hour.
GUESSES, GUESSES_PER_S = 10.0, 1 / 36
# A meeting takes five messages.
MESSAGES, MESSAGES_PER_S = 30.0, 2.0


class Bucket:
    """Holds `size` drops and gets `per_s` new ones a second; full at the start."""

    def __init__(self, size: float, per_s: float) -> None:
        self._size = size
        self._per_s = per_s
        self._drops = size
        self._seen_s: float | None = None

    def level(self, now_s: float) -> float:
        """Return the drops that are there now."""
        if self._seen_s is not None:
            self._drops = min(self._size, self._drops + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        return self._drops

    def take(self, now_s: float) -> bool:
        """Take one drop if there is one."""
        if self.level(now_s) < 1:
            return False
        self._drops -= 1
        return True

    def is_full(self, now_s: float) -> bool:
        """Whether nothing has been taken, or so long ago that it does not matter."""
        return self.level(now_s) >= self._size


class Guesses:
    """How many wrong codes each address may try: `size` at once, and `per_s` more of them a second."""

    def __init__(self, size: float, per_s: float) -> None:
        self._buckets: defaultdict[str, Bucket] = defaultdict(lambda: Bucket(size, per_s))

    def __len__(self) -> int:
        return len(self._buckets)

    def allowed(self, address: str, now_s: float) -> bool:
        """Whether an address may try a code now."""
        bucket = self._buckets.get(household(address))
        return bucket is None or bucket.level(now_s) >= 1

    def count(self, address: str, now_s: float) -> None:
        """Count a wrong one."""
        self._buckets[household(address)].take(now_s)

    def sweep(self, now_s: float) -> None:
        """Forget the addresses that have nothing to answer for any more."""
        for address, bucket in list(self._buckets.items()):
            if bucket.is_full(now_s):
                del self._buckets[address]


@dataclass
class _Visits:
    open: int
    openings: Bucket


class Limits:
    """What each address has done lately; addresses that have been quiet for a while are forgotten by `sweep`."""

    def __init__(self) -> None:
        self._visits: defaultdict[str, _Visits] = defaultdict(
            lambda: _Visits(0, Bucket(OPENINGS, OPENINGS_PER_S))
        )
        self._guesses = Guesses(GUESSES, GUESSES_PER_S)

    def __len__(self) -> int:
        return len(self._visits) + len(self._guesses)

    def open(self, address: str, now_s: float) -> bool:
        """Count a new connection, if the address may have one; `close` it in the end."""
        visits = self._visits[household(address)]
        if visits.open >= MAX_OPEN or not visits.openings.take(now_s):
            return False
        if not self._guesses.allowed(address, now_s):
            return False
        visits.open += 1
        return True

    def close(self, address: str) -> None:
        """Count a connection's end."""
        self._visits[household(address)].open -= 1

    def guess(self, address: str, now_s: float) -> None:
        """Count a wrong code."""
        self._guesses.count(address, now_s)

    def sweep(self, now_s: float) -> None:
        """Forget the addresses that have nothing open and nothing to answer for."""
        self._guesses.sweep(now_s)
        for address, visits in list(self._visits.items()):
            if not visits.open and visits.openings.is_full(now_s):
                del self._visits[address]


def household(address: str) -> str:
    """Return what is counted as one: an IPv4 address, and of an IPv6 one the half that a household is given."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
