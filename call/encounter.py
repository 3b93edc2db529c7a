"""One call with one other side, from its ringing to the goodbye: what is said, and the links over which it is said, one
after the other.

Where the line is lost it is looked for without end. Comes somebody else instead of the other side, started anew or with
a new code, this call is over and the caller has another one. Knows no page and nothing of how pictures are made.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from call.duplex import Duplex
from call.errors import explain
from call.keeper import Keeper
from call.link import Link, MakePeer, next_link
from call.ringing import Manners, Ringing
from call.state import Figures, Invitation
from call.talk import Talk
from codec.commitment import SafetyCommit, SafetyReveal
from codec.control import Message
from codec.conversation import Accept, Decline, Name, Ring
from codec.feedback import Feedback
from codec.hello import SECRET_BYTES, Capability, Goodbye, Hello
from codec.transfer import PictureOffer, PicturePiece
from transport.errors import LeftError, TurnedAwayError
from transport.guests import NewCodeError

if TYPE_CHECKING:
    from transport.meeting import Meeting

# In a call something comes twice a second, at the least: reports on motion, or the time. So long a silence is a line
# that is lost.
SILENCE_S = 2.0
LOOK_S = 0.1
# So long a call that lost its line is kept for the other side alone; then whoever has the new code may come as well.
ALONE_S = 15.0
# Who sends feedback for so long and has not rung never will.
UNRUNG_S = 5.0
# What the other side, which has begun a moment earlier, may say before this side has begun: its source picture.
MOST_EARLY = 400

ON = "The call is on."
LOST = "The line is lost. The call goes on as soon as it is back."
STILL_LOST = "The line is still lost, and the call goes on as soon as it is back. You can also end it."
NEW_CODE = "The line is still lost. If the other side has to start anew, it comes in with the code {code}."
BACK = "The line is back, and the call goes on."
UNKNOWN = (
    "The other side was started anew and knows nothing of this call: call it with the code that it shows now."
)
LEFT = "The other side has ended the call."
ONE_WAY = "The other side sends or receives only: a call of two wants `visavis call` on both sides."
CALL_OF_TWO = "it holds a call of two, which wants visavis call on both sides"  # what that one is told

Newcomer = tuple[Link, Hello]


class Encounter:
    """One other side. `greet` it over its first link, `let_in`, and `hold` the call; in the end `leave`.

    invitation: what somebody else needs to come in; None where nobody can. secret: what this side is known by, if it
    has been said already. on_end: is told, with a sentence, that the other side has ended the call. on_fault: is told
    what makes going on unsafe.
    """

    def __init__(
        self,
        keeper: Keeper,
        duplex: Duplex,
        meeting: Meeting,
        *,
        make_peer: MakePeer,
        manners: Manners,
        invitation: Callable[[], Invitation | None],
        on_end: Callable[[str], None],
        on_fault: Callable[[Exception], None],
        secret: bytes | None = None,
    ) -> None:
        self.duplex = duplex
        self.talk = Talk(keeper, duplex, foreign=manners.foreign, on_fault=on_fault)
        self.secret = secret or secrets.token_bytes(SECRET_BYTES)
        self.outages = self.reconnects = 0
        self.began_s: float | None = None
        self.ended_s: float | None = None
        self._longest_outage_s = 0.0
        self._lost_s: float | None = None  # since when there is no line
        self._keeper = keeper
        self._meeting = meeting
        self._make_peer = make_peer
        self._invitation = invitation
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._ringing = Ringing(keeper, manners, learn=self.talk.take_conditions)
        self._ends: asyncio.Task[None] | None = None  # the call proper, once it has begun
        self._beside: list[asyncio.Task[None]] = []
        self._newcomer: Newcomer | None = None
        self._is_reopened = False
        self._talking = False
        self._unrung_s: float | None = None  # since when feedback comes from one who has not rung
        self._early: deque[tuple[Message, bytes]] = deque(maxlen=MOST_EARLY)

    @property
    def seconds(self) -> float:
        """How long the call has been held; 0 before it began."""
        if self.began_s is None:
            return 0.0
        return (self.ended_s or self._loop.time()) - self.began_s

    @property
    def longest_outage_s(self) -> float:
        """How long the line was gone at a stretch, at the most; one that lasts is counted up to now."""
        lasting_s = 0.0 if self._lost_s is None else (self.ended_s or self._loop.time()) - self._lost_s
        return max(self._longest_outage_s, lasting_s)

    def make_link(self) -> Link:
        """Make a link to this other side, or whoever is to be it."""
        mine = replace(self.duplex.hello, resumption_secret=self.secret)
        sound = self.talk.own.sound
        if sound is not None:  # without it the other side's is dropped, and what rides along
            mine = replace(mine, capabilities=mine.capabilities | Capability.TAKES_RIDERS)
        return Link(self._make_peer, mine=mine, sound=None if sound is None else sound.new_line())

    def greet(self, link: Link) -> None:
        """Begin to talk over the first link."""
        self._link = link
        self.talk.greet(link)
        link.trust(on_motion=self.duplex.on_motion, on_message=self._take)

    async def let_in(self) -> bool:
        """Ring, and answer the other side's ring; False where this side says no.

        Raises NotWantedError where the other side says no, and CallError where the line breaks meanwhile.
        """
        assert self._link is not None, "it has been greeted"
        agreed = await self._ringing.agree(self._link, self.talk.ring())
        if agreed and self._ringing.why:
            self._on_end(self._ringing.why)
        return agreed

    async def hold(self, theirs: Hello) -> Newcomer | None:
        """Hold the call until the input ends, or somebody else has come, who is returned.

        The other side has said `theirs`. Raises what either end raises. Cancelling is a clean end.
        """
        self.began_s = self._loop.time()
        self._keeper.change(phase="connected", sentence=ON, invitation=None)
        self.talk.go_on()
        self._ends = ends = self._loop.create_task(self.duplex.run(theirs))
        self._beside = beside = [self._loop.create_task(self._watch(theirs))]
        if (sound := self.talk.own.sound) is not None:
            beside.append(self._loop.create_task(sound.run()))
        try:
            await self.duplex.begun.wait()
            self._catch_up()
            await asyncio.wait({ends, *beside}, return_when=asyncio.FIRST_COMPLETED)
            for task in beside:
                if task.done() and not task.cancelled():
                    task.result()
        finally:
            for task in beside:
                task.cancel()
            self.duplex.stop()
            # Not `gather`: what is cancelled meanwhile must not cancel the ends in the middle of their own.
            await asyncio.wait({ends, *beside})
        newcomer, self._newcomer = self._newcomer, None
        if newcomer is None:
            ends.result()
        return newcomer

    async def leave(self, reason: str) -> None:
        """End this call, and tell the other side why."""
        for task in self._beside:  # nobody looks for a line that this side lets go
            task.cancel()
        if self.began_s is not None and self.ended_s is None:
            self.ended_s = self._loop.time()
        if self._link is not None:
            self._link.say(Goodbye(reason))
            await self._link.peer.drain()
        self.talk.own.end_recording()
        if self._ends is not None:
            self.duplex.stop()
            await asyncio.wait({self._ends})
        self.duplex.line.detach()
        if self._link is not None:
            await self._link.close()
        if self._newcomer is not None:
            await self._newcomer[0].close()

    def _catch_up(self) -> None:
        """Take what the other side has said since it began."""
        self._talking = True
        for message, data in self._early:
            self.talk.take(message, data)
        self._early.clear()

    async def _watch(self, theirs: Hello) -> None:
        """Follow the line: figures now and then, and another link when it is lost. Returns where the call is over."""
        knocked = self._loop.create_task(self._meeting.knocked())
        try:
            while True:
                await asyncio.wait({knocked}, timeout=LOOK_S)
                assert self._link is not None, "there is a link from the first on"
                if self._link.silent_s > SILENCE_S or knocked.done() or self._link.peer.has_moved:
                    if not await self._find_back(self._link, theirs, is_wanted=knocked.done()):
                        return
                    knocked.cancel()
                    knocked = self._loop.create_task(self._meeting.knocked())
                self.talk.measure()
        finally:
            knocked.cancel()

    async def _find_back(self, old: Link, theirs: Hello, *, is_wanted: bool) -> bool:
        """Look for the other side; False where this call is over, as it is gone for good or somebody else has come."""
        self._lost_s = self._loop.time() - min(old.silent_s, SILENCE_S)
        self.outages += 1
        self._keeper.change(phase="reconnecting", sentence=LOST, figures=Figures())
        opening = self._loop.call_later(ALONE_S, self._reopen)
        try:
            link, found = await next_link(
                self._meeting,
                self.make_link,
                old=old,
                known=theirs,
                is_wanted=is_wanted,
                on_failed=self._fail_to_return,
            )
        except TurnedAwayError:
            self._on_end(UNKNOWN)
            return False
        except LeftError:
            self._on_end(LEFT)
            return False
        finally:
            opening.cancel()
        if not hmac.compare_digest(found.resumption_secret, theirs.resumption_secret):
            self._newcomer = link, found
            return False
        if link is not old:
            try:
                self.greet(link)
                self.talk.go_on()
            finally:
                await old.close()
        self._meeting.admit()
        self._is_reopened = False
        self.reconnects += 1
        self._longest_outage_s, self._lost_s = self.longest_outage_s, None
        self._keeper.change(phase="connected", sentence=BACK, invitation=None)
        return True

    def _reopen(self) -> None:
        """Let somebody else come as well, and say with what."""
        self._is_reopened = True
        self._meeting.reopen(new_code=True)
        self._invite()

    def _invite(self) -> None:
        invitation = self._invitation()
        sentence = STILL_LOST if invitation is None else NEW_CODE.format(code=invitation.code)
        self._keeper.change(sentence=sentence, invitation=invitation)

    def _fail_to_return(self, error: Exception) -> None:
        if not self._is_reopened:
            return
        if isinstance(error, NewCodeError):
            self._keeper.notice(explain(error))
        self._meeting.reopen(new_code=False)  # who came was not the one, and used the code
        self._invite()

    def _take(self, message: Message, data: bytes) -> None:
        """Take a control message of the other side's."""
        match message:
            case Name() | Ring() | Accept():
                self._ringing.take(message)
            case Decline(reason):
                self._part(_because("The other side has declined the call", reason))
            case Goodbye(reason):
                self._part(_because("The other side has ended the call", reason))
            case SafetyCommit() | SafetyReveal():
                self.talk.take(message, data)
            case _ if self._talking:
                self.talk.take(message, data)
            case PictureOffer() | PicturePiece() | Feedback() if self._is_one_way(message):
                if self._link is not None:
                    self._link.say(Goodbye(CALL_OF_TWO))
                self._ringing.refuse(ONE_WAY)
            case _:
                self._early.append((message, data))

    def _is_one_way(self, message: Message) -> bool:
        """Say whether this is of one who only sends or receives, and will never ring."""
        if self._ringing.rung or self._ringing.why:
            return False
        # Pictures come after the ring of who holds a call of two. Feedback may overtake a ring that got lost.
        self._unrung_s = self._unrung_s or self._loop.time()
        return not isinstance(message, Feedback) or self._loop.time() - self._unrung_s > UNRUNG_S

    def _part(self, sentence: str) -> None:
        if self.began_s is None:
            self._ringing.refuse(sentence)
        else:
            self._on_end(sentence)


def _because(sentence: str, reason: str) -> str:
    return f"{sentence}: {reason.rstrip('.')}." if reason else f"{sentence}."
