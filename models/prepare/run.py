"""All videos of a folder, sent to workers and gathered into a data folder.

Whatever happens, the index names whole clips only. Knows dask.distributed, and nothing of pictures.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, as_completed
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.prepare.dataset import Outcome, claim, give_level_face, write_index, write_manifest
from models.prepare.job import PARTIAL, Job, prepare_video, read_record
from models.prepare.mesh import OpenLandmarker
from models.prepare.settings import PrepareError, Settings
from models.prepare.sources import Source
from models.training.footage import LevelFace

CONNECT_S = 30


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
    try:
        with _cluster(scheduler, min(workers or os.cpu_count() or 1, len(jobs))) as client, _bar() as bar:
            task = bar.add_task("videos", total=len(jobs))
            futures = {
                client.submit(prepare_video, job, open_landmarker, pure=False, retries=0): source
                for job, source in zip(jobs, sources, strict=True)
            }
            for future in as_completed(list(futures)):
                source = futures.pop(future)
                outcomes[source.path] = outcome = _outcome(source, future)
                if outcome.error:
                    bar.console.print(
                        f"{source.path}: {outcome.error}", markup=False, highlight=False, soft_wrap=True
                    )
                bar.advance(task)
                future.release()
    finally:
        shutil.rmtree(output / PARTIAL, ignore_errors=True)
        done = [outcomes.get(source.path) or _unfinished(output, source, settings) for source in sources]
        write_index(output, done, settings)
        write_manifest(output, videos, done, settings)
    give_level_face(output, done, level_face)
    return done


def _outcome(source: Source, future: Any) -> Outcome:
    error = future.exception()
    if error is None:
        return Outcome(source, future.result())
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


@contextmanager
def _cluster(scheduler: str | None, workers: int) -> Iterator[Client]:
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT_S)
        except (OSError, ValueError) as error:
            raise PrepareError(f"no dask scheduler answers at {scheduler} ({error})") from None
        with client:
            yield client
        return
    # A video that kills its worker (an encoder that crashes) is not worth more than one other try.
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,  # decoders hold memory that dask would pause a worker for
            dashboard_address=None,
            silence_logs="CRITICAL",
        )
    with cluster, Client(cluster) as client:
        yield client


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TextColumn("left"), TimeRemainingColumn())
