"""What the call costs this process: processor cores and memory. Knows nothing of the call itself."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Mean processor cores in use (processor seconds a second) and peak resident memory in MB (10^6 bytes).

    The memory is None where the system does not say it.
    """

    cpu_cores: float
    rss_mb: float | None


class Meter:
    """Counts from its making to each `read`."""

    def __init__(self) -> None:
        self._wall_s = time.monotonic()
        self._cpu_s = time.process_time()

    def read(self) -> Cost:
        """Say what the process has cost since the meter was made; memory since the process began."""
        wall_s = max(time.monotonic() - self._wall_s, 1e-6)
        return Cost(cpu_cores=(time.process_time() - self._cpu_s) / wall_s, rss_mb=peak_memory_mb())


def peak_memory_mb() -> float | None:
    """Return this process's peak resident memory in MB, or None where the system keeps no such figure."""
    try:
        # Linux's ru_maxrss of a started program begins at its parent's memory; VmHWM is its own.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    if sys.platform != "darwin":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
