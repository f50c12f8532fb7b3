"""The maps against the reference implementations' outputs, where those files are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import block_diag

from l2ssm.parametrizations.contraction import contraction, contraction_diagonal
from l2ssm.parametrizations.l2ru import l2ru
from l2ssm.parametrizations.l2ru_diagonal import l2ru_diagonal
from l2ssm.parametrizations.spectral import ROUNDING
from l2ssm.systems.state_space import StateSpace

GOLDEN = Path(os.environ.get("L2SSM_GOLDEN", "golden"))


def golden(name: str, tag: str = "") -> dict[str, np.ndarray]:
    path = GOLDEN / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no reference vectors: set L2SSM_GOLDEN to the folder of {name}.npz")
    with np.load(path) as data:
        prefix = f"{tag}__" if tag else ""
        return {key[len(prefix) :]: data[key] for key in data if key.startswith(prefix)}


def tensor(x) -> torch.Tensor:
    return torch.tensor(np.asarray(x))


def runs(A, B, C, D, u, y, states):
    """x[k+1] = A x[k] + B u[k], Re(C x[k]) + D u[k] from 0 gives their states (batch, time + 1, n_x) and outputs."""
    x = np.zeros((u.shape[0], A.shape[0]), A.dtype)
    np.testing.assert_array_equal(states[:, 0], 0.0)
    for k in range(u.shape[1]):
        np.testing.assert_allclose((x @ C.T).real + u[:, k] @ D.T, y[:, k], rtol=0, atol=1e-10 * np.abs(y).max())
        x = x @ A.T + u[:, k] @ B.T
        np.testing.assert_allclose(x, states[:, k + 1], rtol=0, atol=1e-10 * np.abs(states).max())


@pytest.mark.parametrize("tag", ["eye", "rand", "learn"])
def test_l2ru_diagonal(tag):
    g = golden("l2ru_zak", tag)
    n_x, n_u = 6, 3
    lam = torch.polar(torch.exp(-torch.exp(tensor(g["p__nu_log"]))), torch.exp(tensor(g["p__theta_log"])))
    X = tensor(g["p__X2b"])
    got = l2ru_diagonal(
        lam,
        X[:n_x, :n_u],
        X[n_x:, n_u:].mT,
        tensor(g["p__Dp"]),
        float(g["gamma"]),
        margin=float(g["x2_margin"]),
        margin_D=float(g["d_margin"]),
    )
    np.testing.assert_allclose(np.diag(got.lam.numpy()), g["A"], rtol=0, atol=1e-10)
    for name in "BCD":
        np.testing.assert_allclose(getattr(got, name).numpy(), g[name], rtol=0, atol=1e-10)
    lam, B, C, D = (v.numpy() for v in got)
    runs(np.diag(lam), B, C, D, golden("l2ru_zak")["u"], g["y"], g["states"])
    T = np.tile([2.0, -2.0], n_x)  # their real states are 2 Re x, -2 Im x
    G = StateSpace.from_modes(lam, B, C, D)
    for ours, name in ((T[:, None] * G.A / T, "A"), (T[:, None] * G.B, "B"), (G.C / T, "C"), (G.D, "D")):
        np.testing.assert_allclose(ours, g[f"{name}_real"], rtol=0, atol=1e-10)
    P = np.abs(lam) ** 2 + 0.01
    W = np.block([[np.diag(P), np.diag(P * lam)], [np.diag(P * lam.conj()), np.diag(P)]])
    Z = np.block([[g["gamma"] * np.eye(3), D.T], [D, g["gamma"] * np.eye(2)]])
    Y = np.block([[P[:, None] * B, np.zeros((n_x, 2))], [np.zeros((n_x, 3)), C.conj().T]])
    for ours, name in ((W, "W"), (Z, "Z"), (Y, "Y")):
        np.testing.assert_allclose(ours, g[name], rtol=0, atol=1e-10 * np.abs(g[name]).max())
    largest = G.hinf().upper
    assert largest * (1 - 1e-2) <= g["hinf"] <= largest <= g["gamma"]  # theirs is the largest value on a grid


def offset(K, theirs):
    """Our maps leave a margin of `ROUNDING` below gamma, which the reference does not: the offset without it."""
    return theirs - ROUNDING[torch.float64] * np.linalg.norm(K, 2)


@pytest.mark.parametrize("tag", ["raw", "circle"])
def test_contraction_diagonal(tag):
    g = golden("l2n", tag)
    rho = (1 - g["eps_radius"]) / (1 + np.exp(-g["p__rho_raw"]))
    K12, K21 = g["p__K12_raw"], g["p__K21_raw"]
    K11 = [[np.cos(g["p__theta"]), -np.sin(g["p__theta"])], [np.sin(g["p__theta"]), np.cos(g["p__theta"])]]
    K = np.block([[block_diag(*np.moveaxis(rho * K11, 2, 0)), K12], [K21, g["p__K22_raw"]]])
    got = contraction_diagonal(
        tensor(rho * np.exp(1j * g["p__theta"])),
        tensor(K12[0::2] + 1j * K12[1::2]),
        tensor(K21[:, 0::2] - 1j * K21[:, 1::2]),
        tensor(g["p__K22_raw"]),
        float(g["gamma"]),
        offset=offset(K, 0.002),
    )
    A = got.lam.numpy()
    np.testing.assert_allclose(A.real, np.diag(g["A_z"])[0::2], rtol=0, atol=1e-12)
    np.testing.assert_allclose(A.imag, np.diag(g["A_z"], -1)[0::2], rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.B.numpy(), g["B_z"][0::2] + 1j * g["B_z"][1::2], rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.C.numpy(), g["C_z"][:, 0::2] - 1j * g["C_z"][:, 1::2], rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.D.numpy(), g["D_z"], rtol=0, atol=1e-12)
    S, G = g["p__S"], StateSpace.from_modes(*(v.numpy() for v in got))
    ours = np.linalg.solve(S, G.A @ S), np.linalg.solve(S, G.B), G.C @ S, G.D
    for M, name in zip(ours, "ABCD", strict=True):
        np.testing.assert_allclose(M, g[name], rtol=0, atol=1e-10)
    np.testing.assert_allclose(S.T @ S, g["P"], rtol=0, atol=1e-10)
    runs(*ours, golden("l2n")["u"], g["y"], g["states_x"])


def test_contraction():
    g = golden("l2_bounded_cell")
    got = contraction(
        tensor(g["p__K_raw"]), 6, float(g["gamma"]), offset=offset(g["p__K_raw"], float(g["contraction_eps"]))
    )
    S = g["p__S"]
    np.testing.assert_allclose(np.linalg.solve(S, got.A.numpy() @ S), g["A"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.solve(S, got.B.numpy()), g["B"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.C.numpy() @ S, g["C"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(got.D.numpy(), g["D"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(S.T @ S, g["P"], rtol=0, atol=1e-10)
    ours = np.linalg.solve(S, got.A.numpy() @ S), np.linalg.solve(S, got.B.numpy()), got.C.numpy() @ S, got.D.numpy()
    runs(*ours, g["u"], g["y"], g["states"])


@pytest.mark.parametrize("tag", ["rand_q1", "rand_q0", "eye_q1", "learn_gamma"])
def test_l2ru(tag):
    """The reference adds 1e-6 I to -R. Without it, its formulas (inverting H12) give our map, but for our margin."""
    g = golden("l2ru", tag)
    n, gamma = 4, float(g["gamma"])
    X11, X22, S = np.zeros((3, n, n))
    X11[tuple(g["p__tril_indices"])], X22[tuple(g["p__tril_indices"])] = g["p__X11_params"], g["p__X22_params"]
    if "p__Skew_params" in g:
        S[tuple(g["p__triu_indices"])] = g["p__Skew_params"]
    alpha, log_eps = float(g["p__alpha"]), float(g["p__epsilon"])
    X21, C, D, e, eye = g["p__X21"], g["p__C"], g["p__Dt"], np.exp(log_eps), np.eye(n)
    Z = X21 @ X21.T + X22 @ X22.T + D.T @ D + e * eye
    b = gamma**2 / (1 + np.exp(-alpha)) / np.linalg.norm(Z, 2)
    H11, H12 = X11 @ X11.T + C.T @ C + b * e * eye, np.sqrt(b) * (X11 @ X21.T + C.T @ D)
    V = b * Z - gamma**2 * eye
    Q = np.linalg.solve(eye + S - S.T, eye - S + S.T)

    def reference(jitter):
        R = -H12 @ np.linalg.solve(V, H12.T) + jitter * eye
        CR, CH = np.linalg.cholesky(R), np.linalg.cholesky(R + H11)
        A = np.linalg.solve(CH.T, Q @ CR.T)
        return A, A @ np.linalg.solve(H12.T, V), CR, CH

    A, B, _, CH = reference(1e-6)
    np.testing.assert_allclose(A, g["A"], rtol=0, atol=1e-11)
    np.testing.assert_allclose(B, g["B"], rtol=0, atol=1e-11)
    np.testing.assert_allclose(CH @ CH.T, g["P"], rtol=1e-10, atol=1e-10 * np.abs(g["P"]).max())
    np.testing.assert_array_equal(C, g["C"])
    runs(A, B, C, g["D"], golden("l2ru")["u"], g["y"], g["states"])
    largest = StateSpace(A, B, C, g["D"]).hinf().upper
    assert largest * (1 - 1e-2) <= g["hinf"] <= largest <= gamma  # theirs is the largest value on a grid

    A, B, CR, CH = reference(0.0)
    L = np.linalg.cholesky(-V)
    turned = Q @ CR.T @ np.linalg.inv(np.linalg.solve(L, H12.T))  # our square root of -R is CR times a rotation
    args = (X11 / gamma, X21, X22, C / gamma, D, turned, alpha, log_eps)
    got = [M.numpy() / (1 - ROUNDING[torch.float64]) for M in l2ru(*(tensor(x) for x in args), gamma)]
    ours = np.linalg.solve(CH.T, got[0] @ CH.T), np.linalg.solve(CH.T, got[1]), got[2] @ CH.T, got[3]
    for M, want in zip(ours, (A, B, C, g["D"]), strict=True):
        np.testing.assert_allclose(M, want, rtol=0, atol=1e-10)
