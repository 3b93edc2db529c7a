"""Range coding of a few bytes by a row of fixed frequency tables: constriction, handed integers only.

Does not know what the bytes mean. The models are exact: constriction computes in 24-bit fixed point and gives
symbol i the share `floor(scale * cumulative) + 1`; with weights `256 * frequency - 1`, whose sum is 2**24 -
256, its scale is exactly 1 and every number is an integer that float64 holds exactly. So both sides' models
are equal to the bit on every machine (a test compares them at each boundary).
"""

from collections.abc import Sequence

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


class ByteTables:
    """One prebuilt model for each byte position; codes up to that many bytes.

    Parameters
    ----------
    frequencies
        [N, 256] integers from 1 on, each row with the sum 2**16.
    """

    def __init__(self, frequencies: Frequencies) -> None:
        scale = 1 << (_MODEL_BITS - FREQUENCY_BITS)
        weights = frequencies.astype(np.float64) * scale - 1
        self._models = [constriction.stream.model.Categorical(row, perfect=False) for row in weights]

    def __len__(self) -> int:
        return len(self._models)

    def encode(self, symbols: Sequence[int]) -> bytes:
        """Code bytes 0..255, at most as many as there are tables; return the shortest code that decodes."""
        encoder = constriction.stream.queue.RangeEncoder()
        for symbol, model in zip(symbols, self._models, strict=False):
            encoder.encode(symbol, model)
        return _shortest(encoder)

    def decode(self, code: bytes, count: int) -> bytes:
        """Decode `count` bytes, at most as many as there are tables.

        Raises BitstreamError for a code outside of every symbol's range.
        """
        padding = -len(code) % (_WORD_BITS // 8) + _STATE_BITS // 8  # what was trimmed reads as zeros
        words = np.frombuffer(code + bytes(padding), dtype=">u4").astype(np.uint32)
        decoder = constriction.stream.queue.RangeDecoder(words)
        try:
            return bytes([decoder.decode(model) for model in self._models[:count]])
        except AssertionError as error:
            raise BitstreamError("the range code lies outside of its tables") from error


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
