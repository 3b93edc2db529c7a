"""The code of a residual flow: two axes of 32 x 32 whole levels of a cosine transform, most of them 0.

A byte for step and energy, then a range code of bits: which magnitudes are beyond 0, beyond 1 and so on, each pass only
of those that are beyond all before, and then the signs. A bit's chance comes from the level's band and from the flow's
energy, by a few constants and whole numbers alone, so that it is the same on every machine and no file holds it. Does
not know how many pixels a step is, nor what the flow bends.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codec.errors import BitstreamError
from codec.ranges import FREQUENCY_SUM, Chances, RangeReader, RangeWriter

AXES = 2  # x and y
SIDE = 32
STEPS = 16
ENERGIES = 16  # 0 is a flow of zeros
PASSES = 15  # the first says which magnitudes are beyond 0, the last which are beyond 14
ESCAPE_BITS = 8  # what a magnitude has beyond 15
MAX_LEVEL = PASSES + (1 << ESCAPE_BITS) - 1  # so that whatever is decoded is a flow
MAX_FLOW_BYTES = 255

# A chance is expected / (expected + against), all in 2**-16. Fitted to the flows of training clips, at steps of 1 to 4
# pixels: 1 percent more bytes than with each chance counted by itself.
_EXPECTED = 74000  # at energy 1, in band 0 and the first pass
_GROWTH = 367  # in 2**-8: from one energy to the next
_DECAY = 637  # in 2**-10: from one band to the next, at energy 1
_SLOWER_DECAY = 13  # more of it with each energy
_EXPECTED_BY_PASS = 2100  # what is large may be larger still
_AGAINST_FIRST = 65536
_AGAINST = 206900  # in later passes
_AGAINST_BY_PASS = 10900
_LEAST_CHANCE = 64  # in 2**16; the greatest is as far from 1

_BANDS = 2 * SIDE - 1
_BAND = np.tile(np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel(), AXES)  # of each of the 2048 levels
_EVEN = np.uint16(FREQUENCY_SUM // 2)  # the chance of what cannot be foreseen

Levels = npt.NDArray[np.int16]  # [2, 32, 32]


def _make_chances() -> Chances:
    """Return the chances, uint16 [16, 15, 63], by energy, pass and band; those of energy 0 are not used."""
    passes = np.arange(PASSES, dtype=np.int64)
    against = np.where(passes == 0, _AGAINST_FIRST, _AGAINST + _AGAINST_BY_PASS * passes)
    chances = np.zeros((ENERGIES, PASSES, _BANDS), np.uint16)
    in_band_0 = _EXPECTED
    for energy in range(1, ENERGIES):
        in_band = in_band_0
        for band in range(_BANDS):
            expected = in_band + _EXPECTED_BY_PASS * passes
            exact = FREQUENCY_SUM * expected // (expected + against)
            chances[energy, :, band] = np.clip(exact, _LEAST_CHANCE, FREQUENCY_SUM - _LEAST_CHANCE)
            in_band = in_band * (_DECAY + _SLOWER_DECAY * (energy - 1)) >> 10
        in_band_0 = in_band_0 * _GROWTH >> 8
    return chances


def _make_costs() -> npt.NDArray[np.float64]:
    """Return what a magnitude of 0 to 15 costs in bits, [energies 1..15, 63 bands x 16 magnitudes], less its sign and
    escape, which cost the same at every energy."""
    chances = _CHANCES[1:].transpose(0, 2, 1) / FREQUENCY_SUM
    costs = np.zeros((ENERGIES - 1, _BANDS, PASSES + 1))
    costs[..., 1:] = -np.log2(chances).cumsum(axis=-1)
    costs[..., :-1] -= np.log2(1 - chances)
    return costs.reshape(ENERGIES - 1, -1)


_CHANCES = _make_chances()
_COSTS = _make_costs()


@dataclass(frozen=True, eq=False)
class Flow:
    """A residual flow in whole levels.

    Parameters
    ----------
    step
        Number of the step that the levels count in, 0..15.
    levels
        int16 [2, 32, 32], -270..270, by axis (x, y), vertical and horizontal frequency, low ones first.

    Raises
    ------
    ValueError
        For anything else.
    """

    step: int
    levels: Levels

    def __post_init__(self) -> None:
        if not 0 <= self.step < STEPS:
            raise ValueError(f"a flow's step is 0..{STEPS - 1}, not {self.step}")
        levels = np.array(self.levels)
        if levels.shape != (AXES, SIDE, SIDE) or levels.dtype != np.int16:
            raise ValueError(f"levels are int16 [{AXES}, {SIDE}, {SIDE}], not {levels.dtype}{levels.shape}")
        least, greatest = int(levels.min()), int(levels.max())
        if least < -MAX_LEVEL or greatest > MAX_LEVEL:
            raise ValueError(f"levels are -{MAX_LEVEL}..{MAX_LEVEL}, not {least}..{greatest}")
        levels.flags.writeable = False
        object.__setattr__(self, "levels", levels)


def encode_flow(flow: Flow) -> bytes:
    """Return the flow's code: one byte for a flow of zeros, 255 at most.

    Raises ValueError for a flow that takes more bytes; its sender takes a greater step.
    """
    levels = flow.levels.ravel().astype(np.int32)
    magnitudes = np.abs(levels)
    energy = _energy_of(magnitudes)
    first = bytes([flow.step << 4 | energy])
    if energy == 0:
        return first
    writer = RangeWriter()
    beyond = np.arange(magnitudes.size)
    for number, chances in enumerate(_CHANCES[energy]):
        bits = (magnitudes[beyond] > number).astype(np.int32)
        writer.put_bits(bits, chances[_BAND[beyond]])
        beyond = beyond[bits != 0]
    escapes = (magnitudes[beyond] - PASSES).astype(np.uint8)
    for bits in (np.unpackbits(escapes).astype(np.int32), (levels[levels != 0] < 0).astype(np.int32)):
        writer.put_bits(bits, np.full(bits.size, _EVEN))
    code = first + writer.finish()
    if len(code) > MAX_FLOW_BYTES:
        raise ValueError(f"a flow's code has at most {MAX_FLOW_BYTES} bytes, not {len(code)}")
    return code


def decode_flow(code: bytes) -> Flow:
    """Return the flow that `encode_flow` wrote; raises BitstreamError, and nothing else, for other bytes."""
    if not 1 <= len(code) <= MAX_FLOW_BYTES:
        raise BitstreamError(f"a flow's code has 1 to {MAX_FLOW_BYTES} bytes, not {len(code)}")
    step, energy = divmod(code[0], ENERGIES)
    levels = np.zeros(AXES * SIDE * SIDE, np.int16)
    if energy:
        reader = RangeReader(code[1:])
        beyond = np.arange(levels.size)
        for chances in _CHANCES[energy]:
            beyond = beyond[reader.get_bits(chances[_BAND[beyond]]) != 0]
            levels[beyond] += 1
        levels[beyond] += np.packbits(reader.get_bits(np.full(ESCAPE_BITS * beyond.size, _EVEN)) != 0)
        signed = np.flatnonzero(levels)
        levels[signed] *= (1 - 2 * reader.get_bits(np.full(signed.size, _EVEN))).astype(np.int16)
    elif len(code) > 1:
        raise BitstreamError(f"a flow of zeros has 1 byte, not {len(code)}")
    return Flow(step, levels.reshape(AXES, SIDE, SIDE))


def _energy_of(magnitudes: npt.NDArray[np.int32]) -> int:
    """Return the energy at which magnitudes [2048] cost least. Floats may do here: any energy but 0 decodes."""
    if not magnitudes.any():
        return 0
    kinds = _BAND * (PASSES + 1) + np.minimum(magnitudes, PASSES)
    counts = np.bincount(kinds, minlength=_COSTS.shape[1])
    return 1 + int((_COSTS @ counts).argmin())
