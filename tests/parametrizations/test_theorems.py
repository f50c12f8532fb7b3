"""The inequalities behind the maps, on random vectors and against independent formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from l2ssm.parametrizations.bounded_diagonal import bounded_diagonal, radial, smooth_preimage
from l2ssm.parametrizations.contraction import contraction, contraction_diagonal
from l2ssm.parametrizations.l2ru import cayley, l2ru
from l2ssm.parametrizations.l2ru_diagonal import l2ru_diagonal, storage
from l2ssm.parametrizations.spectral import representable, spectral_norm
from l2ssm.parametrizations.stable import disc_poles, poles
from l2ssm.parametrizations.supply import supply_bound
from l2ssm.systems.modal import Modes, real_matrices


def normal(generator, *shape, complex_=False):
    x = torch.randn(*shape, 2, generator=generator, dtype=torch.float64)
    return torch.view_as_complex(x) if complex_ else x[..., 0]


def free_arguments(seed, n=5, m=3, p=3, scale=1.0):
    g = torch.Generator().manual_seed(seed)
    r = min(m, p)
    return (
        scale * normal(g, n, complex_=True),
        scale * normal(g, n, m, complex_=True),
        scale * normal(g, p, n, complex_=True),
        scale * normal(g, r, n, complex_=True),
        scale * normal(g, p, m),
        scale * normal(g, n),
    )


@pytest.mark.parametrize("seed", range(10))
def test_dissipation_inequality(seed):
    """V(x+) - V(x) + |y|^2 <= u'Tu with V(x) = sum_t |Re(Ce lam^t x)|^2 + sum pd |x|^2, summed term by term."""
    w, B, C, C2, D, log_pd = free_arguments(seed)
    lam, pd = disc_poles(w), torch.exp(log_pd)
    s = torch.sqrt(1 - lam.abs() ** 2)
    B, C, C2 = s[:, None] * B, C * s, C2 * s
    T = supply_bound(lam, B, C, C2, D, pd, pd * s**2)
    Ce = torch.cat([C, C2])

    def V(x):
        total, steps = (pd * x.abs() ** 2).sum(), int(40 / float(-torch.log(lam.abs().max()))) + 10
        z = x
        for _ in range(steps):
            total, z = total + ((Ce @ z).real ** 2).sum(), lam * z
        return total

    g = torch.Generator().manual_seed(seed)
    for _ in range(5):
        x, u = normal(g, 5, complex_=True), normal(g, 3)
        y = (C @ x).real + D @ u
        gained = V(lam * x + B @ u.to(B.dtype)) - V(x) + (y**2).sum()
        assert gained <= u @ T @ u + 1e-9 * (1 + float(V(x)))


@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (3, 2)])
def test_bounded_diagonal_is_the_identity_inside_the_bound_and_scales_with_gamma(sizes):
    m, p = sizes
    w, B, C, C2, D, log_pd = free_arguments(1, m=m, p=p, scale=0.1)
    lam = disc_poles(w)
    s = torch.sqrt(1 - lam.abs() ** 2)
    got = bounded_diagonal(w, B, C, C2, D, log_pd, 1.0, smooth=False)
    torch.testing.assert_close(got.B, s[:, None] * B, rtol=1e-8, atol=0)
    torch.testing.assert_close(got.C, C * s, rtol=1e-8, atol=0)
    tripled = bounded_diagonal(w, B, C, C2, D, log_pd, 3.0, smooth=False)
    torch.testing.assert_close(tripled.D, 3 * got.D)
    torch.testing.assert_close(tripled.C @ tripled.B, 3 * got.C @ got.B)


@pytest.mark.parametrize("smooth", [False, True])
def test_gradients(smooth):
    arguments = [a.requires_grad_() for a in free_arguments(3, n=3, m=2, p=2, scale=0.7)]
    torch.autograd.gradcheck(lambda *a: bounded_diagonal(*a, 2.0, smooth=smooth), arguments)


