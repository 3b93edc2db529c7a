"""Where training footage comes from: a data folder, or a pack of one (`models.training.pack`).

The layout of the data folder is that of its README (clips/NAME.mp4 beside landmarks/NAME.npz, portraits with
landmarks.npz, canonical_face.npz). A folder's frames are decoded once into a cache, a pack's at every start.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from models.student import RIGID_VERTICES
from models.training.footage import (
    DataError,
    Floats,
    Footage,
    LevelFace,
    fit_size,
    image_coordinates,
    make_footage,
    why_unread,
)
from models.training.kept import keep
from models.training.pack import read_clips, read_level_face, read_portraits
from runtime.geometry import KEYPOINT_VERTICES


def load_level_face(data: Path) -> LevelFace:
    """Read the level face of a data folder or a pack."""
    if data.is_file():
        return read_level_face(data)
    try:
        with np.load(data / "canonical_face.npz") as file:
            vertices = tuple(int(v) for v in file["vertices"])
            return LevelFace(vertices, file["points"].astype(np.float32), file["mirror"].astype(np.int64))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{data} has no readable canonical_face.npz: {why_unread(error)}") from None


def load_clips(data: Path, cache: Path, *, size: int, level: LevelFace, least_crop: int = 0) -> Footage:
    """Load the training clips, pictures [N, size, size, 3]; a folder's are decoded into `cache` the first time.

    Of a folder, clips whose crop had fewer than `least_crop` pixels a side are left out; a pack that holds such clips
    is refused (DataError).
    """
    if data.is_file():
        footage = read_clips(data, size=size, level=level)
        if footage.crop_side.min() < least_crop:
            raise DataError(
                f"{data} holds clips of fewer than {least_crop} pixels a side: pack again with --crop {least_crop}"
            )
        return footage
    name = f"train{size}-crop{least_crop}" if least_crop else f"train{size}"
    frames_path, meta_path = cache / f"{name}.npy", cache / f"{name}.npz"
    if not meta_path.exists():
        _decode_clips(clip_rows(data, least_crop=least_crop), data, frames_path, meta_path, size)
    with np.load(meta_path) as meta:
        return make_footage(
            np.load(frames_path, mmap_mode="r"),
            meta["landmarks"],
            meta["clip"].astype(np.int64),
            meta["identity"].astype(np.int64),
            meta["side"].astype(np.int64),
            level,
        )


def clip_rows(data: Path, *, least_crop: int = 0) -> list[dict[str, str]]:
    """Return the training clips' rows of a data folder's index.csv, in the order of the footage."""
    try:
        with (data / "index.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
        rows = [row for row in rows if int(row["crop_side"] or 0) >= least_crop]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{data} has no readable index.csv: {why_unread(error)}") from None
    if not rows:
        raise DataError(f"{data} has no training clip whose crop is {least_crop} pixels a side")
    return rows


def _decode_clips(
    rows: list[dict[str, str]], data: Path, frames_path: Path, meta_path: Path, size: int
) -> None:
    from rich.progress import track  # only here: a machine that trains from a pack need not have it

    shape = (sum(int(row["frames"]) for row in rows), size, size, 3)
    people = sorted({row["identity"] for row in rows})
    landmarks: list[Floats] = []
    clip: list[int] = []
    told = f"Decoding the clips once, {math.prod(shape) / 1e9:.1f} GB in {frames_path}"

    def write(file: BinaryIO) -> None:
        # Not through a mapped file: where the disk is full, writing to that ends the program without a word.
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for number, row in enumerate(track(rows, description=told)):
            for picture, points in _decoded(data, row["name"], size):
                file.write(picture.tobytes())
                landmarks.append(points)
                clip.append(number)
        if len(clip) != shape[0]:
            raise DataError(
                f"the clips of {data} hold {len(clip)} frames with landmarks where index.csv says {shape[0]}"
            )

    keep(frames_path, write)
    about: dict[str, Any] = {
        "landmarks": np.stack(landmarks),
        "clip": np.array(clip),
        "identity": np.array([people.index(rows[number]["identity"]) for number in clip]),
        "side": np.array([int(row["crop_side"] or 0) for row in rows]),
    }
    keep(meta_path, lambda file: np.savez(file, **about))


def _decoded(data: Path, name: str, size: int) -> Iterator[tuple[NDArray[np.uint8], Floats]]:
    """Yield a clip's frames [size, size, 3], as far as they have landmarks, with those."""
    import av  # only here, as above

    try:
        with np.load(data / "train" / "landmarks" / f"{name}.npz") as file:
            points = image_coordinates(file["landmarks"])
        with av.open(str(data / "train" / "clips" / f"{name}.mp4")) as video:
            for each, frame in zip(points, video.decode(video=0), strict=False):
                yield fit_size(frame.to_ndarray(format="rgb24"), size), each
    except (OSError, KeyError, ValueError, av.FFmpegError) as error:
        raise DataError(f"{data} has no readable clip {name}: {why_unread(error)}") from None


