"""A stretch of CUDA work recorded once and launched as a whole: the driver's stream capture, which pycuda lacks.

Knows four functions of the CUDA driver; what is recorded is the caller's.
"""

import ctypes
from collections.abc import Callable

from runtime.cuda_cards import LIBRARY

THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may allocate meanwhile


class CudaGraphError(Exception):
    """The work cannot be recorded, or not be launched."""


class CudaGraph:
    """What `work` puts on a stream, recorded in a current CUDA context; it is launched on that stream.

    Raises CudaGraphError where the work cannot be recorded; it has to be launched piece by piece then.
    """

    def __init__(self, stream: int, work: Callable[[], object]) -> None:
        self._driver = ctypes.CDLL(LIBRARY)
        self._stream = ctypes.c_void_p(stream)
        recorded, self._ready = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(THREAD_LOCAL))
        try:
            work()
        finally:
            # A capture that is not ended would swallow all that comes on this stream.
            self._call("cuStreamEndCapture", self._stream, ctypes.byref(recorded))
        flags = ctypes.c_ulonglong(0)
        self._call("cuGraphInstantiateWithFlags", ctypes.byref(self._ready), recorded, flags)

    def launch(self) -> None:
        """Put the recorded work on the stream; its memory is where it was when it was recorded."""
        self._call("cuGraphLaunch", self._ready, self._stream)

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._driver, name)(*arguments)
        if code:
            raise CudaGraphError(f"{name} failed with CUDA error {code}")
