"""The product's decoders and the one that was written from the README alone say the same of any bytes."""

import hashlib
import json
import struct
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import second_control
import second_decoder
from codec_fakes import random_motions
from hypothesis import given, settings
from hypothesis import strategies as st
from second_decoder import Format, RefusedError, SecondDecoder

from codec.control import decode_control
from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.errors import BitstreamError
from codec.format import MotionFormat, positions
from codec.motion import Motion
from codec.packet import Kind
from codec.prediction import ALPHABET, CONTEXTS, DISTANCES, TABLES, PredictionFormat
from codec.predictive_encoder import Capture, PredictiveEncoder
from codec.ranges import Frequencies
from codec.tables import frequencies_of
from codec.transfer import ResidualPiece

GOLDEN = Path(__file__).parent.parent / "golden"
STATIC, BUNDLES, STREAMS, CONTROL, RESIDUAL = (
    json.loads((GOLDEN / f"codec_{name}.json").read_text())
    for name in ("motion", "bundles", "streams", "control", "residual")
)
PACKETS = [bytes.fromhex(vector["packet"]) for vector in [*STATIC["packets"], *BUNDLES["packets"]]]
MESSAGES = [bytes.fromhex(code) for code in [*CONTROL.values(), RESIDUAL["piece"]]]
REFUSED = "refused"

Said = list[tuple[Any, ...]] | tuple[Any, ...] | str


class Pair:
    """Both decoders of one stream."""

    def __init__(self, formats: tuple[MotionFormat, Format]) -> None:
        self.product, self.second = MotionDecoder(formats[0]), SecondDecoder(formats[1])

    def decode(self, packet: bytes) -> tuple[Said, Said]:
        """Return what each says of a packet."""
        one: Said
        other: Said
        try:
            one = [
                (motion.ticks, motion.source, numbers_of(motion.motion))
                for motion in self.product.decode(packet)
            ]
        except BitstreamError:
            one = REFUSED
        try:
            other = [(motion.ticks, motion.source, motion.numbers) for motion in self.second.decode(packet)]
        except RefusedError:
            other = REFUSED
        return one, other


def numbers_of(motion: Any) -> list[float]:
    return [float(x) for x in (*motion.rotation, *motion.translation, *motion.expression.reshape(-1))]


def control_by_both(data: bytes) -> tuple[Said, Said]:
    one: Said
    other: Said
    try:
        message = decode_control(data)
        fields = astuple(message.piece if isinstance(message, ResidualPiece) else message)
        one = (type(message).__name__, *fields)
    except BitstreamError:
        one = REFUSED
    try:
        other = second_control.decode_control(data)
    except RefusedError:
        other = REFUSED
    return one, other


@pytest.fixture(scope="module")
def formats() -> tuple[MotionFormat, Format]:
    return MotionFormat.load(GOLDEN / "codec_format.npz"), Format(GOLDEN / "codec_format.npz")


@pytest.mark.parametrize("vector", STATIC["packets"])
def test_the_second_decoder_reads_the_golden_static_packets(formats, vector):
    (motion,) = SecondDecoder(formats[1]).decode(bytes.fromhex(vector["packet"]))
    assert motion.numbers == vector["decoded"]
    assert motion.source == vector["source"]
    assert motion.ticks == vector["captured_s"] * 60 % 4096


def test_the_second_decoder_reads_the_golden_bundles(formats):
    decoder = SecondDecoder(formats[1])
    for vector in BUNDLES["packets"]:
        packet = bytes.fromhex(vector["packet"])
        decoded = decoder.decode(packet)
        assert [motion.numbers for motion in decoded] == vector["decoded"]
        assert [motion.ticks for motion in decoded] == vector["ticks"]
        assert second_decoder.read_header(packet).acknowledged == vector["acknowledged"]


@pytest.mark.parametrize("name", ["static", "predictive"])
def test_the_second_decoder_reads_the_golden_streams(formats, name):
    decoder = SecondDecoder(formats[1])
    for vector in STREAMS[name]:
        decoded = decoder.decode(bytes.fromhex(vector["packet"]))
        assert [motion.ticks for motion in decoded] == vector["ticks"]
        numbers = [number for motion in decoded for number in motion.numbers]
        hashed = hashlib.sha256(struct.pack(f">{len(numbers)}f", *numbers)).hexdigest()
        assert hashed[:16] == vector["decoded"]


@pytest.mark.parametrize("lost", range(len(BUNDLES["packets"])))
def test_both_say_the_same_of_golden_bundles_where_one_is_lost(formats, lost):
    pair = Pair(formats)
    for index, vector in enumerate(BUNDLES["packets"]):
        if index != lost:
            one, other = pair.decode(bytes.fromhex(vector["packet"]))
            assert one == other


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message[:3].hex())
def test_both_read_the_same_in_golden_messages(message):
    one, other = control_by_both(message)
    assert one == other != REFUSED


