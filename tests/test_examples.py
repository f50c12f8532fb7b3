"""Every numbered example runs from start to end, with few steps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "sysid_examples").glob("[0-9]*.py"))


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda p: p.stem)
def test_example(script, tmp_path):
    environment = os.environ | {"L2SSM_EXAMPLE_STEPS": "30", "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    if "nothing to do" in run.stderr:
        pytest.skip(run.stderr.strip().splitlines()[-1])
    assert run.returncode == 0, run.stderr
    assert "VERIFIED" in run.stdout
    made = "report.html" if "write_report" in script.read_text() else "*.png"
    assert max(file.stat().st_size for file in tmp_path.glob(made)) > 10_000
