from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from codec import static
from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.errors import BitstreamError
from codec.motion import Motion
from codec.packet import HEADER_BYTES, MAX_FRAMES, MAX_PACKET_BYTES, Header, Kind, read_header, write_header
from codec.tables import fit_tables

MODES = pytest.mark.parametrize("rounding", [True, False], ids=["rounded", "exact"])
WILD = arrays(np.float32, 66, elements=st.floats(allow_nan=False, allow_infinity=False, width=32))


def _same(one: Motion, other: Motion) -> bool:
    return all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes()
        for name in ("rotation", "translation", "expression")
    )


@MODES
def test_the_decoder_gets_what_the_encoder_remembers(motion_format, motions, rounding):
    encoder = MotionEncoder(motion_format, rounding=rounding)
    decoder = MotionDecoder(motion_format)
    for index, motion in enumerate(motions):
        packet = encoder.encode(motion, captured_s=index / 25, source=index % 4, keypoints=index % 21)
        (decoded,) = decoder.decode(packet)
        assert _same(decoded.motion, encoder.last)
        assert decoded.source == index % 4
        assert decoded.ticks == round(index * 60 / 25)


def test_rounding_moves_a_number_by_half_a_step_at_most(motion_format, motions):
    encoder = MotionEncoder(motion_format)
    for motion in motions:
        encoder.encode(motion, captured_s=0, source=0)
        assert np.abs(encoder.last.rotation - motion.rotation).max() <= motion_format.rotation_step / 2
        offsets = np.abs(encoder.last.expression - motion.expression)
        assert (offsets <= motion_format.expression_steps / 2).all()


def test_without_rounding_numbers_are_the_papers_fp16(motion_format, motions):
    encoder = MotionEncoder(motion_format, rounding=False)
    encoder.encode(motions[-1], captured_s=0, source=0)
    assert np.array_equal(encoder.last.expression, motions[-1].expression.astype(np.float16))


def test_rounding_halves_the_bytes_and_fewer_keypoints_take_fewer(motion_format, motions):
    def size(rounding, keypoints):
        encoder = MotionEncoder(motion_format, rounding=rounding)
        packets = [encoder.encode(m, captured_s=0, source=0, keypoints=keypoints) for m in motions]
        return sum(map(len, packets))

    assert size(True, 20) < size(False, 20) / 2
    assert size(True, 0) < size(True, 5) < size(True, 12) < size(True, 20)


def test_without_a_completion_what_is_left_out_is_zero(motion_format, motions):
    papers = replace(motion_format, completion=None)
    for count, motion in enumerate(motions[:21]):
        found = static.quantise(motion, papers, rounding=True, keypoints=count)
        assert not found.expression[count:].any()
        assert found.guessed == 20 - count
        assert found.expression[:count].any() or not count


def test_what_is_left_out_is_guessed_from_what_the_training_saw_with_it():
    rng = np.random.default_rng(3)
    spread = rng.normal(0, 0.05, (2000, 20, 3)).astype(np.float32)
    spread[:, 10:] = 0.5 * spread[:, :10] - 0.25 * spread[:, :1]
    faces = [Motion(np.zeros(3), np.zeros(3), offsets) for offsets in spread]
    fitted = fit_tables(faces[1000:], expression_steps=np.full((20, 3), 2.0**-9))
    for face in faces[:50]:
        found = static.quantise(face, fitted, rounding=True, keypoints=10)
        assert np.abs(found.expression - face.expression).max() < 2.0**-8
        assert static.visible_keypoints(face, fitted) <= 10


@settings(max_examples=50)
@given(numbers=WILD)
def test_no_offset_that_is_left_out_is_further_from_its_guess_than_the_threshold(motion_format, numbers):
    motion = Motion(numbers[:3], numbers[3:6], numbers[6:].reshape(20, 3))
    count = static.visible_keypoints(motion, motion_format)
    found = static.quantise(motion, motion_format, rounding=True, keypoints=count)
    wanted = np.clip(motion.expression, -static.MAX_OFFSET, static.MAX_OFFSET)
    away = np.abs(found.expression - wanted) / motion_format.expression_steps
    assert away.max() < static.VISIBLE_STEPS + 0.5  # fp16 and the guess's own rounding


def test_a_lost_packet_costs_only_itself(motion_format, motions):
    encoder, decoder, all_of_them = (
        MotionEncoder(motion_format),
        MotionDecoder(motion_format),
        MotionDecoder(motion_format),
    )
    packets = [encoder.encode(m, captured_s=10 + i / 30, source=0) for i, m in enumerate(motions)]
    whole = [all_of_them.decode(packet)[0] for packet in packets]
    for index in (0, 5, 4, 90, 90, 30, 199):
        (alone,) = decoder.decode(packets[index])
        assert alone.ticks == whole[index].ticks
        assert _same(alone.motion, whole[index].motion)


