"""The two-party call as one person has it: from the first look at the own picture to the last goodbye.

Consent, meeting, ringing, talking, and finding back after a lost line, over and over, while both sides want it. What is
said meanwhile is `call.talk`'s. Everything happens on one event loop. Knows no page, no camera and no address.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from call.duplex import Duplex
from call.errors import CallError, explain
from call.keeper import Keeper
from call.link import Link, MakePeer, first_link, next_link
from call.ringing import DECLINED, Manners, Ringing
from call.state import CallState, Invitation
from call.talk import Recorder, Sound, Talk
from codec.commitment import SafetyCommit, SafetyReveal
from codec.control import Goodbye, Hello, Message
from codec.conversation import Accept, Decline, Ring

if TYPE_CHECKING:
    from receiver.receiver import Receiver
    from runtime.talker import Picture
    from sender.sender import Sender
    from transport.meeting import Meeting

# In a call something comes every quarter of a second, at the least: this silence is a line that is lost. Where motions
# go out, which the other side reports on and acknowledges, a shorter one says it as surely.
SILENCE_S = 2.0
UNHEARD_S = 1.5
LOOK_S = 0.1
# What the other side, which has begun a moment earlier, may say before this side has begun: its source picture.
MOST_EARLY = 400

CONSENT = "This is the picture of you that the other side will see. Send it?"

Notify = Callable[[str], None]


class Session:
    """One call. `run` it; a page and tests ask of it what `call.state.Wishes` says.

    Parameters
    ----------
    make_sender, make_receiver
        Make the two ends; each is given where to tell the person something, from any thread.
    make_peer
        Makes each connection's peer, always with the same certificate.
    on_state
        Called on the event loop after changes, with the newest state only.
    on_preview
        Called with the source picture (SxSx3 RGB) that is about to be sent.
    on_notice
        Called on the event loop with each sentence for the person; the state has the newest of them.
    invitation
        Says, once the meeting is open, what the other side needs; None where there is nothing to pass on.
    """

    def __init__(
        self,
        meeting: Meeting,
        *,
        make_sender: Callable[[Notify], Sender],
        make_receiver: Callable[[Notify], Receiver],
        make_peer: MakePeer,
        manners: Manners,
        on_state: Callable[[CallState], None] | None = None,
        on_preview: Callable[[Picture], None] | None = None,
        on_notice: Notify | None = None,
        invitation: Callable[[], Invitation | None] = lambda: None,
    ) -> None:
        self.reconnects = 0
        self.longest_outage_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._meeting = meeting
        self._make_peer = make_peer
        self._manners = manners
        self._on_preview = on_preview
        self._invitation = invitation
        self._keeper = keeper = Keeper(
            CallState("connecting", "Getting ready."),
            on_state=on_state,
            on_notice=on_notice,
            asks=manners.asks,
        )
        self.duplex = Duplex(
            make_sender(keeper.notice), make_receiver(keeper.notice), on_input_lost=self._lose_input
        )
        self._talk = talk = Talk(keeper, self.duplex, foreign=manners.foreign, on_fault=self._fail)
        self.mute, self.camera, self.turn = talk.mute, talk.camera, talk.turn
        self.new_source, self.repair, self.limit = talk.new_source, talk.repair, talk.limit
        self.record, self.say, self.ordinary_video = talk.record, talk.say, talk.ordinary_video
        self._link: Link | None = None
        self._beside: list[asyncio.Task[None]] = []
        self._ends: asyncio.Task[None] | None = None  # the call proper, once it has begun
        self._talking = False
        self._early: deque[tuple[Message, bytes]] = deque(maxlen=MOST_EARLY)
        self._ringing = Ringing(keeper, manners, learn=talk.take_conditions)
        self._over = asyncio.Event()
        self._ending = "The call has ended."
        self._reason = ""  # what the other side is told
        self._failure: Exception | None = None

    @property
    def state(self) -> CallState:
        """The call as it is now."""
        return self._keeper.state

    def notice(self, sentence: str) -> None:
        """Tell the person something; from any thread."""
        self._keeper.notice(sentence)

    def use(self, *, sound: Sound | None = None, recorder: Recorder | None = None) -> None:
        """Hold the call with these; before `run`."""
        self._talk.sound, self._talk.recorder = sound, recorder

    def agree(self, yes: bool) -> None:
        """See `Wishes.agree`."""
        self._keeper.settle("consent", yes)

    def accept(self, yes: bool) -> None:
        """See `Wishes.accept`."""
        self._keeper.settle("ringing", yes)

    def hang_up(self) -> None:
        """See `Wishes.hang_up`."""
        self._end("You have ended the call.")

    async def run(self) -> None:
        """Hold the call until either side ends it; at the end the state's phase is `ended` or `failed`.

        Raises what made it fail, a sentence. Cancelling ends it cleanly within a second, and the other side is told.
        """
        course = self._loop.create_task(self._course())
        over = self._loop.create_task(self._over.wait())
        try:
            await asyncio.wait({course, over}, return_when=asyncio.FIRST_COMPLETED)
            if not self._over.is_set():
                error = course.exception()
                self._failure = error if isinstance(error, Exception) else None
            if self._failure is not None:
                self._ending, self._reason = explain(self._failure), "the other side has a fault"
        finally:
            self._over.set()  # what the other side says to this side's goodbye is no news
            await over
            await self._leave(course)
            self._keeper.change(
                phase="ended" if self._failure is None else "failed", sentence=self._ending, invitation=None
            )
            await asyncio.sleep(0)  # for the last state to be told
        if self._failure is not None:
            raise self._failure

    async def _course(self) -> None:
        await self._meeting.open()
        self._keeper.change(invitation=self._invitation())
        await self._show_picture_first()
        self._keeper.change(phase="waiting", sentence="Waiting for the other side.")
        self._link, theirs = await first_link(self._meeting, self._make_link, on_met=self._met)
        self._talk.greet(self._link)
        self._link.trust()
        if not await self._ringing.agree(self._link, self._talk.ring()):
            self._end(DECLINED)
            return
        self._keeper.change(phase="connected", sentence="The call is on.", invitation=None)
        self._talk.go_on()
        self._ends = ends = self._loop.create_task(self.duplex.run(theirs))
        self._beside = beside = [self._loop.create_task(self._watch(theirs))]
        if self._talk.sound is not None:
            beside.append(self._loop.create_task(self._talk.sound.run()))
        try:
            await self.duplex.begun.wait()
            self._catch_up()
            await asyncio.wait({ends, *beside}, return_when=asyncio.FIRST_COMPLETED)
            if self._over.is_set():
                return
            for task in beside:
                if task.done():
                    task.result()
            self._ending, self._reason = "The input has ended.", "the input has ended"
        finally:
            for task in beside:
                task.cancel()
            self.duplex.stop()
            # Not `gather`: what is cancelled meanwhile must not cancel the ends in the middle of their own.
            await asyncio.wait({ends, *beside})
        ends.result()

    async def _show_picture_first(self) -> None:
        """Let nothing leave before the person has seen what it is."""
        sender = self.duplex.sender
        while True:
            await sender.prepare()
            if sender.source is None:
                raise CallError("The input has ended before a picture was chosen.")
            if self._on_preview is not None:
                self._on_preview(sender.source.picture)
            if self._manners.sends_picture:
                return
            if not self._manners.asks:
                raise CallError("Nobody is here to agree to the picture that would be sent.")
            if await self._keeper.ask("consent", CONSENT):
                return
            sender.forget_source()

    def _met(self) -> None:
        self._keeper.change(phase="connecting", sentence="The other side is there; connecting.")

    def _catch_up(self) -> None:
        """Take what the other side has said since it began."""
        self._talking = True
        for message, data in self._early:
            self._talk.take(message, data)
        self._early.clear()

    async def _watch(self, theirs: Hello) -> None:
        """Follow the line: figures now and then, and another link when it is lost."""
        knocked = self._loop.create_task(self._meeting.knocked())
        motions, sent_s = 0, 0.0  # as many had gone out, the last of them then
        try:
            while True:
                await asyncio.wait({knocked}, timeout=LOOK_S)
                assert self._link is not None, "there is a link from the first on"
                now_s, sent = self._loop.time(), self.duplex.line.stats().motion_sent
                if sent != motions:
                    motions, sent_s = sent, now_s
                limit_s = UNHEARD_S if now_s - sent_s < UNHEARD_S else SILENCE_S
                if self._link.silent_s > limit_s or knocked.done():
                    await self._find_back(self._link, theirs, is_wanted=knocked.done())
                    knocked.cancel()
                    knocked = self._loop.create_task(self._meeting.knocked())
                self._talk.measure()
        finally:
            knocked.cancel()

    async def _find_back(self, old: Link, theirs: Hello, *, is_wanted: bool) -> None:
        began_s = self._loop.time() - min(old.silent_s, SILENCE_S)
        self._keeper.change(
            phase="reconnecting", sentence="The line is lost. The call goes on as soon as it is back."
        )
        link = await next_link(self._meeting, self._make_link, old=old, known=theirs, is_wanted=is_wanted)
        if link is not old:
            self._link = link
            self._talk.greet(link)
            link.trust()
            self._talk.go_on()
            await old.close()
        self.reconnects += 1
        self.longest_outage_s = max(self.longest_outage_s, self._loop.time() - began_s)
        self._keeper.change(phase="connected", sentence="The line is back, and the call goes on.")

    async def _leave(self, course: asyncio.Task[None]) -> None:
        """End everything; the other side is told first."""
        for task in self._beside:  # nobody looks for a line that this side lets go
            task.cancel()
        if self._link is not None:
            self._link.say(Goodbye(self._reason))
            await self._link.peer.drain()
        if self.state.recording is not None:
            self.record(False)
        self.duplex.stop()
        if self._ends is not None:
            await asyncio.wait({self._ends})
        course.cancel()
        await asyncio.gather(course, return_exceptions=True)
        self.duplex.receiver.discard()
        self.duplex.line.detach()
        leaving = [self._meeting.close()]
        if self._link is not None:
            leaving.append(self._link.close())
        await asyncio.gather(*leaving, return_exceptions=True)

    def _make_link(self) -> Link:
        return Link(
            self._make_peer,
            mine=self.duplex.hello,
            sound=None if self._talk.sound is None else self._talk.sound.new_line(),
            on_motion=self.duplex.on_motion,
            on_message=self._take,
        )

    def _take(self, message: Message, data: bytes) -> None:
        """Take a control message of the other side's."""
        match message:
            case Ring() | Accept():
                self._ringing.take(message)
            case Decline(reason):
                self._end(_because("The other side has declined the call", reason))
            case Goodbye(reason):
                self._end(_because("The other side has ended the call", reason))
            case SafetyCommit() | SafetyReveal():
                self._talk.take(message, data)
            case _ if self._talking:
                self._talk.take(message, data)
            case _:
                self._early.append((message, data))

    def _lose_input(self, sentence: str) -> None:
        self._talk.lose_input(sentence)

    def _fail(self, error: Exception) -> None:
        """End the call as failed."""
        self._failure = self._failure or error
        self._over.set()

    def _end(self, sentence: str) -> None:
        if not self._over.is_set():
            self._ending = sentence
            self._over.set()


def _because(sentence: str, reason: str) -> str:
    return f"{sentence}: {reason.rstrip('.')}." if reason else f"{sentence}."
