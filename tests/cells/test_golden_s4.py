"""S4 against its two reference implementations, to 1e-10 relative: all modes and conj(C), or half of them and C."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from l2ssm.cells import S4
from l2ssm.parametrizations import dplr
from l2ssm.parametrizations.dplr_kernel import kernel
from l2ssm.systems.hippo import fout, legs, legt
from l2ssm.systems.nplr import dplr_half


def tensor(x) -> torch.Tensor:
    return torch.tensor(np.asarray(x))


def close(got, want, rtol=1e-10):
    got = got.detach().numpy() if isinstance(got, torch.Tensor) else got
    np.testing.assert_allclose(got, want, rtol=0, atol=rtol * np.abs(want).max())


def cell_of(Lam, P, B, tied, step, D=0.0, length=64):
    """An S4 of arrays (H, n), P (H, n, rank), step (H,)."""
    measure = {1: "legs", 2: "legt"}[P.shape[-1]]
    cell = S4(len(Lam), Lam.shape[1], len(Lam), measure=measure, length=length, readout="post").double()
    values = {
        "log_decay": np.log(-Lam.real),
        "frequency": Lam.imag,
        "P_ri": np.stack([P.real, P.imag], -1),
        "B_ri": np.stack([B.real, B.imag], -1),
        "C_ri": np.stack([tied.real, tied.imag], -1),
        "log_step": np.log(step),
        "D": np.broadcast_to(D, len(Lam)),
    }
    with torch.no_grad():
        for name, value in values.items():
            getattr(cell, name).copy_(tensor(value))
    return cell


def half(Lam, P, B, Ct):
    """Modes of negative frequency, and the row C: mode n' has the state phase * conj(x_n), its C is conj(Ct)."""
    n = len(Lam) // 2
    np.testing.assert_allclose(Lam[::-1][:n].conj(), Lam[:n], rtol=0, atol=1e-9)
    phase = B[::-1][:n] / B[:n].conj()
    np.testing.assert_allclose(P[::-1][:n], phase * P[:n].conj(), rtol=0, atol=1e-9)
    return Lam[:n], P[:n, None], B[:n], (Ct[:n].conj() + Ct[::-1][:n] * phase.conj()) / 2


def responses(cell, length=64):
    """The kernel (H, length), from an impulse in all channels."""
    u = torch.zeros(1, length, cell.n_u, dtype=torch.float64)
    u[:, 0] = 1
    return cell(u)[0][0].T


def test_annotated(golden):
    g = golden("s4_annotated")
    Lam, P, B, tied = half(g["Lambda"], g["P"], g["B"], g["Ct"])
    cell = cell_of(Lam[None], P[None], B[None], tied[None], g["step"][None])
    close(responses(cell)[0], g["K"])
    close(responses(cell)[0], g["K_rnn"].real)
    u = tensor(g["u"])[None, :, None]
    step, x, y = cell.stepper(), torch.zeros(1, 4, dtype=torch.complex128), []
    for u_k in u.unbind(1):
        y_k, x = step(u_k, x)
        y.append(float(y_k.detach()))
    close(cell(u)[0][0, :, 0], g["y"])
    close(np.array(y), g["y_rnn"].real)
    V = g["V"]
    back = 2 * np.stack([V[:, :4].real, -V[:, :4].imag], -1).reshape(8, 8)  # real coordinates of (Re x_1, Im x_1, ...)
    r = cell._recurrence()
    A, Bd = dplr.dense(r)[0].detach().numpy(), torch.view_as_real(r.Bd.detach())[0].flatten().numpy()
    close(back @ A @ np.linalg.inv(back), (V @ g["Ab"] @ V.conj().T).real)
    close(back @ Bd, (V @ g["Bb"])[:, 0].real)
    close(dplr.real_row(cell._row().detach())[0].numpy() @ np.linalg.inv(back), (g["Cb"] @ V.conj().T)[0].real)


