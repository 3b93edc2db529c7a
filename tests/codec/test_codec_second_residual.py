"""Repairs and residual codes: the product's decoder and the second one say the same of any bytes."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from second_decoder import RefusedError
from second_residual import ResidualTables, decode_residual, split_repair

from codec import residual
from codec.errors import BitstreamError
from codec.repair import decode_repair
from codec.residual import CHANNELS, CLASSES, FEATURES, MAP_CONTEXTS, ResidualFormat

GOLDEN = Path(__file__).parent.parent / "golden"
VECTORS = json.loads((GOLDEN / "codec_residual.json").read_text())["codes"]


def tables_of(product: ResidualFormat) -> ResidualTables:
    return ResidualTables(
        product.map_chances.tolist(), product.sign_weights.tolist(), product.sign_chances.tolist()
    )


def format_of(seed: int) -> tuple[ResidualFormat, ResidualTables]:
    """Make up chances, some of them the smallest and the largest there are."""
    random = np.random.default_rng(seed)
    chances = [
        random.choice(np.array([1, 300, 20000, 32768, 50000, 65535], np.uint16), shape)
        for shape in (MAP_CONTEXTS, CLASSES)
    ]
    weights = random.integers(-16384, 16385, (CHANNELS, 2, FEATURES)).astype(np.int16)
    weights //= random.choice(np.array([1, 300], np.int16), (CHANNELS, 2, 1))
    product = ResidualFormat(chances[0], weights, chances[1])
    return product, tables_of(product)


FORMATS = [format_of(seed) for seed in range(3)]


@pytest.mark.parametrize("name", VECTORS)
def test_the_second_decoder_reads_the_golden_repairs(name):
    vector = VECTORS[name]
    packet, code = split_repair(bytes.fromhex(vector["repair"]))
    assert code.hex() == vector["code"]
    assert decode_repair(bytes.fromhex(vector["repair"])).packet == packet
    tables = tables_of(runpy.run_path(str(GOLDEN / "make_residual.py"))["golden_residual_format"]())
    signs = np.array(decode_residual(code, tables, vector["side"]))
    assert np.packbits(signs.reshape(-1) > 0).tobytes().hex() == vector["positive"]
    assert {len(set(cell)) for cell in np.abs(signs).reshape(CHANNELS, -1).T.tolist()} == {1}


@settings(max_examples=60, deadline=None)
@given(which=st.sampled_from(FORMATS), side=st.integers(1, 18), code=st.binary(max_size=60))
def test_both_say_the_same_of_any_code(which, side, code):
    try:
        one = residual.decode_residual(code, which[0], side=side).tolist()
    except BitstreamError:
        one = None
    try:
        other = decode_residual(code, which[1], side)
    except RefusedError:
        other = None
    assert one == other


@settings(deadline=None)
@given(length=st.integers(0, 1200), held=st.integers(0, 1300))
def test_both_split_any_repair_alike(length, held):
    repair = length.to_bytes(2, "big") + bytes(held)
    for data in (repair, repair[:1]):
        try:
            one = decode_repair(data)
        except BitstreamError:
            with pytest.raises(RefusedError):
                split_repair(data)
        else:
            assert split_repair(data) == (one.packet, one.code)
