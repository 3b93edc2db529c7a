"""What the two sides of a call say to each other while it lasts: their chat, how they are, the safety words, a wish.

The part of a session that knows no phases and no lost lines: what is said goes over the link of the moment, and what a
lost link must not lose is said again over the next one. What a wish does on this side is `call.own_side`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from call.chat import Chatting
from call.duplex import Duplex
from call.errors import CallError
from call.figures import Gauge
from call.keeper import Keeper
from call.link import Link
from call.own_side import OwnSide
from call.state import CallState
from codec.commitment import SafetyCommit, SafetyReveal
from codec.control import Message
from codec.conversation import Chat, Condition, Kind, Ring, Status, Unmet, Wish
from codec.time import Clock
from transport.errors import TransportError
from transport.limits import Bucket
from transport.safety import Safety

NOBODY_THERE = "Nobody is before the other side's camera."
SOMEBODY_THERE = "Somebody is before the other side's camera again."
THEY_RECORD = "The other side records the call."
THEY_STOPPED = "The other side records no more."
REPAIR_ASKED = "Asked the other side to mend the picture."
NOTHING_BETTER = "The picture stays as it is: no other would be better now."
# So many sentences about the other side are said in one go, and so many more a second; the state has all of it.
SAID_AT_ONCE, SAID_PER_S = 10.0, 0.5
# And so many new pictures are had for the asking: each costs the line as much as ten seconds of motion, and what is
# spent on them is not there for repairs.
PICTURES_AT_ONCE, PICTURES_PER_S = 3.0, 0.1


class Talk:
    """Both sides' conversation; `own` is this side, which it tells of.

    foreign: the own source picture is not from the own camera. on_fault: called with what makes going on unsafe.
    """

    def __init__(
        self, keeper: Keeper, duplex: Duplex, *, foreign: bool, on_fault: Callable[[Exception], None]
    ) -> None:
        self.own = OwnSide(keeper, duplex, on_change=self.tell_status)
        self._keeper = keeper
        self._duplex = duplex
        self._foreign = foreign
        self._on_fault = on_fault
        self._link: Link | None = None
        self._safety: Safety | None = None
        self._gauge = Gauge()
        self._chat = Chatting()
        # The other side has, over this link, with what was said over those before.
        self._has_caught_up = False
        self._away = False
        self._they_are_away = False
        self._sentences = Bucket(SAID_AT_ONCE, SAID_PER_S)
        self._pictures = Bucket(PICTURES_AT_ONCE, PICTURES_PER_S)

    @property
    def words(self) -> tuple[str, ...]:
        """The safety words; empty before they are known."""
        return () if self._safety is None else self._safety.words

    @property
    def _state(self) -> CallState:
        return self._keeper.state

    # Wishes of the person that go to the other side (`call.state.Wishes`).

    def repair(self) -> None:
        """See `Wishes.repair`."""
        self._say(Wish(Kind.REPAIR))
        self._keeper.notice(REPAIR_ASKED)

    def say(self, text: str) -> None:
        """See `Wishes.say`."""
        try:
            messages = self._chat.say(text)
        except CallError as error:
            self._keeper.notice(str(error))
            return
        for message in messages:
            self._say(message)
        self._keeper.change(chat=self._chat.lines)

    # The line.

    def greet(self, link: Link) -> None:
        """Begin with the first link, or go on with another one of the same call: find the safety words, or see that
        they still hold. Raises TransportError where they do not."""
        certificates = link.peer.fingerprints
        if self._safety is None:
            self._safety = Safety(*certificates)
            link.say(SafetyCommit(self._safety.commitment))
        else:
            self._safety.check(*certificates)
        self._link, self._has_caught_up = link, False

    def go_on(self) -> None:
        """Talk over the link that was greeted, now that both sides want to."""
        assert self._link is not None, "it has been greeted"
        self.own.use(self._link)
        self.tell_status()

    def measure(self) -> None:
        """Tell the state, and the other side, what has to be told now and then; to be called often."""
        sound, video = self.own.sound, self.own.video
        if sound is not None:
            self._keeper.change(level=sound.level, their_level=sound.their_level)
        self.own.fit_sound()
        figures = self._gauge.read(self._duplex, filmed=0 if video is None else video.shown)
        if figures is None:
            return
        loss = None if sound is None else sound.stats().loss
        self._keeper.change(figures=replace(figures, loss=loss))
        clock = None if sound is None else sound.clock()
        if clock is not None:
            self._say(clock)
        if self._gauge.away != self._away:
            self._away = self._gauge.away
            self.tell_status()

    def ring(self) -> Ring:
        """Return how this side asks to begin."""
        return Ring(self._conditions())

    def tell_status(self) -> None:
        """Tell the other side how this one is."""
        self._say(Status(self._conditions(), self._chat.taken))

    def take(self, message: Message, data: bytes) -> None:
        """Take a message of the other side's."""
        match message:
            case Chat():
                if self._chat.take(message):
                    self._keeper.change(chat=self._chat.lines)
            case Status(conditions, chat_taken):
                self.take_conditions(conditions)
                if not self._has_caught_up:  # a link loses nothing, so what it misses later is on its way
                    self._has_caught_up = True
                    for chat in self._chat.missing(chat_taken):
                        self._say(chat)
            case SafetyCommit() | SafetyReveal():
                self._take_safety(message)
            case Clock():
                if self.own.sound is not None:
                    self.own.sound.take(message)
            case Wish(Kind.NEW_PICTURE):
                may = self._pictures.take(asyncio.get_running_loop().time())
                if not may or not self._duplex.sender.renew_source():
                    self._say(Unmet(Kind.NEW_PICTURE))
            case Wish(Kind.REPAIR):
                loop = asyncio.get_running_loop()
                self._duplex.sender.repair(
                    on_vain=lambda: loop.call_soon_threadsafe(self._say, Unmet(Kind.REPAIR))
                )
            case Unmet(Kind.NEW_PICTURE | Kind.REPAIR):
                self._notice(NOTHING_BETTER)
            case Wish() | Unmet():
                pass  # what a later version may ask for
            case _:
                self._duplex.on_control(data)

    def take_conditions(self, conditions: int) -> None:
        """Learn how the other side is."""
        camera_on = not conditions & Condition.CAMERA_OFF
        away = bool(conditions & Condition.AWAY)
        records = bool(conditions & Condition.RECORDING)
        self._duplex.receiver.idle(away or not camera_on)
        if away != self._they_are_away:
            self._they_are_away = away
            self._notice(NOBODY_THERE if away else SOMEBODY_THERE)
        if records != self._state.their_recording:
            self._notice(THEY_RECORD if records else THEY_STOPPED)
        films = bool(conditions & Condition.ORDINARY_VIDEO)
        if self.own.video is not None:
            self.own.video.receive(films and camera_on)
        thrifty = bool(conditions & Condition.THRIFTY)
        if thrifty != self._state.their_thrifty:
            self._keeper.change(their_thrifty=thrifty)
            self.own.keep_to_limit()
        foreign = bool(conditions & Condition.FOREIGN_PICTURE)
        self._keeper.change(
            their_ordinary_video=films,
            their_muted=bool(conditions & Condition.MUTED),
            their_camera_on=camera_on,
            their_recording=records,
            their_picture_is_foreign=self._state.their_picture_is_foreign or foreign,
        )

    def _conditions(self) -> int:
        state, conditions = self._state, 0
        for holds, condition in (
            (state.muted, Condition.MUTED),
            (not state.camera_on, Condition.CAMERA_OFF),
            (self._foreign, Condition.FOREIGN_PICTURE),
            (state.recording is not None, Condition.RECORDING),
            (self._away, Condition.AWAY),
            (state.ordinary_video, Condition.ORDINARY_VIDEO),
            (state.thrifty, Condition.THRIFTY),
        ):
            conditions |= condition if holds else 0
        return conditions

    def _take_safety(self, message: SafetyCommit | SafetyReveal) -> None:
        assert self._safety is not None, "a link hands on messages after it was greeted"
        assert self._link is not None, "a link hands on messages after it was greeted"
        try:
            if isinstance(message, SafetyCommit):
                self._link.say(SafetyReveal(self._safety.commit(message.commitment)))
            else:
                self._keeper.change(safety_words=self._safety.reveal(message.nonce))
        except TransportError as error:
            self._on_fault(error)

    def _notice(self, sentence: str) -> None:
        """Tell the person what the other side does, but for what it does without end."""
        if self._sentences.take(asyncio.get_running_loop().time()):
            self._keeper.notice(sentence)

    def _say(self, message: Message) -> None:
        """Say something over the link of the moment; before the call nothing is said, and at its end no more."""
        if self._link is not None:
            self._link.say(message)
