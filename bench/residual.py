"""What a residual code repairs: strangers with a hand or an object pasted over a tenth of the picture, redrawn as in a
call, which knows of no such thing, and repaired. LPIPS over the object's box before and after, the bytes, and beside
them a new source picture's. It knows clips, a talker and a residual network; it trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from bench.clips import Clip, Picture, read_footage
from bench.errors import BenchError
from bench.judge import PictureJudge
from bench.metrics.landmarks import Box
from bench.quality import sampled
from bench.sheet import Row
from bench.statistics import bootstrap_interval, geometric_mean
from bench.talk import Setup, Source, draw, framed_bytes, motion_of, take_source
from codec.encoder import MotionEncoder
from codec.picture import PIECE_BYTES, decode_picture, encode_picture
from codec.repair import Repair as Repaired
from codec.repair import encode_repair
from codec.residual import ResidualFormat, decode_residual, encode_residual
from codec.transfer import PIECE_FRAMING_BYTES
from models.residual import CODE_CHANNELS, Residual, ResidualDecodeGraph, ResidualEncodeGraph
from models.training.loop import TrainingError
from models.training.occluders import paste_object
from models.training.runfile import average_of
from runtime import repairer as runtime
from runtime.profile import load_profile
from sender.distance import cell_distances, look_at
from sender.repair import LOCAL
from sender.residual import codes_at

Fault = npt.NDArray[np.bool_]

# Of the picture, as the aim is worded.
AREA = 0.1
SEED = 41


@dataclass(frozen=True)
class Repair:
    """A repaired picture uint8 SxSx3, how many of the code's cells were sent, of how many, and the code's bytes."""

    picture: Picture
    cells_sent: int
    cells: int
    code_bytes: float


class Repairer(Protocol):
    """What repairs a redrawn picture, both uint8 SxSx3, at a fault that the mirror has found, bool [16, 16]."""

    def __call__(self, picture: Picture, redrawn: Picture, where: Fault) -> Repair:
        """Code the difference there, decode it again, and add it."""


@dataclass(frozen=True)
class Case:
    """A frame as the camera saw it, redrawn and repaired; the box is the object's.

    message_bytes: of the code with its motion, cut into control messages. anew: what a new source picture of the frame
    decodes to, and anew_bytes its own, cut likewise.
    """

    picture: Picture
    redrawn: Picture
    repair: Repair
    box: Box
    message_bytes: float
    anew: Picture
    anew_bytes: int


def built_repairer(profile: str) -> Repairer:
    """Load a built profile's residual codes; raise the runtime's or the codec's error where it has none."""
    built = load_profile(profile)
    repairer, chances = runtime.load_repairer(built), ResidualFormat.load(built.residual_path)

    def repair(picture: Picture, redrawn: Picture, where: Fault) -> Repair:
        codes = codes_at(repairer, picture, redrawn, where)
        code = encode_residual(codes, chances)
        received = decode_residual(code, chances, side=repairer.side)
        sent = int(np.count_nonzero(codes[0]))
        return Repair(repairer.repair(redrawn, received), sent, codes[0].size, len(code))

    return repair


