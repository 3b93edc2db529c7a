"""How two peers of one process meet: the descriptions pass in memory, the datagrams through real sockets."""

import asyncio

from transport.peer import Peer


async def connect_in_process(peer_a: Peer, peer_b: Peer, *, timeout_s: float = 10.0) -> None:
    """Connect `peer_a` (who offers) to `peer_b`. Raises `TransportError` when they cannot."""
    answer = await peer_b.accept(await peer_a.create_offer())
    await peer_a.complete(answer)
    await asyncio.gather(peer_a.connected(timeout_s), peer_b.connected(timeout_s))
