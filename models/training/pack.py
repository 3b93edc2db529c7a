"""A pack: a data folder's footage in one small file, for machines that hold OpenCV, NumPy and PyTorch and no more.

A .npz without pickled objects, under any name: JPEG pictures end to end in one array of bytes with their offsets (every
n-th frame of the clips, then the portraits), stored landmarks, and the level face. Knows nothing of videos.
"""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.footage import (
    DataError,
    Footage,
    LevelFace,
    fit_size,
    image_coordinates,
    make_footage,
    stored_landmarks,
    why_unread,
)
from models.training.kept import keep

VERSION = 1
MEGABYTE = 1_000_000
PARTS = frozenset(
    {
        "version",
        "about",
        "blob",
        "offsets",
        "clips",
        "landmarks",
        "clip",
        "identity",
        "frame",
        "time_s",
        "side",
    }
    | {"portrait_landmarks", "level_vertices", "level_points", "level_mirror"}
)


@dataclass(frozen=True)
class Packed:
    """What went into a pack."""

    size_bytes: int
    frames: int
    portraits: int
    every: int
    quality: int


def write_pack(
    path: Path,
    *,
    clips: Footage,
    portraits: Footage | None,
    level: LevelFace,
    about: list[dict[str, Any]],
    limit_mb: float = 50.0,
    quality: int = 85,
    every: int | None = None,
) -> Packed:
    """Write a pack.

    Args:
        path: the file; its name may end in anything.
        clips: pictures [N, S, S, 3]; the pack's pictures have their size.
        portraits: stills, each a clip of its own; None leaves them out (picture stages need none).
        level: the level face.
        about: of each clip, in the footage's order: `name`, `fps`, `licence`.
        limit_mb: the file may be this large, in millions of bytes.
        quality: of the JPEG pictures, 1 to 100.
        every: keep every n-th frame of each clip; the smallest n that fits if None.

    Raises:
        DataError: a pack that cannot be made so small, or a full disk.
    """
    stills = [] if portraits is None else list(_encode_all(portraits, range(len(portraits.clip)), quality))
    none = np.zeros((0, *clips.landmarks.shape[1:]), np.int16)
    still_landmarks = none if portraits is None else stored_landmarks(portraits.landmarks)
    first = np.searchsorted(clips.clip, clips.clip, side="left")
    number = np.arange(len(clips.clip)) - first  # of a frame in its clip
    room = limit_mb * MEGABYTE - sum(map(len, stills)) - still_landmarks.nbytes
    if every is None:
        every = _choose_every(clips, number, quality=quality, room=room)
    while True:
        kept = np.flatnonzero(number % every == 0)
        frames = list(_encode_all(clips, kept, quality))
        fps = np.array([float(about[index]["fps"]) for index in clips.clip[kept]])
        blob = b"".join([*frames, *stills])
        arrays = {
            "version": np.array(VERSION),
            "about": _text(about),
            "blob": np.frombuffer(blob, np.uint8),
            "offsets": np.cumsum([0, *map(len, frames), *map(len, stills)]),
            "clips": np.array(len(kept)),
            "landmarks": stored_landmarks(clips.landmarks[kept]),
            "clip": clips.clip[kept].astype(np.int32),
            "identity": clips.identity[kept].astype(np.int32),
            "frame": number[kept].astype(np.int32),
            "time_s": (number[kept] / fps).astype(np.float32),
            "side": clips.crop_side,
            "portrait_landmarks": still_landmarks,
            "level_vertices": np.array(level.vertices),
            "level_points": level.points,
            "level_mirror": level.mirror,
        }
        size = _write(path, arrays)
        if size <= limit_mb * MEGABYTE:
            return Packed(size, len(frames), len(stills), every, quality)
        if every >= number.max():
            path.unlink()
            raise DataError(
                f"one frame a clip and the portraits are {size / MEGABYTE:.1f} MB at quality {quality}, more than"
                f" {limit_mb:g} MB: lower the quality"
            )
        every += 1


