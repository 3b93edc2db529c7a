"""Which packets a sender makes of its motions, and when; and that each decodes to what was meant, whatever is lost."""

import random
from dataclasses import replace

import numpy as np
import pytest

from codec.decoder import MotionDecoder
from codec.feedback import Feedback
from codec.fitting import Stream, fit_prediction
from codec.format import MotionFormat
from codec.motion import Motion
from codec.packet import Kind, read_header
from codec.tables import fit_tables
from codec.time import TICK_CYCLE
from receiver.received import Received
from sender.coding import PATIENCE_S, PROBE_EVERY_S, Coder, predictive_use
from sender.errors import SenderError
from sender.rate import Decision

K = 4
PREDICTIVE = Decision("predictive", 25.0, None, 1, 0, 0.0)
STATIC = Decision("static", 25.0, None, 1, 0, 0.0)


def motions(count: int) -> list[Motion]:
    random = np.random.default_rng(5)
    walk = np.cumsum(random.normal(0, 0.01, (count, 6 + 3 * K)), axis=0)
    return [Motion(row[:3], row[3:6], row[6:].reshape(K, 3)) for row in walk]


@pytest.fixture(scope="module")
def motion_format() -> MotionFormat:
    fitted = fit_tables(motions(60), expression_steps=np.full((K, 3), 2.0**-7))
    return replace(fitted, prediction=fit_prediction([Stream(motions(60), range(0, 120, 2))], fitted.steps))


def make(motion_format, decision=PREDICTIVE, *, keypoints=None, rounding=True, use="where acknowledged"):
    return Coder(motion_format, decision, rounding=rounding, keypoints=keypoints, predictive=use)


def kinds(packets) -> list[Kind]:
    return [read_header(packet.data)[0].kind for packet in packets]


def feedback(newest: int, bitmap: int = 0) -> Feedback:
    return Feedback(newest % TICK_CYCLE, bitmap, 0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "use"),
    [
        ({}, "where acknowledged"),
        ({"mode": "static"}, "never"),
        ({"mode": "predictive"}, "always"),
        ({"loses_nothing": True}, "always"),
        ({"loses_nothing": True, "mode": "static"}, "never"),
        ({"decodes_predictive": False}, "never"),
        ({"rounding": False}, "never"),
    ],
)
def test_motion_is_predicted_where_both_sides_can_and_nobody_minds(motion_format, changes, use):
    usual = {"mode": "auto", "rounding": True, "decodes_predictive": True, "loses_nothing": False}
    assert predictive_use(motion_format, **(usual | changes)) == use


@pytest.mark.parametrize("unable", [{"decodes_predictive": False}, {"rounding": False}])
def test_prediction_that_cannot_be_is_refused_with_a_sentence(motion_format, unable):
    usual = {"mode": "predictive", "rounding": True, "decodes_predictive": True, "loses_nothing": False}
    with pytest.raises(SenderError, match="--mode predictive"):
        predictive_use(motion_format, **(usual | unable))


def test_a_bundle_goes_out_when_it_is_full_when_time_passes_and_at_the_end(motion_format):
    coder = make(motion_format, replace(PREDICTIVE, bundle=3), use="always")
    times = [0.0, 0.04, 0.08, 0.12, 2.0, 2.04]
    packets = [coder.put(motion, at, source=0) for motion, at in zip(motions(6), times, strict=True)]
    assert [[packet.frames for packet in some] for some in packets] == [[], [], [3], [], [1], []]
    (last,) = coder.flush()
    assert last.frames == 2
    assert coder.flush() == []
    decoder = MotionDecoder(motion_format)
    decoded = [
        one.ticks for some in [*packets, [last]] for packet in some for one in decoder.decode(packet.data)
    ]
    assert decoded == [round(at * 60) for at in times]


