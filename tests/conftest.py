"""Fixtures that every folder's tests share: the data folder, the trained profile, clips with one face, two, none."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from call.film import write_clip
from call.portrait import load_portrait

Picture = NDArray[np.uint8]
FRAME_RATE = 25.0

# Whoever runs the tests in a script's background has Ctrl-C ignored, and every process that a test starts and
# interrupts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no fault of the code: examples are not timed.
settings.register_profile(
    "untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

ROOT = Path(__file__).parent.parent
PROFILE = ROOT / "models" / "profiles" / "laptop-256"
GRAPHS = (
    "locate.onnx",
    "source.onnx",
    "motion.onnx",
    "frame.onnx",
    "frame.int8.bin",
    "motion.int8.bin",
    "tables.npz",
)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of clips and metric networks that $VISAVIS_DATA names; skips where it is absent."""
    named = os.environ.get("VISAVIS_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (folder / "index.csv").is_file():
        pytest.skip(f"no data at {folder}: set VISAVIS_DATA to the folder of clips")
    return folder


@pytest.fixture(scope="session")
def val_clip(data_folder: Path) -> Path:
    """One short clip of a stranger (never trained on)."""
    clips = sorted((data_folder / "val" / "clips").glob("*.mp4"))
    if not clips:
        pytest.skip(f"no clips in {data_folder}/val")
    return clips[0]


@pytest.fixture(scope="session")
def profile_folder() -> Path:
    """The trained profile that a call runs with; skips until its graphs are there."""
    missing = [name for name in GRAPHS if not (PROFILE / name).is_file()]
    if missing:
        pytest.skip(f"the profile {PROFILE.name} has no {missing[0]} yet")
    return PROFILE


def portrait_frames(frames: int, size: int = 256) -> Iterable[Picture]:
    """The astronaut's portrait, swaying a little: a real face without anybody's footage."""
    face = load_portrait(size)
    for index in range(frames):
        angle, shift = 4 * np.sin(index / 6), 5 * np.sin(index / 9)
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), float(angle), 1.0)
        turn[0, 2] += shift
        yield np.asarray(cv2.warpAffine(face, turn, (size, size), borderMode=cv2.BORDER_REPLICATE), np.uint8)


@pytest.fixture(scope="session")
def face_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of one face, and a little more."""
    path = tmp_path_factory.mktemp("clips") / "face.mp4"
    write_clip(path, portrait_frames(30), frame_rate=FRAME_RATE)
    return path


@pytest.fixture(scope="session")
def two_faces_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of two faces side by side, one smaller."""
    path = tmp_path_factory.mktemp("clips") / "two.mp4"

    def frames() -> Iterable[Picture]:
        for picture in portrait_frames(25):
            other = np.full_like(picture, 128)
            other[60:220, 60:220] = cv2.resize(picture[:, ::-1], (160, 160), interpolation=cv2.INTER_AREA)
            yield np.hstack([picture, other])

    write_clip(path, frames(), frame_rate=FRAME_RATE)
    return path


@pytest.fixture(scope="session")
def leaving_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that is there for a second, gone for longer, and back for a second."""
    path = tmp_path_factory.mktemp("clips") / "leaving.mp4"
    here = list(portrait_frames(25))
    wall = np.full_like(here[0], 150)
    write_clip(path, [*here, *[wall] * 30, *here], frame_rate=FRAME_RATE)
    return path


@pytest.fixture(scope="session")
def faceless_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a wall with a shadow on it."""
    path = tmp_path_factory.mktemp("clips") / "wall.mp4"
    shade = np.linspace(60, 180, 256, dtype=np.uint8)
    wall = np.ascontiguousarray(np.broadcast_to(shade[None, :, None], (256, 256, 3)))
    write_clip(path, [wall] * 25, frame_rate=FRAME_RATE)
    return path
