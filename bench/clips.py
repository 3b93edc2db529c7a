"""Clips to measure on: which there are in a folder, their pictures as squares of the profile's size, and the face's
box in each picture where landmarks came with the clip. It does not know what is measured."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from bench.errors import BenchError
from bench.metrics.landmarks import Box, box_of
from sender.clips import stated_rate, upright

Picture = npt.NDArray[np.uint8]

VIDEO_SUFFIXES = frozenset({".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v"})
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
# Pictures of a clip are held in memory at once; half a minute at 512 x 512 is 700 MB.
LONGEST_S = 30.0
FALLBACK_RATE = 25.0
# The data set stores places in 1/8192 of the crop's side.
LANDMARK_UNITS = 8192


@dataclass(frozen=True)
class Clip:
    """A video and, where the data set has them, its landmarks, and the side of its crop in pixels of the original."""

    name: str
    path: Path
    landmarks: Path | None
    crop_side: int | None = None


@dataclass(frozen=True)
class Footage:
    """A clip's pictures uint8 SxSx3 RGB, their rate a second, and the face's box (forehead to chin, in pixels) in
    each, None where no landmarks are known."""

    name: str
    pictures: list[Picture]
    rate: float
    boxes: list[Box] | None

    @property
    def seconds(self) -> float:
        """How long the pictures play."""
        return len(self.pictures) / self.rate


def data_folder() -> Path:
    """Return the folder of the project's data: $VISAVIS_DATA, or shared/data beside the repository."""
    named = os.environ.get("VISAVIS_DATA")
    return Path(named) if named else Path(__file__).parents[2] / "shared" / "data"


def backbones_folder() -> Path:
    """Return the folder of the judges' weights; raise BenchError where it is not there."""
    folder = data_folder() / "backbones"
    if not folder.is_dir():
        raise BenchError(f"The judges' weights are not in {folder}; set VISAVIS_DATA to the data folder.")
    return folder


def list_clips(folder: Path, *, names: Sequence[str] = ()) -> list[Clip]:
    """Return the clips of `folder`, by name: those of its clips/ with landmarks/, or else the videos right in it; with
    their crops' sides where index.csv stands beside it.

    `names` takes only these. Raises BenchError where there are none, where two have the same name, or where a name is
    not among them.
    """
    inner = folder / "clips"
    videos = inner if inner.is_dir() else folder
    if not videos.is_dir():
        raise BenchError(f"{folder} is not a folder of clips.")
    found: dict[str, Clip] = {}
    sides = crop_sides(folder) if inner.is_dir() else {}
    for path in sorted(videos.iterdir()):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            if path.stem in found:
                raise BenchError(f"{found[path.stem].path} and {path} have the same name: rename one.")
            landmarks = folder / "landmarks" / f"{path.stem}.npz"
            landmarks_there = landmarks if landmarks.is_file() else None
            found[path.stem] = Clip(path.stem, path, landmarks_there, sides.get(path.stem))
    if not found:
        if (folder / "val" / "clips").is_dir():
            raise BenchError(f"{folder} holds no videos itself: name {folder / 'val'}.")
        raise BenchError(f"{videos} holds no videos ({', '.join(sorted(VIDEO_SUFFIXES))}).")
    missing = [name for name in names if name not in found]
    if missing:
        raise BenchError(f"{videos} has no clip named {missing[0]}.")
    return [found[name] for name in names] if names else list(found.values())


def person_of(name: str) -> str:
    """Return whose clip a name is: clips of one person end in -1, -2, ..."""
    return re.sub(r"-\d+$", "", name)


def large_crops(folder: Path, clips: Sequence[Clip], *, crop_side: int) -> list[Clip]:
    """Return those of `clips` whose crop was at least `crop_side` pixels in the original.

    Raises BenchError where nothing says so of any, or where there is no such clip.
    """
    if all(clip.crop_side is None for clip in clips):
        raise BenchError(f"The sides of the crops are not known: there is no index.csv beside {folder}.")
    large = [clip for clip in clips if (clip.crop_side or 0) >= crop_side]
    if not large:
        raise BenchError(f"No clip of {folder} was cropped from {crop_side} pixels or more.")
    return large


