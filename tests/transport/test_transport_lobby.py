"""Rooms without sockets: who may come in, who is told what, and what is left when all have gone."""

import random

import pytest

from transport import lobby as lobby_module
from transport.errors import TransportError
from transport.limits import GUESSES, MAX_OPEN, OPENINGS, Bucket, Limits
from transport.lobby import KEEP_EMPTY_S, Lobby, WrongCodeError
from transport.room_messages import Enter, Entered, Left, Meet, Message, Parted, Refused, Tell, Turn, Wanted

HOST, GUEST, STRANGER = "1" * 32, "2" * 32, "3" * 32
OFFER = Tell("offer", "v=0")


def enter(lobby: Lobby, door: str, wish: Enter) -> str:
    """Let somebody in and return the room's code."""
    said = lobby.enter(door, wish)
    entered = said[-1][1]
    assert isinstance(entered, Entered)
    return entered.code


@pytest.fixture
def lobby() -> Lobby:
    """A lobby with two sides in the room `den`, at the doors `host` and `guest`."""
    lobby = Lobby()
    code = enter(lobby, "host", Enter("den", HOST))
    enter(lobby, "guest", Enter("den", GUEST, code))
    return lobby


def meet(lobby: Lobby) -> None:
    lobby.hear("host", Meet())
    lobby.hear("guest", Meet())


def test_two_sides_that_want_to_meet_are_told_who_offers(lobby: Lobby) -> None:
    assert lobby.hear("guest", Meet()) == [("host", Wanted())]
    assert lobby.hear("host", Meet()) == [("host", Turn(offers=False)), ("guest", Turn(offers=True))]
    assert lobby.hear("guest", OFFER) == [("host", OFFER)]
    assert lobby.meetings == 1


def test_who_meets_again_wakes_the_other_side(lobby: Lobby) -> None:
    meet(lobby)
    assert lobby.hear("host", Meet()) == [("guest", Wanted())]
    assert {message for _, message in lobby.hear("guest", Meet())} == {Turn(True), Turn(False)}


def test_a_code_lets_one_side_in_once() -> None:
    lobby = Lobby()
    code = enter(lobby, "host", Enter("den", HOST))
    enter(lobby, "guest", Enter("den", GUEST, code))
    with pytest.raises(TransportError, match="full, two are in it"):
        lobby.enter("stranger", Enter("den", STRANGER, code))
    with pytest.raises(TransportError, match="in use"):
        lobby.enter("stranger", Enter("den", STRANGER))


def test_a_wrong_code_and_a_room_that_is_not_there_are_told_the_same() -> None:
    lobby = Lobby()
    enter(lobby, "host", Enter("den", HOST))
    sentences = set()
    for room in ("den", "elsewhere"):
        with pytest.raises(WrongCodeError) as caught:
            lobby.enter("stranger", Enter(room, STRANGER, "WRONG234"))
        sentences.add(str(caught.value))
    assert len(sentences) == 1
    assert lobby.rooms == 1


def test_a_side_comes_back_by_its_secret_and_its_old_connection_ends(lobby: Lobby) -> None:
    meet(lobby)
    said = lobby.enter("elsewhere", Enter("den", GUEST))
    assert said[0][0] == "guest"
    assert isinstance(said[0][1], Refused)
    assert lobby.lose("guest", 0.0) == []
    with pytest.raises(TransportError, match="closed"):
        lobby.hear("guest", Meet())
    assert lobby.hear("elsewhere", Meet()) == [("host", Wanted())]


def test_a_wish_to_meet_ends_with_its_connection(lobby: Lobby) -> None:
    lobby.hear("guest", Meet())
    assert lobby.lose("guest", 0.0) == [("host", Parted())]
    assert lobby.hear("host", Meet()) == []
    enter(lobby, "again", Enter("den", GUEST))
    assert lobby.hear("host", OFFER) == [("again", OFFER)]
    assert len(lobby.hear("again", Meet())) == 2


def test_what_is_told_to_nobody_comes_back_as_parted(lobby: Lobby) -> None:
    meet(lobby)
    lobby.lose("guest", 0.0)
    assert lobby.hear("host", OFFER) == [("host", Parted())]


def test_leaving_closes_the_room_for_both_and_leaves_nothing_behind(lobby: Lobby) -> None:
    assert lobby.hear("host", Left()) == [("guest", Left())]
    assert lobby.rooms == 0
    assert lobby.lose("host", 0.0) == lobby.lose("guest", 0.0) == []
    assert not lobby._places


