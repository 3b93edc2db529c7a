"""Lookups of names that hang, as they do on a line that is cut."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from transport_sides import Side

from transport import names
from transport.description import IceServer

SERVER = "stun.example"


class Lookups:
    """Names are looked up here: each hangs until it is let go of."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = threading.Event()

    def __call__(self, host: str) -> str:
        self.asked += 1
        self.answer.wait()
        return "127.0.0.1"


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lookups]:
    asked = Lookups()
    monkeypatch.setattr(socket, "gethostbyname", asked)
    monkeypatch.setattr(names, "FIRST_S", 0.01)
    monkeypatch.setattr(names, "AGAIN_S", 0.01)
    monkeypatch.setattr(names, "_found", {})
    monkeypatch.setattr(names, "_under_way", {})
    yield asked
    asked.answer.set()


async def test_tries_to_come_back_share_a_lookup_that_hangs_and_leave_the_loop_its_threads(
    lookups: Lookups,
) -> None:
    for _ in range(40):
        side = Side(ice_servers=[IceServer(f"stun:{SERVER}:9")])
        assert "a=candidate:" in (await side.peer.create_offer()).sdp
        await side.peer.close()
    await asyncio.to_thread(lambda: None)
    assert lookups.asked == 1


async def test_what_was_found_is_good_while_the_next_lookup_hangs(
    lookups: Lookups, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await names.address_of(SERVER) is None
    lookups.answer.set()
    monkeypatch.setattr(names, "FIRST_S", 60.0)
    assert await names.address_of(SERVER) == "127.0.0.1"
    lookups.answer.clear()
    assert await names.address_of(SERVER) == "127.0.0.1"


async def test_a_name_that_nobody_knows_has_no_address(
    lookups: Lookups, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(host: str) -> str:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "gethostbyname", unknown)
    monkeypatch.setattr(names, "FIRST_S", 60.0)
    assert await names.address_of(SERVER) is None