def crop_sides(folder: Path) -> dict[str, int]:
    """Return the sides of a data folder's crops by clip, as far as index.csv beside it says; raises BenchError for an
    index that is none."""
    path = folder.resolve().parent / "index.csv"
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["name"]: int(row["crop_side"]) for row in csv.DictReader(file) if row["crop_side"]}
    except (OSError, KeyError, ValueError) as error:
        raise BenchError(f"The sides of the crops are not to be read from {path}: {error}.") from error


def read_footage(clip: Clip, *, size: int) -> Footage:
    """Return the pictures of `clip` (at most its first 30 s), their centred square brought to `size` x `size`.

    Raises BenchError where the file is no video, or where its landmarks do not fit it.
    """
    pictures, rate = read_video(clip.path, size=size, longest_s=LONGEST_S)
    if clip.landmarks is None:
        return Footage(clip.name, pictures, rate, None)
    with np.load(clip.landmarks) as stored:
        places = stored["landmarks"].astype(np.float64) * size / LANDMARK_UNITS
    if len(places) < len(pictures):
        raise BenchError(f"{clip.landmarks} covers {len(places)} of {len(pictures)} frames of {clip.path}.")
    return Footage(clip.name, pictures, rate, [box_of(points) for points in places[: len(pictures)]])


def read_video(
    path: Path, *, size: int | None = None, longest_s: float | None = None
) -> tuple[list[Picture], float]:
    """Return a video's pictures uint8 HxWx3 RGB, upright as a call films them, and their rate; squares of `size` where
    one is given.

    Raises BenchError where nothing in the file decodes.
    """
    pictures: list[Picture] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise BenchError(f"{path} has no pictures in it.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = stated_rate(stream.average_rate, otherwise=FALLBACK_RATE)
            aspect = float(stream.sample_aspect_ratio or 1)
            for frame in container.decode(stream):
                picture = np.asarray(upright(frame, pixel_aspect=aspect), np.uint8)
                pictures.append(picture if size is None else square(picture, size))
                if longest_s is not None and len(pictures) >= longest_s * rate:
                    break
    except av.FFmpegError as error:
        raise BenchError(f"{path} cannot be read as a video: {error}") from error
    if not pictures:
        raise BenchError(f"{path} has no pictures in it.")
    return pictures, rate


def read_sequence(path: Path) -> list[Picture]:
    """Return the pictures of a video file, or of a folder of pictures in the order of their names.

    Raises BenchError where there are none, or where one does not decode.
    """
    if not path.is_dir():
        return read_video(path)[0]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise BenchError(f"{path} holds no pictures.")
    return [read_picture(file) for file in files]


def read_picture(path: Path) -> Picture:
    """Return a still picture as uint8 HxWx3 RGB; raise BenchError where it is none."""
    data = np.frombuffer(path.read_bytes(), np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise BenchError(f"{path} is not a picture that can be read.")
    return np.ascontiguousarray(picture[:, :, ::-1], np.uint8)


def write_picture(path: Path, picture: Picture) -> None:
    """Write uint8 HxWx3 RGB as the kind of picture that the name says; raise BenchError where that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        written = cv2.imwrite(str(path), picture[:, :, ::-1])
    except cv2.error as error:
        raise BenchError(f"{path} cannot be written: end its name in .png or .jpg.") from error
    if not written:
        raise BenchError(f"{path} cannot be written.")


def square(picture: Picture, size: int) -> Picture:
    """Return the centred square of `picture` HxWx3 at `size` x `size`."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    crop = picture[top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(crop)
    # Area averaging is the honest way down; enlarging wants a smooth kernel.
    kernel = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, (size, size), interpolation=kernel), np.uint8)
