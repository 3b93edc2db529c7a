"""Which packets a sender makes of its motions, and when."""

from dataclasses import replace

import numpy as np
import pytest

from codec.decoder import MotionDecoder
from codec.fitting import Stream, fit_prediction
from codec.format import MotionFormat
from codec.motion import Motion
from codec.packet import read_header
from codec.tables import fit_tables
from sender.coding import Predictive, Static, make_coder
from sender.errors import SenderError

K = 4


def motions(count: int) -> list[Motion]:
    random = np.random.default_rng(5)
    walk = np.cumsum(random.normal(0, 0.01, (count, 6 + 3 * K)), axis=0)
    return [Motion(row[:3], row[3:6], row[6:].reshape(K, 3)) for row in walk]


@pytest.fixture(scope="module")
def motion_format() -> MotionFormat:
    fitted = fit_tables(motions(60), expression_steps=np.full((K, 3), 2.0**-7))
    return replace(fitted, prediction=fit_prediction([Stream(motions(60), range(0, 120, 2))], fitted.steps))


def choose(motion_format, *, mode="auto", rounding=True, decodes=True):
    return make_coder(
        motion_format, mode=mode, bundle=1, rounding=rounding, keypoints=None, decodes_predictive=decodes
    )


def test_motion_is_predicted_where_both_sides_can_and_nobody_minds(motion_format):
    assert choose(motion_format).mode == "predictive"
    assert choose(motion_format, mode="static").mode == "static"
    assert choose(motion_format, decodes=False).mode == "static"
    assert choose(motion_format, rounding=False).mode == "static, not rounded"


@pytest.mark.parametrize("unable", [{"decodes": False}, {"rounding": False}])
def test_prediction_that_cannot_be_is_refused_with_a_sentence(motion_format, unable):
    with pytest.raises(SenderError, match="--mode predictive"):
        choose(motion_format, mode="predictive", **unable)


def test_a_bundle_goes_out_when_it_is_full_when_time_passes_and_at_the_end(motion_format):
    coder = Predictive(motion_format, bundle=3, keypoints=None)
    times = [0.0, 0.04, 0.08, 0.12, 2.0, 2.04]
    packets = [coder.put(motion, at) for motion, at in zip(motions(6), times, strict=True)]
    assert [[packet.frames for packet in some] for some in packets] == [[], [], [3], [], [1], []]
    (last,) = coder.flush()
    assert last.frames == 2
    assert coder.flush() == []
    decoder = MotionDecoder(motion_format)
    decoded = [
        one.ticks for some in [*packets, [last]] for packet in some for one in decoder.decode(packet.data)
    ]
    assert decoded == [round(at * 60) for at in times]


def test_an_acknowledged_motion_becomes_the_reference(motion_format):
    coder = Predictive(motion_format, bundle=1, keypoints=None)
    distances = []
    for index, motion in enumerate(motions(6)):
        (packet,) = coder.put(motion, index / 30)
        distances.append(read_header(packet.data)[0].distance)
        if index == 2:
            coder.acknowledge(4)
    assert distances == [0, 0, 0, 2, 4, 6]


def test_static_packets_leave_out_what_does_not_show(motion_format):
    expression = np.zeros((K, 3))
    expression[1, 0] = 0.1
    motion = Motion(np.zeros(3), np.zeros(3), expression)
    left_out = [
        read_header(Static(motion_format, rounding=rounding, keypoints=keypoints).put(motion, 0.0)[0].data)[0]
        for rounding, keypoints in ((True, None), (True, 3), (False, None))
    ]
    assert [header.left_out for header in left_out] == [K - 2, 1, 0]
