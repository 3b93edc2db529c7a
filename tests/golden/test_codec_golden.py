"""The bitstream as it was fixed: these bytes stay the same, or the protocol's version rises."""

import json
from pathlib import Path

import make_codec
import numpy as np
import pytest

from codec.control import decode_control, encode_control
from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.format import MotionFormat
from codec.motion import Motion
from codec.picture import decode_picture
from codec.predictive_encoder import Capture, PredictiveEncoder

# Other versions of Python and NumPy are held to the same files by `tests.golden.elsewhere`.
FOLDER = Path(__file__).parent
MOTION = json.loads((FOLDER / "codec_motion.json").read_text())
BUNDLES = json.loads((FOLDER / "codec_bundles.json").read_text())
STREAMS = json.loads((FOLDER / "codec_streams.json").read_text())
CONTROL = json.loads((FOLDER / "codec_control.json").read_text())


@pytest.fixture(scope="module")
def motion_format() -> MotionFormat:
    return MotionFormat.load(FOLDER / "codec_format.npz")


def test_the_format_keeps_its_hash_and_is_fitted_the_same_way(motion_format):
    assert motion_format.hash.hex() == MOTION["format_hash"]
    assert make_codec.golden_format().hash == motion_format.hash


@pytest.mark.parametrize("vector", MOTION["packets"])
def test_motions_are_coded_to_the_golden_bytes(motion_format, vector):
    numbers = np.array(vector["sent"])
    motion = Motion(numbers[:3], numbers[3:6], numbers[6:].reshape(-1, 3))
    encoder = MotionEncoder(motion_format, rounding=vector["rounding"])
    fields = {name: vector[name] for name in ("captured_s", "source", "keypoints")}
    assert encoder.encode(motion, **fields).hex() == vector["packet"]


@pytest.mark.parametrize("vector", MOTION["packets"])
def test_golden_packets_are_decoded_to_the_same_numbers(motion_format, vector):
    (decoded,) = MotionDecoder(motion_format).decode(bytes.fromhex(vector["packet"]))
    motion = decoded.motion
    numbers = [*motion.rotation, *motion.translation, *motion.expression.reshape(-1)]
    assert numbers == vector["decoded"]
    assert decoded.source == vector["source"]
    assert decoded.ticks == vector["captured_s"] * 60 % 4096


def test_motions_are_bundled_to_the_golden_bytes(motion_format):
    encoder = PredictiveEncoder(motion_format)
    for vector in BUNDLES["packets"]:
        if vector["learned"] is not None:
            encoder.acknowledge(vector["learned"])
        captures = [
            Capture(Motion(numbers[:3], numbers[3:6], np.reshape(numbers[6:], (-1, 3))), captured_s)
            for numbers, captured_s in zip(vector["sent"], vector["captured_s"], strict=True)
        ]
        fields = {name: vector[name] for name in ("source", "keypoints", "repeated", "acknowledged")}
        assert encoder.encode(captures, **fields).hex() == vector["packet"]


def test_golden_bundles_are_decoded_to_the_same_numbers(motion_format):
    decoder = MotionDecoder(motion_format)
    for vector in BUNDLES["packets"]:
        decoded = decoder.decode(bytes.fromhex(vector["packet"]))
        assert [one.ticks for one in decoded] == vector["ticks"]
        assert [make_codec.numbers_of(one.motion) for one in decoded] == vector["decoded"]
        assert {one.source for one in decoded} == {vector["source"]}
        if vector["acknowledged"] is not None:
            assert decoder.acknowledged == vector["acknowledged"]


def test_streams_of_every_sort_of_packet_have_their_golden_bytes(motion_format):
    assert make_codec.golden_streams(motion_format) == {
        name: STREAMS[name] for name in ("static", "predictive")
    }


@pytest.mark.parametrize("name", ["static", "predictive"])
def test_golden_streams_are_decoded_to_the_same_numbers(motion_format, name):
    decoder = MotionDecoder(motion_format)
    for vector in STREAMS[name]:
        decoded = decoder.decode(bytes.fromhex(vector["packet"]))
        assert [one.ticks for one in decoded] == vector["ticks"]
        assert make_codec.hash_of([one.motion for one in decoded]) == vector["decoded"]


@pytest.mark.parametrize("name", CONTROL)
def test_control_messages_have_their_golden_bytes(name):
    message = make_codec.MESSAGES[name]
    assert encode_control(message).hex() == CONTROL[name]
    assert decode_control(bytes.fromhex(CONTROL[name])) == message


def test_a_golden_picture_still_shows_what_it_showed():
    picture = decode_picture((FOLDER / "codec_picture.avif").read_bytes())
    assert np.abs(picture.astype(int) - make_codec.golden_picture()).mean() < 3
