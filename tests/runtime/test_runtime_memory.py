"""Freed memory is kept for the next buffer."""

import subprocess
import sys

import pytest

# In a process of its own, for what is set holds until a process ends: page faults of ten buffers of 64 MiB, one at a
# time, after the first.
COUNT = """
import resource
import numpy as np
from runtime.memory import keep_freed_memory

if {keep}:
    keep_freed_memory()
np.ones(8 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(*, keep: bool) -> int:
    command = [sys.executable, "-c", COUNT.format(keep=keep)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library's setting is glibc's")
def test_kept_memory_is_not_asked_of_the_system_again() -> None:
    assert 10 * page_faults(keep=True) < page_faults(keep=False)
