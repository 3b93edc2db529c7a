"""What packets weigh beside the ideal code length of their own model: the sum over symbols of -log2 of their chance.

The second decoder tells the chances while it reads, so the sum knows nothing of the encoder.
"""

import json
import math
import runpy
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import second_decoder
import second_residual
from codec_fakes import random_motions
from second_decoder import Format, SecondDecoder, read_header

from codec.encoder import MotionEncoder
from codec.format import MotionFormat
from codec.motion import Motion
from codec.predictive_encoder import Capture, PredictiveEncoder

GOLDEN = Path(__file__).parent.parent / "golden"
GOLDEN_FORMAT = GOLDEN / "codec_format.npz"
# In 64-bit arithmetic a symbol's share is up to 2^-8 smaller than its chance, mostly far less; over a packet's symbols
# it comes to this part of a byte.
ARITHMETIC = 0.01


@pytest.fixture
def ideal_bits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A list to which every packet that the second decoder reads adds its ideal length in bits."""
    lengths: list[float] = []

    class Counting(second_decoder.RangeDecoder):
        def __init__(self, code: bytes) -> None:
            super().__init__(code)
            lengths.append(0.0)

        def symbol(self, shares: list[int]) -> int:
            symbol = super().symbol(shares)
            lengths[-1] -= math.log2(shares[symbol] / 2**second_decoder.PRECISION)
            return symbol

    for reader in (second_decoder, second_residual):
        monkeypatch.setattr(reader, "RangeDecoder", Counting)
    return lengths


def static_packets(motion_format: MotionFormat, motions: Sequence[Motion]) -> Iterator[bytes]:
    """Yield packets of every K', rounded and exact."""
    for rounding in (True, False):
        encoder = MotionEncoder(motion_format, rounding=rounding)
        for number, motion in enumerate(motions):
            keypoints = number % (motion_format.keypoints + 1)
            yield encoder.encode(motion, captured_s=number / 25, source=0, keypoints=keypoints)


def predictive_packets(motion_format: MotionFormat, motions: Sequence[Motion]) -> Iterator[bytes]:
    """Yield bundles of one to four motions, with and without a reference and repetitions."""
    encoder, first, number = PredictiveEncoder(motion_format), 0, 0
    while first < len(motions):
        captures = [
            Capture(motion, at / 25)
            for at, motion in enumerate(motions[first : first + 1 + number % 4], first)
        ]
        yield encoder.encode(captures, source=0, repeated=number % 3)
        first, number = first + len(captures), number + 1
        if number % 5:
            encoder.acknowledge(round((first - 1) * 60 / 25) % 4096)


def assert_near_the_ideal(
    path: Path, motion_format: MotionFormat, motions: Sequence[Motion], ideal_bits: list[float]
) -> None:
    decoder = SecondDecoder(Format(path))
    for packets in (predictive_packets, static_packets):
        for packet in packets(motion_format, motions):
            decoder.decode(packet)
            excess = len(read_header(packet).code) - ideal_bits[-1] / 8
            assert excess <= 1 + ARITHMETIC


def test_packets_of_any_size_are_within_a_byte_of_the_ideal(ideal_bits):
    motion_format = MotionFormat.load(GOLDEN_FORMAT)
    assert_near_the_ideal(GOLDEN_FORMAT, motion_format, random_motions(84, seed=11), ideal_bits)


@pytest.mark.parametrize("name", ["static", "predictive"])
def test_packets_of_every_sort_up_to_the_longest_are_within_a_byte_of_the_ideal(name, ideal_bits):
    decoder, lengths = SecondDecoder(Format(GOLDEN_FORMAT)), []
    for vector in json.loads((GOLDEN / "codec_streams.json").read_text())[name]:
        packet = bytes.fromhex(vector["packet"])
        decoder.decode(packet)
        code = read_header(packet).code
        assert len(code) - ideal_bits[-1] / 8 <= 1 + ARITHMETIC
        lengths.append(len(code))
    assert min(lengths) < 50
    assert max(lengths) > 200 if name == "static" else max(lengths) > 900


def test_residual_codes_are_within_a_byte_of_the_ideal(ideal_bits):
    product = runpy.run_path(str(GOLDEN / "make_residual.py"))["golden_residual_format"]()
    tables = second_residual.ResidualTables(
        product.map_chances.tolist(), product.sign_weights.tolist(), product.sign_chances.tolist()
    )
    for vector in json.loads((GOLDEN / "codec_residual.json").read_text())["codes"].values():
        code = bytes.fromhex(vector["code"])
        second_residual.decode_residual(code, tables, vector["side"])
        assert len(code) - ideal_bits[-1] / 8 <= 1 + ARITHMETIC


def test_packets_of_a_fitted_format_are_within_a_byte_of_the_ideal(motion_format, tmp_path, ideal_bits):
    path = tmp_path / "tables.npz"
    motion_format.save(path)
    assert_near_the_ideal(path, motion_format, random_motions(84, seed=12), ideal_bits)


def test_packets_of_a_clip_are_within_a_byte_of_the_ideal(profile_folder, data_folder, ideal_bits):
    from bench.clips import list_clips, read_footage
    from bench.talk import load_setup, motion_of, take_source

    setup = load_setup(str(profile_folder), engine="openvino")
    footage = read_footage(list_clips(data_folder / "val", names=[])[0], size=setup.picture_size)
    source = take_source(setup, footage, source="first")
    motions = [motion_of(setup, picture, source) for picture in footage.pictures[:30]]
    assert_near_the_ideal(profile_folder / "tables.npz", setup.motion_format, motions, ideal_bits)
