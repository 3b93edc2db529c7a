"""Residual codes: what repairs a redrawn picture, as 32 signs in each of those cells of 8 x 8 pixels that need them.

One range code: first which cells are sent, from a coarse lattice to finer ones, then their signs, channel by channel,
each in two halves of a checkerboard. Every step codes an array, by chances that come from what was coded before it, so
that a code takes some 70 calls whatever its size. Does not know what the signs mean to the network that reads them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codec.arrays import load_arrays
from codec.errors import BitstreamError
from codec.ranges import Chances, RangeReader, RangeWriter

CHANNELS = 32  # supplement C.3
CELL = 8  # pixels of a cell's side
MAX_SIDE = 64  # cells: pictures of 512; a code that sends all of them decodes in some 10 ms
MAX_CODE_BYTES = 32 << 10  # a code in which nothing could be foreseen, at 512 x 512, has 17 kB
COARSEST = 8  # cells between those that are coded first
LATTICES = 3  # halvings down to every cell
MAP_CONTEXTS = (1 + 2 * LATTICES, 5, 3)  # step, nearest cells sent, those around them
FEATURES = 1 + 2 * CHANNELS  # a constant, the cell's own signs, sums over its four neighbours
MAX_WEIGHT = 1 << 14  # no sum of products leaves 32 bits
CLASS_BITS = 5  # a score's class is the score >> 5
CLASSES = 64

Features = npt.NDArray[np.int32]  # [65, cells]
Codes = npt.NDArray[np.int8]  # [32, n, n]: -1 or 1 where a cell is sent, 0 elsewhere
Sent = npt.NDArray[np.bool_]  # [n, n]
_FIELDS = ("map_chances", "sign_weights", "sign_chances")
_BESIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))
_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
_AROUND_BESIDE = tuple((y, x) for y in (-2, -1, 1, 2) for x in (-2, -1, 1, 2) if abs(y) != abs(x))
_AROUND_CORNERS = tuple((y, x) for y in (-3, -1, 1, 3) for x in (-3, -1, 1, 3) if abs(y) != abs(x))


@dataclass(frozen=True, eq=False)
class ResidualFormat:
    """The chances by which residual codes are coded; both peers hold the same ones.

    Parameters
    ----------
    map_chances
        uint16 [7, 5, 3] of a cell's being sent, in 2**16, from 1 on: by step, how many of the four nearest coded cells
        are sent, and none, up to half, or more of the eight around those.
    sign_weights
        int16 [32, 2, 65], at most 2**14 either way: what each feature adds to a sign's score, by channel and half.
    sign_chances
        uint16 [64] of a sign's being positive, in 2**16, from 1 on, by the score's class.

    Raises
    ------
    ValueError
        For anything else.
    """

    map_chances: Chances
    sign_weights: npt.NDArray[np.int16]
    sign_chances: Chances

    def __post_init__(self) -> None:
        shapes = (MAP_CONTEXTS, (CHANNELS, 2, FEATURES), (CLASSES,))
        for name, shape, dtype in zip(_FIELDS, shapes, (np.uint16, np.int16, np.uint16), strict=True):
            values = np.array(getattr(self, name))
            if values.shape != shape or values.dtype != dtype:
                raise ValueError(f"{name} are {np.dtype(dtype)}{shape}, not {values.dtype}{values.shape}")
            if dtype == np.uint16 and not values.all():
                raise ValueError(f"{name} hold a chance of 0")
            if dtype == np.int16 and np.abs(values.astype(np.int32)).max() > MAX_WEIGHT:
                raise ValueError(f"{name} hold a weight beyond {MAX_WEIGHT}")
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of all the numbers."""
        digest = hashlib.sha256(b"visavis residual format 1")
        for name, kind in zip(_FIELDS, (">u2", ">i2", ">u2"), strict=True):
            digest.update(getattr(self, name).astype(kind).tobytes())
        return digest.digest()

    def save(self, path: Path) -> None:
        """Write the format as .npz."""
        np.savez_compressed(path, **{name: getattr(self, name) for name in _FIELDS})

    @classmethod
    def load(cls, path: Path) -> "ResidualFormat":
        """Read a format that `save` wrote; raises BitstreamError for any other file."""
        try:
            arrays = load_arrays(path)
            return cls(*(arrays[name] for name in _FIELDS))
        except (OSError, KeyError, ValueError) as error:
            raise BitstreamError(f"{path} holds no chances of residual codes: {error}") from error


