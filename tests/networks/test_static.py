"""What every static layer promises, for every row of the table."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from l2ssm.certificates.compose import certify
from l2ssm.errors import NotCertifiableError, OptionError
from l2ssm.networks.static import LIPSCHITZ, STATIC, StaticLayer
from l2ssm.parametrizations.orthogonal import semi_orthogonal
from l2ssm.systems.interconnection import Interconnection

SIZES = [(4, 4), (3, 5), (5, 2)]
CASES = [(name, size) for name in STATIC for size in SIZES if name != "contractive" or size[0] == size[1]]


def make(
    name: str, size: tuple[int, int] = (4, 4), scale: float | None = None, seed: int = 0, **options
) -> StaticLayer:
    """A layer at its start, or at random parameters of a scale."""
    generator = torch.Generator().manual_seed(seed)
    layer = STATIC[name](*size, generator=generator, **options)
    if scale is not None:
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return layer


def chain(layer: StaticLayer) -> Interconnection:
    frozen = layer.frozen()
    return Interconnection(
        (frozen,), 1.0, ("u",) * frozen.n_in, ("y",) * frozen.n_out, ("",) * frozen.n_in, ("",) * frozen.n_out
    )


@pytest.mark.parametrize(("name", "size"), CASES)
@pytest.mark.parametrize("scale", [None, 30.0])
def test_frozen_numbers_are_those_of_forward(name, size, scale):
    layer = make(name, size, scale).double()
    x = torch.randn(2, 50, size[0], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        y = layer(x)
    assert y.shape == (2, 50, size[1])
    for i in range(2):
        want = layer.frozen().run(x[i].numpy(), np.zeros(0))
        np.testing.assert_allclose(y[i].numpy(), want, rtol=1e-12, atol=1e-12 * np.abs(want).max())


@pytest.mark.parametrize(("name", "size"), CASES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_and_gradients_are_finite_at_extremes(name, size, scale, dtype):
    layer = make(name, size, scale).to(dtype)
    x = torch.randn(1, 20, size[0], dtype=dtype, generator=torch.Generator().manual_seed(2)).requires_grad_()
    y = layer(x)
    assert y.dtype == dtype
    y.square().mean().backward()
    assert torch.isfinite(y).all()
    for value in (x, *layer.parameters()):
        assert value.grad is not None
        assert torch.isfinite(value.grad).all()


@pytest.mark.parametrize(("name", "size"), [case for case in CASES if case[0] in LIPSCHITZ])
@pytest.mark.parametrize("scale", [None, 0.1, 10.0, 1e5])
def test_the_bound_is_proved_and_holds_for_random_pairs(name, size, scale):
    for seed in range(2):
        layer = make(name, size, scale, seed)
        network = chain(layer)
        assert certify(network, lower=False).gamma <= 1 + 1e-8
        rng = np.random.default_rng(seed)
        u = rng.standard_normal((2000, size[0])) * rng.choice([1e-2, 1.0, 100.0], (2000, 1))
        v = u + rng.standard_normal(u.shape) * rng.choice([1e-3, 1.0, 10.0], (2000, 1))
        dy = np.linalg.norm(network.simulate(u) - network.simulate(v), axis=1)
        assert np.all(dy <= np.linalg.norm(u - v, axis=1) * (1 + 1e-9))


@pytest.mark.parametrize("name", [name for name in LIPSCHITZ if name != "gated"])
def test_signals_pass_at_the_start(name):
    """Slopes of 0.3 to 1 for signals of size 1 in every direction: a deep chain can use the gain it is given."""
    layer = make(name).double()
    for x in torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)):
        slopes = torch.linalg.svdvals(torch.autograd.functional.jacobian(layer, x))
        assert float(slopes.min()) > 0.3
        assert 0.75 < float(slopes.max()) <= 1


@pytest.mark.parametrize("name", sorted(set(STATIC) - set(LIPSCHITZ)))
def test_layers_without_a_prescribed_bound_exceed_it(name):
    network = chain(make(name, scale=3.0))
    u = 5 * np.random.default_rng(0).standard_normal((500, 4))
    v = u + 1e-3 * np.random.default_rng(1).standard_normal(u.shape)
    assert np.max(np.linalg.norm(network.simulate(u) - network.simulate(v), axis=1) / np.linalg.norm(u - v, axis=1)) > 2
    if name == "glu":
        with pytest.raises(NotCertifiableError, match=r"\(Gated\)"):
            certify(network)


def test_the_sandwich_is_any_perceptron_that_a_multiplier_proves():
    """From W1, W2, T with the LMI at gain 1 to (A, B, Psi) and back."""
    layer = make("sandwich", (3, 4), 1.0, hidden=7).double()
    W1, W2 = (W.detach().numpy() for W in layer.weights())
    psi = torch.exp(layer.log_psi).detach().numpy()
    A, B = (W2 / psi).T / np.sqrt(2), psi[:, None] * W1 / np.sqrt(2)
    np.testing.assert_allclose(A @ A.T + B @ B.T, np.eye(7), atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("k", [0, 2, 9])
def test_columns_stay_orthonormal(scale, k):
    generator = torch.Generator().manual_seed(k)
    X, Y = (scale * torch.randn(n, 5, generator=generator, dtype=torch.float64) for n in (5, k))
    Q = semi_orthogonal(X, Y)
    assert Q.shape == (5 + k, 5)
    assert float((Q.mT @ Q - torch.eye(5, dtype=torch.float64)).abs().max()) < 1e-12


def test_seeds_decide_the_start():
    for name in STATIC:
        one, same, other = (make(name, seed=s).state_dict() for s in (3, 3, 4))
        assert all(torch.equal(one[key], same[key]) for key in one)
        assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make("sandwich", hidden=9), r"hidden is 9, a sandwich layer has at most n_in \+ n_out = 8"),
        (lambda: make("contractive", (3, 4)), "as many outputs as inputs, not 3 inputs, 4 outputs"),
        (lambda: make("gated", hidden=3), "hidden is 3, but a gated layer has no hidden units"),
        (lambda: make("gated", activation="tanh"), "GatedLayer: activation 'tanh' does not apply"),
        (lambda: make("sandwich", activation="gelu"), r"SandwichLayer: activation 'gelu' has slopes outside \[0, 1\]"),
        (lambda: make("orthogonal", activation="sin"), "unknown activation 'sin'; known: tanh, relu, gelu, silu"),
    ],
)
def test_options_a_layer_cannot_have(build, message):
    with pytest.raises(OptionError, match=message):
        build()
