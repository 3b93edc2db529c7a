"""Two peers on this machine's own sockets, apart or connected."""

from collections.abc import AsyncIterator

import pytest
from transport_sides import Pair, Side

from tests.patience import PATIENCE_S
from transport.meet import connect_in_process


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
    await connect_in_process(apart[0].peer, apart[1].peer, timeout_s=PATIENCE_S)
    return apart
