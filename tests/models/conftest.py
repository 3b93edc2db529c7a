"""Networks as small as the tests' gain nothing from a second thread, and lose much where others want the cores."""

import os

# Before torch is loaded, and for the processes that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
