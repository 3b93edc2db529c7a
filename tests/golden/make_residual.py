"""Make the golden vectors of residual codes: `python -m tests.golden.make_residual [FOLDER]` from the
repository's root.

They fix the bitstream as those of make_codec.py do. Every number in them comes from integer arithmetic.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from codec.control import encode_control
from codec.repair import Repair, encode_repair
from codec.residual import (
    CHANNELS,
    CLASSES,
    FEATURES,
    MAP_CONTEXTS,
    Codes,
    ResidualFormat,
    decode_residual,
    encode_residual,
)
from codec.transfer import PicturePiece, ResidualPiece

FOLDER = Path(__file__).parent
PACKET = bytes.fromhex("001fd2c0ffee")
PIECE = ResidualPiece(PicturePiece(259, 2, 0, 2, bytes(range(32)), b"repair"))


def numbers(seed: int) -> Iterator[int]:
    """Yield integers below 2**31 of a linear congruential generator."""
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield seed >> 33


def golden_residual_format() -> ResidualFormat:
    """Make chances that rise with what is sent nearby, and weights of either sign."""
    step, near, far = np.indices(MAP_CONTEXTS)
    drawn = numbers(11)
    count = CHANNELS * 2 * FEATURES
    weights = np.array([next(drawn) % 401 - 200 for _ in range(count)]).reshape(CHANNELS, 2, FEATURES)
    return ResidualFormat(
        (1500 + 9000 * near + 9000 * far + 500 * step).astype(np.uint16),
        weights.astype(np.int16),
        (512 + 1024 * np.arange(CLASSES)).astype(np.uint16),
    )


def golden_codes(side: int, *, seed: int, radius: int) -> Codes:
    """Make codes of a disc, whose signs are mostly the same in the channels of one cell."""
    drawn = numbers(seed)
    rows, columns = np.indices((side, side))
    sent = (rows - side // 2) ** 2 + (columns - side // 3) ** 2 < radius**2
    flips = np.array([next(drawn) % 5 == 0 for _ in range(CHANNELS * side * side)])
    base = np.where((rows // 3 + columns) % 2 == 0, 1, -1)
    signs = np.where(flips.reshape(CHANNELS, side, side), -base, base)
    return np.asarray(signs * sent, np.int8)


CASES = {
    "usual": (32, 5, 7),
    "odd side": (13, 6, 4),
    "all": (8, 7, 99),
    "nothing": (32, 8, 0),
    "one cell": (1, 9, 1),
}


def main(folder: Path) -> None:
    chances = golden_residual_format()
    vectors = {}
    for name, (side, seed, radius) in CASES.items():
        codes = golden_codes(side, seed=seed, radius=radius)
        code = encode_residual(codes, chances)
        packed = np.packbits(decode_residual(code, chances, side=side).reshape(-1) > 0).tobytes()
        repair = encode_repair(Repair(PACKET, code))
        vectors[name] = {"side": side, "positive": packed.hex(), "code": code.hex(), "repair": repair.hex()}
    held = {"format_hash": chances.hash.hex(), "piece": encode_control(PIECE).hex(), "codes": vectors}
    (folder / "codec_residual.json").write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
