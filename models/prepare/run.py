"""All videos of a folder, sent to workers and gathered into a data folder.

Whatever happens, the index names whole clips only. Knows nothing of pictures, nor of how workers are reached.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.cluster import ClusterError, gather
from models.prepare.dataset import Outcome, claim, give_level_face, write_index, write_manifest
from models.prepare.job import PARTIAL, Job, prepare_video, read_record
from models.prepare.mesh import OpenLandmarker
from models.prepare.settings import PrepareError, Record, Settings
from models.prepare.sources import Source
from models.training.footage import LevelFace


def prepare(
    videos: Path,
    output: Path,
    *,
    sources: Sequence[Source],
    settings: Settings,
    open_landmarker: OpenLandmarker,
    level_face: LevelFace | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
) -> list[Outcome]:
    """Prepare videos into a data folder; what an earlier run finished with these settings stays as it is.

    Args:
        videos: the folder that the sources lie in.
        output: the data folder, new or of an earlier run.
        sources: see `find_sources`.
        settings: how videos become clips.
        open_landmarker: travels to the workers; opens a landmarker for each clip.
        level_face: to take over; made from the clips if None, where the output has none yet.
        scheduler: address of a dask scheduler whose workers see both folders under the same paths; processes of
            this machine if None.
        workers: how many processes; as many as processors if None.

    Returns:
        What became of each source, in their order.

    Raises:
        PrepareError: a folder that holds something else, a scheduler that does not answer.
        KeyboardInterrupt: after the index and the manifest were written for what was finished.
    """
    claim(output)
    outcomes: dict[str, Outcome] = {}
    jobs = [Job(videos.resolve(), source.path, source.name, output.resolve(), settings) for source in sources]
    by_path = {job.path: source for job, source in zip(jobs, sources, strict=True)}
    try:
        with _bar() as bar:
            task = bar.add_task("videos", total=len(jobs))
            for job, record, error in gather(
                prepare_video,
                jobs,
                open_landmarker,
                scheduler=scheduler,
                workers=workers or os.cpu_count() or 1,
            ):
                source = by_path[job.path]
                outcomes[source.path] = outcome = _outcome(source, record, error)
                if outcome.error:
                    bar.console.print(
                        f"{source.path}: {outcome.error}", markup=False, highlight=False, soft_wrap=True
                    )
                bar.advance(task)
    except ClusterError as error:
        raise PrepareError(str(error)) from None
    finally:
        shutil.rmtree(output / PARTIAL, ignore_errors=True)
        done = [outcomes.get(source.path) or _unfinished(output, source, settings) for source in sources]
        write_index(output, done, settings)
        write_manifest(output, videos, done, settings)
    give_level_face(output, done, level_face)
    return done


def _outcome(source: Source, record: Record | None, error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome(source, record)
    if isinstance(error, PrepareError):
        return Outcome(source, None, str(error))
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return Outcome(source, None, f"{where}{error.strerror}")
    return Outcome(source, None, f"{type(error).__name__}: {error}")


def _unfinished(output: Path, source: Source, settings: Settings) -> Outcome:
    record = read_record(output, source.name)
    if record is not None and record.settings == settings.digest():
        return Outcome(source, record)
    return Outcome(source, None, "not done yet")


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TextColumn("left"), TimeRemainingColumn())
