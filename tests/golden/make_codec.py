"""Make the codec's golden vectors: `python -m tests.golden.make_codec [FOLDER]` from the repository's root.

They fix the bitstream. Run it without a folder only when the format changes on purpose, together with the protocol's
version. Every number in them comes from integer arithmetic, so that they can be made again anywhere
(`tests.golden.elsewhere` does so).
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.messages import MESSAGES
from codec.control import encode_control
from codec.decoder import MotionDecoder
from codec.encoder import MotionEncoder
from codec.format import MotionFormat
from codec.motion import Motion
from codec.picture import encode_picture
from codec.prediction import ALPHABET, CONTEXTS, DISTANCES, TABLES, PredictionFormat
from codec.predictive import CODED
from codec.predictive_encoder import Capture, PredictiveEncoder
from codec.tables import fit_tables, frequencies_of

FOLDER = Path(__file__).parent
KEYPOINTS = 20
# Of the streams: a distance of every class and the last that has no byte of its own, and every size of a packet, as
# (new motions, repeated ones).
DISTANCES_SENT = (0, 1, 3, 4, 6, 10, 16, 26, 30, 31, 40, 60)
SIZES = tuple((new, repeated) for new in range(1, 5) for repeated in range(5 - new))
SPACINGS = (1, 2, 3, 4, 5, 6, 32)


def golden_motions(count: int, seed: int) -> list[Motion]:
    """Make motions whose numbers are multiples of 2**-12, from a linear congruential generator."""
    motions = []
    for _ in range(count):
        numbers = []
        for index in range(6 + 3 * KEYPOINTS):
            bell = 0
            for _ in range(4):
                seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
                bell += (seed >> 52) - 2048
            numbers.append(bell / 4096 * (16 if index < 3 else 0.0625))
        motions.append(Motion(numbers[:3], numbers[3:6], np.reshape(numbers[6:], (KEYPOINTS, 3))))
    return motions


def golden_format() -> MotionFormat:
    """Fit a format to 300 golden motions, with steps that differ by keypoint and axis."""
    steps = np.full((KEYPOINTS, 3), 2.0**-7)
    steps[8:14] = 2.0**-8
    steps[:, 2] *= 4
    fitted = fit_tables(golden_motions(300, seed=1), expression_steps=steps)
    return replace(fitted, prediction=golden_prediction(), completion=golden_completion())


def golden_completion() -> np.ndarray:
    """Make up what guesses offsets, in integers, int16 [3K, 3K]."""
    row, column = np.indices((3 * KEYPOINTS, 3 * KEYPOINTS))
    made_up = ((7 * row + 3 * column) % 41 - 20) * 16
    return np.where(row // 3 < column // 3, made_up, 0).astype(np.int16)


def golden_prediction() -> PredictionFormat:
    """Make up what predictive coding needs, in integers: a basis of small turns, tables that fall off ever faster."""
    offsets = 3 * KEYPOINTS
    count = 6 + offsets
    basis = np.zeros((offsets, offsets), dtype=np.int64)
    for pair in range(offsets // 2):  # 3/5 and 4/5 of 2**14
        one, other = pair, offsets - 1 - pair
        basis[2 * pair, [one, other]] = 9830, 13107
        basis[2 * pair + 1, [one, other]] = -13107, 9830
    numbers, classes = np.arange(count), np.indices(CONTEXTS)
    liveliness = classes[0] * 2 + classes[1] * 4 + classes[2] * 4
    contexts = np.clip(20 - numbers[:, None, None, None] // 4 + liveliness, 0, TABLES - 1)
    counts = np.zeros((TABLES, ALPHABET), dtype=np.int64)
    for table in range(TABLES):
        count_now = 1 << 30
        for size in range(CODED + 1):
            counts[table, [CODED - size, CODED + size]] = count_now
            count_now = count_now * (3 + table) // (5 + table)
    return PredictionFormat(
        basis=basis,
        steps=np.where(numbers % 5, 256, 384),
        origin=numbers % 7 - 3,
        rates=400 // (1 + np.arange(DISTANCES)[:, None]) + 3 * numbers[None],
        contexts=contexts,
        tables=frequencies_of(counts),
    )


def golden_picture() -> np.ndarray:
    """Draw a smooth colour picture, uint8 [64, 96, 3]."""
    y, x = np.mgrid[0:64, 0:96]
    return np.stack([x * 255 // 96, y * 255 // 64, (x + y) * 255 // 160], axis=-1).astype(np.uint8)


def golden_packets(motion_format: MotionFormat) -> list[dict[str, object]]:
    """Code six motions in both modes and with several K', with what each packet says."""
    packets: list[dict[str, object]] = []
    for index, motion in enumerate(golden_motions(6, seed=7)):
        rounding, keypoints = index % 2 == 0, (20, 20, 5, 13, 0, 0)[index]
        encoder = MotionEncoder(motion_format, rounding=rounding)
        wide = replace(
            motion, rotation=motion.rotation * (40 if index == 2 else 1)
        )  # beyond 360 degrees once
        captured_s, source = 67.5 + index / 4, index % 4
        packet = encoder.encode(wide, captured_s=captured_s, source=source, keypoints=keypoints)
        assert encoder.last is not None
        decoded = [encoder.last.rotation, encoder.last.translation, encoder.last.expression.reshape(-1)]
        packets.append(
            {
                "rounding": rounding,
                "keypoints": keypoints,
                "captured_s": captured_s,
                "source": source,
                "sent": [float(x) for x in (*wide.rotation, *wide.translation, *wide.expression.reshape(-1))],
                "packet": packet.hex(),
                "decoded": [float(number) for part in decoded for number in part],
            }
        )
    return packets


