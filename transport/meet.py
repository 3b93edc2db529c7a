"""How two peers of one process meet: the descriptions pass in memory, the datagrams through real sockets."""

import asyncio

from transport.peer import Peer
from transport.relay import Relay


async def connect_in_process(
    peer_a: Peer, peer_b: Peer, *, relay: Relay | None = None, timeout_s: float = 10.0
) -> None:
    """Connect `peer_a` (who offers) to `peer_b`, through `relay` if one is given.

    Raises `TransportError` when they cannot.
    """
    offer = await peer_a.create_offer()
    answer = await peer_b.accept(offer if relay is None else await relay.stand_in(offer))
    await peer_a.complete(answer if relay is None else await relay.stand_in(answer))
    await asyncio.gather(peer_a.connected(timeout_s), peer_b.connected(timeout_s))
