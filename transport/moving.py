"""How a connection goes on from another address of this machine, without a new handshake (touches private parts of
aioice 0.13, as `transport.wire` does).

A check from the new address proves with the connection's own password who it is. The other side, whichever of the two
controls, answers it with a check of its own and sends there from then on (RFC 8445, section 7.3.1), while encryption
and association stay as they are. What the connection carries is not known here.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aioice.candidate import Candidate
from aioice.ice import CandidatePair, Connection, StunProtocol, get_host_addresses

from transport.reach import is_own_address

LOOK_S = 0.1
# A check is sent at once and again after 0.5 and 1.5 s, then ever more rarely: where nothing passes yet it begins anew.
AGAIN_S = 2.0


async def follow(
    connection: Connection,
    open_at: Callable[[list[str]], Awaitable[object]],
    *,
    has_moved: Callable[[], bool],
) -> None:
    """Send from the addresses that this machine has now, or gets, until one of them has taken the lost one's place.

    open_at: opens sockets of the connection at these addresses. has_moved: whether the address in use is lost; no more
    where the connection has ended. Cancelling is clean.
    """
    loop = asyncio.get_running_loop()
    tried_s = float("-inf")
    try:
        while has_moved():
            known = {protocol.local_candidate.host for protocol in connection._protocols}
            addresses = get_host_addresses(connection._use_ipv4, connection._use_ipv6)
            if fresh := [address for address in addresses if address not in known]:
                await open_at(fresh)
                tried_s = float("-inf")
            if loop.time() - tried_s >= AGAIN_S:
                tried_s = loop.time()
                _check(connection)
            await asyncio.sleep(LOOK_S)
    finally:
        # Another pair that answers later must not take the place of the one that was first.
        for pair in connection._check_list:
            if pair.task is not None:
                pair.task.cancel()
                pair.task = None


def _check(connection: Connection) -> None:
    """Ask for an answer between each socket whose address is there and each address of the other side's."""
    for protocol in connection._protocols:
        local = protocol.local_candidate
        if local.type != "host" or not is_own_address(local.host):
            continue
        for remote in connection._remote_candidates:
            if local.can_pair_with(remote):
                _check_pair(connection, protocol, remote)


def _check_pair(connection: Connection, protocol: StunProtocol, remote: Candidate) -> None:
    pair = connection._find_pair(protocol, remote)
    if pair is None:
        pair = CandidatePair(protocol, remote)
        connection._check_list.append(pair)
    if pair.task is not None:
        pair.task.cancel()
        pair.task = None
    pair.state = CandidatePair.State.WAITING
    connection.check_start_task(pair)
