"""The losses of a run as they fall: losses.jsonl, TensorBoard scalars beside it, a progress bar."""

import json
import time
from pathlib import Path
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

EVERY = 50  # steps
MEMORY = 0.98  # of the running means


class Log:
    """Notes the losses of steps `first` to `steps`, each of `batch` samples; for use in a `with`."""

    def __init__(self, folder: Path, *, first: int, steps: int, batch: int) -> None:
        self.name, self.first, self.batch = folder.name, first, batch
        self.running: dict[str, float] = {}
        self.began = time.monotonic()
        self.file = (folder / "losses.jsonl").open("a")
        # What a run that was killed had noted after its last checkpoint comes again.
        self.scalars = SummaryWriter(str(folder), purge_step=first)
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        )
        self.bar = self.progress.add_task(self.name, total=steps, completed=first)

    def __enter__(self) -> "Log":
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()
        self.scalars.close()
        self.file.close()

    def add(self, step: int, losses: dict[str, Tensor]) -> None:
        """Note the losses that led to `step`."""
        for name, value in losses.items():
            before = self.running.get(name, value.item())
            self.running[name] = before * MEMORY + value.item() * (1 - MEMORY)
        if step % EVERY:
            return
        speed = (step - self.first) * self.batch / (time.monotonic() - self.began)
        noted = {"samples_per_s": round(speed, 1)} | self.running
        self.file.write(json.dumps({"step": step} | noted) + "\n")
        self.file.flush()
        for name, number in noted.items():
            self.scalars.add_scalar(name, number, step)
        text = " ".join(f"{name} {value:.4f}" for name, value in self.running.items())
        self.progress.update(self.bar, completed=step, description=f"{self.name} {speed:.0f}/s {text}")
