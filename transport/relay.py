"""A bad line between two peers of this machine: a UDP relay that stands in each one's description for the other.

Every datagram of the connection goes through it and is dropped, delayed, doubled or held up as
`transport.impairment` decides. The peers do not know of it, and their own counters count what they send. Made
for `visavis loopback` and the tests; both peers must be in reach of one another without it.
"""

import asyncio
import re
from typing import Any

from transport.description import Description
from transport.errors import TransportError
from transport.impairment import ImpairedLine, Impairment, LineCounts
from transport.wire import ip_headers

_CANDIDATE = re.compile(
    r"^a=candidate:(\S+) 1 udp \d+ (\S+) (\d+) typ host\r?$", re.IGNORECASE | re.MULTILINE
)
_CANDIDATE_LINES = re.compile(r"^a=candidate:.*\r?\n", re.MULTILINE)

Address = tuple[str, int]


class Relay:
    """Stands between the peer that offers and the peer that answers; `close` it after they are closed.

    `forward` impairs what the offering peer sends, `back` what comes to it. Runs on the loop in which it was made.
    """

    def __init__(self, forward: Impairment, back: Impairment, *, seed: int = 0) -> None:
        self._loop = asyncio.get_running_loop()
        self.began_s = self._loop.time()  # from which outages are counted
        # Each side's end is a socket that the other peer holds for that side's own.
        self._offerer = _End(self._loop, ImpairedLine(back, seed=f"{seed} back"), self.began_s)
        self._answerer = _End(self._loop, ImpairedLine(forward, seed=f"{seed} forward"), self.began_s)

    @property
    def forward(self) -> LineCounts:
        """The counts of what the offering peer sent."""
        return self._answerer.line.counts

    @property
    def back(self) -> LineCounts:
        """The counts of what came to the offering peer."""
        return self._offerer.line.counts

    async def stand_in(self, description: Description) -> Description:
        """Return a description that leads to this relay in place of the peer that made it.

        Only one of the peer's addresses is kept, so that there is one way and it leads through here. Raises
        `TransportError` where the description names no address of this machine's own network.
        """
        return Description(
            type=description.type,
            sdp=await self.lead_here(description.sdp, offers=description.type == "offer"),
        )

    async def lead_here(self, sdp: str, *, offers: bool) -> str:
        """Do what `stand_in` does with the SDP text of one section of any kind; `offers` where it is an offer."""
        own, other = self._offerer, self._answerer
        if not offers:
            own, other = other, own
        candidates = list(_CANDIDATE.finditer(sdp))
        if not candidates:
            raise TransportError("The relay finds no host address in the session description.")
        # IPv4 where there is one: a local-link IPv6 address would need its interface's name.
        chosen = min(candidates, key=lambda candidate: ":" in candidate[2])
        host, port = chosen[2], int(chosen[3])
        relay_port = await own.open(host, port, replies=other)
        line = chosen[0].replace(f"{host} {port}", f"{host} {relay_port}").rstrip("\r") + "\r\n"
        at = chosen.start() - sum(
            len(match[0]) for match in _CANDIDATE_LINES.finditer(sdp) if match.start() < chosen.start()
        )
        rest = _CANDIDATE_LINES.sub("", sdp)
        return rest[:at] + line + rest[at:]

    def close(self) -> None:
        """Close both sockets; what is under way is lost."""
        self._offerer.close()
        self._answerer.close()


class _End(asyncio.DatagramProtocol):
    """The socket that stands for one peer: what it is sent goes on to that peer, impaired."""

    def __init__(self, loop: asyncio.AbstractEventLoop, line: ImpairedLine, began_s: float) -> None:
        self.line = line
        self._loop = loop
        self._began_s = began_s
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: Address | None = None
        self._replies: _End | None = None

    async def open(self, host: str, port: int, *, replies: "_End") -> int:
        """Stand for the peer at host and port; `replies` is the end that it sends to. Returns the own port."""
        self._peer, self._replies = (host, port), replies
        self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        own: int = self._transport.get_extra_info("sockname")[1]
        return own

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        """Pass a datagram of the other peer on; those of strangers, and of its other addresses, end here."""
        if self._replies is None or address[:2] != self._replies._peer:
            return
        now_s = self._loop.time() - self._began_s
        for arrives_s in self.line.arrivals_s(len(data) + ip_headers(address), now_s):
            if arrives_s <= now_s:
                self._replies._deliver(data, self._peer)
            else:
                self._loop.call_at(self._began_s + arrives_s, self._replies._deliver, data, self._peer)

    def _deliver(self, data: bytes, to: Address | None) -> None:
        """Send from this socket, which the receiving peer holds for the sender."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, to)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
