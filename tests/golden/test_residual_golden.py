"""Residual codes as they were fixed: these bytes stay the same, or the protocol's version rises."""

import json
from pathlib import Path

import make_residual
import numpy as np
import pytest

from codec.control import decode_control, encode_control
from codec.repair import Repair, decode_repair, encode_repair
from codec.residual import decode_residual, encode_residual

GOLDEN = json.loads((Path(__file__).parent / "codec_residual.json").read_text())
FORMAT = make_residual.golden_residual_format()


def test_the_format_keeps_its_hash():
    assert FORMAT.hash.hex() == GOLDEN["format_hash"]


@pytest.mark.parametrize("name", make_residual.CASES)
def test_codes_have_their_golden_bytes_and_come_back_from_them(name):
    side, seed, radius = make_residual.CASES[name]
    vector = GOLDEN["codes"][name]
    codes = make_residual.golden_codes(side, seed=seed, radius=radius)
    assert encode_residual(codes, FORMAT).hex() == vector["code"]
    decoded = decode_residual(bytes.fromhex(vector["code"]), FORMAT, side=vector["side"])
    np.testing.assert_array_equal(decoded, codes)
    assert np.packbits(decoded.reshape(-1) > 0).tobytes().hex() == vector["positive"]


@pytest.mark.parametrize("name", make_residual.CASES)
def test_repairs_have_their_golden_bytes_and_come_back_from_them(name):
    vector = GOLDEN["codes"][name]
    repair = Repair(make_residual.PACKET, bytes.fromhex(vector["code"]))
    assert encode_repair(repair).hex() == vector["repair"]
    assert decode_repair(bytes.fromhex(vector["repair"])) == repair


def test_a_piece_of_a_repair_has_its_golden_bytes():
    assert encode_control(make_residual.PIECE).hex() == GOLDEN["piece"]
    assert decode_control(bytes.fromhex(GOLDEN["piece"])) == make_residual.PIECE
