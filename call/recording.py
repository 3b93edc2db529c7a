"""A motion recording: how a face moved, as numbers, so that a demo needs nobody's footage.

Each frame holds the difference from the recorded person's face at rest: rotation in degrees, translation in
image units, expression in distances between the irises. Knows no picture; `call.portrait` brings one to life.
`python -m call.recording CLIP OUT.npz` makes one with the profile's own encoder.
"""

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from call.errors import CallError

Floats = NDArray[np.float32]
SHIPPED = Path(__file__).with_name("demo_motion.npz")


@dataclass(frozen=True)
class Recording:
    """T frames of K keypoints at `frame_rate`: rotation [T, 3], translation [T, 3], expression [T, K, 3]."""

    frame_rate: float
    rotation: Floats
    translation: Floats
    expression: Floats

    def __len__(self) -> int:
        return len(self.rotation)

    def save(self, path: Path) -> None:
        """Write an .npz; half precision is finer than any step that is sent."""
        np.savez_compressed(
            path,
            frame_rate=np.float32(self.frame_rate),
            rotation=self.rotation.astype(np.float16),
            translation=self.translation.astype(np.float16),
            expression=self.expression.astype(np.float16),
        )


def load_recording(path: Path = SHIPPED) -> Recording:
    """Read a recording; raises CallError where the file is absent, damaged or of other shapes."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = [file[name].astype(np.float32) for name in ("rotation", "translation", "expression")]
            frame_rate = float(file["frame_rate"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise CallError(f"The motion recording {path} cannot be read: {error}.") from error
    rotation, translation, expression = arrays
    frames = len(rotation)
    fits = rotation.shape == translation.shape == (frames, 3) and expression.shape[0::2] == (frames, 3)
    if not frames or not fits or not all(np.isfinite(array).all() for array in arrays):
        raise CallError(f"The motion recording {path} is damaged.")
    return Recording(frame_rate, rotation, translation, expression)


def record(clip: Path, *, profile: str, rest: int) -> Recording:
    """Estimate the motion of each frame of a square clip; frame `rest` is the one taken as the face at rest."""
    import av
    import cv2

    from call.ends import load_talker

    talker, loaded = load_talker(profile, "openvino")
    size = loaded.picture_size
    motions = []
    with av.open(str(clip)) as container:
        frame_rate = float(container.streams.video[0].average_rate or 25)
        for frame in container.decode(video=0):
            whole = frame.to_ndarray(format="rgb24")
            picture = np.asarray(cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
            motions.append(talker.estimate(picture, None))
    rotation, translation, expression = (
        np.stack([np.asarray(part, np.float32) for part in parts]) for parts in zip(*motions, strict=True)
    )
    return Recording(
        frame_rate,
        rotation - rotation[rest],
        translation - translation[rest],
        expression - expression[rest],
    )


def main() -> None:
    """Record CLIP into OUT; the optional third argument is the frame at rest."""
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: python -m call.recording CLIP OUT.npz [FRAME_AT_REST]")
    rest = int(sys.argv[3]) if len(sys.argv) == 4 else 0
    record(Path(sys.argv[1]), profile="laptop-256", rest=rest).save(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
