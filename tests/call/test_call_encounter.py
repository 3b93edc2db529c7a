"""What becomes of a call's connections, without a network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import call.encounter
from call.encounter import Encounter
from call.keeper import Keeper
from call.link import Link
from call.ringing import Manners
from call.state import CallState
from codec.hello import Hello
from tests.receiver.receiver_fakes import hello
from transport.errors import TransportError

THEIRS = hello(resumption_secret=b"t" * 16)


class Peer:
    """A connection that stands, to whoever has this certificate."""

    def __init__(self, certificate: bytes) -> None:
        self.is_open = True
        self.fingerprints = bytes(32), certificate

    def send_control(self, data: bytes) -> None:
        pass

    def stats(self) -> Any:
        return SimpleNamespace(silent_s=0.0)

    async def drain(self) -> None:
        pass

    async def close(self) -> None:
        self.is_open = False


def link_to(certificate: bytes) -> tuple[Link, Peer]:
    peer = Peer(certificate)
    return Link(lambda **_: peer, mine=hello(), sound=None), peer  # type: ignore[arg-type, return-value]


async def test_a_side_that_comes_back_with_another_certificate_leaves_no_connection_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keeper = Keeper(CallState("connected", ""), on_state=None, on_notice=None, asks=False)
    duplex: Any = SimpleNamespace(line=SimpleNamespace(detach=lambda: None), on_motion=lambda data: None)
    encounter = Encounter(
        keeper,
        duplex,
        SimpleNamespace(),  # type: ignore[arg-type]
        make_peer=SimpleNamespace(),  # type: ignore[arg-type]
        manners=Manners(),
        invitation=lambda: None,
        on_end=lambda sentence: None,
        on_fault=lambda error: None,
    )
    (first, old), (second, new) = link_to(b"1" * 32), link_to(b"2" * 32)

    async def next_link(*_: object, **__: object) -> tuple[Link, Hello]:
        return second, THEIRS

    monkeypatch.setattr(call.encounter, "next_link", next_link)
    encounter.greet(first)
    with pytest.raises(TransportError, match="another certificate"):
        await encounter._find_back(first, THEIRS, is_wanted=True)
    await encounter.leave("")
    assert not old.is_open
    assert not new.is_open
