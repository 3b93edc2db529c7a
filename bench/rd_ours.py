"""Our rows of the rate-distortion bench: how a clip's motions become packets in each of the codec's modes, and the
pictures that the receiver draws from them. It knows the trip of a frame; it judges and weighs nothing."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.clips import Footage, Picture
from bench.fades import draw_faded
from bench.rate import Static
from bench.rd_pictures import NARROW, WIDE, Gallery, Pictures, Shown, Uncompressed, Watched
from bench.talk import ROUND_TRIP_S, Floats, FlowTrip, Setup, motion_of, take_source
from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.format import MotionFormat
from codec.motion import Motion
from codec.predictive_encoder import Capture, PredictiveEncoder
from codec.time import ticks_of
from receiver.received import FEEDBACK_S
from runtime.talker import Source as Features
from sender.bring import Corrector

Captures = Mapping[int, Capture]
Packets = Iterator[tuple[bytes, list[int]]]  # each with the indices of the frames in it


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

    def packets(
        self, motion_format: MotionFormat, captures: dict[int, Capture], *, slots: Sequence[int] | None = None
    ) -> Packets:
        """Yield the packets of a clip, whose frames name these slots (all the first one where nothing is said; a bundle
        names that of its last frame)."""
        encoder = PredictiveEncoder(motion_format)
        indices = list(captures)
        waiting: list[tuple[float, int]] = []  # when it is acknowledged, and its ticks
        for first in range(0, len(indices), self.bundle):
            chosen = indices[first : first + self.bundle]
            bundle = [captures[index] for index in chosen]
            now_s = bundle[-1].captured_s
            while waiting and waiting[0][0] <= now_s:
                encoder.acknowledge(waiting.pop(0)[1])
            yield encoder.encode(bundle, source=0 if slots is None else slots[chosen[-1]]), chosen
            arrived_s = now_s + ROUND_TRIP_S / 2
            told_s = math.ceil(arrived_s / FEEDBACK_S) * FEEDBACK_S
            waiting.append((told_s + ROUND_TRIP_S / 2, ticks_of(now_s)))


@dataclass(frozen=True)
class Mode:
    """A row of ours: its heading, and by setting how it codes motion and what it draws from. `settings` says what they
    are: keypoints (None for the mode's own number), pictures in the gallery, or, where it `bends`, the bytes a second
    that residual flow may take."""

    name: str
    heading: str
    coding: Mapping[int | None, Coding]
    pictures: Mapping[int | None, Pictures]
    settings: str = ""
    bends: bool = False


def _plain(name: str, heading: str, coding: Mapping[int | None, Coding]) -> Mode:
    """Return a mode that draws from the uncompressed first frame, as MEASURES.md has it."""
    return Mode(name, heading, coding, dict.fromkeys(coding, Uncompressed()), "K' = {}")


def _pictured(name: str, heading: str, pictures: Mapping[int | None, Pictures], settings: str = "") -> Mode:
    """Return a mode that codes as a call does and draws from pictures as a call sends them."""
    return Mode(name, heading, dict.fromkeys(pictures, PREDICTIVE), pictures, settings)


STATIC = Static()
PREDICTIVE = Acknowledged(1)
FLOWS = (2000, 1000, 500, 250)  # bytes a second; a call over a good line has the first
# The first is what a call does over a good line, and what the report calls 'ours'.
MODES = {
    mode.name: mode
    for mode in (
        _plain("ours_predictive", "ours, predictive", {None: PREDICTIVE}),
        Mode(
            "ours_flow",
            "ours, predictive, residual flow",
            dict.fromkeys(FLOWS, PREDICTIVE),
            dict.fromkeys(FLOWS, Uncompressed()),
            "{} bytes/s at most",
            bends=True,
        ),
        _plain("ours_predictive_by_2", "ours, predictive, bundles of 2", {None: Acknowledged(2)}),
        _plain("ours_predictive_by_4", "ours, predictive, bundles of 4", {None: Acknowledged(4)}),
        _pictured(
            "ours_gallery",
            "ours, predictive, sources as sent",
            {count: Gallery(count) for count in (1, 2, 3, 4)},
            "{} in the gallery",
        ),
        _pictured("ours_repaired", "ours, predictive, repaired by pictures", {None: WIDE}),
        _pictured("ours_residual", "ours, predictive, repaired by residuals", {None: NARROW}),
        _plain("ours_adaptive", "ours, static, adaptive K'", {None: Static(adaptive=True)}),
        _plain(
            "ours_static",
            "ours, static, rounded",
            {None: STATIC, 10: Prefix(10), 5: Prefix(5), 0: Prefix(0)},
        ),
        _plain("ours_static_exact", "ours, static, exact (the paper's)", {None: Static(rounding=False)}),
    )
}
HEADLINE = "ours_predictive"


@dataclass(frozen=True)
class Said:
    """What a mode sends of a clip: packets' bytes, what pictures weigh that a call sends once, and what those weigh
    that this clip asked for; and the pictures drawn, by frame."""

    packets: list[int]
    once_bytes: int
    clip_bytes: int
    pictures: dict[int, Picture]


class Talk:
    """A clip at the profile's size, its source picture and the motion of each frame, estimated once."""

    def __init__(
        self,
        setup: Setup,
        footage: Footage,
        *,
        judged: Collection[int] = (),
        corrector: Corrector | None = None,
    ) -> None:
        """Estimate every frame's motion; of the frames `judged` no gallery holds a picture."""
        self.source = take_source(setup, footage, source="first")
        motions = {
            index: motion_of(setup, picture, self.source) for index, picture in enumerate(footage.pictures)
        }
        self.watched = Watched(setup, footage, self.source, motions, judged, corrector)
        self._shown: dict[Pictures, Shown] = {}

    def run(self, mode: Mode, setting: int | None, *, keep: Collection[int]) -> Said:
        """Send the clip, and draw the frames `keep`."""
        watched = self.watched
        shown = self._show(mode.pictures[setting])
        captures = {
            index: Capture(self._relative(motion, shown.sights[index].features), index / watched.footage.rate)
            for index, motion in watched.motions.items()
        }
        coding = mode.coding[setting]
        motion_format = watched.setup.motion_format
        if isinstance(coding, Acknowledged):
            packets = coding.packets(motion_format, captures, slots=[sight.slot for sight in shown.sights])
        else:
            packets = coding.packets(motion_format, captures)
        decoder = MotionDecoder(motion_format)
        trip = None
        if mode.bends and setting is not None:
            trip = FlowTrip(watched.setup, self.source, bytes_per_s=setting)
        sizes: list[int] = []
        received: dict[int, Motion] = {}
        flows: dict[int, Floats | None] = {}
        for packet, indices in packets:
            alone = packet
            if trip is not None:
                newest_s = captures[indices[-1]].captured_s
                packet = trip.send(packet, at_s=newest_s)
                alone = trip.receive(packet, at_s=newest_s)
            sizes.append(len(packet))
            for index, one in zip(indices, decoder.decode(alone), strict=True):
                received[index] = one.motion
                if trip is not None:
                    at_s = captures[index].captured_s
                    flows[index] = trip.at(one.motion, at_s=at_s)
                    trip.find(watched.footage.pictures[index], one.motion, at_s=at_s)

        def draw(index: int, features: Features) -> Picture:
            relative_to = shown.sights[index].features
            return self._draw(received[index], features, relative_to=relative_to, flow=flows.get(index))

        sights = {index: shown.sights[index] for index in keep}
        pictures = {
            index: draw_faded(draw, index, sight.features, sight.change, sight.weight)
            for index, sight in sights.items()
        }
        return Said(sizes, shown.once_bytes, shown.clip_bytes, pictures)

    def _show(self, pictures: Pictures) -> Shown:
        """Several modes draw from the same pictures."""
        if pictures not in self._shown:
            self._shown[pictures] = pictures.show(self.watched)
        return self._shown[pictures]

    def _relative(self, motion: Motion, features: Features) -> Motion:
        """Return a motion relative to the picture that it is drawn from."""
        if features is self.source.features:
            return motion
        expression = self.watched.talker.rebase(
            motion.rotation, motion.expression, of=self.source.features, to=features
        )
        return Motion(motion.rotation, motion.translation, expression)

    def _draw(
        self, motion: Motion, features: Features, *, relative_to: Features, flow: Floats | None
    ) -> Picture:
        """Draw a frame from what its motion is relative to, or from another picture."""
        talker, expression = self.watched.talker, motion.expression
        if features is not relative_to:
            expression = talker.rebase(motion.rotation, expression, of=relative_to, to=features)
        return talker.draw(features, motion.rotation, motion.translation, expression, flow)


def able(setup: Setup, mode: Mode, corrector: Corrector | None) -> bool:
    """Say whether the profile's tables know the mode's coding, whether its generator bends where the mode does, and
    whether it has what its repairs are made with."""
    if mode.bends and not setup.talker.bends:
        return False
    predictive = any(isinstance(coding, Acknowledged) for coding in mode.coding.values())
    if predictive and setup.motion_format.prediction is None:
        return False
    return corrector is not None or NARROW not in mode.pictures.values()
