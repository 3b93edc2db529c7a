"""Residual flows: round trips, bytes that stay the same, a total decoder, and their place before a motion packet."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.errors import BitstreamError
from codec.flow import (
    _CHANCES,
    AXES,
    MAX_FLOW_BYTES,
    MAX_LEVEL,
    PASSES,
    SIDE,
    STEPS,
    Flow,
    Levels,
    decode_flow,
    encode_flow,
)
from codec.flow_packet import FRONT_BYTES, AttachedFlow, attach_flow, detach_flow
from codec.packet import MAX_PACKET_BYTES, read_header

BANDS = np.add.outer(np.arange(SIDE), np.arange(SIDE))
SHAPE = (AXES, SIDE, SIDE)
GOLDEN = (
    "98a6c1d623c1c3d718b5eecbaa99acf5c346420d5e8198b4992c9ed4b3ecd929f74dc91b6161ec226659d9a628a52bec7c4c"
    "40d698a1fcfd22c1a05c30"
)


def smooth(seed: int, *, scale: float, decay: float = 0.75) -> Levels:
    """Levels that get smaller from band to band."""
    noise = np.random.default_rng(seed).normal(0, scale, SHAPE)
    return np.clip(noise * decay**BANDS, -MAX_LEVEL, MAX_LEVEL).astype(np.int16)


def fixed() -> Levels:
    """Levels made by whole numbers alone, the greatest among them."""
    levels = np.zeros(SHAPE, np.int16)
    axis, v, u = np.indices((AXES, 6, 6))
    levels[:, :6, :6] = (7 * axis + 5 * v + 3 * u) % 11 - 5
    levels[:, 0, 0] = (MAX_LEVEL, -PASSES)
    levels[1, SIDE - 1, SIDE - 1] = -1
    return levels


@given(st.integers(0, STEPS - 1), st.integers(0, 2**32 - 1), st.floats(0.1, 60), st.floats(0.2, 0.75))
@settings(max_examples=200, deadline=None)
def test_flows_come_back(step, seed, scale, decay):
    flow = Flow(step, smooth(seed, scale=scale, decay=decay))
    code = encode_flow(flow)
    decoded = decode_flow(code)
    assert decoded.step == step
    np.testing.assert_array_equal(decoded.levels, flow.levels)
    assert decoded.levels.dtype == np.int16


@given(
    st.dictionaries(
        st.integers(0, AXES * SIDE * SIDE - 1), st.integers(-MAX_LEVEL, MAX_LEVEL), min_size=1, max_size=16
    )
)
@settings(max_examples=200, deadline=None)
def test_a_few_levels_of_any_size_and_place_come_back(chosen):
    levels = np.zeros(AXES * SIDE * SIDE, np.int16)
    levels[list(chosen)] = list(chosen.values())
    decoded = decode_flow(encode_flow(Flow(15, levels.reshape(SHAPE))))
    np.testing.assert_array_equal(decoded.levels.ravel(), levels)


def test_bytes_stay_the_same():
    code = bytes.fromhex(GOLDEN)
    assert encode_flow(Flow(9, fixed())) == code
    decoded = decode_flow(code)
    assert decoded.step == 9
    np.testing.assert_array_equal(decoded.levels, fixed())


def test_chances_are_those_that_the_page_of_the_bitstream_says():
    start = 74000
    for energy in range(1, 16):
        expected = start
        for band in range(63):
            for k in range(PASSES):
                x, y = expected + 2100 * k, 206900 + 10900 * k if k else 65536
                assert _CHANCES[energy, k, band] == min(max(65536 * x // (x + y), 64), 65472)
            expected = (624 + 13 * energy) * expected >> 10
        start = 367 * start >> 8


def test_a_flow_of_zeros_is_one_byte():
    code = encode_flow(Flow(3, np.zeros(SHAPE, np.int16)))
    assert code == b"\x30"
    assert not decode_flow(code).levels.any()
    with pytest.raises(BitstreamError, match="a flow of zeros has 1 byte, not 2"):
        decode_flow(code + b"\x00")


def test_a_small_flow_takes_a_few_bytes():
    levels = np.zeros(SHAPE, np.int16)
    levels[:, 0, 0] = (1, -1)
    assert len(encode_flow(Flow(0, levels))) <= 4


def test_the_more_there_is_the_longer_the_code_and_too_much_is_refused():
    sizes = [len(encode_flow(Flow(0, smooth(1, scale=scale)))) for scale in (0.5, 2, 8, 32)]
    assert sizes == sorted(set(sizes))
    wild = np.random.default_rng(0).integers(-9, 10, SHAPE).astype(np.int16)
    with pytest.raises(ValueError, match="at most 255 bytes"):
        encode_flow(Flow(0, wild))


@given(st.binary(max_size=MAX_FLOW_BYTES + 5))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_flow_or_refused(data):
    with suppress(BitstreamError):
        flow = decode_flow(data)
        assert np.abs(flow.levels).max() <= MAX_LEVEL


@pytest.mark.parametrize("first", range(256))
def test_whatever_follows_the_first_byte_is_a_flow_or_refused(first):
    for rest in (b"", bytes(MAX_FLOW_BYTES - 1), b"\xff" * (MAX_FLOW_BYTES - 1)):
        with suppress(BitstreamError):
            assert decode_flow(bytes([first]) + rest).step == first >> 4


def test_a_truncated_code_is_another_flow_or_refused():
    code = encode_flow(Flow(9, fixed()))
    for length in range(1, len(code)):
        with suppress(BitstreamError):
            assert (decode_flow(code[:length]).levels != fixed()).any()
    with pytest.raises(BitstreamError, match="not 0"):
        decode_flow(b"")
    with pytest.raises(BitstreamError, match="not 256"):
        decode_flow(bytes([1]) * 256)


@pytest.mark.parametrize(
    ("step", "levels"),
    [
        (-1, np.zeros(SHAPE, np.int16)),
        (STEPS, np.zeros(SHAPE, np.int16)),
        (0, np.zeros(SHAPE, np.int32)),
        (0, np.zeros((SIDE, SIDE), np.int16)),
        (0, np.full(SHAPE, MAX_LEVEL + 1, np.int16)),
        (0, np.full(SHAPE, -(2**15), np.int16)),
    ],
)
def test_other_flows_are_refused(step, levels):
    with pytest.raises(ValueError, match=r"step is|levels are"):
        Flow(step, levels)


def test_a_flows_levels_are_its_own():
    levels = np.zeros(SHAPE, np.int16)
    flow = Flow(0, levels)
    levels[0, 0, 0] = 1
    assert not flow.levels.any()
    assert not flow.levels.flags.writeable


@given(
    st.binary(min_size=3, max_size=MAX_PACKET_BYTES - FRONT_BYTES - MAX_FLOW_BYTES),
    st.binary(min_size=1, max_size=MAX_FLOW_BYTES),
    st.integers(0, 3),
    st.integers(0, 7),
)
def test_a_flow_comes_off_as_it_was_attached(packet, code, source, age):
    data = attach_flow(packet, code, source=source, age=age)
    assert len(data) == len(packet) + FRONT_BYTES + len(code)
    assert detach_flow(data) == (packet, AttachedFlow(source, code, age))
    with pytest.raises(BitstreamError, match="kind 3 are not known here"):
        read_header(data)


def test_an_attached_flow_has_its_bytes():
    assert attach_flow(b"abc", b"\x30", source=2).hex() == "700130616263"
    assert attach_flow(b"abc", b"\x30", source=2, age=5).hex() == "750130616263"


@given(st.binary(max_size=20))
def test_whatever_does_not_begin_with_a_flow_passes(data):
    if not data or data[0] >> 5 != 3:
        assert detach_flow(data) == (data, None)
    else:
        with suppress(BitstreamError):
            packet, attached = detach_flow(data)
            assert attached is not None
            assert data == data[:FRONT_BYTES] + attached.code + packet


@pytest.mark.parametrize(
    "data",
    [
        b"\x60",
        b"\x60\x00abc",
        b"\x60\x01",
        b"\x60\x01cab",
        b"\x60\xff" + bytes(100),
        b"\x60\x01" + bytes(1099),
    ],
)
def test_flows_whose_lengths_do_not_fit_are_refused(data):
    with pytest.raises(BitstreamError):
        detach_flow(data)


@pytest.mark.parametrize(
    ("packet", "code", "source", "message"),
    [
        (b"abc", b"\x30", 4, "number is 0..3, not 4"),
        (b"abc", b"\x30", -1, "number is 0..3, not -1"),
        (b"abc", b"", 0, "1 to 255 bytes, not 0"),
        (b"abc", bytes(256), 0, "1 to 255 bytes, not 256"),
        (b"ab", b"\x30", 0, "at least 3 bytes, not 2"),
        (bytes(1098), b"\x30", 0, "at most 1100 bytes, not 1101"),
    ],
)
def test_what_does_not_fit_is_not_attached(packet, code, source, message):
    with pytest.raises(ValueError, match=message):
        attach_flow(packet, code, source=source)


@pytest.mark.parametrize("age", [-1, 8])
def test_an_age_that_does_not_fit_is_refused(age):
    with pytest.raises(ValueError, match=f"age is 0..7, not {age}"):
        attach_flow(b"abc", b"\x30", source=0, age=age)