@MODES
@given(numbers=WILD)
def test_any_finite_motion_can_be_sent(motion_format, rounding, numbers):
    motion = Motion(numbers[:3], numbers[3:6], numbers[6:].reshape(20, 3))
    encoder = MotionEncoder(motion_format, rounding=rounding)
    packet = encoder.encode(motion, captured_s=1e6, source=3)
    assert len(packet) <= MAX_PACKET_BYTES
    (decoded,) = MotionDecoder(motion_format).decode(packet)
    assert _same(decoded.motion, encoder.last)
    assert np.abs(decoded.motion.rotation).max() <= static.MAX_DEGREES
    assert np.abs(decoded.motion.expression).max() <= static.MAX_OFFSET


@given(packet=st.binary(max_size=400))
def test_any_packet_gives_motions_or_a_bitstream_error(motion_format, packet):
    _decode_or_refuse(motion_format, packet)


@given(header=st.integers(0, 2**20), exact=st.booleans(), code=st.binary(max_size=150))
def test_any_code_behind_a_good_header_gives_a_motion_or_a_bitstream_error(
    motion_format, header, exact, code
):
    _decode_or_refuse(motion_format, ((exact << 21) + (header & ~0x60000)).to_bytes(3, "big") + code)


@given(index=st.integers(0, 199), bit=st.integers(0, 300), length=st.integers(0, 60))
def test_a_damaged_packet_gives_a_motion_or_a_bitstream_error(motion_format, motions, index, bit, length):
    packet = bytearray(MotionEncoder(motion_format).encode(motions[index], captured_s=1, source=0))
    packet[bit // 8 % len(packet)] ^= 1 << bit % 8
    _decode_or_refuse(motion_format, bytes(packet[:length]))


def _decode_or_refuse(motion_format, packet):
    try:
        decoded = MotionDecoder(motion_format).decode(packet)
    except BitstreamError:
        return
    assert 1 <= len(decoded) <= MAX_FRAMES
    for one in decoded:
        assert one.motion.keypoints == 20
        assert np.abs(one.motion.expression).max() <= static.MAX_OFFSET


def test_a_refused_packet_leaves_the_decoders_time_alone(motion_format, motions):
    encoder, decoder = MotionEncoder(motion_format), MotionDecoder(motion_format)
    first = encoder.encode(motions[0], captured_s=0, source=0)
    far = bytearray(encoder.encode(motions[0], captured_s=30, source=0))
    far[3:] = b"\xff" * 30
    later = encoder.encode(motions[0], captured_s=40, source=0)
    assert decoder.decode(first)[0].ticks == 0
    with pytest.raises(BitstreamError):
        decoder.decode(bytes(far))
    assert decoder.decode(later)[0].ticks == 2400 - 4096


@given(
    st.sampled_from(Kind), st.integers(0, 3), st.integers(0, 31), st.integers(0, 4095), st.binary(max_size=9)
)
def test_a_header_takes_three_bytes_and_comes_back(kind, source, left_out, ticks, code):
    header = Header(kind, source, 0 if kind is Kind.PREDICTIVE else left_out, ticks)
    packet = write_header(header) + code
    assert len(packet) == HEADER_BYTES + len(code)
    assert read_header(packet) == (header, code)


@pytest.mark.parametrize(
    "packet", [b"", b"\0\0", bytes(1101), b"\x60\0\0", b"\x80\0\0\0", b"\xe0\0\0", b"\x02\0\0", b"\x41\xf0\0"]
)
def test_short_long_unknown_and_bundled_packets_are_refused(packet):
    with pytest.raises(BitstreamError):
        read_header(packet)


def test_leaving_out_more_keypoints_than_there_are_is_an_error(motion_format):
    with pytest.raises(BitstreamError, match="cannot be left out"):
        MotionDecoder(motion_format).decode(write_header(Header(Kind.STATIC, 0, 21, 0)) + bytes(10))


@pytest.mark.parametrize(
    "fields",
    [
        (np.zeros(2), np.zeros(3), np.zeros((20, 3))),
        (np.zeros(3), np.zeros(3), np.zeros(60)),
        (np.array([0, np.nan, 0]), np.zeros(3), np.zeros((20, 3))),
    ],
)
def test_a_motion_of_another_shape_or_not_finite_is_refused(fields):
    with pytest.raises(ValueError, match="must"):
        Motion(*fields)


def test_a_motion_cannot_be_changed_from_outside():
    rotation = np.zeros(3, dtype=np.float32)
    motion = Motion(rotation, np.zeros(3), np.zeros((20, 3)))
    rotation[0] = 5
    assert motion.rotation[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        motion.rotation[0] = 1
