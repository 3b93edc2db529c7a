"""Work for many processes, on this machine or behind a dask scheduler, and its results as they come. It knows
dask.distributed; it does not know what is worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from bench.errors import BenchError

CONNECT_S = 30
Task = TypeVar("Task")


def gather(
    work: Callable[[Task], Any], tasks: Sequence[Task], *, scheduler: str | None, workers: int
) -> Iterator[tuple[Task, Any, BaseException | None]]:
    """Yield each task with its result, or with what it raised, in the order in which they are done.

    `scheduler` is the address of one whose workers see all files under the same paths; without one, `workers`
    processes of this machine do the work, a single one being this process itself.

    Raises BenchError where no scheduler answers.
    """
    from distributed import as_completed

    if not tasks:
        return
    with _client(scheduler, min(workers, len(tasks))) as client:
        futures = {client.submit(work, task, pure=False, retries=0): task for task in tasks}
        for future in as_completed(list(futures)):
            task = futures.pop(future)
            error = future.exception()
            yield task, None if error else future.result(), error
            future.release()


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT_S)
        except (OSError, ValueError) as error:
            raise BenchError(f"No dask scheduler answers at {scheduler} ({error}).") from None
        with client:
            yield client
        return
    # What kills its worker is not worth more than one other try.
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=workers > 1,
            memory_limit=0,  # pictures take memory that dask would pause a worker for
            # Any free ports: None would claim 8787, and for the workers be open to the network.
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs="CRITICAL",
        )
    with cluster, Client(cluster) as client:
        yield client
