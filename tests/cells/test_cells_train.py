"""Every cell trains through `fit` on a plant, and what is frozen is certified."""

from __future__ import annotations

import pytest

import l2ssm as ls
from l2ssm.cells import CELLS
from l2ssm.errors import OptionError

OPTIONS = {
    **{name: (name, {}) for name in CELLS},
    "s4 legt post": ("s4", {"measure": "legt", "readout": "post"}),
    "s4d inv bilinear": ("s4d", {"init": "inv", "discretization": "bilinear"}),
    "s5 blocks": ("s5", {"blocks": 2, "readout": "post"}),
    "lru learned": ("lru", {"normalization": "learned"}),
}


@pytest.fixture(scope="module")
def data() -> ls.Dataset:
    return ls.plants.Pendulum().experiment(seed=0, samples=600)


@pytest.mark.parametrize("case", OPTIONS)
def test_the_error_falls_and_no_step_is_refused(case, data):
    cell, options = OPTIONS[case]
    sizes = {"layers": 1, "d_model": 4, "n_x": 4, "window": 128, "batch": 4}
    about = {"steps": 40, "validate_every": 10, "learning_rate": 0.01, "cell_options": options}
    model = ls.fit(data["train"], cell=cell, **sizes, **about)
    first, last = (model.info["history"][k]["train_mse"] for k in (0, -1))
    assert last < first
    assert model.info["rollbacks"] == 0
    assert model.info["cell_options"] == options
    operator = ls.linear_operators(model)["block0"]
    assert operator.is_schur()
    assert ls.certify(operator, lower=False).verified


def test_options_of_a_cell_are_checked_before_training(data):
    for cell, options in (
        ("s4", "measure, length, readout, step_min, step_max"),
        ("s5", "blocks, discretization, readout, step_min, step_max, C_init"),
        ("lru", "normalization, readout, ring"),
        ("lag", "basis, shape, warp, order, readout"),
        ("bounded", "gamma, learn_gamma"),
    ):
        with pytest.raises(OptionError, match=rf"has no option 'no_such'; it has {options}"):
            ls.fit(data["train"], cell=cell, cell_options={"no_such": 1})
    for ring in ({"radius": 0.9}, {"dt": 0.1, "shortest": 1.0}):
        with pytest.raises(OptionError, match="expected some of r_min, r_max, phase_max, or all of dt, shortest"):
            ls.fit(data["train"], cell="lru", cell_options={"ring": ring})
    with pytest.raises(OptionError, match="init is 'chebyshev'; it is one of lin, inv, legs, quad, real, random"):
        ls.fit(data["train"], cell="s4d", cell_options={"init": "chebyshev"})
    with pytest.raises(OptionError, match=r"cell_options is .*expected a dict of numbers and text"):
        ls.fit(data["train"], cell="s4d", cell_options={"init": object()})