def encode_residual(codes: Codes, residual_format: ResidualFormat) -> bytes:
    """Return the shortest code of `codes`, int8 [32, n, n]; at most 32 kB.

    Raises ValueError where a cell is sent in part, or for another shape.
    """
    side = codes.shape[-1]
    if codes.dtype != np.int8 or codes.shape != (CHANNELS, side, side) or not 1 <= side <= MAX_SIDE:
        raise ValueError(
            f"codes are int8 [{CHANNELS}, n, n], n up to {MAX_SIDE}, not {codes.dtype}{codes.shape}"
        )
    sent = codes[0] != 0
    if (np.abs(codes) != sent).any():
        raise ValueError("a cell has 32 signs, or none")
    writer = RangeWriter()
    known = np.zeros((side, side), np.bool_)
    for step, (rows, columns) in enumerate(map_steps(side)):
        chances = residual_format.map_chances[map_context(known, step, rows, columns)]
        known[rows, columns] = sent[rows, columns]
        writer.put_bits(known[rows, columns].astype(np.int32), chances)
    signs = Signs(sent)
    for channel in range(CHANNELS):
        values = codes[channel][sent]
        for half, cells in enumerate(signs.halves):
            chances = residual_format.sign_chances[signs.classes(channel, half, residual_format.sign_weights)]
            writer.put_bits((values[cells] > 0).astype(np.int32), chances)
            signs.learn(channel, half, values[cells])
    code = writer.finish()
    if len(code) > MAX_CODE_BYTES:
        raise ValueError(f"a residual code has at most {MAX_CODE_BYTES} bytes, not {len(code)}")
    return code


def decode_residual(code: bytes, residual_format: ResidualFormat, *, side: int) -> Codes:
    """Return the codes, int8 [32, side, side], that `encode_residual` wrote; side is a picture's, divided by 8.

    Raises BitstreamError, and nothing else, for other bytes. ValueError for a side beyond 64.
    """
    if not 1 <= side <= MAX_SIDE:
        raise ValueError(f"a map's side is 1..{MAX_SIDE} cells, not {side}")
    if len(code) > MAX_CODE_BYTES:
        raise BitstreamError(f"a residual code has at most {MAX_CODE_BYTES} bytes, not {len(code)}")
    reader = RangeReader(code)
    sent = np.zeros((side, side), np.bool_)
    for step, (rows, columns) in enumerate(map_steps(side)):
        chances = residual_format.map_chances[map_context(sent, step, rows, columns)]
        sent[rows, columns] = reader.get_bits(chances) != 0
    signs = Signs(sent)
    for channel in range(CHANNELS):
        for half in range(2):
            chances = residual_format.sign_chances[signs.classes(channel, half, residual_format.sign_weights)]
            signs.learn(channel, half, 2 * reader.get_bits(chances) - 1)
    codes = np.zeros((CHANNELS, side, side), np.int8)
    codes[:, sent] = signs.known()
    return codes


Places = tuple[npt.NDArray[np.intp], ...]  # rows and columns of cells


