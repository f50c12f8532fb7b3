"""The same fit under torchrun, by the command line, and with its driver killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from l2ssm import Record, fit, load

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="processes are killed by signals")]
OPTIONS = {"layers": 1, "d_model": 3, "n_x": 2, "steps": 9, "validate_every": 3, "window": 40, "n_init": 5,
           "refine_steps": 2}  # fmt: skip
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def record() -> Record:
    u = np.random.default_rng(0).normal(size=150)
    return Record(u, np.tanh(np.convolve(u, 0.8 ** np.arange(20))[:150]), 0.5)


SCRIPT = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_torchrun import OPTIONS, record
from l2ssm import fit
from l2ssm.identification.distributed import process_group

def kill(report):
    if report.step == 3 * (1 + int(os.environ["TORCHELASTIC_RESTART_COUNT"])) and os.environ["WORLD_SIZE"] == "2":
        os.kill(os.getpid(), signal.SIGKILL)

with process_group():
    model = fit(record(), checkpoint="fit.checkpoint", progress=kill, **OPTIONS)
if os.environ["RANK"] == "0":
    model.save("model.l2ssm")
"""


def test_killed_twice_under_torchrun_and_ended_by_one_process(tmp_path):
    """kill -9 in two attempts of two processes; then one process goes on: the bits of an undisturbed fit."""
    (tmp_path / "script.py").write_text(SCRIPT)

    def torchrun(processes: int) -> subprocess.CompletedProcess[str]:
        given = ["--standalone", f"--nproc-per-node={processes}", "--max-restarts=1", "--monitor-interval=0.1"]
        command = [sys.executable, "-m", "torch.distributed.run", *given, "script.py"]
        return subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)

    killed = torchrun(2)
    assert killed.returncode != 0
    assert "SIGKILL" in killed.stderr
    assert not (tmp_path / "model.l2ssm").exists()
    assert {file.name for file in tmp_path.glob("fit.*")} == {"fit.checkpoint", "fit.checkpoint.before"}, killed.stderr
    ended = torchrun(1)
    assert ended.returncode == 0, ended.stderr
    undisturbed = fit(record(), nproc=1, **OPTIONS)
    assert load(tmp_path / "model.l2ssm").network.digest == undisturbed.network.digest


def test_by_the_command_line(tmp_path):
    data = record()
    np.savetxt(tmp_path / "data.csv", np.column_stack([data.u, data.y]), "%.17g", ",", header="u,y", comments="")
    (tmp_path / "console").write_text("from l2ssm.cli import main\nif __name__ == '__main__':\n    main()\n")
    command = ["console", "fit", "data.csv", "-u", "u", "-y", "y", "--dt", "0.5", "--layers", "1", "--nproc"]
    sizes = ["--d-model", "3", "--n-x", "2", "--steps", "9", "--refine-steps", "2", "--window", "40", "--n-init", "5"]
    digests = set()
    for nproc in ("1", "2"):
        given = [sys.executable, *command, nproc, *sizes, "-o", nproc]
        done = subprocess.run(given, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "step 9/9" in done.stdout
        digests.add(load(tmp_path / nproc / "model.l2ssm").network.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_driver_that_ends_leaves_no_process(tmp_path, sent):
    script = textwrap.dedent(
        f"""
        import os, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_torchrun import OPTIONS, record
        from l2ssm import fit
        from l2ssm.identification.distributed import launch, place
        def told(report):
            open("told", "w")
        def both():
            open(f"pid{{place().rank}}", "w").write(str(os.getpid()))
            return fit(record(), progress=told, checkpoint="fit.checkpoint", **OPTIONS | {{"steps": 100000}})
        launch(both, 2, start_method="fork")
        """
    )
    with (tmp_path / "errors").open("w") as errors:
        command = [sys.executable, "-c", script]
        driver = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stderr=errors, start_new_session=True)
    try:
        wait_until((tmp_path / "told").exists)
        (os.kill if sent == signal.SIGKILL else os.killpg)(driver.pid, sent)  # Ctrl-C reaches all of them
        driver.wait(120)
    finally:
        driver.kill()
    pids = [int((tmp_path / f"pid{rank}").read_text()) for rank in (0, 1)]
    try:
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    except AssertionError:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise
    assert (tmp_path / "fit.checkpoint").exists()
    assert ("KeyboardInterrupt" in (tmp_path / "errors").read_text()) == (sent == signal.SIGINT)


def wait_until(condition) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)
