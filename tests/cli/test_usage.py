"""Exit codes that mean one thing each, the version, and a missing package as one line."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

import l2ssm
from l2ssm.cli.app import app
from l2ssm.cli.messages import one_line_errors


@pytest.mark.parametrize(
    "arguments",
    [["verify"], ["verify", "cert.json", "--modle", "x"], ["nothing"], ["--unknown"], ["fit", "--steps", "many"]],
)
def test_a_usage_error_is_not_a_refutation(arguments):
    assert CliRunner().invoke(app, arguments).exit_code == 64


def test_a_usage_error_of_the_console_script_exits_with_64():
    code = "import sys; sys.argv = ['l2ssm', 'verify', '--bogus']\nfrom l2ssm.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 64
    assert "bogus" in done.stderr


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "l2ssm", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == CliRunner().invoke(app, ["--version"]).output.strip()


def test_the_help_of_verify_lists_the_exit_codes():
    shown = " ".join(CliRunner().invoke(app, ["verify", "--help"], env={"COLUMNS": "200"}).output.split())
    for words in ("Exit 0: proved.", "2: not proved", "3: not a certificate.", "64: the command"):
        assert words in shown


def test_version():
    shown = CliRunner().invoke(app, ["--version"])
    assert shown.exit_code == 0
    assert shown.output == f"l2ssm {l2ssm.__version__}\n"


def test_eval_takes_a_file_or_a_benchmark():
    shown = CliRunner().invoke(app, ["eval", "m.l2ssm", "a.csv", "--benchmark", "emps"])
    assert shown.exit_code == 1
    assert "not both" in shown.stderr


def test_a_missing_package_is_one_line(capsys):
    @one_line_errors
    def command() -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    with pytest.raises(typer.Exit) as left:
        command()
    assert left.value.exit_code == 1
    expected = "this command needs torch (No module named 'torch'): pip install l2ssm with its dependencies"
    assert capsys.readouterr().err == f"error: {expected}\n"


def test_a_missing_module_of_our_own_is_a_fault_of_ours():
    @one_line_errors
    def command() -> None:
        raise ModuleNotFoundError("No module named 'l2ssm.lost'", name="l2ssm.lost")

    with pytest.raises(ModuleNotFoundError):
        command()
