"""Which source pictures the rows of ours in the rate-distortion bench are drawn from: the clip's first frame as it is,
the same as a call sends it, a gallery of up to four, or what the sender's mirror brings in the course of the clip. It
knows pictures and when they are drawn from; it codes no motion and judges nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from bench.clips import Footage
from bench.fades import Change, Fades
from bench.gallery import APART_S
from bench.mirror_play import play
from bench.talk import Setup, Source, framed_bytes
from codec.motion import Motion
from codec.time import TICKS_PER_SECOND
from runtime.talker import Source as Features
from runtime.talker import Talker
from sender.bring import Corrector
from sender.candidates import SHARP, WORTH_ADDING
from sender.choose import sharpness
from sender.coverage import Coverage
from sender.distance import Floats
from sender.held import Held, HeldPictures
from sender.posture import Posture, posture_in, posture_of
from sender.present import SLOT
from sender.source import make_fine_source
from sender.spending import BUDGET_BYTES_PER_S


@dataclass(frozen=True)
class Sight:
    """What one frame is drawn from: the picture in its slot, and how much of which change of pictures is still to be
    seen."""

    slot: int
    features: Any
    change: Change | None = None
    weight: float = 0.0


@dataclass(frozen=True)
class Shown:
    """A sight a frame, the bytes of the pictures that a call sends once, and of those that this clip made it send."""

    sights: list[Sight]
    once_bytes: int
    clip_bytes: int = 0


@dataclass(frozen=True)
class Watched:
    """A clip as the sender sees it. `source` is its first frame, uncompressed, and `motions` are relative to that;
    `judged` are the frames that are looked at."""

    setup: Setup
    footage: Footage
    source: Source
    motions: Mapping[int, Motion]
    judged: Collection[int]
    corrector: Corrector | None

    @property
    def talker(self) -> Talker:
        """The sender's parts want the runtime's talker itself, which is what a setup holds."""
        return cast(Talker, self.setup.talker)

    def keypoints(self, motion: Motion) -> Floats:
        """Return where a motion has its keypoints [K, 3] in its picture."""
        pose = (motion.rotation, motion.translation, motion.expression)
        return self.talker.keypoints_of(self.source.features, *pose)

    def ticks(self, index: int) -> int:
        """Return when a frame was captured."""
        return round(index / self.footage.rate * TICKS_PER_SECOND)


class Pictures(Protocol):
    """How source pictures come to be drawn from."""

    def show(self, watched: Watched) -> Shown:
        """Return what each frame of a clip is drawn from."""


@dataclass(frozen=True)
class Uncompressed:
    """The first frame as it is, which costs what a call's first picture does (MEASURES.md, 'The source')."""

    def show(self, watched: Watched) -> Shown:
        """Return what each frame of a clip is drawn from."""
        sight = Sight(SLOT, watched.source.features)
        return Shown([sight] * len(watched.footage.pictures), watched.source.payload_bytes)


@dataclass(frozen=True)
class Gallery:
    """The first frame as a call sends it, and up to `count` - 1 pictures more, chosen as the mirror chooses them in the
    minutes that a call has and a clip has not. They are taken from between the frames judged, none nearer than 0.2 s,
    so none is judged by its own copy; where nothing lies between, or nothing is worth its bytes, there are fewer. In a
    clip of seconds they are of the same turn and light as the frames judged: what a gallery can give at best."""

    count: int

    def show(self, watched: Watched) -> Shown:
        """Return what each frame of a clip is drawn from."""
        talker = watched.talker
        first = make_fine_source(watched.source.picture, talker)
        held = [Held(SLOT, first, posture_in(first.prepared), scene=0)]
        postures = {
            index: posture_of(motion.rotation, motion.translation, motion.expression, watched.source.features)
            for index, motion in watched.motions.items()
        }
        coverage = Coverage()
        for index, posture in postures.items():
            coverage.note(posture, watched.ticks(index))
        far = APART_S * watched.footage.rate
        least = SHARP * sharpness(watched.source.picture, watched.source.features.keypoints)
        free = [
            index
            for index, motion in watched.motions.items()
            if all(abs(index - other) >= far for other in watched.judged)
            and sharpness(watched.footage.pictures[index], watched.keypoints(motion)) >= least
        ]
        while len(held) < self.count and free:
            gain, best = max((coverage.gain(held, postures[index]), index) for index in free)
            if gain < WORTH_ADDING:
                break
            picture = make_fine_source(watched.footage.pictures[best], talker)
            held.append(Held(len(held), picture, posture_in(picture.prepared), scene=0))
        once_bytes = watched.source.payload_bytes + sum(framed_bytes(each.source.data) for each in held[1:])
        return Shown(_follow(held, postures, watched), once_bytes)


@dataclass(frozen=True)
class Mirrored:
    """What the mirror does over a line of so many bits a second: it compares what it sees with what it redraws, and
    brings a new source picture where something is wrong, or, with fewer bytes to spare, a residual code."""

    line_bps: float
    budget_bytes_per_s: float

    def show(self, watched: Watched) -> Shown:
        """Return what each frame of a clip is drawn from."""
        played = play(
            watched.setup,
            watched.footage.pictures,
            rate=watched.footage.rate,
            budget_bytes_per_s=self.budget_bytes_per_s,
            line_bps=self.line_bps,
            corrector=watched.corrector,
        )
        sights = [
            Sight(shot.slot, shot.source.prepared, _prepared(shot.change), shot.weight)
            for shot in played.shots
        ]
        return Shown(sights, watched.source.payload_bytes, played.picture_bytes)


# The line that the benches of the mirror take, and one that leaves nothing over: there residual codes come first.
WIDE = Mirrored(100_000.0, BUDGET_BYTES_PER_S)
NARROW = Mirrored(50_000.0, BUDGET_BYTES_PER_S / 2)


def _follow(held: list[Held], postures: Mapping[int, Posture], watched: Watched) -> list[Sight]:
    """Choose for each frame as the sender does, and fade as the receiver does."""
    pictures = HeldPictures(held[0])
    for each in held[1:]:
        pictures.take(each)
    features: dict[int, Features] = {each.slot: each.source.prepared for each in held}
    fades = Fades()
    sights = []
    for index, posture in postures.items():
        pictures.choose(posture, watched.ticks(index))
        slot = pictures.current.slot
        sights.append(Sight(slot, features[slot], *fades.next(index, slot, features)))
    return sights


def _prepared(change: Change | None) -> Change | None:
    """Return a change of source pictures as one of what is drawn from."""
    if change is None:
        return None
    return replace(change, new=change.new.prepared, old=change.old.prepared, before=_prepared(change.before))
