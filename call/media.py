"""What a call is held with beside its faces: what a session needs of sound, ordinary video and a recorder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from call.video import VideoLink
from codec.time import Clock

if TYPE_CHECKING:
    from transport.sound import SoundLine, SoundStats


class Sound(Protocol):
    """What a session needs of `call.sound.SoundLink`."""

    level: float
    their_level: float

    async def run(self) -> None: ...

    def new_line(self) -> SoundLine: ...

    def use(self, line: SoundLine | None) -> None: ...

    def mute(self, on: bool) -> None: ...

    def fit(self, total_bps: float | None) -> None: ...

    @property
    def loses(self) -> bool: ...

    @property
    def cost_bps(self) -> float: ...

    @property
    def packet_s(self) -> float: ...

    def stats(self) -> SoundStats: ...

    def clock(self) -> Clock | None: ...

    def take(self, clock: Clock) -> None: ...


class Recorder(Protocol):
    """Records the call to a file of its own choice."""

    def start(self) -> str:
        """Begin; return the file's name. Raises an exception with a sentence."""

    def stop(self, on_ended: Callable[[str | None], None]) -> None:
        """Complete the file, without waiting for it; once it is there, `on_ended` gets its name, and None where there
        was no picture for one, from any thread."""


@dataclass(frozen=True)
class Media:
    """What there is of it; made anew for each call."""

    sound: Sound | None = None
    video: VideoLink | None = None
    recorder: Recorder | None = None
