"""Our rows of the rate-distortion bench: how a clip's motions become packets in each of the codec's modes, and the
pictures that the receiver draws from them. It knows the trip of a frame; it judges and weighs nothing."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from bench.clips import Footage, Picture
from bench.rate import Static
from bench.talk import Setup, Source, draw, motion_of, take_source
from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.format import MotionFormat
from codec.motion import Motion
from codec.picture import decode_picture, encode_picture
from codec.predictive_encoder import Capture, PredictiveEncoder
from codec.time import ticks_of
from receiver.receiver import FEEDBACK_S
from sender.source import FINE_QUALITY

Captures = Mapping[int, Capture]
Packets = Iterator[tuple[bytes, list[int]]]  # each with the indices of the frames in it

ROUND_TRIP_S = 0.1


class Coding(Protocol):
    """How motions become packets."""

    def packets(self, motion_format: MotionFormat, captures: dict[int, Capture]) -> Packets:
        """Yield the packets of a clip."""


@dataclass(frozen=True)
class Prefix:
    """Every motion alone, rounded, with the first so many keypoints' offsets."""

    keypoints: int

    def packets(self, motion_format: MotionFormat, captures: dict[int, Capture]) -> Packets:
        """Yield the packets of a clip."""
        encoder = MotionEncoder(motion_format)
        count = min(self.keypoints, motion_format.keypoints)
        for index, capture in captures.items():
            packet = encoder.encode(capture.motion, captured_s=capture.captured_s, source=0, keypoints=count)
            yield packet, [index]


@dataclass(frozen=True)
class Acknowledged:
    """Bundles of so many motions over a line with a round trip of 100 ms, against the newest motion that the receiver
    has said it holds: it says so when a call's does, four times a second."""

    bundle: int

    def packets(self, motion_format: MotionFormat, captures: dict[int, Capture]) -> Packets:
        """Yield the packets of a clip."""
        encoder = PredictiveEncoder(motion_format)
        indices = list(captures)
        waiting: list[tuple[float, int]] = []  # when it is acknowledged, and its ticks
        for first in range(0, len(indices), self.bundle):
            chosen = indices[first : first + self.bundle]
            bundle = [captures[index] for index in chosen]
            now_s = bundle[-1].captured_s
            while waiting and waiting[0][0] <= now_s:
                encoder.acknowledge(waiting.pop(0)[1])
            yield encoder.encode(bundle, source=0), chosen
            arrived_s = now_s + ROUND_TRIP_S / 2
            told_s = math.ceil(arrived_s / FEEDBACK_S) * FEEDBACK_S
            waiting.append((told_s + ROUND_TRIP_S / 2, ticks_of(now_s)))


@dataclass(frozen=True)
class Mode:
    """A row of ours: its heading, how it codes, and whether the source picture is drawn from as it is sent."""

    name: str
    heading: str
    coding: Mapping[int | None, Coding]  # by setting: K', None for the mode's own
    coded_source: bool = False


STATIC = Static()
PREDICTIVE = Acknowledged(1)
# The first is what a call does over a good line, and what the report calls 'ours'.
MODES = {
    mode.name: mode
    for mode in (
        Mode("ours_predictive", "ours, predictive", {None: PREDICTIVE}),
        Mode("ours_predictive_by_2", "ours, predictive, bundles of 2", {None: Acknowledged(2)}),
        Mode("ours_predictive_by_4", "ours, predictive, bundles of 4", {None: Acknowledged(4)}),
        Mode("ours_coded_source", "ours, predictive, source as sent", {None: PREDICTIVE}, coded_source=True),
        Mode("ours_adaptive", "ours, static, adaptive K'", {None: Static(adaptive=True)}),
        Mode(
            "ours_static",
            "ours, static, rounded",
            {None: STATIC, 10: Prefix(10), 5: Prefix(5), 0: Prefix(0)},
        ),
        Mode("ours_static_exact", "ours, static, exact (the paper's)", {None: Static(rounding=False)}),
    )
}
HEADLINE = "ours_predictive"


class Talk:
    """A clip at the profile's size, its source picture and the motion of each frame, estimated once."""

    def __init__(self, setup: Setup, footage: Footage) -> None:
        """Estimate every frame's motion."""
        self._setup = setup
        self.source = take_source(setup, footage, source="first")
        self._captures = {
            index: Capture(motion_of(setup, picture, self.source), index / footage.rate)
            for index, picture in enumerate(footage.pictures)
        }

    def run(
        self, mode: Mode, setting: int | None, *, keep: Collection[int]
    ) -> tuple[list[int], dict[int, Picture]]:
        """Return the bytes of a mode's packets, and the pictures drawn of the frames `keep`."""
        decoder = MotionDecoder(self._setup.motion_format)
        source = self._as_sent() if mode.coded_source else self.source
        sizes: list[int] = []
        received: dict[int, Motion] = {}
        for packet, indices in mode.coding[setting].packets(self._setup.motion_format, dict(self._captures)):
            sizes.append(len(packet))
            decoded = decoder.decode(packet)
            received |= {index: one.motion for index, one in zip(indices, decoded, strict=True)}
        return sizes, {index: draw(self._setup, source, received[index]) for index in keep}

    def _as_sent(self) -> Source:
        """Return the source picture as the receiver has it."""
        data = encode_picture(self.source.picture, quality=FINE_QUALITY)
        picture = decode_picture(data)
        return Source(self.source.index, picture, self._setup.talker.prepare(picture), len(data))


def able(setup: Setup, mode: Mode) -> bool:
    """Say whether the profile's tables know the mode's coding."""
    predictive = any(isinstance(coding, Acknowledged) for coding in mode.coding.values())
    return not predictive or setup.motion_format.prediction is not None
