"""The code of a predictive packet: how many of its motions were sent before, the time between them, and their levels.

The first motion refers to what the header names, each other one to the motion before it in the packet. Does not know
headers or what becomes of the motions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.errors import BitstreamError
from codec.packet import MAX_FRAMES
from codec.prediction import Integers, PredictionFormat
from codec.predictive import State, distance_class, read_levels, write_levels
from codec.ranges import FREQUENCY_SUM, Models, RangeReader, RangeWriter

MAX_SPACING = 32  # ticks between two motions of a bundle

# Nearly every packet repeats nothing; then this costs a fiftieth of a bit.
_REPEATED = Models(np.array([[FREQUENCY_SUM - 3 * 320, 320, 320, 320]], dtype=np.uint16))[0]


def _spacing_frequencies() -> list[int]:
    usual = {2: 28000, 3: 18000, 4: 9000, 5: 5000, 1: 1500}  # 30, 25, 15, 12.5 and 60 motions a second
    rare = (FREQUENCY_SUM - sum(usual.values())) // (MAX_SPACING - len(usual))
    frequencies = [usual.get(ticks, rare) for ticks in range(1, MAX_SPACING + 1)]
    frequencies[1] += FREQUENCY_SUM - sum(frequencies)
    return frequencies


_SPACING = Models(np.array([_spacing_frequencies()], dtype=np.uint16))[0]


@dataclass(frozen=True)
class Coded:
    """A motion of a bundle: how many ticks it is behind the first, its state, and whether it was sent before."""

    after: int
    state: State
    repeated: bool


class BundleWriter:
    """Codes the motions of one packet, oldest first.

    Parameters
    ----------
    reference, distance
        What the first motion refers to and how many ticks before it that was, 0 for the origin.
    repeated
        How many of the first motions were sent before.
    """

    def __init__(
        self, reference: State, *, distance: int, repeated: int, prediction: PredictionFormat
    ) -> None:
        self._prediction = prediction
        self._writer = RangeWriter()
        self._writer.put(repeated, _REPEATED)
        self._distance = distance
        self.reference = reference  # of the next motion
        self._began = False

    def add(self, levels: Integers, *, spacing: int) -> State:
        """Code a motion `spacing` ticks, 1..32, after the one before it (the first one's is not looked at)."""
        if self._began:
            self._writer.put(spacing - 1, _SPACING)
            self._distance = spacing
        self._began = True
        self.reference = write_levels(
            self._writer,
            levels,
            self.reference,
            distance=distance_class(self._distance),
            prediction=self._prediction,
        )
        return self.reference

    def finish(self) -> bytes:
        """Return the code."""
        return self._writer.finish()


def read_bundle(
    code: bytes, reference: State, *, frames: int, distance: int, prediction: PredictionFormat
) -> Sequence[Coded]:
    """Decode the motions of a packet, oldest first.

    Raises BitstreamError for a code outside of its tables or with nothing new in it.
    """
    assert 1 <= frames <= MAX_FRAMES
    reader = RangeReader(code)
    repeated = reader.get(_REPEATED)
    if repeated >= frames:
        raise BitstreamError(f"a packet of {frames} motions cannot repeat {repeated}")
    motions: list[Coded] = []
    after = 0
    for index in range(frames):
        if index:
            distance = reader.get(_SPACING) + 1
            after += distance
        reference = read_levels(reader, reference, distance=distance_class(distance), prediction=prediction)
        motions.append(Coded(after, reference, index < repeated))
    return motions
