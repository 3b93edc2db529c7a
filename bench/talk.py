"""A clip through the talker and the codec, without a network: each picture's motion is estimated, coded as a packet,
decoded again and drawn from the source picture. It knows the trip of a frame; it judges nothing."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from bench.clips import Footage, Picture
from bench.errors import BenchError
from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.flow import decode_flow
from codec.flow_packet import TICKS_OF_AGE, detach_flow
from codec.format import MotionFormat
from codec.motion import Motion
from codec.picture import cut_picture, decode_picture, encode_picture
from codec.time import TICKS_PER_SECOND
from codec.transfer import PIECE_FRAMING_BYTES
from runtime.aim import Aim
from runtime.residual_flow import FlowFinder, FlowInUse, flow_of
from runtime.view import Pose
from sender.coding import Packet
from sender.residual_flow import BUDGET_BYTES_PER_S, FlowCoder
from sender.source import FINE_QUALITY, first_picture_bytes, smaller_code

if TYPE_CHECKING:
    from runtime.talker import Talker as RuntimeTalker
    from sender.bring import Corrector

Floats = npt.NDArray[np.float32]

# What the benches without a network take a line's round trip to be.
ROUND_TRIP_S = 0.1


class Talker(Protocol):
    """What the bench asks of `runtime.talker.Talker`; pictures are uint8 SxSx3 RGB."""

    def prepare(self, picture: Picture) -> Any:
        """Return what is drawn from."""

    def estimate(self, picture: Picture, source: Any) -> tuple[Floats, Floats, Floats]:
        """Return rotation [3], translation [3] and expression [K, 3] of the face in a picture."""

    @property
    def bends(self) -> bool:
        """Whether pictures are drawn with residual flow."""

    def draw(
        self,
        source: Any,
        rotation: Floats,
        translation: Floats,
        expression: Floats,
        flow: Floats | None = None,
    ) -> Picture:
        """Return the source's face under a motion."""

    def keypoints_of(self, source: Any, rotation: Floats, translation: Floats, expression: Floats) -> Floats:
        """Return the keypoints [K, 3] in [-1, 1] of a motion; of the mean face where the source is None."""

    def locate(self, frame: Picture) -> Any:
        """Return the face in a whole frame of any size (centre_x, centre_y and size in pixels), or None."""


@dataclass(frozen=True)
class Setup:
    """What runs a bench: the talker of a profile, the pictures' side in pixels, and the motion format."""

    profile: str
    engine: str
    picture_size: int
    talker: Talker
    motion_format: MotionFormat


@dataclass(frozen=True)
class Source:
    """What a clip is drawn from: which frame it was, the picture itself, the talker's features of it, and how many
    bytes a call sends of it: a smaller code to begin with, and the fine one that follows."""

    index: int
    picture: Picture
    features: Any
    payload_bytes: int


@dataclass(frozen=True)
class Redrawn:
    """Frames after the trip, by their index: the pictures drawn, and the bytes of their packets."""

    pictures: dict[int, Picture]
    packet_bytes: dict[int, int]


def load_setup(profile: str, *, engine: str) -> Setup:
    """Load a profile by name or folder; raise the runtime's or the codec's error where it is missing or damaged."""
    from runtime.engine import load
    from runtime.profile import load_profile
    from runtime.talker import Talker as RuntimeTalker

    if engine.startswith("torch"):
        importlib.import_module("models.cuda")  # torch's engines register themselves
    chosen = load_profile(profile)
    talker = RuntimeTalker(load(chosen, engine=engine), picture_size=chosen.picture_size)
    motion_format = MotionFormat.load(chosen.format_path)
    return Setup(chosen.name, engine, chosen.picture_size, talker, motion_format)


def load_corrector(profile: str, setup: Setup) -> Corrector | None:
    """Return what makes residual codes with a profile, by name or folder; None where it has none."""
    from call.ends import load_residual
    from runtime.profile import load_profile
    from sender.residual import ResidualCorrector

    codes = load_residual(load_profile(profile))
    if codes is None:
        return None
    talker = cast("RuntimeTalker", setup.talker)
    return ResidualCorrector(talker, codes.repairer, setup.motion_format, codes.chances)


def take_source(setup: Setup, footage: Footage, *, source: str) -> Source:
    """Take a clip's source picture: its `first` frame, or the one `chosen` as the sender would from the first second.

    It is drawn from uncompressed (MEASURES.md, 'The source'); raises BenchError for any other `source`.
    """
    index = _source_index(setup, footage, source)
    picture = footage.pictures[index]
    return Source(index, picture, setup.talker.prepare(picture), first_bytes(picture))


def first_bytes(picture: Picture) -> int:
    """Return the bytes of the messages that a call's first source picture (uint8 SxSx3) is, over a line with a round
    trip of 100 ms and no limit: where the fine code is too large to begin with, a smaller one goes before it."""
    fine = encode_picture(picture, quality=FINE_QUALITY)
    most_bytes = first_picture_bytes(limit_bps=None, round_trip_s=ROUND_TRIP_S)
    if len(fine) <= most_bytes:
        return framed_bytes(fine)
    return framed_bytes(fine) + framed_bytes(smaller_code(decode_picture(fine), most_bytes=most_bytes))


def framed_bytes(code: bytes) -> int:
    """Return the bytes of the messages that a picture's or a repair's code is cut into, their headers included."""
    return len(code) + PIECE_FRAMING_BYTES * len(cut_picture(code, transfer=0, slot=0))


