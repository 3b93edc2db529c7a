"""Make the codec's golden vectors: `python tests/golden/make_codec.py` from the repository's root.

They fix the bitstream. Run it only when the format changes on purpose, together with the protocol's version.
Every number in them comes from integer arithmetic, so that they can be made again anywhere.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from codec.control import (
    Feedback,
    Goodbye,
    Message,
    OrderedMotion,
    PicturePiece,
    PictureReady,
    PictureRefused,
    encode_control,
)
from codec.encoder import MotionEncoder
from codec.format import MotionFormat
from codec.hello import Hello
from codec.motion import Motion
from codec.picture import encode_picture
from codec.tables import fit_tables

FOLDER = Path(__file__).parent
KEYPOINTS = 20

MESSAGES: dict[str, Message] = {
    "hello": Hello(1, "laptop-256", bytes(range(32)), bytes(range(32, 64)), 256, 29.97, 5, bytes(range(16))),
    "piece": PicturePiece(258, 3, 2, 4, bytes(range(32)), b"picture"),
    "ready": PictureReady(258, 3),
    "refused": PictureRefused(258, "the picture is damaged"),
    "feedback": Feedback(4000, 0x80000001, 45, 70000, 2),
    "feedback_before_the_first": Feedback(None, 0, 0, 0, None),
    "goodbye": Goodbye("done, à bientôt"),
    "ordered_motion": OrderedMotion(bytes.fromhex("001fd2c0ffee")),
}


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
    return fit_tables(golden_motions(300, seed=1), expression_steps=steps)


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


def main() -> None:
    motion_format = golden_format()
    motion_format.save(FOLDER / "codec_format.npz")
    motion = {"format_hash": motion_format.hash.hex(), "packets": golden_packets(motion_format)}
    control = {name: encode_control(message).hex() for name, message in MESSAGES.items()}
    (FOLDER / "codec_motion.json").write_text(json.dumps(motion, indent=1) + "\n")
    (FOLDER / "codec_control.json").write_text(json.dumps(control, indent=1) + "\n")
    (FOLDER / "codec_picture.avif").write_bytes(encode_picture(golden_picture(), quality=80))


if __name__ == "__main__":
    main()
