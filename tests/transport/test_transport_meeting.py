"""The direct meeting: who comes in, who can come back, and what is said to those who cannot."""

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from transport_sides import Side, until

from tests.patience import PATIENCE_S
from transport import guests, listening, reach
from transport import meeting as meeting_module
from transport.certificate import make_certificate
from transport.codes import make_secret
from transport.errors import TransportError, TurnedAwayError
from transport.meeting import DirectGuest, DirectHost, Meeting

MakeSide = Callable[[str], Side]


@pytest.fixture
async def side() -> AsyncIterator[MakeSide]:
    """Makes peers; those of one name have the same certificate."""
    certificates = {name: make_certificate() for name in ("host", "guest", "stranger")}
    made: list[Side] = []

    def make(name: str) -> Side:
        made.append(Side(certificates[name]))
        return made[-1]

    yield make
    for one in made:
        await one.peer.close()


@pytest.fixture
async def host() -> AsyncIterator[DirectHost]:
    host = DirectHost("127.0.0.1", 0)
    await host.open()
    yield host
    await host.close()


@pytest.fixture(autouse=True)
def patient_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """A door opens late rather than never; who tests a limit sets it."""
    monkeypatch.setattr(listening, "RETURN_WAIT_S", PATIENCE_S)
    monkeypatch.setattr(listening, "MISSED_WAIT_S", PATIENCE_S)
    monkeypatch.setattr(meeting_module, "RETURN_TIMEOUT_S", PATIENCE_S)


async def connect(one: Side, other: Side, *meetings: Awaitable[None]) -> None:
    await asyncio.gather(*meetings)
    await asyncio.gather(one.peer.connected(PATIENCE_S), other.peer.connected(PATIENCE_S))


async def post(host: DirectHost, body: dict[str, str]) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {host.code}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{host.address}/offer", data=json.dumps(body), headers=headers) as response,
    ):
        return response.status, (await response.json())["error"]


async def test_a_guest_that_comes_before_the_host_is_ready_waits_for_it(
    host: DirectHost, side: MakeSide
) -> None:
    one, other = side("guest"), side("host")
    coming = asyncio.create_task(DirectGuest(host.address, host.code).meet(one.peer))
    await until(lambda: host._server._newest == 3 or coming.done())  # it was sent away twice
    assert not coming.done()
    await connect(one, other, host.meet(other.peer), coming)


async def test_a_guest_with_address_and_code_meets_the_host(host: DirectHost, side: MakeSide) -> None:
    guest: Meeting = DirectGuest(host.address, f" {host.code.lower()} ")
    await guest.open()
    one, other = side("host"), side("guest")
    await connect(one, other, host.meet(one.peer), guest.meet(other.peer))
    assert one.peer.fingerprints == other.peer.fingerprints[::-1]
    await guest.close()


async def test_the_certificate_is_known_again_and_not_before_there_is_a_connection(
    host: DirectHost, side: MakeSide
) -> None:
    guest = DirectGuest(host.address, host.code)
    seen = []
    for _ in range(2):
        one, other = side("host"), side("guest")
        with pytest.raises(TransportError, match="not known before"):
            _ = one.peer.fingerprints
        await connect(one, other, host.meet(one.peer), guest.meet(other.peer))
        seen.append(one.peer.fingerprints)
        await one.peer.close()
        await other.peer.close()
        assert one.peer.fingerprints == seen[-1]
    assert seen[0] == seen[1]


async def test_a_guest_that_comes_back_wakes_the_host_and_is_answered_by_its_next_peer(
    host: DirectHost, side: MakeSide
) -> None:
    guest = DirectGuest(host.address, host.code)
    one, other = side("host"), side("guest")
    await connect(one, other, host.meet(one.peer), guest.meet(other.peer))
    again = side("guest")
    returning = asyncio.create_task(guest.meet(again.peer))
    await asyncio.wait_for(host.knocked(), PATIENCE_S)
    await one.peer.close()
    anew = side("host")
    await connect(anew, again, host.meet(anew.peer), returning)


async def test_the_newest_return_wins_over_one_that_still_waits(host: DirectHost, side: MakeSide) -> None:
    guest = DirectGuest(host.address, host.code)
    one, other = side("host"), side("guest")
    await connect(one, other, host.meet(one.peer), guest.meet(other.peer))
    stale, fresh = side("guest"), side("guest")
    left_behind = asyncio.create_task(guest.meet(stale.peer))
    await host.knocked()
    returning = asyncio.create_task(guest.meet(fresh.peer))
    await until(lambda: host._server._newest == 3)
    anew = side("host")
    await connect(anew, fresh, host.meet(anew.peer), returning)
    with pytest.raises(TransportError, match="newer offer"):
        await left_behind


