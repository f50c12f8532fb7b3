"""Damaged files of every format: refused with an error of ours, in time and in bounded memory, or read.

Every format is read in a process of its own with a limit of memory: an array that a file only tells of is a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FAST = (
    "model",
    "certificate",
    "certificate with its digest",
    "csv",
    "npy",
    "npz",
    "npz compressed",
    "mat 5",
    "mat 5 compressed",
    "mat 4",
    "store manifest",
    "store manifest with its digest",
    "store samples",
    "store samples with their digest",
)
"""Formats that are read in every run of the tests; the libraries of the others take seconds to load."""
ALL = (
    *FAST,
    "model with its text",
    "checkpoint",
    "checkpoint with its digest",
    "hdf5",
    "mat 7.3",
    "parquet",
)
SLOW = 250


def damage(names: str, first: int, count: int) -> dict[str, dict[str, object]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent.parent), environment.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, str(HERE / "worker.py"), names, str(first), str(count)],
        capture_output=True,
        text=True,
        timeout=600,
        env=environment,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout.splitlines()[-1])


def check(found: dict[str, dict[str, object]], names: str) -> None:
    assert set(found) == set(names.split(","))
    for name, said in found.items():
        assert not said["failures"], f"{name}: {json.dumps(said['failures'][:3], indent=1)}"
        assert said["refused"] > 0, name


@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory are set by the resource module")
def test_a_few_of_every_light_format():
    names = ",".join(FAST)
    check(damage(names, 0, 30), names)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory are set by the resource module")
@pytest.mark.parametrize("name", ALL)
def test_many_of_every_format(name):
    if name in ("hdf5", "mat 7.3"):
        pytest.importorskip("h5py", reason="needs the extra data")
    if name == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra data")
    check(damage(name, 10_000, SLOW), name)


def test_what_a_reader_does_wrong_is_found(tmp_path):
    """The harness: a reader that hangs, fills the memory or raises whatever it likes."""
    for reader, failure in (
        ("while True: pass", "Hang"),
        ("bytearray(2**33)", "MemoryError"),
        ("raise KeyError('x')", "KeyError"),
        ("raise DataError('no')", None),
        ("try:\n  bytearray(2**33)\n except MemoryError: raise DataError('unreadable') from None", "memory"),
    ):
        code = (
            f"import sys; sys.path.insert(0, {str(HERE)!r})\nimport worker\nworker.SECONDS = 0.2\n"
            "from pathlib import Path\nfrom formats import Format\nfrom l2ssm.errors import DataError\n"
            f"def read(path):\n if path.read_bytes() == b'valid': return\n {reader}\n"
            "kind = Format('.x', lambda folder: b'valid', read)\n"
            "import json; print(json.dumps([what for _, what, _ in worker.run(kind, 0, 3)['failures']]))"
        )
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        assert json.loads(run.stdout) == ([failure] * 3 if failure else []), reader
