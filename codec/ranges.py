"""Range coding of a few symbols by fixed frequency tables: constriction, handed integers only.

Does not know what the symbols mean. The models are exact: constriction computes in 24-bit fixed point and gives
symbol i the share `floor(scale * cumulative) + 1`; with weights `256 * frequency - 1`, whose sum is 2**24 -
256, its scale is exactly 1 and every number is an integer that float64 holds exactly. So both sides' models
are equal to the bit on every machine (a test compares them at each boundary).
"""

from collections.abc import Sequence
from typing import Any

import constriction
import numpy as np
import numpy.typing as npt

from codec.errors import BitstreamError

FREQUENCY_BITS = 16
FREQUENCY_SUM = 1 << FREQUENCY_BITS
SYMBOLS = 256

_MODEL_BITS = 24  # constriction's fixed-point precision behind Python
_WORD_BITS = 32
_STATE_BITS = 64  # of constriction's range coder; the decoder reads so far ahead

Frequencies = npt.NDArray[np.uint16]
Model = Any  # constriction.stream.model.Categorical, which has no types
Chances = npt.NDArray[np.uint16]  # of a bit's being 1, in 2**16
Bits = npt.NDArray[np.int32]

# A family: each bit of an array has a chance of its own. The share of 0 is `floor((2**24 - 2) * (1 - chance)) + 1`, a
# product that float64 holds exactly where the chance is a multiple of 2**-16 (a test looks at every one).
_BITS = constriction.stream.model.Bernoulli(perfect=False)


class Models:
    """Prebuilt models of N frequency tables of one alphabet, made once.

    Parameters
    ----------
    frequencies
        [N, symbols] integers from 1 on, each row with the sum 2**16.
    """

    def __init__(self, frequencies: Frequencies) -> None:
        scale = 1 << (_MODEL_BITS - FREQUENCY_BITS)
        weights = frequencies.astype(np.float64) * scale - 1
        self._models = [constriction.stream.model.Categorical(row, perfect=False) for row in weights]

    def __len__(self) -> int:
        return len(self._models)

    def __getitem__(self, index: int) -> Model:
        return self._models[index]


class RangeWriter:
    """Codes symbols, each by a model of its own."""

    def __init__(self) -> None:
        self._encoder = constriction.stream.queue.RangeEncoder()

    def put(self, symbol: int, model: Model) -> None:
        """Code a symbol of the model's alphabet."""
        self._encoder.encode(symbol, model)

    def put_bits(self, bits: Bits, chances: Chances) -> None:
        """Code an array of 0 and 1, each by its chance of being 1, from 1 on."""
        self._encoder.encode(bits, _BITS, chances / FREQUENCY_SUM)

    def finish(self) -> bytes:
        """Return the shortest code that decodes."""
        return _shortest(self._encoder)


class RangeReader:
    """Decodes what a RangeWriter wrote, model by model; goes on for ever, in zeros, behind the code's end."""

    def __init__(self, code: bytes) -> None:
        padding = -len(code) % (_WORD_BITS // 8) + _STATE_BITS // 8  # what was trimmed reads as zeros
        words = np.frombuffer(code + bytes(padding), dtype=">u4").astype(np.uint32)
        self._decoder = constriction.stream.queue.RangeDecoder(words)

    def get(self, model: Model) -> int:
        """Return the next symbol; raises BitstreamError for a code outside of every symbol's range."""
        try:
            return int(self._decoder.decode(model))
        except AssertionError as error:
            raise BitstreamError("the range code lies outside of its tables") from error

    def get_bits(self, chances: Chances) -> Bits:
        """Return as many bits as there are chances; raises BitstreamError as `get` does."""
        try:
            return np.asarray(self._decoder.decode(_BITS, chances / FREQUENCY_SUM), dtype=np.int32)
        except AssertionError as error:
            raise BitstreamError("the range code lies outside of its tables") from error


class ByteTables(Models):
    """One prebuilt model for each byte position; codes up to that many bytes.

    Parameters
    ----------
    frequencies
        [N, 256] integers from 1 on, each row with the sum 2**16.
    """

    def encode(self, symbols: Sequence[int]) -> bytes:
        """Code bytes 0..255, at most as many as there are tables; return the shortest code that decodes."""
        writer = RangeWriter()
        for symbol, model in zip(symbols, self._models, strict=False):
            writer.put(symbol, model)
        return writer.finish()

    def decode(self, code: bytes, count: int) -> bytes:
        """Decode `count` bytes, at most as many as there are tables.

        Raises BitstreamError for a code outside of every symbol's range.
        """
        reader = RangeReader(code)
        return bytes([reader.get(model) for model in self._models[:count]])


def _shortest(encoder: constriction.stream.queue.RangeEncoder) -> bytes:
    """Return the shortest bytes that, continued with zeros, lie in the encoder's final interval."""
    position, (lower, width) = encoder.pos()
    bits = position * _WORD_BITS + _STATE_BITS
    sealed = encoder.get_compressed()
    inside = int.from_bytes(sealed.astype(">u4").tobytes(), "big") << (bits - sealed.size * _WORD_BITS)
    # The state holds the interval's lower end modulo 2**64 (a carry may be pending); `inside` tells which.
    start = inside - (inside - lower) % (1 << _STATE_BITS)
    spare = 8  # the interval is wider than a byte, so the last one is never needed
    while spare < bits and -(-start >> (spare + 8)) << (spare + 8) < start + width:
        spare += 8
    return (-(-start >> spare)).to_bytes((bits - spare) // 8, "big")
