"""What becomes of a call's connections, without a network."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import call.encounter
from call.encounter import Encounter
from call.keeper import Keeper
from call.link import Link
from call.ringing import Manners
from call.state import CallState
from codec.control import decode_control
from codec.hello import Capability, Hello
from tests.receiver.receiver_fakes import hello
from transport.errors import TransportError

THEIRS = hello(resumption_secret=b"t" * 16)


class Peer:
    """A connection that stands, to whoever has this certificate."""

    def __init__(self, certificate: bytes) -> None:
        self.is_open = True
        self.said: list[bytes] = []
        self.fingerprints = bytes(32), certificate

    def send_control(self, data: bytes) -> None:
        self.said.append(data)

    def stats(self) -> Any:
        return SimpleNamespace(silent_s=0.0)

    async def drain(self) -> None:
        pass

    async def close(self) -> None:
        self.is_open = False


def link_to(certificate: bytes) -> tuple[Link, Peer]:
    peer = Peer(certificate)
    return Link(lambda **_: peer, mine=hello(), sound=None), peer  # type: ignore[arg-type, return-value]


def meet(duplex: Any, *, make_peer: Any = None) -> Encounter:
    return Encounter(
        Keeper(CallState("connected", ""), on_state=None, on_notice=None, asks=False),
        duplex,
        SimpleNamespace(),  # type: ignore[arg-type]
        make_peer=make_peer,
        manners=Manners(),
        invitation=lambda: None,
        on_end=lambda sentence: None,
        on_fault=lambda error: None,
    )


@pytest.mark.parametrize("has_sound", [True, False])
async def test_motion_may_come_along_with_sound_where_this_side_takes_any(has_sound: bool) -> None:
    peer = Peer(bytes(32))
    encounter = meet(SimpleNamespace(hello=hello()), make_peer=lambda **_: peer)
    encounter.talk.own.sound = SimpleNamespace(new_line=object) if has_sound else None  # type: ignore[assignment]
    greeting = asyncio.create_task(encounter.make_link().greet())
    await asyncio.sleep(0)
    greeting.cancel()
    mine = decode_control(peer.said[0])
    assert isinstance(mine, Hello)
    assert bool(mine.capabilities & Capability.TAKES_RIDERS) is has_sound


async def test_a_side_that_comes_back_with_another_certificate_leaves_no_connection_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    duplex = SimpleNamespace(line=SimpleNamespace(detach=lambda: None), on_motion=lambda data: None)
    encounter = meet(duplex)
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
