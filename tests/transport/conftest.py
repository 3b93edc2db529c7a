"""Two peers on this machine's own sockets, apart or connected, and limits that no slow machine oversteps."""

from collections.abc import AsyncIterator, Iterator

import pytest
from transport_sides import Pair, Side

from tests.patience import PATIENCE_S
from transport import consent, listening, room_line, rooms, serve, signalling
from transport import peer as peer_module
from transport.meet import connect_in_process


@pytest.fixture(autouse=True)
def slow_machine() -> Iterator[None]:
    """Everything is waited for much longer than a person would; who tests a limit sets it.

    Nobody asks for consent meanwhile, so that what two sides say to each other is what a test has them say.
    """
    # A context of its own, so that what a test itself replaces is back in its place when its peers are closed.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consent, "ASK_S", 10 * PATIENCE_S)
        patch.setattr(consent, "EXPIRES_S", 20 * PATIENCE_S)
        patch.setattr(peer_module, "LINE_LOST_S", PATIENCE_S)
        patch.setattr(peer_module, "CLOSE_LIMIT_S", PATIENCE_S)
        patch.setattr(listening, "BODY_TIMEOUT_S", PATIENCE_S)
        patch.setattr(rooms, "EXCHANGE_LIMIT_S", PATIENCE_S)
        patch.setattr(serve, "ENTER_LIMIT_S", PATIENCE_S)
        patch.setattr(serve, "SEND_LIMIT_S", PATIENCE_S)
        for module in (rooms, room_line):
            patch.setattr(module, "REACH_LIMIT_S", PATIENCE_S)
        for module in (serve, room_line):
            patch.setattr(module, "HEARTBEAT_S", 2 * PATIENCE_S)
        for function in (signalling.offer, signalling.post_offer, connect_in_process):
            patch.setitem(function.__kwdefaults__, "timeout_s", PATIENCE_S)
        yield


@pytest.fixture
async def apart() -> AsyncIterator[Pair]:
    """Two peers that have not met."""
    left, right = Side(), Side()
    yield left, right
    await left.peer.close()
    await right.peer.close()


@pytest.fixture
async def pair(apart: Pair) -> Pair:
    """Two connected peers."""
    await connect_in_process(apart[0].peer, apart[1].peer)
    return apart
