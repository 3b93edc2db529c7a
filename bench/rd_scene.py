"""A clip as the rate-distortion bench measures it: its pictures as a call's camera would give them, the frames that are
judged, and what the judge knows of them. It loads what measures, once a process; it measures no codec."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from bench.clips import Clip, Footage, Picture, read_footage
from bench.errors import BenchError
from bench.judge import Judge, Subject
from bench.rd_ours import Talk
from bench.rd_rows import Row
from bench.rd_store import file_hash, key_of
from bench.rd_versions import Versions, versions_of
from bench.talk import Setup, load_corrector, load_setup
from sender.bring import Corrector

# Raised when the same inputs would give other figures, so that finished points are measured again.
METHOD = 3
# A call's camera gives no more; faster clips are thinned, for every codec alike.
FASTEST = 31.0
# Of the judged frames, each so manieth is compared with its neighbour for flicker.
FLICKER_EVERY = 4


@dataclass(frozen=True)
class Job:
    """A clip and a size to measure at; it travels to the worker. `versions`: of what it is to be measured with;
    `strips`: also draw the report's pictures."""

    clip: Clip
    size: int
    rows: tuple[Row, ...]
    frames: int  # judged
    profile: str
    engine: str
    backbones: Path
    versions: Versions
    store: Path
    strips: bool
    threads: int


class Skipped(BenchError):
    """A clip that says nothing at a size; the message says why."""


@dataclass(frozen=True)
class Scene:
    """A clip, its pictures at the job's size, the judged frames, and what judges and draws them: each is loaded when
    first asked for, so that a clip whose points are all kept costs nothing."""

    job: Job
    digest: str

    @functools.cached_property
    def footage(self) -> Footage:
        """The clip's pictures at the job's size; raises BenchError where they cannot be read."""
        return read_as_called(self.job.clip, self.job.size)

    @functools.cached_property
    def judged(self) -> list[int]:
        """The frames that are judged."""
        return spread(len(self.footage.pictures), self.job.frames)

    @property
    def judge(self) -> Judge:
        """What judges pictures."""
        return load_judge(self.job.backbones, self.job.threads)

    @property
    def setup(self) -> Setup:
        """What draws ours."""
        return load_profile_setup(self.job.profile, self.job.engine)

    @functools.cached_property
    def subject(self) -> Subject:
        """What the judge sees in the judged frames."""
        boxes = self.footage.boxes
        chosen = None if boxes is None else [boxes[index] for index in self.judged]
        return self.judge.subject(self.pictures(self.judged), chosen)

    @functools.cached_property
    def talk(self) -> Talk:
        """The clip as our sender sees it, at the profile's own size."""
        size = self.setup.picture_size
        footage = self.footage if size == self.job.size else read_as_called(self.job.clip, size)
        return Talk(self.setup, footage, judged=self.wanted, corrector=self.corrector)

    @functools.cached_property
    def corrector(self) -> Corrector | None:
        """What makes residual codes, where the profile has them."""
        return load_profile_corrector(self.job.profile, self.job.engine)

    @property
    def earlier(self) -> list[int]:
        """Frames that are compared with the one after them."""
        return [index for index in self.judged[::FLICKER_EVERY] if index + 1 < len(self.footage.pictures)]

    @property
    def wanted(self) -> set[int]:
        """Frames that are looked at."""
        return {*self.judged, *(index + 1 for index in self.earlier)}

    def pictures(self, indices: list[int]) -> list[Picture]:
        """Return original pictures."""
        return [self.footage.pictures[index] for index in indices]

    def key(self, what: str, **inputs: Any) -> str:
        """Return the key under which a result of this clip is kept; `inputs` is what else it was made from."""
        common = {"method": METHOD, "clip": self.digest, "size": self.job.size, "frames": self.job.frames}
        return key_of(common | {"what": what, "av": av.__version__} | inputs)


def spread(frames: int, wanted: int) -> list[int]:
    """Return which of so many frames are judged where `wanted` are: the middle of each of as many equal parts.

    >>> spread(20, 4)
    [2, 7, 12, 17]
    """
    count = min(wanted, frames)
    return [(2 * part + 1) * frames // (2 * count) for part in range(count)]


def open_scene(job: Job) -> Scene:
    """Look at a clip.

    Raises Skipped where it is smaller than the size or was enlarged to it, and BenchError where it cannot be read, or
    where this machine is not of the versions that are asked for.
    """
    if versions_of(job.profile, job.engine, job.backbones) != job.versions:
        raise BenchError(
            "A worker runs other code, weights or libraries than the machine that asks it: bring it to the same, and"
            " start it anew."
        )
    cv2.setNumThreads(job.threads)
    width, height = picture_size(job.clip)
    if min(width, height) < job.size:
        raise Skipped(f"its pictures are {width} x {height}: at {job.size} they would be enlarged")
    side = job.clip.crop_side
    if side is not None and side < job.size:
        raise Skipped(f"its face was cropped {side} pixels wide: at {job.size} it would be, or is, enlarged")
    digest = file_hash(job.clip.path)
    if job.clip.landmarks is not None:
        digest += file_hash(job.clip.landmarks)
    return Scene(job, digest)


def picture_size(clip: Clip) -> tuple[int, int]:
    """Return width and height of a clip's pictures; raise BenchError where it has none."""
    try:
        with av.open(str(clip.path)) as container:
            for stream in container.streams.video:
                return stream.width, stream.height
    except av.FFmpegError as error:
        raise BenchError(f"{clip.path} cannot be read as a video: {error}") from error
    raise BenchError(f"{clip.path} has no pictures in it.")


def read_as_called(clip: Clip, size: int) -> Footage:
    """Return a clip as a call's camera would give it, at most some 30 frames a second."""
    footage = read_footage(clip, size=size)
    step = int(np.ceil(footage.rate / FASTEST))
    boxes = None if footage.boxes is None else footage.boxes[::step]
    return Footage(footage.name, footage.pictures[::step], footage.rate / step, boxes)


@functools.cache
def load_judge(backbones: Path, threads: int) -> Judge:
    """Load the metric networks, once a process."""
    import torch

    judge = Judge(backbones)
    torch.set_num_threads(threads)
    return judge


@functools.cache
def load_profile_setup(profile: str, engine: str) -> Setup:
    """Load a profile's networks, once a process."""
    return load_setup(profile, engine=engine)


@functools.cache
def load_profile_corrector(profile: str, engine: str) -> Corrector | None:
    """Load what makes a profile's residual codes, once a process."""
    return load_corrector(profile, load_profile_setup(profile, engine))