def golden_bundles(motion_format: MotionFormat) -> list[dict[str, object]]:
    """Code 21 motions in bundles: alone, against acknowledged ones near and far, repeated, with fewer keypoints, with
    an acknowledgement, with a difference that takes an escape, and after a silence."""
    encoder, decoder = PredictiveEncoder(motion_format), MotionDecoder(motion_format)
    motions = iter(golden_motions(21, seed=9))
    ticks, vectors = 4080, []
    for frames, learned, repeated, keypoints, acknowledged, silence in (
        (1, None, 0, None, None, 0),
        (2, 4082, 0, None, 7, 0),
        (4, None, 0, None, None, 0),
        (1, 4087, 2, None, None, 0),
        (2, None, 1, None, 4095, 0),
        (1, 5, 0, 8, None, 0),
        (3, None, 0, None, None, 35),
        (1, None, 3, None, None, 0),
        (4, None, 1, 0, None, 100),
        (2, 160, 0, None, None, 0),
    ):
        ticks += silence
        captures = []
        for _ in range(frames):
            ticks += 2 + len(vectors) % 2
            motion = next(motions)
            if len(vectors) == 4:
                motion = replace(motion, rotation=motion.rotation * 40)
            captures.append(Capture(motion, ticks / 60))
        if learned is not None:
            encoder.acknowledge(learned)
        packet = encoder.encode(
            captures,
            source=len(vectors) % 4,
            keypoints=keypoints,
            repeated=repeated,
            acknowledged=acknowledged,
        )
        decoded = decoder.decode(packet)
        vectors.append(
            {
                "learned": learned,
                "captured_s": [capture.captured_s for capture in captures],
                "sent": [numbers_of(capture.motion) for capture in captures],
                "source": len(vectors) % 4,
                "keypoints": keypoints,
                "repeated": repeated,
                "acknowledged": acknowledged,
                "packet": packet.hex(),
                "ticks": [one.ticks for one in decoded],
                "decoded": [numbers_of(one.motion) for one in decoded],
            }
        )
    return vectors


