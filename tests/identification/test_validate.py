"""The validation judges: it passes the cells, and sees a cell that lies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from l2ssm.analysis.validation_plot import validation_figure
from l2ssm.cells import BOUNDED_CELLS, Bounded, Contraction
from l2ssm.cli.app import app
from l2ssm.errors import CertificateError, OptionError
from l2ssm.identification.validate import assert_closed_form, draw_cell, validate
from l2ssm.parametrizations.lti import LTI


@pytest.mark.parametrize("name", BOUNDED_CELLS)
def test_each_parametrization_passes(name):
    result = validate([name], draws=12, lmi_draws=3, gamma=2.5, dtypes=["float32"])
    row = result.rows[0]
    assert result.passed, str(result)
    assert len(row.ratios) == row.proved == row.closed_form == 12
    solved = [gain for gain in row.lmi["CLARABEL"] if not np.isnan(gain)]  # not those of poles next to the circle
    assert solved
    np.testing.assert_allclose(solved, 1, atol=1e-4)
    assert str(result).count("\n") == 1


class Liar(Contraction):
    """Twice the gain it was told."""

    def system(self):
        lam, B, C, D = super().system()
        return LTI(lam, 40 * B, C, 40 * D)


def test_a_cell_above_its_gain_is_seen(monkeypatch):
    monkeypatch.setitem(BOUNDED_CELLS, "liar", Liar)
    result = validate(["liar"], draws=6, lmi_draws=0, dtypes=["float64"])
    assert not result.passed
    assert max(result.rows[0].ratios) > 1
    assert result.rows[0].proved < 6
    assert result.rows[0].closed_form < 6


@pytest.mark.parametrize("name", BOUNDED_CELLS)
def test_closed_form_storage_is_refused_below_the_gain(name):
    cell = draw_cell(name, 8, 1.0)
    assert_closed_form(cell, 1.0)
    with pytest.raises(CertificateError):
        assert_closed_form(cell, 0.5 * cell.realization().hinf().lower)


def test_a_failing_draw_is_counted(monkeypatch):
    class Broken(Bounded):
        def system(self):
            return LTI(*(v * torch.tensor(float("nan")) for v in super().system()))

    monkeypatch.setitem(BOUNDED_CELLS, "broken", Broken)
    row = validate(["broken"], draws=2, dtypes=["float32"]).rows[0]
    assert len(row.failures) == 2
    assert not row.passed


def test_the_command_prints_the_table_and_draws_it(tmp_path, monkeypatch):
    picture = tmp_path / "validation.png"
    command = ["validate", "--draws", "2", "--cell", "contraction"]
    shown = CliRunner().invoke(app, [*command, "-o", str(picture)])
    assert shown.exit_code == 0, shown.output
    assert [line.split()[:3] for line in shown.stdout.splitlines()[1:3]] == [
        ["contraction", "float32", "2"],
        ["contraction", "float64", "2"],
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")
    monkeypatch.setitem(BOUNDED_CELLS, "contraction", Liar)
    assert CliRunner().invoke(app, command).exit_code == 1
    unknown = CliRunner().invoke(app, ["validate", "--cell", "lru"])
    assert unknown.exit_code == 1
    assert "unknown: lru; known: bounded" in unknown.stderr


def test_options():
    with pytest.raises(OptionError, match="unknown: lru"):
        validate(["lru"])
    with pytest.raises(OptionError, match="float16"):
        validate(dtypes=["float16"])
    with pytest.raises(OptionError, match="draws"):
        validate(draws=0)


def test_figure_shows_every_draw():
    result = validate(["contraction"], draws=6, lmi_draws=0)
    axes = validation_figure(result).axes[0]
    shown = np.concatenate([line.get_ydata() for line in axes.lines[:-1]])
    np.testing.assert_allclose(np.sort(shown), np.sort([r for row in result.rows for r in row.ratios]))
