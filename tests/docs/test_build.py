"""The pages build without a warning, with what the extra `docs` installs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.mark.slow
def test_the_docs_build_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="needs the extra docs")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-q",
        "-d",
        str(tmp_path / "trees"),
        str(DOCS),
        str(tmp_path / "html"),
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    commands = (tmp_path / "html" / "reference" / "cli.html").read_text()
    assert "l2ssm sweep-gamma" in commands
    assert "--arithmetic" in commands
    formulas = (tmp_path / "html" / "explanation" / "taxonomy.html").read_text()
    assert formulas.count("<math") > 30
    for page in (tmp_path / "html").rglob("*.html"):  # a reader without a network misses nothing
        assert not re.search(r'<(script|link|img)[^>]*(src|href)="https?://', page.read_text()), page.name
