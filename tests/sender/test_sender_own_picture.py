"""The sender's own source picture from call to call."""

import stat
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from codec.picture import encode_picture
from sender.own_picture import OwnPicture
from tests.sender.held_fakes import MirrorTalker, face, motion


class Talker(MirrorTalker):
    """Sees no motion in any picture."""

    def estimate(self, picture: np.ndarray, source: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        still = motion()
        return still.rotation, still.translation, still.expression


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "own.picture"


def recall(path: Path, seen: np.ndarray) -> bytes | None:
    source = OwnPicture(path).recall(seen, Talker())  # type: ignore[arg-type]
    return None if source is None else source.data


def test_the_same_person_in_the_same_light_begins_with_the_same_picture(path: Path) -> None:
    data = encode_picture(face())
    OwnPicture(path).keep(data)
    assert recall(path, cv2.GaussianBlur(face(), (0, 0), 0.5)) == data


def test_another_person_or_another_light_does_not(path: Path) -> None:
    OwnPicture(path).keep(encode_picture(face()))
    assert recall(path, face(seed=8)) is None
    assert recall(path, face() // 2) is None


def test_a_picture_of_another_size_or_a_damaged_file_is_none(path: Path) -> None:
    assert recall(path, face()) is None
    OwnPicture(path).keep(encode_picture(np.ascontiguousarray(face()[:32, :32])))
    assert recall(path, face()) is None
    path.write_bytes(b"no picture")
    assert recall(path, face()) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a user's folders to the user by itself")
def test_nobody_else_can_look_at_the_face(path: Path) -> None:
    OwnPicture(path).keep(b"a face")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
