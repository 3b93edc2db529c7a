"""The blind test's films: clips as we redraw them, and as a chosen codec codes them at a chosen multiple of our rate.

The paper's user study, for anyone to run (face-vid2vid, section 5). It makes films; the page that shows them is
`bench.blind_page`, and `bench.blind_count` counts what people chose.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.clips import Clip, Footage, Picture, read_footage
from bench.codecs import Codec, run_codec
from bench.errors import BenchError
from bench.quality import SOURCE_SPREAD_S
from bench.talk import Setup, as_sent, redraw, take_source
from call.film import write_clip

# x264 and x265 end at 51, libvpx and SVT-AV1 at 63.
WORST_CRFS = {"libx264": 51, "libx265": 51}
WORST_CRF = 63
# What people watch before they choose: long enough for a sentence, short enough to watch again.
LONGEST_S = 8.0


@dataclass(frozen=True)
class Pair:
    """One clip twice, and as it was: films as MP4; rates are payload, in kbit/s."""

    clip: str
    original: bytes
    ours: bytes
    rival: bytes
    our_kbps: float
    rival_kbps: float


def make_pairs(
    setup: Setup,
    clips: Sequence[Clip],
    codec: Codec,
    *,
    ratio: float,
    on_clip: Callable[[str], None],
) -> list[Pair]:
    """Return a pair for each clip, in the clips' order.

    Ours is drawn from the clip's first frame as a call sends it, with packets that stand alone; the rival has at most
    `ratio` times our bits, or its coarsest quality where even that takes more. Raises BenchError where PyAV lacks the
    codec.
    """
    if not 0 < ratio < math.inf:
        raise BenchError(f"The rival's rate is a multiple of ours above 0, not {ratio:g}.")
    pairs = []
    for clip in clips:
        on_clip(clip.name)
        footage = read_footage(clip, size=setup.picture_size)
        footage = Footage(
            footage.name, footage.pictures[: round(LONGEST_S * footage.rate)], footage.rate, None
        )
        source = as_sent(setup, take_source(setup, footage, source="first"))
        redrawn = redraw(setup, footage, range(len(footage.pictures)), source=source)
        our_kbps = 0.008 * (
            sum(redrawn.packet_bytes.values()) / footage.seconds + source.payload_bytes / SOURCE_SPREAD_S
        )
        rival, rival_kbps = _code_at(codec, footage, kbps=ratio * our_kbps)
        original, ours, theirs = (
            _film(pictures, footage.rate)
            for pictures in (footage.pictures, list(redrawn.pictures.values()), rival)
        )
        pairs.append(Pair(clip.name, original, ours, theirs, our_kbps, rival_kbps))
    return pairs


def _code_at(codec: Codec, footage: Footage, *, kbps: float) -> tuple[list[Picture], float]:
    """Code the clip at the best quality that needs no more than `kbps`, or at the worst; with what it needed."""

    def code(crf: int) -> tuple[list[Picture], float]:
        every = range(len(footage.pictures))
        stream = run_codec(codec, footage.pictures, frame_rate=footage.rate, crf=crf, keep=every)
        pictures = [stream.pictures[index] for index in every]
        return pictures, 0.008 * sum(stream.packet_bytes) / footage.seconds

    coarse, fine = WORST_CRFS.get(codec.encoder, WORST_CRF), 0
    best = code(coarse)
    while best[1] <= kbps and coarse - fine > 1:
        tried = code(middle := (coarse + fine) // 2)
        if tried[1] <= kbps:
            best, coarse = tried, middle
        else:
            fine = middle
    return best


def _film(pictures: Sequence[Picture], rate: float) -> bytes:
    with tempfile.TemporaryDirectory(prefix="visavis-") as folder:
        path = Path(folder) / "film.mp4"
        write_clip(path, pictures, frame_rate=rate)
        return path.read_bytes()
