"""One thread a process: tests run side by side, and a second thread on a small tensor waits by spinning."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

collect_ignore = ["benchmarks"]  # scripts that measure, to be run by hand