def load_portraits(data: Path, *, size: int, level: LevelFace) -> Footage | None:
    """Load the still portraits, each a clip of its own; pictures [N, size, size, 3]. None where there are none."""
    if data.is_file():
        return read_portraits(data, size=size, level=level)
    if not (data / "portraits").is_dir():
        return None
    with np.load(data / "portraits" / "landmarks.npz") as file:
        names = [name for name in file.files if name != "vertices"]
        landmarks = np.stack([image_coordinates(file[name]) for name in names])
    pictures = []
    for name in names:
        picture = cv2.imread(str(data / "portraits" / f"{name}.jpg"))
        if picture is None:
            raise DataError(f"{data}/portraits/{name}.jpg cannot be read")
        pictures.append(fit_size(picture[..., ::-1], size))
    each = np.arange(len(names))
    return make_footage(np.stack(pictures), landmarks, each, each, np.full(len(names), 512), level)


def in_shares(clips: Footage, portraits: Footage | None, *, share: float) -> list[tuple[Footage, float]]:
    """Return what is learned from, each with its share of the samples: the clips alone where there are no portraits."""
    return [(clips, 1.0)] if portraits is None else [(clips, 1 - share), (portraits, share)]


@dataclass(frozen=True)
class Targets:
    """What the motion student learns of every frame of a footage; image coordinates or distances between irises."""

    points: Floats  # [N, K + P, 2]
    depth: Floats  # [N, K] z of the keypoints in the head's own scale, before any turn of the picture
    canonical: Floats  # [N, K, 3]
    scale: Floats  # [N]
    mirror: NDArray[np.int64]  # [K + P] each point's twin


def student_targets(footage: Footage, level: LevelFace) -> Targets:
    """Derive the student's targets from a footage's landmarks and poses."""
    keypoint_rows, rigid_rows = level.rows(KEYPOINT_VERTICES), level.rows(RIGID_VERTICES)
    keypoints = footage.landmarks[:, keypoint_rows]
    model = level.points[rigid_rows]
    rigid = (
        footage.scale[:, None, None] * (model @ np.swapaxes(footage.rotation, 1, 2)) + footage.origin[:, None]
    )
    vertices = list(KEYPOINT_VERTICES)
    twins = [vertices.index(level.vertices[level.mirror[row]]) for row in keypoint_rows]
    rigid_vertices = list(RIGID_VERTICES)
    twins += [len(vertices) + rigid_vertices.index(level.vertices[level.mirror[row]]) for row in rigid_rows]
    return Targets(
        points=np.concatenate([keypoints[..., :2], rigid[..., :2]], 1).astype(np.float32),
        depth=((keypoints[..., 2] - footage.origin[:, None, 2]) / footage.scale[:, None]).astype(np.float32),
        canonical=footage.neutral[footage.clip][:, keypoint_rows],
        scale=footage.scale,
        mirror=np.array(twins),
    )


def people_weights(identity: NDArray[np.int64], clip: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weigh frames so that every person is drawn equally often, and every clip of a person alike."""
    _, person, person_count = np.unique(identity, return_inverse=True, return_counts=True)
    # The square root keeps a person of one second from being shown as often as a person of a minute.
    weights = 1 / np.sqrt(person_count[person].astype(np.float64))
    return weights / weights.sum()


def cumulative(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum weights up, for `draw_row`."""
    sums = weights.cumsum()
    return sums / sums[-1]


def draw_row(rng: np.random.Generator, sums: NDArray[np.float64]) -> int:
    """Draw a row by its weight: the same row as `rng.choice`, which would sum the weights up at every draw."""
    return int(sums.searchsorted(rng.random(), side="right"))
