"""The rate-distortion bench over a set: every clip at every size sent to workers, and what came back put together. It
knows clips and sizes; how a clip is measured and what a set's figures are stands elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.clips import VIDEO_SUFFIXES, Clip, crop_sides, list_clips
from bench.errors import BenchError
from bench.rd_losses import with_losses
from bench.rd_measure import measure
from bench.rd_report import film_clips, film_path
from bench.rd_rows import QUICK_CLIPS, QUICK_FRAMES, choose_rows
from bench.rd_scene import METHOD, Job, Skipped
from bench.rd_strips import Film, write_comparison
from bench.rd_summary import summarise_size
from bench.rd_tables import clips_of
from bench.rd_versions import made_with, versions_of
from bench.sheet import pick_strangers
from models.cluster import gather

# What is drawn where the size has no profile of its own.
FALLBACK_PROFILE = "laptop-256"
# They register themselves when torch is loaded, which a look at the options need not.
TORCH_ENGINES = ("torch", "torch-cuda")
# Divisible by what every codec's blocks and our networks want.
SIZE_STEP = 64
Task = TypeVar("Task")


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and with what. `profile`: by name or folder, None for the size's own laptop profile."""

    clips: tuple[Clip, ...]
    sizes: tuple[int, ...]
    quick: bool
    frames: int
    profile: str | None
    engine: str
    backbones: Path
    store: Path
    strips: bool
    scheduler: str | None
    workers: int

    def jobs(self) -> list[Job]:
        """Return a job a clip and size, a clip's sizes behind each other: so what is done tells what is left."""
        clips, frames = self.clips, self.frames
        if self.quick:
            clips, frames = tuple(pick_strangers(clips, QUICK_CLIPS)), min(frames, QUICK_FRAMES)
        local = 1 if self.scheduler else min(self.workers, len(clips) * len(self.sizes))
        return [
            Job(
                clip=clip,
                size=size,
                rows=choose_rows(quick=self.quick),
                frames=frames,
                profile=(profile := self.profile_at(size)),
                engine=self.engine,
                backbones=self.backbones,
                versions=versions_of(profile, self.engine, self.backbones),
                store=self.store,
                strips=self.strips,
                threads=max(1, (os.cpu_count() or 1) // local),
            )
            for clip in clips
            for size in self.sizes
        ]

    def profile_at(self, size: int) -> str:
        """Return the profile that draws at a size; a folder's is a whole path, as workers stand elsewhere."""
        if self.profile is None:
            return profile_for(size)
        folder = Path(self.profile)
        return str(folder.resolve()) if folder.is_dir() else self.profile


def look_before(plan: Plan) -> None:
    """Look at what every clip needs, before workers begin: raise the runtime's error for a profile that is missing or
    damaged, or BenchError for an engine that nobody knows."""
    from runtime.engine import ENGINES
    from runtime.profile import load_profile

    if plan.engine not in (known := {*ENGINES, *TORCH_ENGINES}):
        raise BenchError(f"There is no engine {plan.engine!r}; there are: {', '.join(sorted(known))}.")
    for size in plan.sizes:
        load_profile(plan.profile_at(size))


def run_rd(
    plan: Plan, *, on_clip: Callable[[str], None], on_trouble: Callable[[str], None]
) -> dict[str, Any]:
    """Return the bench's JSON: what was run, `results` (a codec and size each) and `clips` (a clip and size each).

    `on_clip` hears how far it is, `on_trouble` which clips failed; all that were left out are in `skipped`. Raises
    BenchError where nothing could be measured.
    """
    jobs = plan.jobs()
    measured: dict[tuple[int, str], dict[str, Any]] = {}
    skipped: list[dict[str, Any]] = []
    on_clip("")
    for job, result, error in _spread(plan, measure, jobs):
        if error is None:
            measured[job.size, job.clip.name] = result
        else:
            why = _sentence(error)
            failed = not isinstance(error, Skipped)
            skipped.append({"clip": job.clip.name, "size": job.size, "why": why, "failed": failed})
            if failed:
                on_trouble(f"{job.clip.name} at {job.size}: {why}")
        on_clip(f"{job.clip.name} at {job.size}")
    if not measured:
        why = skipped[0]["why"] if skipped else "there are none"
        raise BenchError(f"No clip could be measured: {why}.")
    places = [(size, clip.name) for size in plan.sizes for clip in plan.clips]
    order = [place for place in places if place in measured]
    clips = [with_losses(measured[place]) for place in order]
    rows = choose_rows(quick=plan.quick)
    results = [
        entry
        for size in plan.sizes
        for entry in summarise_size(rows, [clip for clip in clips if clip["size"] == size], size=size)
    ]
    return {
        "method": METHOD,
        "made_with": made_with({job.profile: job.versions for job in jobs}),
        "quick": plan.quick,
        "sizes": list(plan.sizes),
        "frames_judged": jobs[0].frames,
        "engine": plan.engine,
        "profiles": {str(clip["size"]): f"{clip['profile']} at {clip['profile_size']}" for clip in clips},
        "skipped": sorted(skipped, key=lambda row: (row["size"], row["clip"])),
        "results": results,
        "clips": clips,
    }


def write_films(
    plan: Plan,
    films: Sequence[Film],
    *,
    on_clip: Callable[[str], None],
    on_trouble: Callable[[str], None],
) -> None:
    """Write films; `on_clip` hears how far it is, `on_trouble` what could not be written."""
    on_clip("")
    for film, _, error in _spread(plan, write_comparison, films):
        if error is not None:
            on_trouble(f"{film.path}: {_sentence(error)}")
        on_clip(film.path.name)


def list_films(plan: Plan, result: dict[str, Any], folder: Path) -> list[Film]:
    """Return the films of the clips that the report names."""
    jobs = {(job.size, job.clip.name): job for job in plan.jobs()}
    return [
        Film(jobs[size, name], clip["points"], (folder / film_path(name, size)).resolve())
        for size in plan.sizes
        for name in film_clips(result, size)
        for clip in clips_of(result, size)
        if clip["clip"] == name
    ]


def find_clips(paths: Sequence[Path]) -> tuple[Clip, ...]:
    """Return the clips that `paths` name: videos, folders of videos, data folders with clips/ and landmarks/.

    Raises BenchError where there are none, or where two have the same name.
    """
    found: dict[str, Clip] = {}
    for path in (path.resolve() for path in paths):  # workers stand elsewhere
        if path.is_dir():
            clips = list_clips(path)
        elif path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
            clips = [_single_clip(path)]
        else:
            raise BenchError(f"{path} is no video and no folder of videos.")
        for clip in clips:
            before = found.setdefault(clip.name, clip)
            if before.path != clip.path:
                raise BenchError(f"{before.path} and {clip.path} have the same name: rename one.")
    return tuple(found.values())


def _single_clip(path: Path) -> Clip:
    """Return a video with what its data folder knows of it, where it lies in one."""
    data = path.parent.parent
    landmarks = data / "landmarks" / f"{path.stem}.npz"
    if path.parent.name != "clips" or not landmarks.is_file():
        return Clip(path.stem, path, None)
    return Clip(path.stem, path, landmarks, crop_sides(data).get(path.stem))


def parse_sizes(text: str) -> tuple[int, ...]:
    """Read sizes with commas between; raise BenchError for what is none."""
    try:
        sizes = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise BenchError(f"--sizes is numbers with commas between, as in 256,512, not {text!r}.") from None
    if any(size < SIZE_STEP or size % SIZE_STEP for size in sizes):
        raise BenchError(f"--sizes are multiples of {SIZE_STEP}, not {text}.")
    return sizes


def profile_for(size: int) -> str:
    """Return the laptop profile of a size where it is built, else the one whose pictures are enlarged."""
    from runtime.profile import list_built_profiles

    own = f"laptop-{size}"
    return own if own in list_built_profiles() else FALLBACK_PROFILE


def _spread(
    plan: Plan, work: Callable[[Task], Any], tasks: Sequence[Task]
) -> Iterator[tuple[Task, Any, BaseException | None]]:
    """Send work to the plan's workers; a single one is this process itself."""
    return gather(work, tasks, scheduler=plan.scheduler, workers=plan.workers, apart=plan.workers > 1)


def _sentence(error: BaseException) -> str:
    if isinstance(error, BenchError):
        return str(error).rstrip(".")
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}"