def map_steps(side: int) -> Iterator[Places]:
    """Yield the cells that each step of the map codes, by row and column: 7 steps, some of them empty in small maps.

    First every eighth cell of every eighth row; then, for distances 4, 2 and 1, the middles between four known cells
    and after them what lies between two of each.
    """
    rows, columns = np.indices((side, side))
    yield np.nonzero((rows % COARSEST == 0) & (columns % COARSEST == 0))
    for halving in range(1, LATTICES + 1):
        apart = COARSEST >> halving
        odd = [(axis // apart) % 2 == 1 for axis in (rows, columns)]
        on_lattice = (rows % apart == 0) & (columns % apart == 0)
        yield np.nonzero(on_lattice & odd[0] & odd[1])
        yield np.nonzero(on_lattice & (odd[0] ^ odd[1]))


def map_context(known: Sent, step: int, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Places:
    """Return the context of each of a step's cells as indices into `map_chances`; cells outside count as not sent."""
    if step == 0:
        nothing = np.zeros(len(rows), np.intp)
        return nothing, nothing, nothing
    apart = COARSEST >> (step + 1) // 2
    nearest, around = (_CORNERS, _AROUND_CORNERS) if step % 2 else (_BESIDE, _AROUND_BESIDE)
    padded = np.pad(known, 3 * COARSEST)
    rows, columns = rows + 3 * COARSEST, columns + 3 * COARSEST
    near, far = (
        np.stack([padded[rows + apart * y, columns + apart * x] for y, x in places]).sum(axis=0)
        for places in (nearest, around)
    )
    return np.full(len(rows), step), near, (far > 0).astype(np.intp) + (2 * far > len(around))


class Signs:
    """The signs of the cells of a map, as far as they are known.

    Attributes
    ----------
    halves
        Which cells, in the order of rows, are on the two colours of the checkerboard.
    features
        What is known around each half's cells: 1, their own signs, the sums of their four neighbours'; 0 where nothing
        is known.
    """

    def __init__(self, sent: Sent) -> None:
        rows, columns = np.nonzero(sent)
        self.halves = [np.flatnonzero((rows + columns) % 2 == half) for half in range(2)]
        self.features = [np.zeros((FEATURES, len(cells)), np.int32) for cells in self.halves]
        for features in self.features:
            features[0] = 1
        # What lies outside, or is not sent, is one more cell behind the last, without signs.
        numbers = np.full((sent.shape[0] + 2, sent.shape[1] + 2), len(rows))
        numbers[rows + 1, columns + 1] = np.arange(len(rows))
        beside = [numbers[rows + 1 + y, columns + 1 + x] for y, x in _BESIDE]
        self._beside = [[each[cells] for each in beside] for cells in self.halves]
        self._values = np.zeros(len(rows) + 1, np.int32)

    def classes(self, channel: int, half: int, weights: npt.NDArray[np.int16]) -> npt.NDArray[np.int32]:
        """Return the class of the score of each of a half's next signs."""
        return classes_of(self.features[half], weights[channel, half])

    def learn(self, channel: int, half: int, values: npt.NDArray[np.integer]) -> None:
        """Take in a half's signs of a channel, -1 or 1: all neighbours of its cells are in the other half."""
        self.features[half][1 + channel] = values
        self._values[self.halves[half]] = values
        sums = sum(self._values[beside] for beside in self._beside[1 - half])
        self.features[1 - half][1 + CHANNELS + channel] = sums

    def known(self) -> npt.NDArray[np.int8]:
        """Return all signs, [32, cells]."""
        signs = np.zeros((CHANNELS, len(self._values) - 1), np.int8)
        for cells, features in zip(self.halves, self.features, strict=True):
            signs[:, cells] = features[1 : 1 + CHANNELS]
        return signs


def classes_of(features: Features, weights: npt.NDArray[np.int16]) -> npt.NDArray[np.int32]:
    """Return the classes 0..63 of the scores that weights [65] give cells, rounded down; what lies beyond is in the
    first or the last."""
    # For integers a tenth of the time that `@` takes, which does not know them as BLAS knows floats.
    score = np.einsum("f,fc->c", weights.astype(np.int32), features)
    return np.clip((score >> CLASS_BITS) + CLASSES // 2, 0, CLASSES - 1)
