import constriction
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.errors import BitstreamError
from codec.ranges import FREQUENCY_SUM, ByteTables
from codec.tables import frequencies_of

ROWS = 12
FREQUENCIES = frequencies_of(np.random.default_rng(3).geometric(0.01, (ROWS, 256)) ** 2)
TABLES = ByteTables(FREQUENCIES)
LOPSIDED = ByteTables(frequencies_of(np.eye(ROWS, 256, dtype=np.int64)))


def test_models_are_the_integer_tables_at_every_boundary():
    quantile = (2**64 - 1) >> 24  # how constriction divides its first interval
    for row, model in zip(FREQUENCIES, TABLES._models, strict=True):
        ends = np.cumsum(row.astype(np.int64)) * 256
        starts = ends - row.astype(np.int64) * 256
        assert ends[-1] == 2**24
        for symbol in range(256):
            for share in (int(starts[symbol]), int(ends[symbol]) - 1):
                point = share * quantile
                words = np.array([point >> 32, point & 0xFFFFFFFF], dtype=np.uint32)
                assert constriction.stream.queue.RangeDecoder(words).decode(model) == symbol


@given(st.binary(max_size=ROWS), st.sampled_from([TABLES, LOPSIDED]))
def test_bytes_come_back_from_a_code_that_cannot_be_shorter(symbols, tables):
    code = tables.encode(symbols)
    assert tables.decode(code, len(symbols)) == symbols
    if code:
        length = len(code) - 1
        head = int.from_bytes(code[:length], "big")
        for shorter in (head, head + 1):
            if shorter < 256**length:
                assert _decoded(tables, shorter.to_bytes(length, "big"), len(symbols)) != symbols


@given(st.binary(max_size=60))
def test_any_code_gives_bytes_or_a_bitstream_error(code):
    decoded = _decoded(TABLES, code, ROWS)
    assert decoded is None or len(decoded) == ROWS


def test_a_code_outside_of_every_range_is_an_error():
    with pytest.raises(BitstreamError):
        TABLES.decode(b"\xff" * 40, ROWS)


def test_frequencies_sum_up_and_leave_no_byte_without_a_code():
    counts = np.zeros((3, 256), dtype=np.int64)
    counts[1, 7] = 10**9
    counts[2] = np.arange(256)
    frequencies = frequencies_of(counts).astype(np.int64)
    assert (frequencies.sum(axis=1) == FREQUENCY_SUM).all()
    assert frequencies.min() == 1
    assert (frequencies[0] == 256).all()


def _decoded(tables: ByteTables, code: bytes, count: int) -> bytes | None:
    try:
        return tables.decode(code, count)
    except BitstreamError:
        return None
