"""A call with itself at the frames' pace and without a network, mirror and all: what the sender would do about each
frame, and what the receiver would draw of it, with the times that a line takes. It judges nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from bench.clips import Picture
from bench.fades import Change, Fades, draw_faded
from bench.talk import ROUND_TRIP_S, Setup, framed_bytes
from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.motion import Motion
from codec.time import TICK_CYCLE, TICKS_PER_SECOND
from runtime.aim import Aim
from runtime.talker import Talker
from runtime.view import Pose
from sender.bring import Bring, Corrector, MirrorCounts, Seen
from sender.held import Held, HeldPictures
from sender.mirror import Mirror
from sender.posture import posture_in, posture_of
from sender.present import SLOT
from sender.source import SourcePicture, make_fine_source
from sender.watch import AGAIN_S, PERIOD_S

# From the look to a picture that can be drawn from, beside its time on the line: coding, a round trip, preparation.
WAY_S = 0.3


@dataclass(frozen=True)
class Event:
    """Something that the mirror asked for: when, in seconds of the playing, and what."""

    at_s: float
    bring: Bring


@dataclass(frozen=True)
class Shot:
    """How a frame is drawn: its motion, from which picture in which slot, and how much of which change of pictures is
    still to be seen."""

    motion: Motion
    slot: int
    source: SourcePicture
    change: Change | None
    weight: float


@dataclass
class Played:
    """What came of a playing: a shot a frame, what was brought, and what motion and pictures weighed."""

    first: SourcePicture
    shots: list[Shot] = field(default_factory=list)
    changes: list[int] = field(
        default_factory=list
    )  # frames that are drawn from another picture than the one before
    events: list[Event] = field(default_factory=list)
    motion_bytes: int = 0
    picture_bytes: int = 0
    counts: MirrorCounts = field(default_factory=MirrorCounts)
    notices: list[str] = field(default_factory=list)


def play(
    setup: Setup,
    frames: Sequence[Picture],
    *,
    rate: float,
    budget_bytes_per_s: float,
    line_bps: float = 100_000.0,
    corrector: Corrector | None = None,
) -> Played:
    """Send `frames` at `rate` a second, the first as the source picture in its fine code, with the mirror.

    It has `budget_bytes_per_s` for the gallery, and a line that carries `line_bps` beside the motion.
    """
    talker = _talker(setup)
    first = make_fine_source(frames[0], talker)
    played = Played(first)
    mirror = Mirror(talker, on_notice=played.notices.append, corrector=corrector)
    mirror.budget_bytes_per_s = budget_bytes_per_s
    pictures = HeldPictures(Held(SLOT, first, posture_in(first.prepared), scene=0))
    mirror.begin(pictures)
    encoder, decoder = MotionEncoder(setup.motion_format), MotionDecoder(setup.motion_format)
    fades = Fades()
    at_receiver: dict[int, SourcePicture] = {SLOT: first}
    under_way: deque[tuple[float, Bring]] = deque()
    known: deque[tuple[float, int]] = deque()
    estimates: dict[int, tuple[Any, Any, Any]] = {}  # a frame may come again
    next_look_s = PERIOD_S
    for place, frame in enumerate(frames):
        now_s = place / rate
        ticks = round(now_s * TICKS_PER_SECOND)
        while under_way and under_way[0][0] <= now_s:
            bring = under_way.popleft()[1]
            at_receiver[bring.slot] = bring.source
            mirror.brought(bring, arrived=True)
        while known and known[0][0] <= now_s:
            pictures.acknowledge(known.popleft()[1] % TICK_CYCLE)
        if id(frame) not in estimates:
            estimates[id(frame)] = talker.estimate(frame, first.prepared)
        rotation, translation, expression = estimates[id(frame)]
        posture = posture_of(rotation, translation, expression, first.prepared)
        pictures.choose(posture, ticks)
        held = pictures.current
        expression = talker.rebase(rotation, expression, of=first.prepared, to=held.source.prepared)
        packet = encoder.encode(Motion(rotation, translation, expression), captured_s=now_s, source=held.slot)
        motion = decoder.decode(packet)[0].motion
        played.motion_bytes += len(packet)
        change, weight = fades.next(place, held.slot, at_receiver)
        if played.shots and played.shots[-1].source is not held.source:
            played.changes.append(place)
        played.shots.append(Shot(motion, held.slot, held.source, change, weight))
        known.append((now_s + ROUND_TRIP_S, ticks))
        pictures.name(held.slot, ticks)
        mirror.note(posture, ticks)
        if now_s >= next_look_s or mirror.curious:
            wish = mirror.look(Seen(frame, motion, held, now_s, ticks))
            next_look_s = now_s + (AGAIN_S if mirror.alarmed else PERIOD_S)
            if wish is not None:
                played.events.append(Event(now_s, wish))
                played.picture_bytes += framed_bytes(wish.source.data)
                under_way.append((now_s + WAY_S + len(wish.source.data) * 8 / line_bps, wish))
    played.counts = mirror.counts
    return played


class Drawn:
    """What a receiver draws of a playing, which it looks at from beginning to end; from one source picture where there
    is an `only` one."""

    def __init__(self, setup: Setup, played: Played, *, only: SourcePicture | None = None) -> None:
        self._talker, self._shots, self._only = _talker(setup), played.shots, only
        self._asked: dict[tuple[int, int], Pose] = {}  # by frame and source picture
        aims: dict[int, Aim] = {}
        for number, shot in enumerate(self._shots):
            source = only or shot.source
            aim = aims.setdefault(id(source), Aim())
            asked = aim.correct(number, self._pose(shot, source))
            drawn = self._talker.draw(source.prepared, *asked)
            seen = Pose(*self._talker.estimate(drawn, source.prepared))
            aim.learn(number, asked=asked, seen=seen, guessed=shot.motion.guessed)
            self._asked[number, id(source)] = asked
            if shot.change is not None and only is None:
                old = shot.change.old
                self._asked[number, id(old)] = aims[id(old)].correct(number, self._pose(shot, old))

    def picture(self, place: int) -> Picture:
        """Return what is shown of a frame."""
        if self._only is not None:
            return self._draw(place, self._only)
        shot = self._shots[place]
        return draw_faded(self._draw, place, shot.source, shot.change, shot.weight)

    def _draw(self, place: int, source: SourcePicture) -> Picture:
        pose = self._asked.get((place, id(source))) or self._pose(self._shots[place], source)
        return self._talker.draw(source.prepared, *pose)

    def _pose(self, shot: Shot, source: SourcePicture) -> Pose:
        rotation, translation, expression = (
            shot.motion.rotation,
            shot.motion.translation,
            shot.motion.expression,
        )
        if source is not shot.source:
            of, to = shot.source.prepared, source.prepared
            expression = self._talker.rebase(rotation, expression, of=of, to=to)
        return Pose(rotation, translation, expression)


def _talker(setup: Setup) -> Talker:
    """The sender's parts want the runtime's talker itself, which is what a setup holds."""
    return cast(Talker, setup.talker)
