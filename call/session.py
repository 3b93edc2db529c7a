"""The two-party call as one person has it: from the first look at the own picture to the last goodbye.

Consent, meeting and ringing, then the call, until either side ends it. The side that invites goes on waiting where
somebody came who cannot or shall not be let in, and where the other side was started anew there is a new call on the
same page. What happens in a call is `call.encounter`'s. Everything happens on one event loop. Knows no page, no camera
and no address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from call.consent import Consent
from call.duplex import Duplex
from call.encounter import Encounter, Newcomer
from call.errors import CallError, explain
from call.keeper import Keeper
from call.link import MakePeer, first_link
from call.media import Media
from call.ringing import Manners, NotWantedError
from call.state import CallState, Figures, Invitation
from codec.hello import Goodbye, Hello, HelloMismatch
from transport.errors import TransportError
from transport.guests import NewCodeError

if TYPE_CHECKING:
    from receiver.receiver import Receiver
    from runtime.talker import Picture
    from sender.sender import Sender
    from transport.meeting import Meeting

CONSENT = "This is the picture of you that the other side will see. Send it?"
ANEW = "The other side was started anew, or somebody else has come: this is another call."
CONSENT_ANEW = f"{ANEW} This is the picture of you that will be seen. Send it?"
WAITING = "Waiting for the other side."
CALLING = "Calling the other side."  # whoever came by its address
YOU_ENDED = "You have ended the call."
DECLINED = "The call was declined."
NOT_LET_IN = "Somebody came and could not be let in: {why}"
NEW_CODE = "Who was declined knows the code, so there is a new one."
# Between two that came and could not be let in.
PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0

Notify = Callable[[str], None]


class Session:
    """One call, and the next one with a side that was started anew. `run` it; a page and tests ask of it what
    `call.state.Wishes` says.

    Parameters
    ----------
    make_sender, make_receiver
        Make the two ends of a call; each is given where to tell the person something, from any thread, and the sender
        whether its camera is to be on. With the sender comes why its camera could not be had: then it begins without. A
        later call's sender is made on a thread.
    make_peer
        Makes each connection's peer, always with the same certificate.
    on_state
        Called on the event loop after changes, with the newest state only.
    on_preview
        Called with the source picture (SxSx3 RGB) that is about to be sent.
    on_notice
        Called on the event loop with each sentence for the person; the state has the newest of them.
    invitation
        Says, once the meeting is open, what the other side needs; None where there is nothing to pass on, and nobody
        to wait for who was not called.
    """

    def __init__(
        self,
        meeting: Meeting,
        *,
        make_sender: Callable[[Notify, bool], tuple[Sender, str | None]],
        make_receiver: Callable[[], Receiver],
        make_peer: MakePeer,
        manners: Manners,
        on_state: Callable[[CallState], None] | None = None,
        on_preview: Callable[[Picture], None] | None = None,
        on_notice: Notify | None = None,
        invitation: Callable[[], Invitation | None] = lambda: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._meeting = meeting
        self._make_sender = make_sender
        self._make_receiver = make_receiver
        self._make_peer = make_peer
        self._manners = manners
        self._invitation = invitation
        self._keeper = Keeper(
            CallState("connecting", "Getting ready."),
            on_state=on_state,
            on_notice=on_notice,
            asks=manners.asks,
        )
        self._make_media: Callable[[Duplex], Media] = lambda duplex: Media()
        self._consent = Consent(self._keeper, manners, on_preview=on_preview, on_lost=self._lose_input)
        self.held: Encounter | None = None  # the newest call that began
        self.duplex = self._make_duplex(*make_sender(self._keeper.notice, self.state.camera_on))
        self._encounter = self._meet_anew()
        self._over = asyncio.Event()
        self._ending = "The call has ended."
        self._reason = ""  # what the other side is told
        self._failure: Exception | None = None

    @property
    def state(self) -> CallState:
        """The call as it is now."""
        return self._keeper.state

    @property
    def newest(self) -> Encounter:
        """The newest call that began, or the one that is waited for where none has."""
        return self.held or self._encounter

    def notice(self, sentence: str) -> None:
        """Tell the person something; from any thread."""
        self._keeper.notice(sentence)

    def use(self, make_media: Callable[[Duplex], Media]) -> None:
        """Hold calls with what this makes for each of them; before `run`."""
        self._make_media, self._media = make_media, make_media(self.duplex)
        self._encounter = self._meet_anew()

    def agree(self, yes: bool) -> None:
        """See `Wishes.agree`."""
        self._keeper.settle("consent", yes)

    def accept(self, yes: bool) -> None:
        """See `Wishes.accept`."""
        self._keeper.settle("ringing", yes)

    def hang_up(self) -> None:
        """See `Wishes.hang_up`."""
        self._end(YOU_ENDED)

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
        except asyncio.CancelledError:
            self._end(YOU_ENDED)
            raise
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
        await self._consent.ask(self.duplex.sender, CONSENT)
        newcomer: Newcomer | None = None
        while (theirs := await self._let_somebody_in(newcomer)) is not None:
            self.held = self._encounter
            newcomer = await self._encounter.hold(theirs)
            if newcomer is None:
                if not self._over.is_set():
                    self._ending, self._reason = "The input has ended.", "the input has ended"
                return
            await self._begin_again(newcomer)

    async def _let_somebody_in(self, newcomer: Newcomer | None) -> Hello | None:
        """Wait until somebody is let in, and return what that side says; None where the call is over. `newcomer` is
        there already."""
        told, pause_s = "", PAUSE_S
        while True:
            try:
                link, theirs = newcomer or await self._wait()
                self._encounter.greet(link)
                if newcomer is not None:
                    await self._consent.ask(self.duplex.sender, CONSENT_ANEW)
                if await self._encounter.let_in():
                    self._meeting.admit()
                    return theirs
                why, declined = DECLINED, True
            except (CallError, TransportError, HelloMismatch) as error:
                if self._invitation() is None and not isinstance(error, NotWantedError):
                    raise
                why, declined = explain(error), False
                if self._invitation() is not None and not isinstance(error, NewCodeError):
                    why = NOT_LET_IN.format(why=why)
            if self._invitation() is None:
                self._end(why)
                return None
            newcomer = None
            await self._encounter.leave("")
            self._meeting.reopen(new_code=declined)
            if why != told:
                told, pause_s = why, PAUSE_S
                self._keeper.notice(NEW_CODE if declined else why)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._encounter = self._meet_anew()

    async def _wait(self) -> Newcomer:
        invitation = self._invitation()
        sentence = CALLING if invitation is None else WAITING
        self._keeper.change(phase="waiting", sentence=sentence, invitation=invitation)
        return await first_link(self._meeting, self._encounter.make_link, on_met=self._met)

    async def _begin_again(self, newcomer: Newcomer) -> None:
        """Let go of the call that was held, and make everything for another one."""
        self._keeper.change(phase="connecting", sentence=ANEW, invitation=None)
        try:
            await self._encounter.leave("")
            self.duplex = self._make_duplex(*await self._make_next_sender())
            # The one that has come knows this side by what it was told when it came.
            self._encounter = self._meet_anew(secret=self._encounter.secret)
        except BaseException:
            newcomer[0].say(Goodbye(self._reason))
            await newcomer[0].peer.drain()
            await newcomer[0].close()
            raise

    async def _make_next_sender(self) -> tuple[Sender, str | None]:
        """Make it beside the loop, which a camera that is slow to come would hold up. Who hangs up meanwhile waits for
        it: there would be nobody to close it."""
        making = self._loop.run_in_executor(
            None, self._make_sender, self._keeper.notice, self.state.camera_on
        )
        try:
            return await asyncio.shield(making)
        finally:
            await asyncio.wait({making})

    def _make_duplex(self, sender: Sender, fault: str | None) -> Duplex:
        """Make both directions of a call. fault: why the camera could not be had, where it could not."""
        if fault is not None:
            self._keeper.change(camera_on=False)
            self._keeper.notice(fault)
        duplex = Duplex(sender, self._make_receiver(), on_input_lost=self._lose_input)
        self._media = self._make_media(duplex)
        return duplex

    def _meet_anew(self, *, secret: bytes | None = None) -> Encounter:
        """Begin with an other side of which nothing is known; what the person has wished holds on."""
        self._keeper.change(
            safety_words=(),
            their_muted=False,
            their_camera_on=True,
            their_picture_is_foreign=False,
            their_recording=False,
            their_ordinary_video=False,
            # Who comes now may be somebody else, and is not shown the room unasked.
            ordinary_video=False,
            their_thrifty=False,
            their_name="",
            view=(0.0, 0.0),
            figures=Figures(),
            chat=(),
        )
        encounter = Encounter(
            self._keeper,
            self.duplex,
            self._meeting,
            make_peer=self._make_peer,
            manners=self._manners,
            invitation=self._invitation,
            on_end=self._end,
            on_fault=self._fail,
            secret=secret,
        )
        talk, own, media = encounter.talk, encounter.talk.own, self._media
        own.sound, own.video, own.recorder = media.sound, media.video, media.recorder
        self.mute, self.camera, self.turn = own.mute, own.camera, own.turn
        self.new_source, self.repair, self.limit = own.new_source, talk.repair, own.limit
        self.record, self.say, self.ordinary_video = own.record, talk.say, own.ordinary_video
        self.thrifty = own.thrifty
        own.resume()
        return encounter

    def _met(self) -> None:
        self._keeper.change(phase="connecting", sentence="The other side is there; connecting.")

    async def _leave(self, course: asyncio.Task[None]) -> None:
        """End everything; the other side is told first."""
        left = self._encounter
        await left.leave(self._reason)
        course.cancel()
        await asyncio.gather(course, return_exceptions=True)
        if self._encounter is not left:  # somebody else came just then
            await self._encounter.leave(self._reason)
        await self._consent.close()
        self.duplex.receiver.discard()
        await asyncio.gather(self._meeting.close(), return_exceptions=True)

    def _lose_input(self, sentence: str) -> None:
        self._encounter.talk.own.lose_input(sentence)

    def _fail(self, error: Exception) -> None:
        """End the call as failed."""
        self._failure = self._failure or error
        self._over.set()

    def _end(self, sentence: str) -> None:
        if not self._over.is_set():
            self._ending = sentence
            self._over.set()