def test_every_type_of_message_has_a_golden_vector():
    assert {message[0] for message in MESSAGES} == set(second_control.CONTROL)


def test_every_kind_of_packet_has_a_golden_vector():
    headers = [second_decoder.read_header(packet) for packet in PACKETS]
    assert {(header.kind, header.frames) for header in headers} == {
        (0, 1),
        (1, 1),
        *((2, n) for n in range(1, 5)),
    }
    assert any(header.detail > 31 for header in headers if header.kind == 2)
    assert {vector["repeated"] for vector in BUNDLES["packets"]} == {0, 1, 2, 3}


def test_every_size_of_packet_has_a_golden_vector(formats):
    static = [second_decoder.read_header(bytes.fromhex(vector["packet"])) for vector in STREAMS["static"]]
    assert {(one.kind, one.detail) for one in static} == {(kind, n) for kind in (0, 1) for n in range(21)}
    packets = [bytes.fromhex(vector["packet"]) for vector in STREAMS["predictive"]]
    bundles = [second_decoder.read_header(packet) for packet in packets]
    repeated = [second_decoder.RangeDecoder(one.code).of([64576, 320, 320, 320]) for one in bundles]
    sizes = {(one.frames, again) for one, again in zip(bundles, repeated, strict=True)}
    assert sizes == {(frames, again) for frames in range(1, 5) for again in range(frames)}
    bounds = [1, 3, 4, 6, 10, 16, 26, 40]
    classes = {second_decoder.at_or_below(bounds, one.detail) for one in bundles}
    assert classes == set(range(9))
    assert {30, 31, 60} <= {one.detail for one in bundles}


def test_both_forget_the_same_motions(formats):
    encoder, pair = PredictiveEncoder(formats[0]), Pair(formats)
    packets = [
        encoder.encode([Capture(motion, tick / 20)], source=0)
        for tick, motion in enumerate(random_motions(70, 3))
    ]
    for packet in [*packets[5:], *packets[:3], packets[9]]:  # late ones, and one that comes twice
        pair.decode(packet)
    last = 3 * 69
    kept = set()
    for number in range(69):
        distance = last - 3 * number
        near = min(distance, 31)
        header = (2 << 21 | near << 12 | last).to_bytes(3, "big") + bytes([distance - 31] * (near == 31))
        one, other = pair.decode(header + b"\x80")
        assert one == other
        kept |= {number} if one != REFUSED else set()
    assert kept == {0, 1, 2, *range(9, 69)}