async def test_the_code_lets_nobody_else_in_and_is_not_locked_by_guesses_any_more(
    host: DirectHost, side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = DirectGuest(host.address, host.code)
    one, other = side("host"), side("guest")
    await connect(one, other, host.meet(one.peer), guest.meet(other.peer))
    monkeypatch.setattr(listening, "WRONG_CODE_S", 0.0)
    for _ in range(guests.MAX_WRONG_CODES + 1):
        with pytest.raises(TransportError, match="code is wrong"):
            await DirectGuest(host.address, "WRONG2").meet(side("stranger").peer)
    with pytest.raises(TransportError, match="has been used"):
        await DirectGuest(host.address, host.code).meet(side("stranger").peer)
    anew, again = side("host"), side("guest")
    await connect(anew, again, host.meet(anew.peer), guest.meet(again.peer))


async def test_who_comes_back_with_the_secret_and_another_certificate_is_refused(
    host: DirectHost, side: MakeSide
) -> None:
    guest = DirectGuest(host.address, host.code)
    one, other = side("host"), side("guest")
    await connect(one, other, host.meet(one.peer), guest.meet(other.peer))
    waiting = asyncio.create_task(host.meet(side("host").peer))
    with pytest.raises(TransportError, match="another certificate"):
        await guest.meet(side("stranger").peer)
    assert not waiting.done()
    waiting.cancel()


async def test_a_guest_that_was_started_anew_comes_in_with_the_same_code_while_it_is_missed(
    host: DirectHost, side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MISSED_WAIT_S", 0.1)
    code = host.code
    one, other = side("host"), side("guest")
    await connect(one, other, host.meet(one.peer), DirectGuest(host.address, code).meet(other.peer))
    host.admit()
    with pytest.raises(TurnedAwayError, match="has been used"):  # nobody is missed
        await DirectGuest(host.address, code).meet(side("stranger").peer)
    anew, again = side("host"), side("stranger")
    waiting = asyncio.create_task(host.meet(anew.peer))
    await asyncio.sleep(0)
    await connect(anew, again, waiting, DirectGuest(host.address, code).meet(again.peer))


async def test_a_guest_that_was_started_anew_before_it_is_missed_waits_at_the_door(
    host: DirectHost, side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = host.code
    one, other = side("host"), side("guest")
    await connect(one, other, host.meet(one.peer), DirectGuest(host.address, code).meet(other.peer))
    host.admit()
    again, anew = side("stranger"), side("host")
    known = host._server.guests
    asked: list[bool] = []

    def note(*given: str, **named: str | None) -> bool:
        asked.append(known.__class__.may_be_missed_soon(known, *given, **named))  # type: ignore[arg-type]
        return asked[-1]

    monkeypatch.setattr(known, "may_be_missed_soon", note)
    knocking = asyncio.create_task(DirectGuest(host.address, code).meet(again.peer))
    await until(lambda: asked == [True])
    assert (await post(host, {}))[0] == 400  # who comes later is answered
    assert not knocking.done()  # the host still believes in its line
    await connect(anew, again, host.meet(anew.peer), knocking)


async def test_a_host_that_opens_its_door_again_has_a_new_code_and_the_old_guest_can_still_come_back(
    host: DirectHost, side: MakeSide
) -> None:
    code, guest = host.code, DirectGuest(host.address, host.code)
    one, other = side("host"), side("guest")
    await connect(one, other, host.meet(one.peer), guest.meet(other.peer))
    host.admit()
    host.reopen(new_code=True)
    assert host.code != code
    anew, new = side("host"), side("stranger")
    await connect(anew, new, host.meet(anew.peer), DirectGuest(host.address, host.code).meet(new.peer))
    # The new one has not been let in, so the old one may still come.
    anew, again = side("host"), side("guest")
    await connect(anew, again, host.meet(anew.peer), guest.meet(again.peer))
    host.admit()
    with pytest.raises(TurnedAwayError):
        await DirectGuest(host.address, host.code).meet(side("stranger").peer)


async def test_a_return_that_nobody_answers_is_given_up_and_can_be_tried_again(
    host: DirectHost, side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = DirectGuest(host.address, host.code)
    one, other = side("host"), side("guest")
    await connect(one, other, host.meet(one.peer), guest.meet(other.peer))
    monkeypatch.setattr(listening, "RETURN_WAIT_S", 0.1)
    with pytest.raises(TransportError, match="Nobody is waiting"):
        await guest.meet(side("guest").peer)
    anew, again = side("host"), side("guest")
    await connect(anew, again, host.meet(anew.peer), guest.meet(again.peer))


async def test_a_host_that_is_gone_is_told_within_the_limit(
    side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    monkeypatch.setattr(meeting_module, "RETURN_TIMEOUT_S", 0.2)
    guest = DirectGuest(f"127.0.0.1:{silent.sockets[0].getsockname()[1]}", "ABCDEF")
    guest._has_met = True
    with pytest.raises(TransportError, match="did not answer within"):
        await guest.meet(side("guest").peer)
    silent.close()


async def test_a_malformed_secret_and_description_are_refused(host: DirectHost, side: MakeSide) -> None:
    waiting = asyncio.create_task(host.meet(side("host").peer))
    await asyncio.sleep(0)
    offer = await side("guest").peer.create_offer()
    body = {"type": offer.type, "sdp": offer.sdp}
    for secret in ("short", "g" * 32, 7, ["0" * 32]):
        status, sentence = await post(host, body | {"secret": secret})  # type: ignore[dict-item]
        assert (status, "hexadecimal" in sentence) == (400, True)
    both = offer.sdp + f"a=fingerprint:sha-256 {':'.join(['00'] * 32)}\r\n"
    status, sentence = await post(host, {"type": "offer", "sdp": both, "secret": make_secret()})
    assert status == 400
    assert "one certificate" in sentence
    waiting.cancel()


async def test_cancelling_a_wait_lets_the_next_one_meet(host: DirectHost, side: MakeSide) -> None:
    waiting = asyncio.create_task(host.meet(side("host").peer))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    one, other = side("host"), side("guest")
    await connect(one, other, host.meet(one.peer), DirectGuest(host.address, host.code).meet(other.peer))


@pytest.mark.parametrize("code", ["", "  ", "\u00fcber", "a\nb"])
def test_a_code_that_nobody_can_have_been_given_is_named(code: str) -> None:
    with pytest.raises(TransportError, match="code must be plain"):
        DirectGuest("127.0.0.1:8765", code)


async def test_a_host_on_every_interface_names_an_address_that_others_can_reach() -> None:
    host = DirectHost("0.0.0.0", 0, code="abc234")
    await host.open()
    try:
        told = ipaddress.ip_address(host.address.rpartition(":")[0])
        assert not told.is_unspecified
        assert host.code == "ABC234"
    finally:
        await host.close()


def test_a_network_that_leads_nowhere_still_has_an_address_and_none_has_the_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = ["127.0.0.1", "169.254.7.7", "10.9.8.7"]
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: found)
    monkeypatch.setattr(reach, "_outward", lambda version: None)
    assert reach.reachable_host("0.0.0.0") == "10.9.8.7"
    found.pop()
    assert reach.reachable_host("0.0.0.0") == "169.254.7.7"
    found.pop()
    assert reach.reachable_host("0.0.0.0") == "127.0.0.1"
    assert reach.reachable_host("laptop.local") == "laptop.local"
    assert reach.reachable_host("192.168.1.5") == "192.168.1.5"


@pytest.mark.parametrize(
    ("servers", "said"),
    [([], "--stun"), (["stun:127.0.0.1:9"], "--turn"), (["turn:127.0.0.1:9"], "TURN server did not")],
)
async def test_two_homes_that_cannot_reach_each_other_are_told_what_is_missing(
    servers: list[str], said: str
) -> None:
    from transport.description import IceServer
    from transport.peer import Peer

    def nothing(_: object) -> None:
        return None

    made = [IceServer(url, "u", "p") for url in servers]
    peer = Peer(ice_servers=made, on_motion=nothing, on_control=nothing, on_closed=nothing)
    peer._connection._RTCPeerConnection__signalingState = "stable"  # type: ignore[attr-defined]
    with pytest.raises(TransportError, match=said) as caught:
        await peer.connected(0.01)
    assert str(caught.value).count(".") < 3
    await peer.close()
