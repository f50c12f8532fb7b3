"""`l2ssm doctor`: what is installed, what it would use, and a self-test of the whole path in seconds."""

from __future__ import annotations

import platform
import time
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from l2ssm.cli.messages import say

NEEDED = (
    "l2ssm", "numpy", "scipy", "torch", "numba", "cvxpy", "clarabel", "python-flint", "control", "safetensors",
    "scikit-learn", "matplotlib",
)  # fmt: skip
OPTIONAL = ("pandas", "pyarrow", "h5py", "slycot")


def run() -> bool:
    """Print the findings; whether everything needed works."""
    say(f"python {platform.python_version()} on {platform.system()} {platform.machine()}")
    missing = [name for name in NEEDED if not _report(name, "MISSING")]
    for name in OPTIONAL:
        _report(name, "not installed (optional)")
    if missing:
        say(f"missing: {', '.join(missing)}; install with: pip install {' '.join(missing)}")
        return False
    import cvxpy
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    say(f"threads {torch.get_num_threads()}, GPU {gpu}, LMI solvers {', '.join(cvxpy.installed_solvers())}")
    return _self_test()


def _report(name: str, absent: str) -> bool:
    try:
        say(f"  {name:14} {version(name)}")
    except PackageNotFoundError:
        say(f"  {name:14} {absent}")
        return False
    return True


def _self_test() -> bool:
    """Fit a first-order lag, certify it, verify the certificate."""
    import l2ssm

    began = time.monotonic()
    u = np.sign(np.sin(np.arange(400) / 7.0))[:, None]
    a, b, c, d = (np.array([[value]]) for value in (0.9, 0.1, 1.0, 0.0))
    y = l2ssm.StateSpace(a, b, c, d).simulate(u)
    model = l2ssm.fit(l2ssm.Record(u, y, 1.0), gamma=2.0, layers=1, d_model=4, n_x=4, steps=100, initial="zero")
    certificate = l2ssm.verify(l2ssm.certify(model), model)
    good = 0 < certificate.gamma <= 2.0
    verdict = "passed" if good else "FAILED: the certified gain is above the prescribed one"
    say(f"self-test {verdict}: gamma <= {certificate.gamma:.4f} of 2, {time.monotonic() - began:.1f} s")
    return good
