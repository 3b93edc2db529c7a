"""What a side calls itself, and what the other side makes of it when it rings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from call.keeper import Keeper
from call.ringing import KNOCK, Manners, NotWantedError, Ringing, clean_name
from call.state import CallState
from codec.control import Message, decode_control, encode_control
from codec.conversation import MAX_NAME_CHARACTERS, Accept, Name, Ring


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("  Ada\t\n Lovelace ", "Ada Lovelace"),
        ("\x1b[31mAda\x1b[0m\x07", "[31mAda [0m"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}Ada\N{ZERO WIDTH SPACE}", "Ada"),
        ("", ""),
        ("\x00\x01", ""),
        ("x" * 100, "x" * MAX_NAME_CHARACTERS),
        ("\N{GRINNING FACE}" * 50, "\N{GRINNING FACE}" * MAX_NAME_CHARACTERS),
    ],
)
def test_a_name_is_one_short_line_of_what_can_be_seen(typed: str, sent: str) -> None:
    assert clean_name(typed) == sent
    if sent:
        assert decode_control(encode_control(Name(sent))) == Name(sent)


class Link:
    """Notes what is said."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.closed = asyncio.Event()

    def say(self, message: Message) -> None:
        self.said.append(message)


async def ring(manners: Manners, *theirs: Any) -> tuple[Keeper, Link, asyncio.Task[bool]]:
    keeper = Keeper(CallState("connecting", ""), on_state=None, on_notice=None, asks=True)
    ringing, link = Ringing(keeper, manners, learn=lambda conditions: None), Link()
    agreeing = asyncio.create_task(ringing.agree(link, Ring(0)))  # type: ignore[arg-type]
    for message in theirs:
        ringing.take(message)
    for _ in range(5):
        await asyncio.sleep(0)
    return keeper, link, agreeing


async def test_who_rings_is_named_and_it_is_said_that_nobody_has_checked_it() -> None:
    keeper, link, agreeing = await ring(Manners(), Name("Ada"), Ring(0))
    assert keeper.state.their_name == "Ada"
    assert keeper.state.sentence.startswith("Ada asks to come in.")
    assert "only what they call themselves" in keeper.state.sentence
    keeper.settle("ringing", True)
    for _ in range(5):
        await asyncio.sleep(0)
    assert link.said == [Ring(0), Accept()]
    agreeing.cancel()


def begin(manners: Manners) -> tuple[Ringing, asyncio.Task[bool]]:
    keeper = Keeper(CallState("connecting", ""), on_state=None, on_notice=None, asks=True)
    ringing = Ringing(keeper, manners, learn=lambda conditions: None)
    return ringing, asyncio.create_task(ringing.agree(Link(), Ring(0)))  # type: ignore[arg-type]


async def test_why_a_side_refuses_is_what_it_says_first() -> None:
    ringing, agreeing = begin(Manners())
    ringing.refuse("It does not want to.")
    ringing.refuse("It has gone.")
    with pytest.raises(NotWantedError, match="does not want to"):
        await agreeing


async def test_a_goodbye_that_follows_a_yes_at_once_is_not_missed() -> None:
    outcomes = []
    for turns in range(100):
        ringing, agreeing = begin(Manners(lets_in=True))
        ringing.take(Ring(0))
        ringing.take(Accept())
        for _ in range(turns):
            await asyncio.sleep(0)
        if agreeing.done():
            break
        ringing.refuse("It has gone.")
        (outcome,) = await asyncio.gather(agreeing, return_exceptions=True)
        assert outcome is True or isinstance(outcome, NotWantedError)
        assert ringing.why == "It has gone."
        outcomes.append(outcome is True)
    # It had begun as soon as this side had said yes as well.
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, True}
    assert agreeing.result()


async def test_a_name_is_said_before_the_ring_and_taken_no_more_after_it() -> None:
    keeper, link, agreeing = await ring(Manners(name="Grace"), Ring(0), Name("Somebody else"))
    assert link.said == [Name("Grace"), Ring(0)]
    assert keeper.state.their_name == ""
    assert keeper.state.sentence == KNOCK
    agreeing.cancel()
