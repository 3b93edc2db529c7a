"""Work for many processes, on this machine or behind a dask scheduler, and its results as they come: preparing data and
the benchmarks want more than one. It knows dask.distributed; it does not know what is worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

CONNECT_S = 30
# Any free port of this machine alone. dask's own default would claim 8787, and warn where another run has it.
DASHBOARD = "127.0.0.1:0"
Task = TypeVar("Task")


class ClusterError(Exception):
    """No scheduler answers; the message is one sentence for the user."""


def gather(
    work: Callable[..., Any],
    tasks: Sequence[Task],
    *shared: Any,
    scheduler: str | None,
    workers: int,
    apart: bool = True,
) -> Iterator[tuple[Task, Any, BaseException | None]]:
    """Yield each task with the result of `work(task, *shared)`, or with what it raised, in the order in which they are
    done.

    `scheduler` is the address of one whose workers see all files under the same paths; without one, `workers` processes
    of this machine do the work, or, where `apart` is False, as many threads of this one. A process that dies takes no
    other task with it.

    Raises ClusterError where no scheduler answers.
    """
    from distributed import as_completed

    if not tasks:
        return
    with _client(scheduler, min(workers, len(tasks)), apart=apart) as client:
        futures = {client.submit(work, task, *shared, pure=False, retries=0): task for task in tasks}
        for future in as_completed(list(futures)):
            task = futures.pop(future)
            error = future.exception()
            yield task, None if error else future.result(), error
            future.release()


@contextmanager
def _client(scheduler: str | None, workers: int, *, apart: bool) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=CONNECT_S)
        except (OSError, ValueError) as error:
            raise ClusterError(f"No dask scheduler answers at {scheduler} ({error}).") from None
        with client:
            yield client
        return
    # What kills its worker (an encoder that crashes) is not worth more than one other try.
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=apart,
            memory_limit=0,  # pictures and decoders take memory that dask would pause a worker for
            dashboard_address=DASHBOARD,
            worker_dashboard_address=DASHBOARD,
            silence_logs="CRITICAL",
        )
    with cluster, Client(cluster) as client:
        yield client
