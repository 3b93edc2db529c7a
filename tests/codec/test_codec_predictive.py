"""Predictive coding: what is decoded is what was coded, whatever becomes of other packets."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.errors import BitstreamError
from codec.fitting import schedule
from codec.motion import MAX_OFFSET, Motion
from codec.packet import MAX_DISTANCE, MAX_PACKET_BYTES, Header, Kind, read_header, write_header
from codec.prediction import coefficients_of, fine_from_levels, fine_of
from codec.predictive_encoder import FARTHEST_BACK, LONGEST_REFERENCE, Capture, PredictiveEncoder

WILD = arrays(np.float32, 66, elements=st.floats(allow_nan=False, allow_infinity=False, width=32))


def captures_of(motions, *, first=0, count=1, every=2):
    return [Capture(motions[i % len(motions)], i * every / 60) for i in range(first, first + count)]


def bytes_of(motion: Motion) -> bytes:
    return motion.rotation.tobytes() + motion.translation.tobytes() + motion.expression.tobytes()


def hear(decoder: MotionDecoder, encoder: PredictiveEncoder) -> None:
    if decoder.newest_ticks is not None:
        encoder.acknowledge(decoder.newest_ticks)


def distance_of(packet: bytes) -> int:
    return read_header(packet)[0].distance


def test_the_decoder_gets_what_the_encoder_remembers(motion_format, motions):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    for index in range(100):
        packet = encoder.encode(captures_of(motions, first=index), source=index % 4)
        (decoded,) = decoder.decode(packet)
        assert bytes_of(decoded.motion) == bytes_of(encoder.last)
        assert (decoded.ticks, decoded.source) == (2 * index, index % 4)
        hear(decoder, encoder)


def test_coded_motion_is_within_a_step_of_the_original(motion_format, motions):
    prediction = motion_format.prediction
    encoder = PredictiveEncoder(motion_format)
    for index, motion in enumerate(motions[:50]):
        encoder.encode(captures_of(motions, first=index), source=0)
        encoder.acknowledge(2 * index)
        coded = coefficients_of(fine_of(encoder.last, motion_format.steps), prediction)
        wanted = coefficients_of(fine_of(motion, motion_format.steps), prediction)
        assert (np.abs(coded - wanted) <= 0.7 * prediction.steps.astype(int) + 8).all()


def test_prediction_and_bundles_save_bytes(motion_format, motions):
    def size(round_trip, bundle):
        encoder, waiting, total = PredictiveEncoder(motion_format), [], 0
        for first in range(0, 120, bundle):
            while waiting and waiting[0] <= first + bundle - 1 - round_trip:
                encoder.acknowledge(2 * waiting.pop(0))
            total += len(encoder.encode(captures_of(motions, first=first, count=bundle), source=0))
            waiting.append(first + bundle - 1)
        return total

    static = MotionEncoder(motion_format)
    alone = sum(len(static.encode(m, captured_s=0, source=0)) for m in motions[:120])
    assert size(1, 1) < size(8, 1) < size(999, 1)
    assert size(1, 1) < 0.7 * alone
    assert size(8, 4) < size(8, 2) < size(8, 1)


def test_without_a_fresh_acknowledgement_packets_stand_alone(motion_format, motions):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    decoder.decode(encoder.encode(captures_of(motions), source=0))
    hear(decoder, encoder)
    distances = [distance_of(encoder.encode(captures_of(motions, first=i), source=0)) for i in range(1, 64)]
    assert distances[: LONGEST_REFERENCE // 2] == list(range(2, LONGEST_REFERENCE + 1, 2))
    assert not any(distances[LONGEST_REFERENCE // 2 :])


def test_an_acknowledgement_of_what_was_never_sent_changes_nothing(motion_format, motions):
    encoder = PredictiveEncoder(motion_format)
    encoder.acknowledge(0)
    encoder.encode(captures_of(motions), source=0)
    for ticks in (1, 7, 4095):
        encoder.acknowledge(ticks)
    assert distance_of(encoder.encode(captures_of(motions, first=1), source=0)) == 0


def test_a_time_that_motions_before_and_after_a_pause_bear_is_not_believed(motion_format, motions):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    for index in range(40):
        decoder.decode(encoder.encode(captures_of(motions, first=index), source=0))
    after = 2048 + 30  # a cycle later but for a second: times 60 and on come again
    for index in range(after, after + 5):
        encoder.encode([Capture(motions[index % 7], 2 * index / 60)], source=0)  # all lost
    encoder.acknowledge(64)  # of which the receiver holds the first
    packet = encoder.encode([Capture(motions[50], 2 * (after + 5) / 60)], source=0)
    assert distance_of(packet) == 0
    (decoded,) = decoder.decode(packet)
    assert bytes_of(decoded.motion) == bytes_of(encoder.last)
    encoder.encode([Capture(motions[51], 2 * (2048 + 40) / 60)], source=0)
    encoder.acknowledge(80)
    assert distance_of(encoder.encode([Capture(motions[52], 2 * (2048 + 41) / 60)], source=0)) == 2


def test_an_acknowledgement_a_whole_cycle_old_names_no_new_motion(motion_format, motions):
    encoder = PredictiveEncoder(motion_format)
    encoder.encode([Capture(motions[0], 100 / 60)], source=0)
    encoder.acknowledge(100)
    encoder.encode([Capture(motions[1], (4096 + 100) / 60)], source=0)
    encoder.acknowledge(100)  # the receiver still says it, and has nothing of the new
    packet = encoder.encode([Capture(motions[2], (4096 + 102) / 60)], source=0)
    assert distance_of(packet) == 0


@pytest.mark.parametrize("pause_s", [1.9, 2.1, 33, 35, 60, 4096 / 60])
def test_prediction_goes_on_after_a_pause(motion_format, motions, pause_s):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    distances = []
    for index in range(40):
        captured_s = index / 30 + (pause_s if index >= 20 else 0)
        packet = encoder.encode([Capture(motions[index], captured_s)], source=0)
        (decoded,) = decoder.decode(packet)
        assert bytes_of(decoded.motion) == bytes_of(encoder.last)
        distances.append(distance_of(packet))
        hear(decoder, encoder)
    assert distances[20] == (116 if pause_s < LONGEST_REFERENCE / 60 else 0)
    assert set(distances[23:]) == {2}


def test_a_repeated_motion_comes_when_its_own_packet_is_lost_and_only_then(motion_format, motions):
    encoder = PredictiveEncoder(motion_format)
    whole, lossy = MotionDecoder(motion_format), MotionDecoder(motion_format)
    first = encoder.encode(captures_of(motions), source=0)
    second = encoder.encode(captures_of(motions, first=1, count=2), source=0, repeated=1)
    (alone,) = whole.decode(first)
    assert [one.ticks for one in whole.decode(second)] == [2, 4]
    repaired = lossy.decode(second)
    assert [one.ticks for one in repaired] == [0, 2, 4]
    assert bytes_of(repaired[0].motion) == bytes_of(alone.motion)


def test_what_is_repeated_from_further_back_outlives_a_longer_run_of_losses(motion_format, motions):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    packets = [
        encoder.encode(captures_of(motions, first=index), source=0, repeated=3, back=2) for index in range(10)
    ]
    came = [one for packet in packets[8:] for one in decoder.decode(packet)]
    assert [one.ticks for one in came] == [4, 8, 12, 16, 6, 10, 14, 18]
    assert [one.repeated for one in came] == [True, True, True, False] * 2
    whole = MotionDecoder(motion_format)
    sent = {one.ticks: bytes_of(one.motion) for packet in packets for one in whole.decode(packet)}
    assert all(bytes_of(one.motion) == sent[one.ticks] for one in came)


def test_offsets_left_out_hold_the_references_value(motion_format, motions):
    encoder = PredictiveEncoder(motion_format)
    encoder.encode(captures_of(motions), source=0)
    before = encoder.last
    encoder.acknowledge(0)
    encoder.encode(captures_of(motions, first=30), source=0, keypoints=5)
    held = np.abs(encoder.last.expression[5:] - before.expression[5:]) / motion_format.expression_steps[5:]
    moved = np.abs(motions[30].expression[5:] - before.expression[5:]) / motion_format.expression_steps[5:]
    assert held.max() < 2.5
    assert moved.max() > 5


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_loss_order_or_repetition_makes_both_sides_disagree(motion_format, motions, data):
    encoder = PredictiveEncoder(motion_format)
    faithful, decoder = MotionDecoder(motion_format), MotionDecoder(motion_format)
    first, sent, flying = 0, {}, []
    for _ in range(data.draw(st.integers(3, 25))):
        count, repeated = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 3))
        packet = encoder.encode(
            captures_of(motions, first=first, count=count),
            source=0,
            repeated=repeated,
            back=data.draw(st.integers(1, FARTHEST_BACK)),
        )
        first += count + data.draw(st.sampled_from([0, 0, 0, 5, 40]))
        for one in faithful.decode(packet):
            sent[one.ticks] = bytes_of(one.motion)
        assert sent[max(sent)] == bytes_of(encoder.last)
        flying += [packet] * data.draw(st.sampled_from([0, 1, 1, 2]))
        for _ in range(data.draw(st.integers(0, len(flying)))):
            position = data.draw(st.integers(0, min(3, len(flying) - 1)))
            for one in decoder.decode(flying.pop(position)):
                assert bytes_of(one.motion) == sent[one.ticks]
        if data.draw(st.booleans()):
            hear(decoder, encoder)


@settings(max_examples=30)
@given(one=WILD, two=WILD)
def test_any_finite_motion_can_be_sent(motion_format, one, two):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    motions = [Motion(n[:3], n[3:6], n[6:].reshape(20, 3)) for n in (one, two)]
    packet = encoder.encode([Capture(motions[0], 0.0), Capture(motions[1], 0.1)], source=3)
    assert len(packet) <= MAX_PACKET_BYTES
    decoded = decoder.decode(packet)
    assert bytes_of(decoded[-1].motion) == bytes_of(encoder.last)
    assert np.abs(decoded[-1].motion.expression).max() <= MAX_OFFSET


def test_four_wild_motions_fit_into_a_packet_and_are_caught_up_with(motion_format):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    numbers = np.random.default_rng(4).choice([-30.0, 30.0], (16, 66))
    numbers[8:] = numbers[8]  # it comes to rest, out of reach of a single packet
    wild = [Motion(n[:3], n[3:6], n[6:].reshape(20, 3)) for n in numbers]
    away = []
    for first in range(0, 300, 4):
        captures = [Capture(wild[min(n, 15)], n / 30) for n in range(first, first + 4)]
        packet = encoder.encode(captures, source=0, repeated=3, acknowledged=4095)
        assert len(packet) <= MAX_PACKET_BYTES
        decoded = decoder.decode(packet)
        assert bytes_of(decoded[-1].motion) == bytes_of(encoder.last)
        away.append(np.abs(decoded[-1].motion.expression - wild[-1].expression).max())
        hear(decoder, encoder)
    assert away[0] > 10
    assert away[-1] < 1


@settings(max_examples=60)
@given(bits=st.integers(0, 2**21 - 1), code=st.binary(max_size=200), acknowledges=st.booleans())
def test_any_predictive_code_gives_motions_or_a_bitstream_error(
    motion_format, motions, bits, code, acknowledges
):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    decoder.decode(encoder.encode(captures_of(motions), source=0))
    kind = Kind.PREDICTIVE | (4 if acknowledges else 0)
    try:
        decoded = decoder.decode((kind << 21 | bits).to_bytes(3, "big") + code)
    except BitstreamError:
        assert decoder.newest_ticks == 0
        return
    assert len(decoded) <= 4
    assert all(np.abs(one.motion.expression).max() <= MAX_OFFSET for one in decoded)


@settings(max_examples=30)
@given(bit=st.integers(0, 8 * 60), length=st.integers(0, 60))
def test_a_damaged_packet_gives_motions_or_a_bitstream_error(motion_format, motions, bit, length):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    packet = bytearray(encoder.encode(captures_of(motions, count=2), source=0))
    packet[bit // 8 % len(packet)] ^= 1 << bit % 8
    for damaged in (bytes(packet), bytes(packet[:length])):
        try:
            decoder.decode(damaged)
        except BitstreamError:
            continue


def test_a_packet_whose_reference_is_not_held_is_refused_and_forgotten(motion_format, motions):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    encoder.encode(captures_of(motions), source=0)
    encoder.acknowledge(0)
    with pytest.raises(BitstreamError, match="not held"):
        decoder.decode(encoder.encode(captures_of(motions, first=1), source=0))
    assert decoder.newest_ticks is None


def test_a_format_without_prediction_neither_sends_nor_takes_predictive_packets(motion_format, motions):
    bare = replace(motion_format, prediction=None)
    with pytest.raises(ValueError, match="no prediction"):
        PredictiveEncoder(bare)
    with pytest.raises(BitstreamError, match="without prediction"):
        MotionDecoder(bare).decode(PredictiveEncoder(motion_format).encode(captures_of(motions), source=0))


@pytest.mark.parametrize("times", [[], [0.0, 0.0], [0.0, 0.6], [0.0, 0.1, 0.05], [0.1 * i for i in range(5)]])
def test_times_that_a_bundle_cannot_hold_are_refused(motion_format, motions, times):
    with pytest.raises(ValueError, match=r"packet|apart"):
        PredictiveEncoder(motion_format).encode([Capture(motions[0], t) for t in times], source=0)


@given(
    st.integers(0, 3),
    st.integers(0, 4095),
    st.integers(1, 4),
    st.integers(0, MAX_DISTANCE),
    st.none() | st.integers(0, 4095),
    st.binary(max_size=9),
)
def test_a_predictive_header_takes_three_to_six_bytes(source, ticks, frames, distance, acknowledged, code):
    header = Header(Kind.PREDICTIVE, source, 0, ticks, frames, distance, acknowledged)
    packet = write_header(header) + code
    assert len(packet) - len(code) == 3 + (distance > 30) + 2 * (acknowledged is not None)
    assert read_header(packet) == (header, code)


def test_an_acknowledgement_rides_in_any_packet(motion_format, motions):
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    decoder.decode(encoder.encode(captures_of(motions), source=0, acknowledged=4095))
    assert decoder.acknowledged == 4095
    decoder.decode(encoder.encode(captures_of(motions, first=1), source=0))
    assert decoder.acknowledged == 4095


def test_levels_stand_for_the_numbers_that_they_were_made_of(motion_format, motions):
    prediction = motion_format.prediction
    for motion in motions[:20]:
        fine = fine_of(motion, motion_format.steps)
        levels = coefficients_of(fine, prediction) // prediction.steps
        again = coefficients_of(fine_from_levels(levels, prediction), prediction)
        assert np.abs(again - levels * prediction.steps.astype(int)).max() <= 8


def test_a_schedule_refers_to_what_is_acknowledged_and_chains_within_a_bundle():
    assert list(schedule(4, round_trip=1, bundle=1)) == [(0, None), (1, 0), (2, 1), (3, 2)]
    assert list(schedule(8, round_trip=2.5, bundle=2)) == [
        (0, None), (1, 0), (2, None), (3, 2), (4, 1), (5, 4), (6, 3), (7, 6),
    ]  # fmt: skip
