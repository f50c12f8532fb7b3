"""The layering, read from the source, and the lazy imports, seen from a fresh interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "l2ssm"
MODULES = sorted(PACKAGE.rglob("*.py"))

# who may import whom, besides errors, files and itself
ALLOWED = {
    "systems": set(),
    "certificates": {"systems"},
    "data": {"systems"},
    "analysis": {"systems", "data", "certificates"},
    "scan": set(),
    "parametrizations": {"systems", "scan"},
    "cells": {"parametrizations", "scan", "systems", "certificates"},  # inverse maps start from a storage function
    "networks": {"cells", "parametrizations", "scan", "systems"},
    "identification": {"networks", "cells", "parametrizations", "scan", "systems", "certificates", "data", "analysis"},
    "export": {"systems", "certificates", "identification"},
    "report": {"analysis", "certificates", "data", "systems", "identification"},
    "labs": {"systems", "certificates"},  # the grader takes and gives systems and certificates
    "cli": {"*"},
}
FREE = {"errors", "files", "options", "units"}
HEAVY_ONLY_IN = {
    "cvxpy": {"certificates/lmi.py", "cli/doctor.py"},
    "matplotlib": {
        "analysis/band_plots.py",
        "analysis/certificate_plots.py",
        "analysis/energy_plots.py",
        "analysis/frequency_plots.py",
        "analysis/horizon_plot.py",
        "analysis/interactive.py",
        "analysis/memory_plot.py",
        "analysis/operator_plots.py",
        "analysis/plots.py",
        "analysis/style.py",
        "analysis/validation_plot.py",
    },
}
TORCH_FREE = {"systems", "certificates", "data", "analysis", "export", "report", "labs"}
# a trusted or light path that needs one name of a higher layer, imported inside a function
LATE = {
    ("certificates", "identification"),  # verify(path of a model file) reads it with the torch-free loader
    ("identification", "export"),  # model.runtime()
}


def imports(tree: ast.AST) -> list[tuple[str, bool]]:
    """(module, at top level) of every import that runs."""
    found = []

    def visit(node: ast.AST, top: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Import):
                found.extend((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                found.append((child.module or "", top))
            visit(child, top and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)))

    visit(tree, True)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_layering(path):
    relative = path.relative_to(PACKAGE)
    layer = relative.parts[0] if len(relative.parts) > 1 else ""
    for module, top in imports(ast.parse(path.read_text())):
        root, _, rest = module.partition(".")
        if root == "torch":
            assert layer not in TORCH_FREE, f"{relative} imports torch"
            if relative.parts[0] == "cli":
                assert not top, f"{relative} loads torch at import"
        for heavy, homes in HEAVY_ONLY_IN.items():
            if root == heavy:
                assert relative.as_posix() in homes, f"{relative} imports {heavy}; only {sorted(homes)} may"
        if root == "l2ssm" and layer and "*" not in ALLOWED[layer]:
            other = rest.split(".")[0]
            late = not top and (layer, other) in LATE
            assert other in ALLOWED[layer] | FREE | {layer} or late, f"{relative} imports l2ssm.{other}"


def loaded_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded after running the code."""
    heavy = ("torch", "cvxpy", "matplotlib", "sklearn", "numba")
    probe = f"{code}\nimport sys\nprint(*[m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split()) if run.stdout.strip() else set()


@pytest.mark.parametrize(
    "code",
    [
        "import l2ssm; dir(l2ssm)",
        "import l2ssm; l2ssm.verify, l2ssm.certify, l2ssm.load, l2ssm.read, l2ssm.StateSpace, l2ssm.plants",
        "import l2ssm; l2ssm.HippoMemory(4).project([1.0]); l2ssm.discretize([[0.0]], [1.0], 1.0)",
        "import l2ssm; l2ssm.orthonormal([0.5]); l2ssm.LagMemory, l2ssm.GramMemory",
        "import sys; sys.argv = ['l2ssm', '--help']\nfrom l2ssm.cli import main\ntry: main()\nexcept SystemExit: pass",
    ],
)
def test_light_imports(code):
    assert loaded_after(code) == set()


def test_every_public_name_exists():
    import l2ssm

    for name in l2ssm.__all__:
        assert getattr(l2ssm, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'fitt'; it has"):
        l2ssm.fitt


def test_files_stay_small():
    long = {str(p.relative_to(PACKAGE)): n for p in MODULES if (n := len(p.read_text().splitlines())) > 300}
    assert not long, f"one concept a file, at most 300 lines: {long}"