def test_a_guest_that_leaves_makes_room_for_another_one(lobby: Lobby) -> None:
    meet(lobby)
    code = lobby._rooms["den"].code
    assert lobby.hear("guest", Left()) == [("host", Left())]
    assert lobby.has("host")
    assert not lobby.has("guest")
    enter(lobby, "another", Enter("den", STRANGER, code))


def test_an_empty_room_is_kept_for_a_while_and_then_forgotten(lobby: Lobby) -> None:
    lobby.lose("host", 10.0)
    lobby.sweep(1e9)
    assert lobby.rooms == 1
    lobby.lose("guest", 20.0)
    lobby.sweep(20.0 + KEEP_EMPTY_S)
    assert lobby.rooms == 1
    enter(lobby, "again", Enter("den", HOST))
    lobby.sweep(1e9)
    assert lobby.rooms == 1
    lobby.lose("again", 30.0)
    lobby.sweep(30.1 + KEEP_EMPTY_S)
    assert lobby.rooms == 0
    assert not lobby._places


def test_two_sides_find_each_other_at_a_server_that_has_forgotten_them() -> None:
    lobby = Lobby()
    assert enter(lobby, "guest", Enter("den", GUEST, "CODE2345", again=True)) == "CODE2345"
    with pytest.raises(WrongCodeError):
        lobby.enter("stranger", Enter("den", STRANGER, "OTHER234", again=True))
    enter(lobby, "host", Enter("den", HOST, "CODE2345", again=True))
    meet(lobby)
    assert lobby.meetings == 1


HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def call_of_two() -> tuple[Lobby, str]:
    """A lobby in whose room two sides have met, the guest from `HERE`, and the code that it came with."""
    lobby = Lobby()
    code = enter(lobby, "host", Enter("den", HOST))
    lobby.enter("guest", Enter("den", GUEST, code), address=HERE)
    meet(lobby)
    return lobby, code


def test_who_was_started_anew_has_its_place_where_the_other_side_looks_for_it() -> None:
    lobby, code = call_of_two()
    lobby.lose("guest", 0.0)
    anew = Enter("den", STRANGER, code)
    with pytest.raises(TransportError, match="full"):  # its connection may be gone and the call be well
        lobby.enter("anew", anew, address=HERE)
    lobby.hear("host", Meet())
    with pytest.raises(TransportError, match="full"):
        lobby.enter("anew", anew, address=ELSEWHERE)
    lobby.enter("anew", anew, address=HERE)
    assert {message for _, message in lobby.hear("anew", Meet())} == {Turn(True), Turn(False)}
    with pytest.raises(TransportError, match="full"):  # the one that it has replaced
        lobby.enter("guest", Enter("den", GUEST, code, again=True), address=HERE)


def test_who_was_started_anew_has_its_place_at_a_server_that_was_started_anew_as_well() -> None:
    lobby = Lobby()
    lobby.enter("guest", Enter("den", GUEST, "CODE2345", again=True), address=ELSEWHERE)
    lobby.enter("host", Enter("den", HOST, "CODE2345", again=True), address=HERE)
    lobby.lose("host", 0.0)
    lobby.hear("guest", Meet())
    with pytest.raises(TransportError, match="full"):
        lobby.enter("stranger", Enter("den", STRANGER, "CODE2345"), address="192.0.2.3")
    lobby.enter("host anew", Enter("den", STRANGER), address=HERE)
    assert len(lobby.hear("host anew", Meet())) == 2


def test_a_side_that_looks_for_the_other_too_keeps_its_place() -> None:
    lobby, code = call_of_two()
    lobby.hear("guest", Meet())
    with pytest.raises(TransportError, match="full"):
        lobby.enter("anew", Enter("den", STRANGER, code), address=HERE)


def test_a_side_that_misses_the_other_opens_the_room_to_whoever_has_its_new_code() -> None:
    lobby, code = call_of_two()
    lobby.enter("host again", Enter("den", HOST, "NEWCODE2", again=True, opens=True))
    lobby.hear("host again", Meet())
    with pytest.raises(WrongCodeError):
        lobby.enter("stranger", Enter("den", STRANGER, code), address=ELSEWHERE)
    lobby.enter("stranger", Enter("den", STRANGER, "NEWCODE2"), address=ELSEWHERE)
    assert len(lobby.hear("stranger", Meet())) == 2