def as_sent(setup: Setup, source: Source) -> Source:
    """Return a source as the receiver has it once its fine code is there."""
    picture = decode_picture(encode_picture(source.picture, quality=FINE_QUALITY))
    return replace(source, picture=picture, features=setup.talker.prepare(picture))


class FlowTrip:
    """A clip's residual flows from the sender to the receiver: found in every third frame or so of what is drawn
    without one, and there with the packet of the next frame."""

    def __init__(self, setup: Setup, source: Source, *, bytes_per_s: float = BUDGET_BYTES_PER_S) -> None:
        self._setup, self._source = setup, source
        self._finder, self._coder, self._in_use = FlowFinder(), FlowCoder(), FlowInUse()
        self._coder.bytes_per_s = bytes_per_s
        self._code: bytes | None = None
        self._next_s = self._found_s = 0.0

    def send(self, packet: bytes, *, at_s: float) -> bytes:
        """Return a motion packet with the flow that waits for it before it, if one does."""
        code, self._code = self._code, None
        if code is None:
            return packet
        return Packet(packet, 1, at_s).bent(code, source=0, ticks=_ticks(self._found_s)).data

    def receive(self, packet: bytes, *, at_s: float) -> bytes:
        """Return the motion packet alone."""
        alone, attached = detach_flow(packet)
        if attached is not None:
            flow = decode_flow(attached.code)
            ticks = _ticks(at_s) - TICKS_OF_AGE * attached.age
            self._in_use.take(flow_of(flow.levels, flow.step), ticks)
        return alone

    def at(self, motion: Motion, *, at_s: float) -> Floats | None:
        """Return the flow to draw a motion with."""
        return self._in_use.at(_ticks(at_s), motion.expression)

    def find(self, picture: Picture, motion: Motion, *, at_s: float) -> None:
        """Find the flow of a frame, if it is time, by its motion as the receiver has it."""
        if at_s < self._next_s:
            return
        drawn = draw(self._setup, self._source, motion)
        keypoints = self._setup.talker.keypoints_of(
            self._source.features, motion.rotation, motion.translation, motion.expression
        )
        self._code, lasts_s = self._coder.code(self._finder.find(drawn, picture, keypoints))
        self._found_s, self._next_s = at_s, at_s + lasts_s


def _ticks(at_s: float) -> int:
    return round(at_s * TICKS_PER_SECOND)


def redraw(
    setup: Setup,
    footage: Footage,
    indices: Collection[int],
    *,
    source: Source,
    keypoints: int | None = None,
    flow: bool = True,
) -> Redrawn:
    """Take the frames `indices` of `footage` on the trip: static packets, rounded, each standing alone.

    The frames between them are drawn too, for a receiver looks at each to aim the next. `keypoints` is K': only the
    first so many expression offsets are sent, the rest are zero (supplement C.2). Residual flow goes with the packets
    where `flow` asks for it and the profile draws it.
    """
    encoder, decoder = MotionEncoder(setup.motion_format), MotionDecoder(setup.motion_format)
    aim, wanted = Aim(), set(indices)
    trip = FlowTrip(setup, source) if flow and setup.talker.bends else None
    pictures: dict[int, Picture] = {}
    packet_bytes: dict[int, int] = {}
    for index in range(max(indices) + 1):
        motion = motion_of(setup, footage.pictures[index], source)
        packet = encoder.encode(motion, captured_s=index / footage.rate, source=0, keypoints=keypoints)
        alone, bent, at_s = packet, None, index / footage.rate
        if trip is not None:
            packet = trip.send(packet, at_s=at_s)
            alone = trip.receive(packet, at_s=at_s)
        got = decoder.decode(alone)[0].motion
        if trip is not None:
            bent = trip.at(got, at_s=at_s)
            trip.find(footage.pictures[index], got, at_s=at_s)
        pose, guessed = Pose(got.rotation, got.translation, got.expression), got.guessed
        asked = aim.correct(index, pose)
        drawn = setup.talker.draw(source.features, *asked, bent)
        seen = Pose(*setup.talker.estimate(drawn, source.features))
        aim.learn(index, asked=asked, seen=seen, guessed=guessed)
        if index in wanted:
            pictures[index], packet_bytes[index] = drawn, len(packet)
    return Redrawn(pictures, packet_bytes)


def motion_of(setup: Setup, picture: Picture, source: Source) -> Motion:
    """Return the motion of the face in `picture`, as the sender estimates it."""
    return Motion(*setup.talker.estimate(picture, source.features))


def draw(setup: Setup, source: Source, motion: Motion) -> Picture:
    """Return the source under `motion`, as the receiver draws it."""
    return setup.talker.draw(source.features, motion.rotation, motion.translation, motion.expression)


def _source_index(setup: Setup, footage: Footage, source: str) -> int:
    if source == "first":
        return 0
    if source != "chosen":
        raise BenchError(f"The source picture is 'first' or 'chosen', not {source!r}.")
    from sender.choose import SourceChooser

    chooser = SourceChooser()
    for index, picture in enumerate(footage.pictures):
        motion = setup.talker.estimate(picture, None)
        keypoints = setup.talker.keypoints_of(None, *motion)
        if chooser.add(picture, motion[0], keypoints, at_s=index / footage.rate):
            break
    best = chooser.best()
    return next(index for index, picture in enumerate(footage.pictures) if picture is best)