def damage(data: st.DataObject, packet: bytes) -> bytes:
    """Draw a damaged packet: a bit, the end, or the code behind the header is another."""
    changed = bytearray(packet)
    match data.draw(st.sampled_from(["bit", "end", "code"])):
        case "bit":
            changed[data.draw(st.integers(0, len(packet) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        case "end":
            del changed[data.draw(st.integers(0, len(packet))) :]
        case _:
            changed[3:] = data.draw(st.binary(max_size=400))
    return bytes(changed)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_both_say_the_same_of_streams_with_losses_and_damage(formats, data):
    motions = random_motions(60, seed=data.draw(st.integers(0, 5)))
    predictive, exact, pair = (
        PredictiveEncoder(formats[0]),
        MotionEncoder(formats[0], rounding=False),
        Pair(formats),
    )
    first, ticks = 0, data.draw(st.sampled_from([0, 2000, 4080]))
    flying: list[bytes] = []
    for _ in range(data.draw(st.integers(2, 9))):
        ticks += data.draw(st.sampled_from([0, 0, 0, 33, 70, 2500]))
        chosen = motions[first : first + data.draw(st.integers(1, 4))]
        captures = []
        for motion in chosen:
            ticks += data.draw(st.sampled_from([1, 2, 2, 3, 32]))
            captures.append(Capture(motion, ticks / 60))
        first += len(chosen)
        if data.draw(st.booleans()) and (newest := pair.product.newest_ticks) is not None:
            predictive.acknowledge(newest)
        acknowledged = data.draw(st.none() | st.integers(0, 4095))
        repeated, source = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
        packet = predictive.encode(captures, source=source, repeated=repeated, acknowledged=acknowledged)
        flying += [packet] * data.draw(st.sampled_from([0, 1, 1, 1, 2]))
        if data.draw(st.booleans()):
            flying.append(damage(data, packet))
        if data.draw(st.booleans()):
            keypoints = data.draw(st.integers(0, 20))
            flying.append(exact.encode(chosen[-1], captured_s=ticks / 60, source=source, keypoints=keypoints))
        for _ in range(data.draw(st.integers(0, len(flying)))):
            one, other = pair.decode(flying.pop(data.draw(st.integers(0, min(2, len(flying) - 1)))))
            assert one == other


@settings(max_examples=100, deadline=None)
@given(header=st.integers(0, 2**24 - 1), kind=st.sampled_from([*Kind, 3]), code=st.binary(max_size=320))
def test_both_say_the_same_of_any_packet(formats, header, kind, code):
    pair = Pair(formats)
    bits = header & ~(3 << 21) | kind << 21
    one, other = pair.decode(bits.to_bytes(3, "big") + code)
    assert one == other


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_both_say_the_same_of_damaged_golden_packets(formats, data):
    pair = Pair(formats)
    pair.decode(bytes.fromhex(BUNDLES["packets"][0]["packet"]))
    one, other = pair.decode(damage(data, data.draw(st.sampled_from(PACKETS))))
    assert one == other


def wild_format(keypoints: int) -> MotionFormat:
    """Make up a format of the smallest and the largest numbers that there may be."""
    random = np.random.default_rng(keypoints)
    offsets, count = 3 * keypoints, 6 + 3 * keypoints

    def tables(rows: int, symbols: int) -> Frequencies:
        return frequencies_of(random.choice(np.array([0, 1, 1 << 20]), (rows, symbols)))

    keypoint = np.arange(offsets) // 3
    completion = random.choice(np.array([-32768, 0, 1, 32767], np.int16), (offsets, offsets))
    prediction = PredictionFormat(
        basis=random.choice([-(1 << 14), 0, 1 << 14], (offsets, offsets)),
        steps=random.choice([1, 256, 65535], count),
        origin=random.choice([-(1 << 20), 0, 1 << 20], count),
        rates=random.choice([1, 500, 65535], (DISTANCES, count)),
        contexts=random.integers(0, TABLES, (count, *CONTEXTS)),
        tables=tables(TABLES, ALPHABET),
    )
    return MotionFormat(
        keypoints,
        rotation_step=16.0,
        translation_step=2.0**-14,
        expression_steps=2.0 ** random.choice([-14, -7, 4], (keypoints, 3)),
        tables=tables(positions(keypoints), 256),
        exact_tables=tables(positions(keypoints), 256),
        prediction=prediction,
        completion=np.where(keypoint[:, None] < keypoint, completion, 0).astype(np.int16),
    )


@pytest.mark.parametrize("keypoints", [0, 1, 2, 5, 11, 31])
def test_both_say_the_same_with_the_wildest_formats_of_any_size(tmp_path, keypoints):
    product = wild_format(keypoints)
    product.save(tmp_path / "tables.npz")
    pair, encoder = Pair((product, Format(tmp_path / "tables.npz"))), PredictiveEncoder(product)
    random = np.random.default_rng(5)
    ticks, decoded = 4000, 0
    for number in range(16):
        captures = []
        for _ in range(random.integers(1, 5)):
            ticks += int(random.choice([1, 3, 32]))
            numbers = random.normal(0, 1, 6 + 3 * keypoints) * random.choice([0.01, 1, 300])
            captures.append(
                Capture(Motion(numbers[:3], numbers[3:6], numbers[6:].reshape(-1, 3)), ticks / 60)
            )
        newest = pair.product.newest_ticks
        if newest is not None and number % 3:
            encoder.acknowledge(newest)
        static = MotionEncoder(product, rounding=bool(number % 2)).encode(
            captures[-1].motion,
            captured_s=ticks / 60,
            source=0,
            keypoints=int(random.integers(0, keypoints + 1)),
        )
        bundle = encoder.encode(captures, source=0, repeated=number % 4)
        anything = Kind.PREDICTIVE << 21 | int(random.integers(0, 4)) << 17 | ticks % 4096
        for packet in (static, bundle, anything.to_bytes(3, "big") + random.bytes(300)):
            one, other = pair.decode(packet)
            assert one == other
            decoded += one != REFUSED
    assert decoded >= 32


TEXTS = st.text(max_size=220).map(str.encode)


@settings(max_examples=400, deadline=None)
@given(
    kind=st.integers(0, 255) | st.sampled_from(MESSAGES).map(lambda m: m[0]),
    body=st.binary(max_size=90) | TEXTS,
)
def test_both_say_the_same_of_any_message(kind, body):
    one, other = control_by_both(bytes([kind]) + body)
    assert one == other


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_both_say_the_same_of_damaged_messages(data):
    message = bytearray(data.draw(st.sampled_from(MESSAGES)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(message)))
        end = at + data.draw(st.integers(0, 2))
        message[at:end] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"\xff\xff", b"\0\0", b"\x10\0"]) | TEXTS
        )
    one, other = control_by_both(bytes(message))
    assert one == other


@pytest.mark.parametrize("length", [0, 1, 1058, 1059, 1060, 1061, 1099, 1100, 1101])
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message[:3].hex())
def test_both_draw_the_same_line_where_a_message_is_too_long(message, length):
    one, other = control_by_both(message.ljust(length, b"a")[:length])
    assert one == other