def test_who_opened_a_room_and_was_started_anew_before_anybody_came_opens_it_again() -> None:
    lobby = Lobby()
    lobby.enter("host", Enter("den", HOST), address=HERE)
    with pytest.raises(TransportError, match="in use"):
        lobby.enter("anew", Enter("den", STRANGER), address=HERE)
    lobby.lose("host", 0.0)
    with pytest.raises(TransportError, match="in use"):
        lobby.enter("anew", Enter("den", STRANGER), address=ELSEWHERE)
    lobby.enter("anew", Enter("den", STRANGER), address=HERE)


def test_a_full_server_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lobby_module, "MAX_ROOMS", 1)
    lobby = Lobby()
    enter(lobby, "host", Enter("den", HOST))
    with pytest.raises(TransportError, match="full"):
        lobby.enter("other", Enter("loft", GUEST))


@pytest.mark.parametrize("message", [Entered("ABCD"), Wanted(), Turn(True), Parted(), Refused("no")])
def test_a_side_that_speaks_like_a_server_is_refused(lobby: Lobby, message: Message) -> None:
    with pytest.raises(TransportError, match="does not say"):
        lobby.hear("host", message)


def test_whatever_sides_do_in_any_order_the_lobby_stays_whole() -> None:
    draw = random.Random(3)
    lobby, codes, doors, now_s = Lobby(), {}, set(), 0.0
    for step in range(20_000):
        now_s += draw.expovariate(0.1)
        door, room = f"door{draw.randrange(30)}", f"room{draw.randrange(8)}"
        try:
            match draw.randrange(6):
                case 0 | 1 if door not in doors:
                    code = draw.choice((None, codes.get(room)))
                    again = code is not None and draw.random() < 0.3
                    doors.add(door)
                    codes[room] = enter(lobby, door, Enter(room, f"{draw.randrange(6):032d}", code, again))
                case 2:
                    said = lobby.hear(door, Meet())
                    assert len(said) < 3
                case 3:
                    lobby.hear(door, OFFER)
                case 4:
                    doors.discard(door)
                    lobby.lose(door, now_s)
                case 5 if step % 7 == 0:
                    lobby.hear(door, Left())
        except TransportError:
            pass
        lobby.sweep(now_s)
        assert all(len(one.members) <= 2 for one in lobby._rooms.values())
        held = {
            member.door for one in lobby._rooms.values() for member in one.members if member.door is not None
        }
        assert held == set(lobby._places)
    for door in list(doors):
        lobby.lose(door, now_s)
    lobby.sweep(now_s + KEEP_EMPTY_S + 1)
    assert lobby.rooms == 0
    assert not lobby._places


def test_a_bucket_gives_what_it_holds_and_then_what_comes_in() -> None:
    bucket = Bucket(3, 0.5)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(at) for at in (1.0, 2.0, 2.5)] == [False, True, False]
    assert not bucket.is_full(3.0)
    assert bucket.is_full(100.0)
    assert sum(bucket.take(100.0) for _ in range(9)) == 3


def test_an_address_has_so_many_connections_at_a_time_and_in_a_minute() -> None:
    limits = Limits()
    assert sum(limits.open("192.0.2.1", 0.0) for _ in range(100)) == MAX_OPEN
    assert limits.open("192.0.2.2", 0.0)
    for _ in range(MAX_OPEN):
        limits.close("192.0.2.1")
    assert sum(limits.open("192.0.2.1", 0.0) for _ in range(100)) == OPENINGS - MAX_OPEN


def test_who_guesses_codes_is_not_let_in_for_a_while() -> None:
    limits = Limits()
    for _ in range(int(GUESSES)):
        assert limits.open("192.0.2.1", 0.0)
        limits.guess("192.0.2.1", 0.0)
        limits.close("192.0.2.1")
    assert not limits.open("192.0.2.1", 1.0)
    assert limits.open("192.0.2.1", 60.0)


def test_an_ipv6_household_counts_as_one_and_an_embedded_address_as_itself() -> None:
    limits = Limits()
    for address in (
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8:0:1::1",
        "::ffff:192.0.2.1",
        "192.0.2.1",
        "",
        "unix",
    ):
        limits.open(address, 0.0)
    assert len(limits) == 5


def test_addresses_are_forgotten_when_they_have_been_quiet() -> None:
    limits = Limits()
    limits.open("192.0.2.1", 0.0)
    limits.open("192.0.2.2", 0.0)
    limits.close("192.0.2.2")
    limits.sweep(1000.0)
    assert len(limits) == 1
    limits.close("192.0.2.1")
    limits.guess("192.0.2.1", 1000.0)
    limits.sweep(1000.0)
    assert len(limits) == 1
    limits.sweep(2000.0)
    assert len(limits) == 0