def load_repairer(folder: Path) -> Repairer:
    """Load the residual network that a training stage left in `folder`; raise BenchError where it left none.

    Its code weighs what it does before entropy coding: the signs, and a bit a cell that says which are sent.
    """
    network = Residual().eval()
    try:
        network.load_state_dict(average_of(folder))
    except TrainingError as error:
        raise BenchError(f"{error}.") from error
    except RuntimeError as error:
        raise BenchError(f"{folder} holds another network than the residual's.") from error

    def encode(inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        return _run(encode_graph, inputs)

    def decode(inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        return _run(decode_graph, inputs)

    encode_graph, decode_graph = ResidualEncodeGraph(network), ResidualDecodeGraph(network)

    def repair(picture: Picture, redrawn: Picture, where: Fault) -> Repair:
        repairer = runtime.Repairer(encode, decode, picture_size=picture.shape[0])
        codes = codes_at(repairer, picture, redrawn, where)
        sent, cells = int(np.count_nonzero(codes[0])), codes[0].size
        return Repair(repairer.repair(redrawn, codes), sent, cells, (sent * CODE_CHANNELS + cells) / 8)

    return repair


def run_residual(
    setup: Setup,
    clips: Sequence[Clip],
    repairer: Repairer,
    judge: PictureJudge,
    *,
    every: int,
    on_clip: Callable[[str], None],
    shown: list[Row] | None = None,
) -> dict[str, Any]:
    """Return the bench's JSON: `clips` and `summary`; every `every`-th frame is seen with an object and without, and
    what is farther from the camera's picture with it than without is the fault, as in a call.

    `region_lpips` is over the object's box, `lpips` over the picture, `_redrawn` before the repair; `_ratio` is after
    over before, in the summary the geometric mean over clips; `_anew` is a new source picture of the covered frame,
    `cheaper_share` of the frames a repair is the smaller message.
    A row a clip of what was covered, redrawn and repaired is added to `shown`.
    """
    rng = np.random.default_rng(SEED)
    rows: list[dict[str, Any]] = []
    other: Picture | None = None
    for clip in clips:
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        origin = take_source(setup, footage, source="first")
        covered = []
        for index in sampled(len(footage.pictures), every):
            picture = footage.pictures[index]
            # The object's surface comes from a person that is not in the picture, but for the first clip's.
            seen, mask = paste_object(picture, origin.picture if other is None else other, rng, area=AREA)
            usual = cell_distances(look_at(picture), look_at(_redrawn(setup, origin, picture)[0]))
            covered.append(_case(setup, origin, repairer, seen, _box_of(mask), usual))
        other = origin.picture
        if shown is not None:
            first = covered[0]
            pictures = (first.picture, first.redrawn, first.repair.picture)
            size = f"repaired, {first.message_bytes:.0f} bytes"
            shown.append(Row(pictures, (f"{clip.name}: covered", "redrawn", size)))
        rows.append({"name": clip.name, **_figures(judge, covered)})
    return {"profile": setup.profile, "every": every, "clips": rows, "summary": _summary(rows)}


def _redrawn(setup: Setup, origin: Source, picture: Picture) -> tuple[Picture, bytes]:
    """Return a picture as it is drawn of its coded motion, and the packet."""
    encoder = MotionEncoder(setup.motion_format)
    packet = encoder.encode(motion_of(setup, picture, origin), captured_s=0.0, source=0)
    assert encoder.last is not None, "it was just coded"
    return draw(setup, origin, encoder.last), packet


def _case(
    setup: Setup, origin: Source, repairer: Repairer, seen: Picture, box: Box, usual: npt.NDArray[np.float32]
) -> Case:
    redrawn, packet = _redrawn(setup, origin, seen)
    where = cell_distances(look_at(seen), look_at(redrawn)) - usual > LOCAL / 2
    repair = repairer(seen, redrawn, where)
    whole = len(encode_repair(Repaired(packet, b""))) + repair.code_bytes
    message_bytes = whole + PIECE_FRAMING_BYTES * np.ceil(whole / (PIECE_BYTES - PIECE_FRAMING_BYTES))
    anew = encode_picture(seen)
    return Case(seen, redrawn, repair, box, float(message_bytes), decode_picture(anew), framed_bytes(anew))


def _lpips(judge: PictureJudge, cases: Sequence[Case]) -> tuple[float, float]:
    """Return LPIPS before and after the repair."""
    rivals = [[case.redrawn for case in cases], [case.repair.picture for case in cases]]
    before, after = judge.lpips([case.picture for case in cases], rivals).mean(1)
    return float(before), float(after)


def _figures(judge: PictureJudge, cases: Sequence[Case]) -> dict[str, float]:
    rivals = [
        [case.redrawn for case in cases],
        [case.repair.picture for case in cases],
        [case.anew for case in cases],
    ]
    boxes = [case.box for case in cases]
    regions = judge.face_lpips([case.picture for case in cases], boxes, rivals).mean(1)
    before, after = _lpips(judge, cases)
    return {
        "region_lpips": float(regions[1]),
        "region_lpips_redrawn": float(regions[0]),
        "region_lpips_ratio": float(regions[1] / regions[0]),
        "region_lpips_anew": float(regions[2]),
        "lpips": after,
        "lpips_redrawn": before,
        "lpips_ratio": after / before,
        "code_bytes": float(np.mean([case.repair.code_bytes for case in cases])),
        "message_bytes": float(np.mean([case.message_bytes for case in cases])),
        "message_bytes_most": float(max(case.message_bytes for case in cases)),
        "anew_bytes": float(np.mean([case.anew_bytes for case in cases])),
        "cheaper_share": float(np.mean([case.message_bytes < case.anew_bytes for case in cases])),
        "sent_share": float(np.mean([case.repair.cells_sent / case.repair.cells for case in cases])),
    }


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    summary = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "name"}
    for key in ("region_lpips_ratio", "lpips_ratio"):
        ratios = [row[key] for row in rows]
        summary[key] = geometric_mean(ratios)
        summary[f"{key}_low"], summary[f"{key}_high"] = bootstrap_interval(ratios)
    summary["message_bytes_most"] = max(row["message_bytes_most"] for row in rows)
    summary["halved_share"] = float(np.mean([row["region_lpips_ratio"] <= 0.5 for row in rows]))
    return summary


def _box_of(mask: npt.NDArray[np.uint8]) -> Box:
    rows, columns = np.nonzero(mask)
    return Box(float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))


def _run(
    graph: ResidualEncodeGraph | ResidualDecodeGraph, inputs: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    with torch.inference_mode():
        out = graph(*(torch.from_numpy(inputs[name]) for name in graph.inputs))
    outputs = out if isinstance(out, tuple) else (out,)
    return {name: value.numpy() for name, value in zip(graph.outputs, outputs, strict=True)}
