"""Reads damaged files of one format within limits of memory and time, and says which were not refused as they should.

python worker.py FORMAT[,FORMAT...] FIRST COUNT: one JSON line, by format how many files were read, how many refused,
and the failures.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from formats import Format

sys.path.insert(0, str(Path(__file__).parent))
MEMORY = 2**29  # bytes a reader may take beyond what reading the valid file took
SECONDS = 5.0  # for one file


class Hang(BaseException):
    """A reader took too long."""


def run(kind: Format, first: int, count: int) -> dict[str, object]:
    from mutations import mutated

    from l2ssm.errors import L2ssmError

    read, refused, failures = 0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        valid = kind.make(Path(folder))
        path = Path(folder) / f"damaged{kind.suffix}"
        path.write_bytes(valid)
        with contextlib.suppress(
            L2ssmError
        ):  # loads what the reader needs; its own tests see that a valid file is read
            kind.read(path)
        limit_memory()
        signal.signal(signal.SIGALRM, stop)
        for seed in range(first, first + count):
            path.write_bytes(mutated(valid, seed))
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                kind.read(path)
                read += 1
            except L2ssmError as error:
                refused += 1
                if wanted_memory(error):
                    failures.append((seed, "memory", str(error)[:300]))
                if not str(error) or len(str(error)) > 5000:
                    failures.append((seed, "message", str(error)[:100]))
            except BaseException as error:
                failures.append((seed, type(error).__name__, last_lines(error)))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {"read": read, "refused": refused, "failures": failures}


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, resource.RLIM_INFINITY))


def stop(*_: object) -> None:
    raise Hang


def wanted_memory(error: BaseException) -> bool:
    """Whether memory that could not be had is what led to the error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or "allocate" in str(seen).lower():
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def last_lines(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-700:]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import warnings

    warnings.simplefilter("error")
    from formats import FORMATS

    first, count = int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps({name: run(FORMATS[name], first, count) for name in sys.argv[1].split(",")}))
