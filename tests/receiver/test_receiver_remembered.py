"""Source pictures that are kept from call to call."""

import errno
import hashlib
import os
import stat
import sys
from pathlib import Path

import pytest

from codec.picture import MAX_PICTURE_BYTES
from receiver.remembered import MOST_PICTURES, SUFFIX, Remembered


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_a_picture_is_found_again_by_its_hash(tmp_path: Path) -> None:
    Remembered(tmp_path / "new").keep(b"a face")
    assert Remembered(tmp_path / "new").find(digest(b"a face")) == b"a face"
    assert Remembered(tmp_path / "new").find(digest(b"another")) is None


@pytest.mark.parametrize("damage", [b"", b"a fade", bytes(MAX_PICTURE_BYTES + 1)])
def test_a_damaged_file_is_no_picture(tmp_path: Path, damage: bytes) -> None:
    remembered = Remembered(tmp_path)
    remembered.keep(b"a face")
    (path,) = tmp_path.glob(f"*{SUFFIX}")
    path.write_bytes(damage)
    assert remembered.find(digest(b"a face")) is None


def test_the_longest_unused_is_forgotten_first(tmp_path: Path) -> None:
    remembered = Remembered(tmp_path)
    pictures = [bytes([number]) for number in range(MOST_PICTURES + 1)]
    for age, picture in enumerate(pictures[:-1]):
        remembered.keep(picture)
        os.utime(tmp_path / f"{digest(picture).hex()}{SUFFIX}", (age, age))
    assert remembered.find(digest(pictures[0])) is not None  # used just now
    remembered.keep(pictures[-1])
    assert remembered.find(digest(pictures[0])) is not None
    assert remembered.find(digest(pictures[1])) is None
    assert len(list(tmp_path.iterdir())) == MOST_PICTURES


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a user's folders to the user by itself")
def test_nobody_else_can_look_at_the_faces(tmp_path: Path) -> None:
    Remembered(tmp_path / "faces").keep(b"a face")
    (path,) = (tmp_path / "faces").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "faces").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    remembered = Remembered(tmp_path / "taken")
    remembered.keep(b"a face")
    assert remembered.find(digest(b"a face")) is None


def test_a_full_disk_keeps_no_part_of_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", fill)
    Remembered(tmp_path).keep(b"a face")
    assert list(tmp_path.iterdir()) == []


def test_two_calls_keep_the_same_picture_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def meet(path: Path, data: bytes) -> None:
        monkeypatch.setattr(Path, "write_bytes", write)
        Remembered(tmp_path).keep(data)  # the other call, in the midst of this one
        write(path, data)

    monkeypatch.setattr(Path, "write_bytes", meet)
    Remembered(tmp_path).keep(b"a face")
    (path,) = tmp_path.iterdir()
    assert Remembered(tmp_path).find(digest(b"a face")) == b"a face"
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