@pytest.mark.parametrize("prefix", ["", "g_"])
def test_annotated_all_modes(golden, prefix):
    """All modes, without any symmetry, and for "g_" with Q other than P."""
    g = golden("s4_annotated")
    Lam, P, Q, B, Ct = (g[prefix + name] for name in ("Lambda", "P", "Q", "B", "Ct"))
    about = [tensor(v) for v in (Lam[None], P[None, :, None], Q[None, :, None])]
    step = tensor(g["step"])[None, None]
    K = kernel(*about, step * tensor(B)[None, None], tensor(Ct.conj())[None], step, 64, pairs=False)[0, 0]
    close(K.real, g[prefix + "K"])
    A, eye, h = np.diag(Lam) - np.outer(P, Q.conj()), np.eye(8), float(g["step"])
    Ab = np.linalg.solve(eye - h / 2 * A, eye + h / 2 * A)
    close(Ab, g[prefix + "Ab"])
    close(np.linalg.solve(eye - h / 2 * A, h * B), g[prefix + "Bb"][:, 0])
    close(Ct.conj() @ np.linalg.inv(eye - np.linalg.matrix_power(Ab, 64)), g[prefix + "Cb"][0])
    if not prefix:
        close(g["omega"], np.exp(-2j * np.pi * np.arange(64) / 64))
        close(np.fft.fft(K)[:32], g["atRoots"])


@pytest.mark.parametrize("measure", ["legs", "fout", "legt"])
def test_kernel_dplr(golden, measure):
    g = {key.removeprefix(f"{measure}_"): v for key, v in golden("s4_kernel_dplr").items() if key.startswith(measure)}
    P = np.moveaxis(g["P"], 0, -1)
    cell = cell_of(g["A"], P, g["B"], g["C_tilde"], g["dt"][:, 0])
    close(responses(cell), g["K"])
    r = cell._recurrence()
    A = dplr.dense(r)
    close(dplr.tie(tensor(g["C"]), A, 64), g["C_tilde"])
    spread = np.kron(np.eye(4), [[1, 1j]])  # x_n from (Re x_n, Im x_n); the other half is its conjugate
    both = np.concatenate([spread, spread.conj()])
    for h in range(4):
        close(both @ A[h].detach().numpy() @ np.linalg.inv(both), g["dA"][h])
        close(both @ torch.view_as_real(r.Bd.detach())[h].flatten().numpy(), g["dB"][h])
        close(dplr.real_row(cell._row().detach())[h].numpy() @ np.linalg.inv(both), g["dC"][h])


@pytest.mark.parametrize("measure", ["legs", "fout", "legt"])
def test_initial_modes(golden, measure):
    """In float32 there, with -Re Lam and -Im Lam clamped at 1e-4; the windows of fout and legt have length 2."""
    g, window = golden("s4_kernel_dplr"), {} if measure == "legs" else {"window": 2.0}
    modes = dplr_half({"legs": legs, "fout": fout, "legt": legt}[measure](8, **window))
    Lam = np.minimum(modes.Lam.real, -1e-4) + 1j * np.minimum(modes.Lam.imag, -1e-4)
    free = np.abs(g[f"{measure}_B"].imag) < 2  # LegS: B is clipped at 2, in the phases of its eigenvectors
    assert free.sum() >= 12
    for h in range(4):
        close(Lam, g[f"{measure}_A"][h], rtol=1e-6)
        close(np.abs(modes.P.T), np.abs(g[f"{measure}_P"][:, h]), rtol=1e-6)
        close(np.abs(modes.B)[free[h]], np.abs(g[f"{measure}_B"][h])[free[h]], rtol=1e-6)


def test_annotated_block(golden):
    g, p = golden("s4_annotated_block"), golden("s4_annotated_block", "p")
    Lam = np.minimum(p["seq__Lambda_re"], -1e-4) + 1j * p["seq__Lambda_im"]
    tied = p["seq__C"] @ [1, 1j]
    modes = [half(Lam[:, h], p["seq__P"][:, h], p["seq__B"][:, h], tied[:, h]) for h in range(4)]
    cell = cell_of(*(np.stack(v) for v in zip(*modes, strict=True)), np.exp(p["seq__log_step"][0]), p["seq__D"][0])
    x = tensor(g["x"])[None]
    close(cell(x)[0][0], g["y_layer_no_norm"])
    normed = functional.layer_norm(x, (4,), tensor(p["norm__scale"]), tensor(p["norm__bias"]), 1e-6)
    a = functional.gelu(cell(normed)[0], approximate="tanh")

    def dense(name):
        return functional.linear(a, tensor(p[f"{name}__kernel"]).T, tensor(p[f"{name}__bias"]))

    close((x + dense("out") * torch.sigmoid(dense("out2")))[0], g["y_block"])
