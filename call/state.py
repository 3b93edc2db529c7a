"""What the two-party call shows and takes: its state as one frozen dataclass, and the wishes of the person in it.

The session (`call.session`) keeps the state, the page (`call.web`) draws it and hands wishes on; headless use and
tests do the same without a page. Knows no network, no pictures and no HTML.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

# What a thrifty call sends at most in each direction, kbit/s, sound included; some is left for what cannot be foreseen.
THRIFTY_KBPS = 30.0
THRIFTY_KEPT_KBPS = 28.0

Phase = Literal[
    "consent",  # the own first source picture waits for its sender's yes
    "waiting",  # nobody there yet: the invitation is shown
    "ringing",  # somebody asks to come in
    "connecting",
    "connected",
    "reconnecting",  # the line broke; the call's state is kept
    "ended",
    "failed",
]


@dataclass(frozen=True)
class Invitation:
    """What the other laptop needs to come in: where, with what code, and both as one line to type or scan."""

    address: str
    code: str
    command: str


@dataclass(frozen=True)
class Line:
    """A line of the text chat; `mine` where this side wrote it."""

    mine: bool
    text: str


@dataclass(frozen=True)
class Figures:
    """What the call costs and gives right now, over the last second; None where it is not known.

    Rates in kbit/s at the IP layer with sound, `h264_kbps` what H.264 would take for the same quality, where
    enough pictures are shown to say so; `latency_ms`
    from capture to shown; `loss` the share of the other side's packets that did not arrive, 0 to 1.
    """

    sent_kbps: float | None = None
    received_kbps: float | None = None
    h264_kbps: float | None = None
    frames_per_s: float | None = None
    latency_ms: float | None = None
    loss: float | None = None


@dataclass(frozen=True)
class CallState:
    """A call as the person in it sees it.

    `sentence` says in words what `phase` means now, or what went wrong. `safety_words` are four words that both sides
    read aloud. `level` and `their_level` are loudness, 0 to 1. `view` is how the other head is turned (yaw, pitch in
    degrees). `limit_kbps` is the slider, None without a limit; `thrifty` holds for both directions, whichever side has
    asked for it. `their_picture_is_foreign` where the other side's source picture is not from its own camera in this
    call. `their_name` is what the other side calls itself, which nobody has checked; empty where it says nothing.
    """

    phase: Phase
    sentence: str
    invitation: Invitation | None = None
    safety_words: tuple[str, ...] = ()
    muted: bool = False
    camera_on: bool = True
    their_muted: bool = False
    their_camera_on: bool = True
    their_picture_is_foreign: bool = False
    their_recording: bool = False  # the other side records the call
    ordinary_video: bool = False  # this side sends it
    their_ordinary_video: bool = False
    their_name: str = ""
    recording: str | None = None  # the file's name while it records
    view: tuple[float, float] = (0.0, 0.0)
    limit_kbps: float | None = None
    thrifty: bool = False
    their_thrifty: bool = False
    level: float = 0.0
    their_level: float = 0.0
    figures: Figures = field(default_factory=Figures)
    chat: tuple[Line, ...] = ()
    notices: tuple[str, ...] = ()  # the newest sentences for the user, oldest first

    @property
    def allowed_kbps(self) -> float | None:
        """What this side may send in all, sound included; None: what the line takes."""
        limits = [] if self.limit_kbps is None else [self.limit_kbps]
        if self.thrifty or self.their_thrifty:
            limits.append(THRIFTY_KEPT_KBPS)
        return min(limits, default=None)


class Wishes(Protocol):
    """What a person can ask of a call. Every method returns at once, on the event loop; the state tells the outcome."""

    def agree(self, yes: bool) -> None:
        """Let the own source picture leave this machine, or take another one (phase `consent`)."""

    def accept(self, yes: bool) -> None:
        """Let the caller in, or not (phase `ringing`)."""

    def hang_up(self) -> None:
        """End the call."""

    def mute(self, on: bool) -> None:
        """Send silence, or sound again."""

    def camera(self, on: bool) -> None:
        """Send the camera's motion; off, the face stays and idles at the other side, with a badge."""

    def turn(self, yaw: float, pitch: float) -> None:
        """Turn the other side's head, degrees within 30; 0, 0 is as it is."""

    def new_source(self) -> None:
        """Take a new source picture now and send it."""

    def repair(self) -> None:
        """Ask the other side to repair the picture that is seen here."""

    def limit(self, kbps: float | None) -> None:
        """Keep what is sent, sound included, under this rate."""

    def thrifty(self, on: bool) -> None:
        """Keep what either side sends, sound included, under 30 kbit/s, or no more."""

    def record(self, on: bool) -> None:
        """Record the call to a file, with its mark, or stop."""

    def say(self, text: str) -> None:
        """Send a line of chat, 1 to 500 characters."""

    def ordinary_video(self, on: bool) -> None:
        """Send the camera's whole picture as ordinary video instead of what the face is redrawn from, or go back."""
