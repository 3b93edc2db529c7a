"""One video's preparation, from its file to finished clips: what a worker does, on whatever machine.

Nothing appears under its final name before it is whole, and the record comes last: without it a video is done again.
"""

import functools
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.prepare.faces import FaceFollower, Seen
from models.prepare.mesh import OpenLandmarker
from models.prepare.settings import Clip, Dropped, PrepareError, Record, Settings
from models.prepare.shots import Stretch, find_stretches
from models.prepare.take import View, record_take
from models.prepare.video import Picture, Video, probe
from runtime import engine
from runtime.profile import load_profile
from runtime.talker import Talker

PARTIAL = ".partial"


@dataclass(frozen=True)
class Job:
    """A video to prepare: it travels to the worker."""

    videos: Path  # folder
    path: str  # in it
    name: str  # of the clips, before their numbers
    output: Path
    settings: Settings


def prepare_video(job: Job, open_landmarker: OpenLandmarker) -> Record:
    """Prepare one video, unless its record says that the same file was prepared with the same settings.

    Raises:
        PrepareError: a file that is no whole video, no face mesh.
        OSError: a full disk and the like.
    """
    cv2.setNumThreads(1)  # the workers are as many as the processors
    source = job.videos / job.path
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    before = read_record(job.output, job.name)
    if before and (before.sha256, before.settings) == (digest, job.settings.digest()):
        return before
    partial = job.output / PARTIAL / job.name
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        record = _prepare(job, probe(source), digest, partial, open_landmarker)
        if before:
            remove_record(job.output, job.name, before)
        for clip in record.clips:
            os.replace(partial / f"{clip.name}.npz", landmarks_path(job.output, clip.name))
            os.replace(partial / f"{clip.name}.mp4", clip_path(job.output, clip.name))
        write_whole(record_path(job.output, job.name), json.dumps(record.to_json(), indent=1))
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return record


def clip_path(output: Path, clip: str) -> Path:
    """Return where a clip's pictures lie."""
    return output / "train" / "clips" / f"{clip}.mp4"


def landmarks_path(output: Path, clip: str) -> Path:
    """Return where a clip's landmarks lie."""
    return output / "train" / "landmarks" / f"{clip}.npz"


def record_path(output: Path, name: str) -> Path:
    """Return where a video's record lies."""
    return output / "videos" / f"{name}.json"


def read_record(output: Path, name: str) -> Record | None:
    """Read a video's record; None where there is none, or its clips are gone."""
    try:
        record = Record.from_json(json.loads(record_path(output, name).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    paths = [path(output, clip.name) for clip in record.clips for path in (clip_path, landmarks_path)]
    return record if all(path.is_file() for path in paths) else None


def remove_record(output: Path, name: str, record: Record) -> None:
    """Take a video's clips out of the output, its record first."""
    record_path(output, name).unlink(missing_ok=True)
    for clip in record.clips:
        clip_path(output, clip.name).unlink(missing_ok=True)
        landmarks_path(output, clip.name).unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a file that is never seen half written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@functools.cache
def load_talker(profile: str) -> Talker:
    """Load a profile's graphs, once a process."""
    found = load_profile(profile, whole=False)
    return Talker(engine.load(found), picture_size=found.picture_size)


def _prepare(job: Job, video: Video, digest: str, folder: Path, open_landmarker: OpenLandmarker) -> Record:
    follower = FaceFollower(load_talker(job.settings.profile).locate)
    seen: list[Seen] = []
    shape: tuple[int, ...] = ()
    for frame in video.frames():
        if shape and frame.shape != shape:
            raise PrepareError(f"{video.path} changes its size after {len(seen)} frames")
        shape = frame.shape
        seen.append(follower.see(frame))
    if not seen:
        raise PrepareError(f"{video.path} holds no picture that can be decoded")
    fps = float(video.fps)
    stretches, dropped = find_stretches(seen, fps=fps, width=shape[1], height=shape[0], settings=job.settings)
    clips: list[Clip] = []
    numbered = enumerate(video.frames())
    for stretch in stretches:
        name = f"{job.name}-{len(clips) + 1}"
        made = record_take(
            _views(numbered, stretch, seen),
            folder / name,
            video=video,
            first=stretch.first,
            square=stretch.square,
            settings=job.settings,
            open_landmarker=open_landmarker,
        )
        if isinstance(made, Clip):
            clips.append(made)
        else:
            dropped.append(Dropped(stretch.first / fps, stretch.end / fps, made))
    dropped.sort(key=lambda stretch: stretch.start_s)
    return Record(job.path, digest, job.settings.digest(), len(seen) / fps, tuple(clips), tuple(dropped))


def _views(numbered: Iterator[tuple[int, Picture]], stretch: Stretch, seen: list[Seen]) -> Iterator[View]:
    """Yield what a stretch's square shows of its frames, and leave the iterator behind the stretch."""
    square = stretch.square
    for index, frame in numbered:
        if index >= stretch.first:
            face = seen[index].face
            yield View(
                frame[square.top : square.top + square.side, square.left : square.left + square.side],
                None
                if face is None
                else np.array([face.centre_x - square.left, face.centre_y - square.top]) / square.side,
            )
        if index >= stretch.end - 1:
            return