def test_gradients_of_the_other_maps():
    g = torch.Generator().manual_seed(0)
    X = [normal(g, 3, 3).requires_grad_() for _ in range(6)]
    scalars = [normal(g).requires_grad_() for _ in range(2)]
    torch.autograd.gradcheck(lambda *a: l2ru(*a[:5], cayley(a[5]), a[6], a[7], 1.5), (*X, *scalars))
    lam, PB, C = (normal(g, *shape, complex_=True) for shape in ((3,), (3, 2), (2, 3)))
    arguments = [(0.5 * lam / lam.abs()).requires_grad_(), PB.requires_grad_(), C.requires_grad_()]
    D = normal(g, 2, 2).requires_grad_()
    for map_ in (l2ru_diagonal, contraction_diagonal):
        torch.autograd.gradcheck(lambda *a, map_=map_: map_(*a, 1.5), (*arguments, D))
    torch.autograd.gradcheck(lambda K: contraction(K, 3, 1.5), (normal(g, 5, 5).requires_grad_(),))


def test_radial():
    largest = torch.tensor([0.0, 0.3, 0.98, 1.0, 1.05, 4.0, 1e40], dtype=torch.float64)
    for smooth in (False, True):
        f = radial(largest, smooth)
        assert torch.all(f > 0)
        assert torch.all(f <= 1)
        assert torch.all(f**2 * largest <= 1 + 1e-12)
    for x in (1e-9, 0.5, 0.998, 1 - 1e-9):
        t = smooth_preimage(x)
        assert t * float(radial(torch.tensor(t * t * x, dtype=torch.float64), True)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_l2ru_satisfies_the_bounded_real_inequality_with_p_identity(seed):
    g = torch.Generator().manual_seed(seed)
    A, B, C, D = l2ru(*(normal(g, 4, 4) for _ in range(5)), cayley(normal(g, 4, 4)), normal(g), normal(g), 1.5)
    K = torch.cat([torch.cat([A, B / 1.5], 1), torch.cat([C, D / 1.5], 1)]).numpy()
    assert np.linalg.eigvalsh(K.T @ K)[-1] < 1


@pytest.mark.parametrize("seed", range(5))
def test_l2ru_diagonal_satisfies_the_bounded_real_inequality_with_its_diagonal_p(seed):
    g, gamma = torch.Generator().manual_seed(seed), 1.5
    lam = poles(normal(g, 4), normal(g, 4))
    lti = l2ru_diagonal(lam, normal(g, 4, 2, complex_=True), normal(g, 3, 4, complex_=True), normal(g, 3, 2), gamma)
    A, B, C, D = real_matrices(Modes(*(v.numpy() for v in lti)))
    P = gamma * np.diag(np.repeat(storage(lam).numpy(), 2))
    cross = A.T @ P @ B + C.T @ D
    M = np.block([[A.T @ P @ A - P + C.T @ C, cross], [cross.T, B.T @ P @ B + D.T @ D - gamma**2 * np.eye(2)]])
    assert np.linalg.eigvalsh(M)[-1] < 0


def test_l2ru_with_a_singular_cross_term():
    """The paper's B = A H12^-T V does not exist here; the map does."""
    zeros, eye = torch.zeros(3, 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    zero = torch.zeros((), dtype=torch.float64)
    lti = l2ru(eye, zeros, eye, zeros, zeros, eye, zero, zero, 1.0)
    assert all(torch.isfinite(v).all() for v in lti)


def test_spectral_norm():
    g = torch.Generator().manual_seed(0)
    for M in (normal(g, 4, 7), normal(g, 7, 4), normal(g, 3, 3, complex_=True), 1e200 * normal(g, 2, 2)):
        torch.testing.assert_close(spectral_norm(M), torch.linalg.matrix_norm(M, 2), rtol=1e-12, atol=0)
    zero = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    spectral_norm(zero).backward()
    assert torch.isfinite(zero.grad).all()
    double = torch.eye(3, dtype=torch.float64, requires_grad=True)  # an SVD's gradient is infinite here
    spectral_norm(double).backward()
    assert torch.isfinite(double.grad).all()


def test_representable_rounds_and_passes_the_gradient():
    x = torch.tensor([0.1, 1 / 3], dtype=torch.float64, requires_grad=True)
    y = representable(x, torch.float32)
    assert torch.equal(y, x.detach().float().double())
    y.sum().backward()
    assert torch.equal(x.grad, torch.ones(2, dtype=torch.float64))
    assert representable(x, torch.float64) is x
