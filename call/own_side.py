"""What a person's wishes do on this side of a call: to the microphone, the camera, the own picture, what may be sent,
how the other head is turned, and the recording. Knows no messages: what the other side has to be told of is handed on.
"""

from __future__ import annotations

from collections.abc import Callable

from call.duplex import Duplex
from call.errors import explain
from call.keeper import Keeper
from call.link import Link
from call.media import Recorder, Sound
from call.sound_share import SoundShare
from call.state import CallState
from call.video import BACK_TO_REDRAWN, VideoLink, refusal
from runtime.view import WIDEST_DEGREES, View

CAMERA_GONE = "The camera has failed; it can be used again in another call."
PICTURE_STAYS = "The source picture is a file's, and stays as it is."
PICTURE_COMES = "A new picture is on its way."
NOTHING_RECORDED = "Nothing was saved: a recording begins with the other side's picture, and none came."
NO_VIDEO = "Ordinary video cannot be sent in this call."


class OwnSide:
    """This side of one call. `sound`, `video` and `recorder` are given before the call, where there are any.

    on_change: called when this side is no longer as the other was told.
    """

    def __init__(self, keeper: Keeper, duplex: Duplex, *, on_change: Callable[[], None]) -> None:
        self.sound: Sound | None = None
        self.video: VideoLink | None = None
        self.recorder: Recorder | None = None
        self._keeper = keeper
        self._duplex = duplex
        self._on_change = on_change
        self._sound_share = SoundShare(duplex)
        self._input_lost = False

    @property
    def _state(self) -> CallState:
        return self._keeper.state

    def mute(self, on: bool) -> None:
        """See `Wishes.mute`."""
        if self.sound is not None:
            self.sound.mute(on)
        self._keeper.change(muted=on)
        self._on_change()

    def camera(self, on: bool) -> None:
        """See `Wishes.camera`."""
        if on and self._input_lost:
            self._keeper.notice(CAMERA_GONE)
            return
        self._duplex.sender.pause(not on, on_failed=self._lose_camera)
        self._keeper.change(camera_on=on)
        self._film()
        self._on_change()

    def turn(self, yaw: float, pitch: float) -> None:
        """See `Wishes.turn`."""
        yaw, pitch = (min(max(angle, -WIDEST_DEGREES), WIDEST_DEGREES) for angle in (yaw, pitch))
        self._duplex.receiver.look(View(yaw, pitch))
        self._keeper.change(view=(yaw, pitch))

    def new_source(self) -> None:
        """See `Wishes.new_source`."""
        renews = self._duplex.sender.renew_source()
        self._keeper.notice(PICTURE_COMES if renews else PICTURE_STAYS)

    def limit(self, kbps: float | None) -> None:
        """See `Wishes.limit`."""
        self._keeper.change(limit_kbps=kbps)
        self.keep_to_limit()

    def thrifty(self, on: bool) -> None:
        """See `Wishes.thrifty`."""
        self._keeper.change(thrifty=on)
        self.keep_to_limit()
        self._on_change()

    def ordinary_video(self, on: bool) -> None:
        """See `Wishes.ordinary_video`."""
        refused = NO_VIDEO if self.video is None else refusal(self._state.allowed_kbps)
        if on and refused is not None:
            self._keeper.notice(refused)
            return
        self._keeper.change(ordinary_video=on)
        self._on_change()
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
            self.recorder.stop(
                lambda path: self._keeper.notice(NOTHING_RECORDED if path is None else f"Saved: {path}")
            )
        self._keeper.change(recording=name)
        self._on_change()

    def end_recording(self) -> None:
        """Complete what is recorded, and record no more: the call is over, and nobody would stop another one."""
        self.record(False)
        self.recorder = None

    def resume(self) -> None:
        """Keep to what the person has wished before, with ends that are new."""
        if self.sound is not None:
            self.sound.mute(self._state.muted)
        self._duplex.sender.pause(not self._state.camera_on, on_failed=self._lose_camera)
        self.keep_to_limit()
        self._film()

    def use(self, link: Link) -> None:
        """Let faces, sound and video pass over this link from now on."""
        self._duplex.line.attach(link.peer)
        if self.sound is not None:
            self.sound.use(link.sound)
        if self.video is not None:
            self.video.use(link.peer.video)
        self.fit_sound()

    def lose_input(self, sentence: str) -> None:
        """Go on without a camera: it has failed."""
        self._input_lost = True
        self._lose_camera(sentence)

    def keep_to_limit(self) -> None:
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
        self.fit_sound()

    def fit_sound(self) -> None:
        """Let sound take its share of the line as it is now; to be called often."""
        if self.sound is not None:
            self._sound_share.fit(self.sound, self._state.allowed_kbps)

    def _film(self) -> None:
        """Let the camera's frames go as ordinary video, or be what the face is redrawn from."""
        if self.video is None:
            return
        films = self._state.ordinary_video and self._state.camera_on
        self._duplex.sender.film(self.video.put if films else None)
        self.video.send(films)

    def _lose_camera(self, sentence: str) -> None:
        """Stay without a camera that could not be had again; the person may try once more."""
        self._keeper.notice(sentence)
        self._keeper.change(camera_on=False)
        self._film()
        self._on_change()
