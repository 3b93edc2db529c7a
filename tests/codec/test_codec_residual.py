"""Residual codes: round trips of any map, a total decoder, exact chances, and codes shorter where they are foreseen."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.errors import BitstreamError
from codec.ranges import RangeReader, RangeWriter
from codec.residual import (
    CHANNELS,
    CLASSES,
    FEATURES,
    MAP_CONTEXTS,
    MAX_CODE_BYTES,
    Codes,
    ResidualFormat,
    decode_residual,
    encode_residual,
    map_steps,
)
from codec.residual_fitting import fit_residual

RANDOM = np.random.default_rng(8)
FORMAT = ResidualFormat(
    RANDOM.integers(1, 1 << 16, MAP_CONTEXTS).astype(np.uint16),
    RANDOM.integers(-60, 60, (CHANNELS, 2, FEATURES)).astype(np.int16),
    RANDOM.integers(1, 1 << 16, CLASSES).astype(np.uint16),
)


def blob(seed: int, *, side: int = 32, alike: bool = True) -> Codes:
    """Codes of a round spot; alike: most signs follow the sign before them and the neighbours'."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    middle, radius = random.uniform(0.2, 0.8, 2) * side, random.uniform(0.1, 0.25) * side
    sent = np.hypot(rows - middle[0], columns - middle[1]) < radius
    base = np.where(rows + columns > random.uniform(0.5, 1.5) * side, 1, -1)
    turned = random.random((CHANNELS, side, side)) < (0.1 if alike else 0.5)
    return (np.where(turned, -base, base) * sent).astype(np.int8)


@given(
    st.integers(1, 40).flatmap(
        lambda side: st.tuples(
            st.just(side), st.sampled_from([0.0, 0.1, 0.6, 1.0]), st.integers(0, 2**32 - 1)
        )
    )
)
@settings(max_examples=60, deadline=None)
def test_codes_of_any_map_come_back(case):
    side, share, seed = case
    random = np.random.default_rng(seed)
    sent = random.random((side, side)) < share
    codes = ((2 * random.integers(0, 2, (CHANNELS, side, side)) - 1) * sent).astype(np.int8)
    code = encode_residual(codes, FORMAT)
    np.testing.assert_array_equal(decode_residual(code, FORMAT, side=side), codes)


@given(st.binary(max_size=300), st.integers(1, 33))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_codes_or_a_bitstream_error(code, side):
    try:
        codes = decode_residual(code, FORMAT, side=side)
    except BitstreamError:
        return
    sent = codes[0] != 0
    assert codes.shape == (CHANNELS, side, side)
    assert (np.abs(codes) == sent).all()


@given(st.integers(0, 400), st.integers(0, 7))
@settings(max_examples=100, deadline=None)
def test_a_flipped_bit_gives_codes_or_a_bitstream_error(place, bit):
    code = bytearray(encode_residual(blob(3), FORMAT))
    code[place % len(code)] ^= 1 << bit
    with suppress(BitstreamError):
        decode_residual(bytes(code), FORMAT, side=32)


def test_every_step_of_the_map_codes_other_cells_and_all_are_coded():
    for side in (1, 5, 8, 32, 64):
        counts = np.zeros((side, side), int)
        for rows, columns in map_steps(side):
            counts[rows, columns] += 1
        assert (counts == 1).all()


def test_a_code_that_is_too_long_is_refused_before_it_is_read():
    with pytest.raises(BitstreamError, match="at most"):
        decode_residual(bytes(MAX_CODE_BYTES + 1), FORMAT, side=32)


@pytest.mark.parametrize("side", [0, 65])
def test_a_map_that_no_picture_has_is_refused_before_anything_is_made_for_it(side):
    with pytest.raises(ValueError, match=r"1\.\.64"):
        decode_residual(b"", FORMAT, side=side)


def test_codes_that_are_none_are_refused():
    half_sent = blob(1)
    half_sent[5][half_sent[5] != 0] = 0
    for wrong in (half_sent, blob(1) * 2, blob(1).astype(np.int32), blob(1)[:31]):
        with pytest.raises(ValueError, match=r"codes are int8|32 signs"):
            encode_residual(wrong, FORMAT)


def test_fitted_chances_make_codes_shorter():
    fitted = fit_residual([blob(seed) for seed in range(20)])
    fair = replace(
        fitted,
        map_chances=np.full(MAP_CONTEXTS, 1 << 15, np.uint16),
        sign_chances=np.full(CLASSES, 1 << 15, np.uint16),
    )
    unseen = [blob(seed) for seed in range(100, 105)]
    fitted_bytes, fair_bytes = (
        sum(len(encode_residual(one, chances)) for one in unseen) for chances in (fitted, fair)
    )
    sent = sum(np.count_nonzero(one[0]) for one in unseen)
    assert fair_bytes == pytest.approx(sent * 4 + 5 * 128, rel=0.01)
    assert fitted_bytes < 0.6 * fair_bytes


def test_signs_that_nothing_foretells_cost_a_bit_each_and_the_map_little():
    fitted = fit_residual([blob(seed, alike=False) for seed in range(20)])
    codes = blob(200, alike=False)
    assert len(encode_residual(codes, fitted)) < np.count_nonzero(codes[0]) * 4 * 1.02 + 40


def test_nothing_can_be_fitted_to_nothing():
    with pytest.raises(ValueError, match="fitted to nothing"):
        fit_residual([np.zeros((CHANNELS, 8, 8), np.int8)])


def test_a_format_is_read_back_with_its_hash_and_a_damaged_one_is_refused(tmp_path: Path):
    path = tmp_path / "residual.npz"
    FORMAT.save(path)
    assert ResidualFormat.load(path).hash == FORMAT.hash
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BitstreamError, match=r"residual\.npz"):
        ResidualFormat.load(path)
    with pytest.raises(BitstreamError):
        ResidualFormat.load(tmp_path / "none.npz")
    for wrong in (
        {"map_chances": np.zeros(MAP_CONTEXTS, np.uint16)},
        {"sign_weights": np.full((CHANNELS, 2, FEATURES), 20_000, np.int16)},
        {"sign_chances": np.ones(CLASSES - 1, np.uint16)},
    ):
        with pytest.raises(ValueError, match=r"_chances|_weights"):
            replace(FORMAT, **wrong)


def test_a_bits_chance_is_the_integer_to_the_last_place():
    quantile = (2**64 - 1) >> 24  # how constriction divides its first interval
    chances = np.arange(1, 1 << 16, 37, dtype=np.uint16)
    for chance in chances:
        zero = 1 + (2**24 - 2) * (2**16 - int(chance)) // 2**16
        for share, bit in ((zero - 1, 0), (zero, 1)):
            point = share * quantile
            words = np.array([point >> 32, point & 0xFFFFFFFF], dtype=np.uint32)
            reader = RangeReader(words.astype(">u4").tobytes())
            assert reader.get_bits(np.array([chance], np.uint16)).tolist() == [bit]


def test_bits_come_back_among_other_symbols():
    model = constriction.stream.model.Categorical(np.array([1.0, 2.0, 5.0]), perfect=False)
    bits, chances = np.array([0, 1, 1, 0], np.int32), np.array([1, 65535, 30000, 2000], np.uint16)
    writer = RangeWriter()
    writer.put(2, model)
    writer.put_bits(bits, chances)
    writer.put(1, model)
    reader = RangeReader(writer.finish())
    assert reader.get(model) == 2
    assert reader.get_bits(chances).tolist() == bits.tolist()
    assert reader.get(model) == 1
