"""What the two sides of a call say to each other, without a call."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from call.keeper import Keeper
from call.own_side import PICTURE_COMES, PICTURE_STAYS
from call.state import CallState
from call.talk import (
    PICTURES_AT_ONCE,
    PICTURES_PER_S,
    REPAIR_ASKED,
    SAID_AT_ONCE,
    THEY_RECORD,
    THEY_STOPPED,
    Talk,
)
from codec.control import Message
from codec.conversation import Chat, Condition, Kind, Status, Unmet, Wish
from tests.virtual_time import in_virtual_time


def make_talk() -> tuple[Talk, Keeper, SimpleNamespace]:
    keeper = Keeper(CallState("connected", ""), on_state=None, on_notice=None, asks=False)
    duplex = SimpleNamespace(sender=SimpleNamespace())
    return Talk(keeper, duplex, foreign=False, on_fault=lambda error: None), keeper, duplex  # type: ignore[arg-type]


async def test_who_asks_for_a_repair_or_a_new_picture_gets_an_answer() -> None:
    talk, keeper, duplex = make_talk()
    talk.repair()
    for renews in (True, False):
        duplex.sender.renew_source = lambda renews=renews: renews
        talk.own.new_source()
    await asyncio.sleep(0)
    assert keeper.state.notices == (REPAIR_ASKED, PICTURE_COMES, PICTURE_STAYS)


async def test_the_other_sides_recording_stays_in_the_state_and_is_told_at_its_begin_and_end() -> None:
    talk, keeper, duplex = make_talk()
    duplex.receiver = SimpleNamespace(idle=lambda on: None)
    for conditions in (Condition.RECORDING, Condition.RECORDING | Condition.MUTED):
        talk.take_conditions(conditions)
        assert keeper.state.their_recording
    talk.take_conditions(0)
    await asyncio.sleep(0)
    assert not keeper.state.their_recording
    assert keeper.state.notices == (THEY_RECORD, THEY_STOPPED)


async def test_a_repair_that_the_other_side_wishes_for_is_the_mirrors_business_and_a_picture_another() -> (
    None
):
    talk, _, duplex = make_talk()
    asked: list[str] = []
    duplex.sender.repair = lambda on_vain: asked.append("repair")
    duplex.sender.renew_source = lambda: asked.append("picture")
    for kind in (Kind.REPAIR, Kind.NEW_PICTURE):
        talk.take(Wish(kind), b"")
    assert asked == ["repair", "picture"]


class Line:
    """A link that loses nothing; `said` is what went over it."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.peer = SimpleNamespace(fingerprints=(bytes(32), bytes(31) + b"\1"))

    def say(self, message: Message) -> None:
        self.said.append(message)

    @property
    def chat(self) -> list[str]:
        return [message.text for message in self.said if isinstance(message, Chat)]


async def test_chat_is_said_again_once_over_each_new_line_however_often_the_other_side_says_it_has_none() -> (
    None
):
    talk, _, duplex = make_talk()
    duplex.receiver = SimpleNamespace(idle=lambda on: None)
    first, second = Line(), Line()
    talk.greet(first)  # type: ignore[arg-type]
    talk.take(Status(0), b"")
    for text in ("one", "two"):
        talk.say(text)
    for _ in range(100):
        talk.take(Status(0), b"")
    assert first.chat == ["one", "two"]
    talk.greet(second)  # type: ignore[arg-type]
    for _ in range(100):
        talk.take(Status(0, chat_taken=1), b"")
    assert second.chat == ["two"], "what the first line has lost"


@in_virtual_time
async def test_a_side_that_comes_and_goes_without_end_does_not_fill_the_terminal() -> None:
    told: list[str] = []
    keeper = Keeper(CallState("connected", ""), on_state=None, on_notice=told.append, asks=False)
    duplex = SimpleNamespace(sender=SimpleNamespace(), receiver=SimpleNamespace(idle=lambda on: None))
    talk = Talk(keeper, duplex, foreign=False, on_fault=lambda error: None)  # type: ignore[arg-type]
    for _ in range(1000):
        for message in (Status(Condition.AWAY | Condition.RECORDING), Status(0), Unmet(Kind.REPAIR)):
            talk.take(message, b"")
    await asyncio.sleep(0)
    assert len(told) == SAID_AT_ONCE
    await asyncio.sleep(60)
    talk.take(Status(Condition.RECORDING), b"")
    await asyncio.sleep(0)
    assert told[-1] == THEY_RECORD, "who does so no more is told of again"
    assert keeper.state.their_recording


@in_virtual_time
async def test_new_pictures_are_not_had_for_the_asking_without_end() -> None:
    talk, _, duplex = make_talk()
    line, asked = Line(), []
    duplex.sender.renew_source = lambda: asked.append("picture") or True
    talk.greet(line)  # type: ignore[arg-type]
    for _ in range(1000):
        talk.take(Wish(Kind.NEW_PICTURE), b"")
    assert len(asked) == PICTURES_AT_ONCE
    assert line.said[-1] == Unmet(Kind.NEW_PICTURE)
    await asyncio.sleep(1.1 / PICTURES_PER_S)
    talk.take(Wish(Kind.NEW_PICTURE), b"")
    assert len(asked) == PICTURES_AT_ONCE + 1