def read_level_face(path: Path) -> LevelFace:
    """Read the level face; raises DataError where the file is no pack."""
    held = _read(path, ("level_vertices", "level_points", "level_mirror"))
    return LevelFace(
        tuple(int(v) for v in held["level_vertices"]),
        held["level_points"].astype(np.float32),
        held["level_mirror"].astype(np.int64),
    )


def read_clips(path: Path, *, size: int, level: LevelFace) -> Footage:
    """Decode the clips' frames into pictures [N, size, size, 3]; raises DataError."""
    held = _read(path, ("blob", "offsets", "clips", "landmarks", "clip", "identity", "side"))
    count = int(held["clips"])
    return make_footage(
        _decode(path, held["blob"], held["offsets"][: count + 1], size),
        image_coordinates(held["landmarks"]),
        held["clip"].astype(np.int64),
        held["identity"].astype(np.int64),
        held["side"].astype(np.int64),
        level,
    )


def read_portraits(path: Path, *, size: int, level: LevelFace) -> Footage | None:
    """Decode the portraits into pictures [N, size, size, 3], None where there are none; raises DataError."""
    held = _read(path, ("blob", "offsets", "clips", "portrait_landmarks"))
    offsets = held["offsets"][int(held["clips"]) :]
    each = np.arange(len(offsets) - 1)
    if not len(each):
        return None
    return make_footage(
        _decode(path, held["blob"], offsets, size),
        image_coordinates(held["portrait_landmarks"]),
        each,
        each,
        np.full(len(each), size),
        level,
    )


def _encode(picture: NDArray[Any], quality: int) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), options)
    return data.tobytes()


def _encode_all(clips: Footage, rows: Iterable[int], quality: int) -> Iterator[bytes]:
    for row in rows:
        yield _encode(np.asarray(clips.pictures[row]), quality)


def _choose_every(clips: Footage, number: NDArray[np.int64], *, quality: int, room: float) -> int:
    """Return the smallest n whose every n-th frames probably fit, from the sizes of a few."""
    sample = np.unique(np.linspace(0, len(number) - 1, 300).astype(int))
    mean = np.mean([len(data) for data in _encode_all(clips, sample, quality)])
    mean += clips.landmarks[0].size * 2 + 32
    for every in range(1, int(number.max()) + 1):
        if np.count_nonzero(number % every == 0) * mean <= room:
            return every
    return int(number.max()) + 1


def _write(path: Path, arrays: dict[str, Any]) -> int:
    keep(path, lambda file: np.savez_compressed(file, **arrays))
    return path.stat().st_size


def _read(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path) as file:
            if missing := PARTS - set(file.files):
                raise DataError(f"{path} is no pack: it lacks {', '.join(sorted(missing))}")
            if int(file["version"]) != VERSION:
                raise DataError(
                    f"{path} is a pack of version {int(file['version'])}; this program reads version {VERSION}"
                )
            return {name: file[name] for name in names}
    except DataError:
        raise
    except Exception as error:  # NumPy, zip and zlib have each their own ways to fail over damaged bytes
        raise DataError(f"{path} cannot be read as a pack: {why_unread(error)}") from None


def _decode(path: Path, blob: NDArray[Any], offsets: NDArray[np.int64], size: int) -> NDArray[Any]:
    pictures = np.empty((len(offsets) - 1, size, size, 3), np.uint8)

    def decode(index: int) -> None:
        data = blob[offsets[index] : offsets[index + 1]]
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if picture is None or picture.shape[0] != picture.shape[1]:
            raise DataError(f"{path} is damaged: its picture {index} cannot be read")
        pictures[index] = fit_size(np.asarray(picture)[..., ::-1], size)

    with ThreadPoolExecutor() as pool:  # OpenCV decodes without Python's lock
        for _ in pool.map(decode, range(len(pictures))):
            pass
    return pictures


def _text(value: Any) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(value).encode(), np.uint8)
