"""Batches for a training: made ahead of it on other threads or processes, in order, and moved to its device.

Batch number n depends on (seed, n) alone, whoever makes it, so that a run can resume and every machine sees the same.
"""

import itertools
import multiprocessing
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Batch = dict[str, Tensor]
Make = Callable[[np.random.Generator], Any]
AHEAD = 3  # batches that each process makes ahead
SHARED_MEMORY = "/dev/shm"


def make_batch(make: Make, seed: int, number: int) -> Any:
    """Make batch `number` of a seed."""
    return make(np.random.default_rng((seed, number)))


def prefetch(
    make: Make, *, seed: int, start: int, stride: int = 1, depth: int = 4, workers: int = 1
) -> Iterator[Any]:
    """Yield every `stride`-th batch from number `start` on, made on `workers` threads up to `depth` ahead."""
    pool = ThreadPoolExecutor(workers)
    try:
        numbers = itertools.count(start, stride)
        ahead = deque(pool.submit(make_batch, make, seed, next(numbers)) for _ in range(depth))
        while True:
            batch = ahead.popleft().result()
            ahead.append(pool.submit(make_batch, make, seed, next(numbers)))
            yield batch
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Numbered(Dataset[Any]):
    """Batches by their number."""

    def __init__(self, make: Make, seed: int) -> None:
        self.make, self.seed = make, seed

    def __getitem__(self, number: int) -> Any:
        return make_batch(self.make, self.seed, number)


def feed(
    make: Make, *, seed: int, start: int, device: torch.device, workers: int = 1, stride: int = 1
) -> Iterator[Batch]:
    """Yield batches on a device, from number `start` on.

    Args:
        make: a source of chance -> a batch of tensors.
        seed, start: which batches.
        device: where they are wanted; to a GPU they travel through pinned memory while it computes.
        workers: with more than one, that many processes make them where the machine lets processes share memory,
            and that many threads elsewhere.
        stride: of the batches' numbers: how many trainings share them.
    """
    pinned = device.type == "cuda"
    if workers > 1 and processes_share(make_batch(make, seed, start), workers):
        # Forked children must not wait for threads of OpenCV's that they do not have.
        cv2.setNumThreads(0)
        made: Iterator[Batch] = iter(
            DataLoader(
                Numbered(make, seed),
                batch_size=None,
                sampler=itertools.count(start, stride),
                num_workers=workers,
                prefetch_factor=AHEAD,
                multiprocessing_context="fork",
                pin_memory=pinned,
            )
        )
    else:
        made = prefetch(
            make, seed=seed, start=start, stride=stride, depth=max(4, 2 * workers), workers=workers
        )
        if pinned:
            made = ({name: value.pin_memory() for name, value in batch.items()} for batch in made)
    for batch in made:
        yield {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def processes_share(batch: Batch, workers: int) -> bool:
    """Say whether forked processes can hand over batches like this one."""
    if "fork" not in multiprocessing.get_all_start_methods() or not os.path.isdir(SHARED_MEMORY):
        return False
    wanted = sum(value.nbytes for value in batch.values()) * workers * (AHEAD + 1)
    return shutil.disk_usage(SHARED_MEMORY).free > 1.5 * wanted


def default_workers(device: torch.device) -> int:
    """Return how many workers feed a device: one beside a training on the CPU, nearly all cores beside a GPU."""
    return 1 if device.type == "cpu" else max(1, (os.cpu_count() or 1) - 2)