def golden_streams(motion_format: MotionFormat) -> dict[str, list[dict[str, object]]]:
    """Code every K' in both static modes, and bundles of every size at distances of every class; of what is decoded
    there is a hash."""
    statics, decoder = [], MotionDecoder(motion_format)
    for packet in _static_stream(motion_format):
        (decoded,) = decoder.decode(packet)
        statics.append(
            {"packet": packet.hex(), "ticks": [decoded.ticks], "decoded": hash_of([decoded.motion])}
        )
    bundles, decoder = [], MotionDecoder(motion_format)
    for packet in _predictive_stream(motion_format):
        motions = decoder.decode(packet)
        ticks = [one.ticks for one in motions]
        hashed = hash_of([one.motion for one in motions])
        bundles.append({"packet": packet.hex(), "ticks": ticks, "decoded": hashed})
    return {"static": statics, "predictive": bundles}


def _static_stream(motion_format: MotionFormat) -> Iterator[bytes]:
    motions = golden_motions(KEYPOINTS + 1, seed=13)
    for rounding in (True, False):
        encoder = MotionEncoder(motion_format, rounding=rounding)
        for keypoints, motion in enumerate(motions):
            for factor in (1, 256):  # the larger one is cut to its range, and so is what is guessed from it
                sent = replace(motion, expression=motion.expression * factor)
                yield encoder.encode(
                    sent, captured_s=keypoints / 4, source=keypoints % 4, keypoints=keypoints
                )


def _predictive_stream(motion_format: MotionFormat) -> Iterator[bytes]:
    motions = golden_motions(200, seed=17)
    ticks = 3500  # they wrap on the way
    for number, distance in enumerate(DISTANCES_SENT * 3):
        new, repeated = SIZES[(number + 3 * (number // len(DISTANCES_SENT))) % len(SIZES)]
        encoder, anchor = PredictiveEncoder(motion_format), ticks  # the first motion refers to nothing
        yield encoder.encode(
            [Capture(motions.pop(), ticks / 60)], source=0, keypoints=(None, 0, 7)[number % 3]
        )
        if distance:
            encoder.acknowledge(anchor % 4096)
        ticks += distance or 2
        for _ in range(repeated):
            yield encoder.encode([Capture(motions.pop(), ticks / 60)], source=1)
            ticks += SPACINGS[number % len(SPACINGS)]
        captures = []
        for index in range(new):
            motion = motions.pop()
            if number % 4 == 3:  # takes escapes
                motion = replace(motion, rotation=motion.rotation * 40, expression=motion.expression * 200)
            captures.append(Capture(motion, ticks / 60))
            ticks += SPACINGS[(number + index) % len(SPACINGS)]
        acknowledged = (None, number)[number % 2]
        yield encoder.encode(captures, source=number % 4, repeated=repeated, acknowledged=acknowledged)


def hash_of(motions: list[Motion]) -> str:
    """Return 16 digits of the SHA-256 of motions' numbers as float32, big-endian."""
    numbers = np.array([numbers_of(motion) for motion in motions], dtype=">f4")
    return hashlib.sha256(numbers.tobytes()).hexdigest()[:16]


def numbers_of(motion: Motion) -> list[float]:
    """Return a motion's numbers, pose first."""
    return [float(x) for x in (*motion.rotation, *motion.translation, *motion.expression.reshape(-1))]


def main(folder: Path) -> None:
    motion_format = golden_format()
    motion_format.save(folder / "codec_format.npz")
    name = motion_format.hash.hex()
    motion = {"format_hash": name, "packets": golden_packets(motion_format)}
    bundles = {"format_hash": name, "packets": golden_bundles(motion_format)}
    streams = {"format_hash": name, **golden_streams(motion_format)}
    control = {name: encode_control(message).hex() for name, message in MESSAGES.items()}
    (folder / "codec_motion.json").write_text(json.dumps(motion, indent=1) + "\n")
    (folder / "codec_bundles.json").write_text(json.dumps(bundles) + "\n")
    (folder / "codec_streams.json").write_text(json.dumps(streams, indent=0) + "\n")
    (folder / "codec_control.json").write_text(json.dumps(control, indent=1) + "\n")
    (folder / "codec_picture.avif").write_bytes(encode_picture(golden_picture(), quality=80))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
