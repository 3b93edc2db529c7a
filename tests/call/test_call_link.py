"""How a call finds back, without a network: peers that connect, stay silent or greet as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from call.errors import CallError
from call.link import FOLLOWING_S, OLD_KEPT_S, RETURN_LIMITS_S, Link, first_link, next_link
from codec.control import Message, decode_control, encode_control
from codec.conversation import Chat
from codec.hello import Goodbye, Hello, HelloMismatch
from tests.receiver.receiver_fakes import hello
from tests.virtual_time import in_virtual_time
from transport.errors import LeftError, TransportError, TurnedAwayError
from transport.wire import GATHER_TIMEOUT_S

MINE, THEIRS = hello(resumption_secret=b"m" * 16), hello(resumption_secret=b"t" * 16)


class Peer:
    """Connects when it may and is greeted with `greeting`, whatever it says."""

    def __init__(
        self, *, on_control: Callable[[bytes], None], on_closed: Callable[[str], None], **_: Any
    ) -> None:
        self.on_control, self.on_closed = on_control, on_closed
        self.is_open = True
        self.has_moved = False
        self.silent_s = 0.0
        self.greeting: Message | None = THEIRS
        self.said: list[Message] = []

    async def connected(self, timeout_s: float) -> None:
        if self.greeting is not None:
            self.on_control(encode_control(self.greeting))

    def send_control(self, data: bytes) -> None:
        self.said.append(decode_control(data))

    def stats(self) -> Any:
        return SimpleNamespace(silent_s=self.silent_s)

    async def drain(self) -> None:
        pass

    async def close(self) -> None:
        self.is_open = False


class Meeting:
    """Lets peers meet, with these greetings one after the other; none left: nobody comes."""

    def __init__(self, *greetings: Message | None) -> None:
        self.greetings = list(greetings)
        self.peers: list[Peer] = []

    async def meet(self, peer: Any) -> None:
        self.peers.append(peer)
        if not self.greetings:
            await asyncio.Event().wait()
        peer.greeting = self.greetings.pop(0)

    async def knocked(self) -> None:
        await asyncio.Event().wait()

    def admit(self) -> None:
        raise AssertionError("a link does not let in")

    reopen = close = open = admit


def make_link() -> Link:
    return Link(Peer, mine=MINE, sound=None)  # type: ignore[arg-type]


async def find(meeting: Meeting, old: Link, **more: Any) -> Link:
    async with asyncio.timeout(600):
        link, _ = await next_link(
            meeting,  # type: ignore[arg-type]
            make_link,
            old=old,
            known=THEIRS,
            **{"is_wanted": False, **more},
        )
        return link


def silent(link: Link, silent_s: float) -> Link:
    link.peer.silent_s = silent_s  # type: ignore[attr-defined]
    return link


@in_virtual_time
async def test_what_is_said_behind_the_hello_waits_until_the_link_is_trusted() -> None:
    taken: list[Message] = []
    meeting = Meeting(THEIRS)
    link, theirs = await first_link(meeting, make_link, on_met=lambda: None)  # type: ignore[arg-type]
    assert theirs == THEIRS
    meeting.peers[0].on_control(encode_control(Chat(0, "early")))
    meeting.peers[0].on_control(b"\xff damaged")
    assert taken == []
    link.trust(on_motion=lambda data: None, on_message=lambda message, data: taken.append(message))
    meeting.peers[0].on_control(encode_control(Chat(1, "later")))
    assert taken == [Chat(0, "early"), Chat(1, "later")]
    await link.close()
    meeting.peers[0].on_control(encode_control(Chat(2, "too late")))
    assert len(taken) == 2


@pytest.mark.parametrize(
    ("greeting", "error", "sentence"),
    [
        (replace(THEIRS, profile="other"), HelloMismatch, "--profile"),
        (Goodbye("another call is under way here"), CallError, "another call is under way"),
        (None, CallError, "is it Visavis"),
    ],
)
@in_virtual_time
async def test_a_first_link_that_cannot_be_ends_with_a_sentence_and_closed(
    greeting: Message | None, error: type[Exception], sentence: str
) -> None:
    meeting = Meeting(greeting)
    with pytest.raises(error, match=sentence):
        await first_link(meeting, make_link, on_met=lambda: None)  # type: ignore[arg-type]
    assert not meeting.peers[0].is_open
    if isinstance(greeting, Hello):
        assert isinstance(meeting.peers[0].said[-1], Goodbye)


@in_virtual_time
async def test_a_line_that_ends_while_hellos_are_awaited_says_why() -> None:
    link = make_link()
    link.peer.on_closed("The line is lost.")  # type: ignore[attr-defined]
    with pytest.raises(TransportError, match="The line is lost"):
        await link.greet()


@in_virtual_time
async def test_the_old_connection_goes_on_where_it_comes_back_first() -> None:
    old = silent(make_link(), 5.0)
    asyncio.get_running_loop().call_later(0.5 * OLD_KEPT_S, silent, old, 0.0)
    meeting = Meeting()
    assert await find(meeting, old) is old
    assert old.peer.is_open
    assert not any(peer.is_open for peer in meeting.peers)


@in_virtual_time
async def test_a_connection_that_follows_its_machine_is_given_a_moment_before_a_new_one_is_made() -> None:
    old = silent(make_link(), 0.0)  # what came just before its address was lost
    old.peer.has_moved = True  # type: ignore[misc]
    asyncio.get_running_loop().call_later(0.5 * FOLLOWING_S, setattr, old.peer, "has_moved", False)
    meeting = Meeting(THEIRS)
    assert await find(meeting, old) is old
    assert meeting.peers == []


@in_virtual_time
async def test_a_new_connection_is_made_where_the_old_one_cannot_follow_its_machine() -> None:
    old = silent(make_link(), 0.0)
    old.peer.has_moved = True  # type: ignore[misc]
    assert await find(Meeting(THEIRS), old) is not old


@in_virtual_time
async def test_a_new_connection_is_tried_again_and_again_and_the_old_one_let_go_in_time() -> None:
    old = silent(make_link(), 5.0)
    meeting = Meeting()
    asyncio.get_running_loop().call_later(2 * OLD_KEPT_S, meeting.greetings.append, THEIRS)
    link = await find(meeting, old)
    assert link is not old
    assert len(meeting.peers) > 2
    assert [peer.is_open for peer in meeting.peers] == [False] * (len(meeting.peers) - 1) + [True]
    assert not old.peer.is_open


def test_one_try_outlasts_a_stun_server_that_answers_neither_side() -> None:
    assert max(RETURN_LIMITS_S) > 2 * GATHER_TIMEOUT_S + 1.0  # one side gathers after the other


@in_virtual_time
async def test_who_has_another_secret_is_told_from_the_other_side_by_its_hello() -> None:
    anew = replace(THEIRS, resumption_secret=b"s" * 16)
    async with asyncio.timeout(600):
        link, theirs = await next_link(
            Meeting(None, anew),  # type: ignore[arg-type]
            make_link,
            old=silent(make_link(), 5.0),
            known=THEIRS,
            is_wanted=False,
        )
    assert theirs == anew
    assert link.peer.is_open


@pytest.mark.parametrize("final", [TurnedAwayError, LeftError])
@in_virtual_time
async def test_a_side_that_does_not_want_us_back_is_not_asked_again(final: type[Exception]) -> None:
    class Refusing(Meeting):
        async def meet(self, peer: Any) -> None:
            self.peers.append(peer)
            raise final("no")

    meeting = Refusing()
    with pytest.raises(final):
        await find(meeting, silent(make_link(), 5.0))
    assert len(meeting.peers) == 1


@in_virtual_time
async def test_why_a_try_has_failed_is_told() -> None:
    class Failing(Meeting):
        async def meet(self, peer: Any) -> None:
            if not self.peers:
                self.peers.append(peer)
                raise TransportError("once")
            await super().meet(peer)

    told: list[Exception] = []
    await find(Failing(THEIRS), silent(make_link(), 5.0), on_failed=told.append)
    assert [str(error) for error in told] == ["once"]


@in_virtual_time
async def test_a_side_that_asks_for_a_new_connection_gets_one_though_the_old_one_still_brings_something() -> (
    None
):
    old = silent(make_link(), 0.0)
    assert await find(Meeting(THEIRS), old, is_wanted=True) is not old
    # And where it does not come after all, the old one is as good as before.
    assert await find(Meeting(), old, is_wanted=True) is old


@pytest.mark.parametrize("turns", range(12))
@in_virtual_time
async def test_a_search_that_is_given_up_leaves_no_link_open_not_even_one_just_found(turns: int) -> None:
    meeting = Meeting(THEIRS)
    search = asyncio.get_running_loop().create_task(find(meeting, silent(make_link(), 5.0)))
    for _ in range(turns):
        await asyncio.sleep(0)
    search.cancel()
    (found,) = await asyncio.gather(search, return_exceptions=True)
    if not isinstance(found, BaseException):
        await found.close()
    assert not any(peer.is_open for peer in meeting.peers)
