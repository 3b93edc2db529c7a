"""Freed memory that a process keeps for its next buffer."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # options of mallopt(3)
NEVER = -1


def keep_freed_memory() -> None:
    """Have the C library keep what is freed; for a process that works with large buffers until it ends.

    torch takes and frees buffers of up to hundreds of megabytes at every operation. glibc maps each anew, and the
    system fills each with zeros when it is touched: two fifths of the CPU time of convolutions over four pictures of
    512 x 512, forth and back, and half of the metric networks'. Kept buffers cost neither, and some hundred megabytes
    more are held. Where the C library is another, nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, NEVER)
    mallopt(ARENA_MAX, 1)  # a thread's own arena cannot hold a buffer of more than 64 MiB
