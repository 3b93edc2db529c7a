"""What the two persons of a call do and say while it lasts: their wishes, their chat, how they are, the safety words.

The part of a session that knows no phases and no lost lines: what is said goes over the link of the moment, and what a
lost link must not lose is said again over the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from call.chat import Chatting
from call.duplex import Duplex
from call.errors import CallError, explain
from call.figures import Gauge
from call.keeper import Keeper
from call.link import Link
from call.media import Recorder, Sound
from call.sound_share import SoundShare
from call.state import CallState
from call.video import BACK_TO_REDRAWN, VideoLink, refusal
from codec.commitment import SafetyCommit, SafetyReveal
from codec.control import Message
from codec.conversation import Chat, Condition, Kind, Ring, Status, Unmet, Wish
from codec.time import Clock
from runtime.view import WIDEST_DEGREES, View
from transport.errors import TransportError
from transport.safety import Safety

CAMERA_GONE = "The camera has failed; it can be used again in another call."
PICTURE_STAYS = "The source picture is a file's, and stays as it is."
NOBODY_THERE = "Nobody is before the other side's camera."
SOMEBODY_THERE = "Somebody is before the other side's camera again."
THEY_RECORD = "The other side records the call."
THEY_STOPPED = "The other side records no more."
NO_VIDEO = "Ordinary video cannot be sent in this call."
REPAIR_ASKED = "Asked the other side to mend the picture."
NOTHING_BETTER = "The picture stays as it is: no other would be better now."
PICTURE_COMES = "A new picture is on its way."


class Talk:
    """Both sides' conversation. `sound`, `video` and `recorder` are given before the call, where there are any.

    foreign: the own source picture is not from the own camera. on_fault: called with what makes going on unsafe.
    """

    def __init__(
        self, keeper: Keeper, duplex: Duplex, *, foreign: bool, on_fault: Callable[[Exception], None]
    ) -> None:
        self.sound: Sound | None = None
        self.video: VideoLink | None = None
        self.recorder: Recorder | None = None
        self._keeper = keeper
        self._duplex = duplex
        self._foreign = foreign
        self._on_fault = on_fault
        self._link: Link | None = None
        self._safety: Safety | None = None
        self._gauge = Gauge()
        self._chat = Chatting()
        self._sound_share = SoundShare(duplex)
        self._away = self._input_lost = False
        self._they_are_away = False

    @property
    def words(self) -> tuple[str, ...]:
        """The safety words; empty before they are known."""
        return () if self._safety is None else self._safety.words

    @property
    def _state(self) -> CallState:
        return self._keeper.state

    # Wishes of the person (`call.state.Wishes`).

    def mute(self, on: bool) -> None:
        """See `Wishes.mute`."""
        if self.sound is not None:
            self.sound.mute(on)
        self._keeper.change(muted=on)
        self.tell_status()

    def camera(self, on: bool) -> None:
        """See `Wishes.camera`."""
        if on and self._input_lost:
            self._keeper.notice(CAMERA_GONE)
            return
        self._duplex.sender.pause(not on, on_failed=self._lose_camera)
        self._keeper.change(camera_on=on)
        self._film()
        self.tell_status()

    def _lose_camera(self, sentence: str) -> None:
        """Stay without a camera that could not be had again; the person may try once more."""
        self._keeper.notice(sentence)
        self._keeper.change(camera_on=False)
        self._film()
        self.tell_status()

    def turn(self, yaw: float, pitch: float) -> None:
        """See `Wishes.turn`."""
        yaw, pitch = (min(max(angle, -WIDEST_DEGREES), WIDEST_DEGREES) for angle in (yaw, pitch))
        self._duplex.receiver.look(View(yaw, pitch))
        self._keeper.change(view=(yaw, pitch))

    def repair(self) -> None:
        """See `Wishes.repair`."""
        self._say(Wish(Kind.REPAIR))
        self._keeper.notice(REPAIR_ASKED)

    def new_source(self) -> None:
        """See `Wishes.new_source`."""
        renews = self._duplex.sender.renew_source()
        self._keeper.notice(PICTURE_COMES if renews else PICTURE_STAYS)

    def limit(self, kbps: float | None) -> None:
        """See `Wishes.limit`."""
        self._keeper.change(limit_kbps=kbps)
        self._keep_to_limit()

    def thrifty(self, on: bool) -> None:
        """See `Wishes.thrifty`."""
        self._keeper.change(thrifty=on)
        self._keep_to_limit()
        self.tell_status()

    def ordinary_video(self, on: bool) -> None:
        """See `Wishes.ordinary_video`."""
        refused = NO_VIDEO if self.video is None else refusal(self._state.allowed_kbps)
        if on and refused is not None:
            self._keeper.notice(refused)
            return
        self._keeper.change(ordinary_video=on)
        self.tell_status()
        self._film()

    def record(self, on: bool) -> None:
        """See `Wishes.record`."""
        if self.recorder is None or on == (self._state.recording is not None):
            return
        name: str | None = None
        if on:
            try:
                name = self.recorder.start()
            except Exception as error:
                self._keeper.notice(explain(error))
                return
        else:
            self.recorder.stop(lambda path: self._keeper.notice(f"Saved: {path}"))
        self._keeper.change(recording=name)
        self.tell_status()

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

    def resume(self) -> None:
        """Keep to what the person has wished before, with ends that are new."""
        if self.sound is not None:
            self.sound.mute(self._state.muted)
        self._duplex.sender.pause(not self._state.camera_on, on_failed=self._lose_camera)
        self._keep_to_limit()
        self._film()

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
        self._link = link

    def go_on(self) -> None:
        """Talk over the link that was greeted, now that both sides want to."""
        assert self._link is not None, "it has been greeted"
        self._duplex.line.attach(self._link.peer)
        if self.sound is not None:
            self.sound.use(self._link.sound)
        if self.video is not None:
            self.video.use(self._link.peer.video)
        self._fit_sound()
        self.tell_status()

    def measure(self) -> None:
        """Tell the state, and the other side, what has to be told now and then; to be called often."""
        if self.sound is not None:
            self._keeper.change(level=self.sound.level, their_level=self.sound.their_level)
        self._fit_sound()
        figures = self._gauge.read(self._duplex, filmed=0 if self.video is None else self.video.shown)
        if figures is None:
            return
        loss = None if self.sound is None else self.sound.stats().loss
        self._keeper.change(figures=replace(figures, loss=loss))
        clock = None if self.sound is None else self.sound.clock()
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

    def lose_input(self, sentence: str) -> None:
        """Go on without a camera: it has failed."""
        self._input_lost = True
        self._lose_camera(sentence)

    def take(self, message: Message, data: bytes) -> None:
        """Take a message of the other side's."""
        match message:
            case Chat():
                if self._chat.take(message):
                    self._keeper.change(chat=self._chat.lines)
            case Status(conditions, chat_taken):
                self.take_conditions(conditions)
                for chat in self._chat.missing(chat_taken):
                    self._say(chat)
            case SafetyCommit() | SafetyReveal():
                self._take_safety(message)
            case Clock():
                if self.sound is not None:
                    self.sound.take(message)
            case Wish(Kind.NEW_PICTURE):
                if not self._duplex.sender.renew_source():
                    self._say(Unmet(Kind.NEW_PICTURE))
            case Wish(Kind.REPAIR):
                loop = asyncio.get_running_loop()
                self._duplex.sender.repair(
                    on_vain=lambda: loop.call_soon_threadsafe(self._say, Unmet(Kind.REPAIR))
                )
            case Unmet(Kind.NEW_PICTURE | Kind.REPAIR):
                self._keeper.notice(NOTHING_BETTER)
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
            self._keeper.notice(NOBODY_THERE if away else SOMEBODY_THERE)
        if records != self._state.their_recording:
            self._keeper.notice(THEY_RECORD if records else THEY_STOPPED)
        films = bool(conditions & Condition.ORDINARY_VIDEO)
        if self.video is not None:
            self.video.receive(films and camera_on)
        thrifty = bool(conditions & Condition.THRIFTY)
        if thrifty != self._state.their_thrifty:
            self._keeper.change(their_thrifty=thrifty)
            self._keep_to_limit()
        foreign = bool(conditions & Condition.FOREIGN_PICTURE)
        self._keeper.change(
            their_ordinary_video=films,
            their_muted=bool(conditions & Condition.MUTED),
            their_camera_on=camera_on,
            their_recording=records,
            their_picture_is_foreign=self._state.their_picture_is_foreign or foreign,
        )

    def _keep_to_limit(self) -> None:
        """Keep all that is sent to what may be sent, and give up what does not fit."""
        kbps = self._state.allowed_kbps
        total_bps = None if kbps is None else 1000 * kbps
        self._duplex.line.limit_bps = total_bps
        self._duplex.sender.limit(total_bps)
        if self.video is not None:
            self.video.limit(total_bps)
        if self._state.ordinary_video and refusal(kbps) is not None:
            self._keeper.notice(BACK_TO_REDRAWN)
            self.ordinary_video(False)
        self._fit_sound()

    def _fit_sound(self) -> None:
        if self.sound is not None:
            self._sound_share.fit(self.sound, self._state.allowed_kbps)

    def _film(self) -> None:
        """Let the camera's frames go as ordinary video, or be what the face is redrawn from."""
        if self.video is None:
            return
        films = self._state.ordinary_video and self._state.camera_on
        self._duplex.sender.film(self.video.put if films else None)
        self.video.send(films)

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

    def _say(self, message: Message) -> None:
        """Say something over the link of the moment; before the call nothing is said, and at its end no more."""
        if self._link is not None:
            self._link.say(message)
