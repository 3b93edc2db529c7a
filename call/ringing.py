"""Ringing and being let in: each side asks to begin and answers the other; nothing of a face crosses before both agree.

Knows no meeting and no sender: it talks over a link that stands, and asks the person through the keeper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from call.errors import CallError
from call.keeper import Keeper
from call.link import Link
from codec.conversation import MAX_NAME_CHARACTERS, Accept, Condition, Decline, Name, Ring

KNOCK = "Somebody asks to come in."
NAMED_KNOCK = (
    "{name} asks to come in. That is only what they call themselves: compare the safety words when you talk."
)
FOREIGN = "The picture of the other side is not from its camera, so that it may show anybody."
NO_FOREIGN = "a picture that is not from the camera is not taken here"


class NotWantedError(CallError):
    """The other side does not want the call, and has said so."""


@dataclass(frozen=True)
class Manners:
    """What the session does without asking the person; `asks` False where nobody is there to be asked, and what is
    not settled is refused. `foreign`: the own source picture is not from the own camera. `name`: what the other side is
    told that this one is called; nothing where it is empty."""

    asks: bool = True
    sends_picture: bool = False
    lets_in: bool = False
    takes_foreign: bool = False
    foreign: bool = False
    name: str = ""


def clean_name(text: str) -> str:
    """Return a name as it is sent, which may be empty: one line of at most 40 characters, all of which can be seen."""
    seen = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(seen.split())[:MAX_NAME_CHARACTERS].rstrip()


class Ringing:
    """One call's ringing, on the event loop; the other side's messages come by `take`.

    learn: called with the conditions that the other side's ring names.
    """

    def __init__(self, keeper: Keeper, manners: Manners, *, learn: Callable[[int], None]) -> None:
        self._keeper = keeper
        self._manners = manners
        self._learn = learn
        self._theirs: asyncio.Future[Ring] = asyncio.get_running_loop().create_future()
        self._accepted = False  # by this side
        self._let_in = asyncio.Event()
        self._refused = asyncio.Event()
        self.why = ""  # the other side has gone, if it has

    def take(self, message: Name | Ring | Accept) -> None:
        """Take the other side's name, its ring, or its yes to ours; it says each once."""
        if isinstance(message, Name):
            if not self._theirs.done():
                self._keeper.change(their_name=message.text)
        elif isinstance(message, Accept):
            self._let_in.set()
        elif not self._theirs.done():
            self._theirs.set_result(message)

    def refuse(self, sentence: str) -> None:
        """Take the other side's no, or its goodbye; what it says first is why."""
        self.why = self.why or sentence
        if not self._has_begun:
            self._refused.set()

    @property
    def rung(self) -> bool:
        """Whether the other side has rung."""
        return self._theirs.done()

    @property
    def _has_begun(self) -> bool:
        return self._accepted and self._let_in.is_set()

    async def agree(self, link: Link, ring: Ring) -> bool:
        """Ring, and answer the other side's ring; False where this side says no.

        Where both have said yes the call has begun, for the other side at least, even if it was over at once (`why`).
        Raises NotWantedError where the other side says no, and CallError where the line breaks meanwhile.
        """
        if self._manners.name:
            link.say(Name(self._manners.name))
        link.say(ring)
        lost = asyncio.create_task(link.closed.wait())
        refused = asyncio.create_task(self._refused.wait())
        agreed = asyncio.create_task(self._agree(link))
        try:
            await asyncio.wait({lost, refused, agreed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (lost, refused, agreed):
                task.cancel()
            await asyncio.gather(lost, refused, agreed, return_exceptions=True)
        # What is said last goes with the line.
        if self._refused.is_set():
            raise NotWantedError(self.why)
        if agreed.cancelled() and not self._has_begun:
            raise CallError("The other side left before the call began.")
        return self._has_begun or agreed.result()

    async def _agree(self, link: Link) -> bool:
        ring = await self._theirs
        self._learn(ring.conditions)
        foreign = bool(ring.conditions & Condition.FOREIGN_PICTURE)
        name = self._keeper.state.their_name
        knock = NAMED_KNOCK.format(name=name) if name else KNOCK
        questions = [knock] * (not self._manners.lets_in)
        questions += [FOREIGN] * (foreign and not self._manners.takes_foreign)
        if questions and not await self._keeper.ask("ringing", " ".join(questions)):
            link.say(Decline(NO_FOREIGN if foreign else ""))
            return False
        link.say(Accept())
        self._accepted = True
        if not self._let_in.is_set():
            self._keeper.change(phase="connecting", sentence="Ringing at the other side.")
        await self._let_in.wait()
        return True
