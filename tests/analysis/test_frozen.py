"""Frozen coefficients: under a constant steering the linear system is the recurrence; labelled, never a proof."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.analysis.frozen import frozen, of_core
from l2ssm.analysis.operators import is_frozen, linear_operators
from l2ssm.certificates.compose import certify
from l2ssm.errors import DataError, RealizationError
from l2ssm.systems.clocked import Clocked
from l2ssm.systems.contractive_cores import GatedCore, LosslessCore
from l2ssm.systems.core import Core
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Residual
from l2ssm.systems.legendre_core import LegendreCore
from l2ssm.systems.s6_core import S6Core
from l2ssm.systems.selective import Selective
from l2ssm.systems.state_space import StateSpace

RNG = np.random.default_rng(0)
CORES = {
    "gated": GatedCore(RNG.uniform(0.1, 1, 3), np.full(3, 0.2)),
    "lossless": LosslessCore(RNG.uniform(0.1, 1, 3), RNG.uniform(0, 2, 3)),
    "s6 real": S6Core(-RNG.uniform(0.1, 1, (2, 3)), np.zeros((2, 3)), "zoh", "real"),
    "s6 real, euler": S6Core(-RNG.uniform(0.1, 1, (2, 3)), np.zeros((2, 3)), "euler", "real"),
    "s6 complex": S6Core(-RNG.uniform(0.1, 1, (2, 3)), RNG.uniform(0, 2, (2, 3)), "zoh", "complex"),
    "legendre": LegendreCore(np.full(2, 1e-2), np.full(2, 1.0), np.full(2, 4.0)),
}


def selective(core: Core, seed: int = 0) -> Selective:
    """Two inputs, two outputs around the core."""
    rng = np.random.default_rng(seed)
    shapes = (core.n_steer, 2), (core.n_steer,), (core.n_drive, 2), (2, core.n_out), (2, 2)
    return Selective(core, *(0.5 * rng.standard_normal(shape) for shape in shapes))


def clocked() -> Clocked:
    """Three modes on a clock."""
    rng = np.random.default_rng(1)
    lam = rng.uniform(0.3, 0.9, 3) * np.exp(1j * rng.uniform(0, 2, 3))
    B, C = rng.standard_normal((2, 3, 2)), rng.standard_normal((2, 2, 3))
    return Clocked(
        lam.real, lam.imag, *B, *C, rng.standard_normal((2, 2)), 0.3 * rng.standard_normal((1, 2)), [0.2], [3.0]
    )


@pytest.mark.parametrize("name", CORES)
def test_a_core_with_constant_steering_is_its_frozen_system(name: str) -> None:
    core, rng = CORES[name], np.random.default_rng(2)
    steer, drive = rng.standard_normal(core.n_steer), rng.standard_normal((50, core.n_drive))
    expected = core.run(np.hstack([np.tile(steer, (50, 1)), drive]), np.zeros(core.n_x))
    G = StateSpace(*of_core(core, steer))
    np.testing.assert_allclose(G.simulate(drive), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("layer", [clocked(), *map(selective, CORES.values())], ids=["clocked", *CORES])
def test_at_its_own_constant_input_a_frozen_layer_is_the_layer(layer: Selective | Clocked) -> None:
    v = np.array([0.7, -0.4])
    u = np.tile(v, (60, 1))
    np.testing.assert_allclose(frozen(layer, v, 1.0).simulate(u), layer.run(u, np.zeros(layer.n_x)), atol=1e-11, rtol=0)


def _network(*layers: Selective | Clocked | Residual | Affine) -> Interconnection:
    return Interconnection(layers, 0.5, ("a", "b"), ("c", "d"), ("V", "bar"), ("", ""))


def test_every_selective_cell_is_frozen_at_what_reaches_it() -> None:
    first, second = selective(CORES["gated"]), clocked()
    net = _network(Affine(2 * np.eye(2), [0.1, 0.2]), Residual((first,)), second)
    found = linear_operators(net, [0.3, -0.1])
    assert list(found) == [f"block{i} (frozen at u = (0.3 V, -0.1 bar))" for i in (0, 1)]
    assert all(map(is_frozen, found))
    v = 2 * np.array([0.3, -0.1]) + np.array([0.1, 0.2])
    after = v + first.run(np.tile(v, (4000, 1)), np.zeros(first.n_x))[-1]  # by simulation, long enough to settle
    expected = frozen(second, after, 0.5).frequency_response([0.1, 1.0])
    np.testing.assert_allclose([*found.values()][1].frequency_response([0.1, 1.0]), expected, atol=1e-9, rtol=0)
    assert next(iter(found.values())).dt == 0.5


def test_a_certificate_does_not_depend_on_where_the_coefficients_were_frozen() -> None:
    net = _network(clocked())
    before = certify(net, kind="l2", lower=False).to_json()
    linear_operators(net, 5.0)
    assert certify(net, kind="l2", lower=False).to_json() == before
    assert "frozen" not in before


def test_what_cannot_be_frozen_is_refused_with_the_reason() -> None:
    with pytest.raises(RealizationError, match="Affine has no coefficients"):
        frozen(Affine(np.eye(2), np.zeros(2)), np.zeros(2), 1.0)
    with pytest.raises(DataError, match="u0 is"):
        linear_operators(_network(clocked()), [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="u0 is 'x'"):
        linear_operators(_network(clocked()), "x")
    with pytest.raises(DataError, match="u0 is nan"):
        linear_operators(_network(clocked()), np.nan)