def test_a_bundle_is_of_one_source_picture(motion_format):
    coder = make(motion_format, replace(PREDICTIVE, bundle=4))
    packets = [coder.put(motion, at / 25, source=at // 2) for at, motion in enumerate(motions(4))]
    assert [len(some) for some in packets] == [0, 0, 1, 0]
    assert read_header(packets[2][0].data)[0].source == 0
    assert read_header(coder.flush()[0].data)[0].source == 1


def test_an_acknowledged_motion_becomes_the_reference(motion_format):
    coder = make(motion_format)
    distances = []
    for index, motion in enumerate(motions(6)):
        (packet,) = coder.put(motion, index / 30, source=0)
        distances.append(read_header(packet.data)[0].distance)
        if index == 2:
            coder.learn(feedback(4))
    assert distances == [0, 0, 0, 2, 4, 6]


def test_static_packets_leave_out_what_does_not_show_and_what_is_too_much(motion_format):
    expression = np.zeros((K, 3))
    expression[2, 0] = 0.1
    motion = Motion(np.zeros(3), np.zeros(3), expression)
    cases = [(True, None, None), (True, 4, None), (True, None, 1), (True, 4, 1), (False, None, 1)]
    guessing_nothing = replace(motion_format, completion=None)
    left_out = [
        read_header(
            make(
                guessing_nothing,
                replace(STATIC, keypoints=decided),
                keypoints=keypoints,
                rounding=rounding,
                use="never",
            )
            .put(motion, 0.0, source=0)[0]
            .data
        )[0].left_out
        for rounding, keypoints, decided in cases
    ]
    assert left_out == [K - 3, 0, K - 1, 0, 0]


def test_without_acknowledgements_packets_become_static_but_for_some_that_bring_prediction_back(
    motion_format,
):
    coder, made = make(motion_format), []
    for index, motion in enumerate(motions(100)):
        made += coder.put(motion, index / 25, source=0)
        if index == 74:
            # The newest motion is static; the predictive one is in the bitmap, behind others.
            probe = next(one for one in reversed(made) if kinds([one]) == [Kind.PREDICTIVE])
            behind = (made[-1].ticks - probe.ticks) % TICK_CYCLE
            assert 0 < behind < 32
            coder.learn(feedback(made[-1].ticks, 1 << (behind - 1) | 1 << 1))
    early, waiting, late = made[: round(PATIENCE_S * 25)], made[25:75], made[75:]
    assert set(kinds(early)) == {Kind.PREDICTIVE}
    probes = kinds(waiting).count(Kind.PREDICTIVE)
    assert 2 / PROBE_EVERY_S - 1 <= probes <= 2 / PROBE_EVERY_S + 1
    assert all(read_header(one.data)[0].distance == 0 for one in made[:75])
    assert kinds(late[:5]) == [Kind.PREDICTIVE] * 5
    assert read_header(late[0].data)[0].distance > 0
    assert coder.frames == {
        "predictive": 100 - kinds(made).count(Kind.STATIC),
        "static": kinds(made).count(Kind.STATIC),
    }


def test_feedback_that_says_what_it_said_before_changes_nothing(motion_format):
    coder = make(motion_format)
    for index in range(3):
        coder.put(motions(3)[index], index / 30, source=0)
    coder.learn(feedback(4))
    coder.learn(feedback(4, 0b10))
    (packet,) = coder.put(motions(4)[3], 0.1, source=0)
    assert read_header(packet.data)[0].distance == 2


@pytest.mark.parametrize("loss", [0.0, 0.2, 0.5])
def test_every_packet_that_arrives_decodes_to_what_was_coded_whatever_is_decided(motion_format, loss):
    """Decisions change in mid-call, packets get lost both ways and overtake each other."""
    chance = random.Random(7)
    coder, decoder, received = make(motion_format), MotionDecoder(motion_format), Received()
    meant: dict[int, Motion] = {}
    decided = [
        Decision(mode, 25.0, keypoints, bundle, repeat, 0.0)
        for mode, keypoints, bundle, repeat in [
            ("predictive", None, 1, 0),
            ("predictive", None, 2, 2),
            ("static", None, 1, 0),
            ("predictive", None, 1, 2),
            ("static", 2, 1, 0),
            ("predictive", 3, 4, 0),
            ("predictive", None, 3, 1),
        ]
    ]
    under_way: list[tuple[bytes, int]] = []
    arrived = repeated = 0
    for index, motion in enumerate(motions(700)):
        if index % 23 == 0:
            coder.follow(decided[index // 23 % len(decided)])
        packets = coder.put(motion, index / 25, source=0)
        if packets:
            last = coder.last
            assert last is not None
            meant[packets[-1].ticks] = last.motion
        under_way += [(one.data, one.ticks) for one in packets if chance.random() >= loss]
        while len(under_way) > 4:
            data, ticks = under_way.pop(chance.randrange(2))
            decoded = decoder.decode(data)  # no BitstreamError: what is referred to is there
            arrived += 1
            repeated += len(decoded) > 1
            for one in decoded:
                received.add(one.ticks)
                if one.ticks % TICK_CYCLE in meant:  # others of a bundle are not the coder's last
                    assert bytes_of(one.motion) == bytes_of(meant[one.ticks % TICK_CYCLE])
            assert decoded[-1].ticks % TICK_CYCLE == ticks
        if index % 6 == 0 and received.newest_ticks is not None and chance.random() >= loss:
            coder.learn(feedback(received.newest_ticks, received.bitmap))
    assert arrived > 150 * (1 - loss)
    assert repeated > 10
    assert set(coder.frames) == {"predictive", "static"}


def bytes_of(motion: Motion) -> bytes:
    return b"".join(part.tobytes() for part in (motion.rotation, motion.translation, motion.expression))


def test_what_is_repeated_is_drawn_from_the_picture_that_it_was_meant_for(motion_format) -> None:
    coder = make(motion_format, replace(PREDICTIVE, bundle=1, repeat=3), use="always")
    decoder = MotionDecoder(motion_format)
    meant: dict[int, int] = {}
    drawn: dict[int, int] = {}
    for index, motion in enumerate(motions(60)):
        slot = index // 7 % 4
        (packet,) = coder.put(motion, index / 30, source=slot)
        meant[2 * index] = slot
        if index % 3 == 2:  # the others are lost
            drawn |= {decoded.ticks: decoded.source for decoded in decoder.decode(packet.data)}
    assert len(drawn) > 30  # repetition brought what was lost
    assert all(meant[ticks % 4096] == slot for ticks, slot in drawn.items())
