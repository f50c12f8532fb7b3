"""S4D, S5 and LRU against the outputs of their reference implementations, to 1e-10 relative."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from l2ssm.cells import LRU, S4D, S5, S5Bidirectional
from l2ssm.parametrizations.s4d_init import INITIAL_MODES
from l2ssm.parametrizations.sampling import bilinear, zoh
from l2ssm.parametrizations.stable import DECAY_MIN

RTOL = 1e-10


def tensor(x) -> torch.Tensor:
    return torch.tensor(np.asarray(x))


def close(got, want, rtol=RTOL):
    got = got.detach().numpy() if isinstance(got, torch.Tensor) else got
    np.testing.assert_allclose(got, want, rtol=0, atol=rtol * np.abs(want).max())


def fill(cell, **values):
    """The cell in float64 with these parameters."""
    cell = cell.double()
    parameters = dict(cell.named_parameters())
    with torch.no_grad():
        for name, value in values.items():
            parameters[name].copy_(tensor(value))
    return cell


def pairs(x):
    return np.stack([x.real, x.imag], axis=-1)


def s4d(g, A, B, C, dt, D=0.0, discretization="zoh"):
    cell = S4D(4, 4, 4, discretization=discretization, readout="post")
    about = {"log_decay": np.log(-A.real), "frequency": A.imag, "log_step": np.log(dt).reshape(4)}
    return fill(cell, **about, B_ri=pairs(B), C_ri=pairs(C), D=np.broadcast_to(D, 4))


def channelwise(cell, time):
    """The kernel (H, time) of a bank, from its response to an impulse in all channels at once."""
    return cell(functional.one_hot(torch.zeros(1, dtype=torch.int64), time).double()[..., None].expand(1, time, 4))[0][
        0
    ].T


@pytest.mark.parametrize("init", ["lin", "inv", "legs", "quad", "real"])
def test_s4d_kernels(golden, init):
    g = golden("s4d_kernels")
    A, B, C, dt = (g[f"{init}_{name}"] for name in ("A", "B", "C", "dt"))
    for name, rule in (("zoh", zoh), ("bilinear", bilinear)):
        cell = s4d(g, A, B, C, dt, discretization=name)
        close(channelwise(cell, 64), g[f"{init}_{name}_K"])
        lam, scale = rule(tensor(A), tensor(dt))
        close(lam, g[f"{init}_{name}_dA"])
        close(scale * tensor(B), g[f"{init}_{name}_dB"])
    x = A * (np.exp(dt * A * 64) - 1)  # "dss" is "zoh" read through another C, tied to the length, without the 2
    tied = C / 2 * A * x.conj() / (x * x.conj() + 1e-7)
    close(channelwise(s4d(g, A, B, tied, dt), 64), g[f"{init}_dss_K"])


@pytest.mark.parametrize("init", ["lin", "inv", "legs", "quad", "real"])
def test_s4d_initial_modes(golden, init):
    """The reference keeps float32 numbers, clamps Im Lam at -1e-4 and clips the imaginary part of B to 2."""
    g = golden("s4d_kernels")
    Lam, B = INITIAL_MODES[init](4, None)
    clamped = {"lin": 1e-4, "real": 1e-4}.get(init, 0.0)
    for row in g[f"{init}_A"]:
        close(Lam, row, rtol=1e-7 + clamped / np.abs(row).max())
    free = np.abs(g[f"{init}_B"].imag) < 2  # an eigenvector has no phase of its own, so neither has B
    close(np.where(free, np.abs(g[f"{init}_B"]), 0.0), np.where(free, np.abs(B), 0.0), rtol=1e-6)
    assert free.sum() >= 12


def test_s4d_layer(golden):
    g = golden("s4d_layer")
    A = -np.exp(g["p__kernel__log_A_real"]) + 1j * g["p__kernel__A_imag"]
    C = g["p__kernel__C"] @ [1, 1j]
    cell = s4d(g, A, np.ones((4, 4)) + 0j, C, np.exp(g["p__kernel__log_dt"]), g["p__D"])
    impulse = channelwise(cell, 64) - tensor(np.outer(g["p__D"], np.eye(64)[0]))
    close(impulse, g["K"])
    y = functional.gelu(cell(tensor(g["x"]).mT)[0])
    W, b = g["p__output_linear__0__weight"][..., 0], g["p__output_linear__0__bias"]
    close(functional.glu(functional.linear(y, tensor(W), tensor(b))).mT, g["y"])


def states(cell, x):
    """(time, n_x): the state after each sample of one record x (1, time, n_u)."""
    step, state, after = cell.stepper(), torch.zeros(1, cell.n_x, dtype=torch.complex128), []
    for x_k in x.unbind(1):
        _, state = step(x_k, state)
        after.append(state[0])
    return torch.stack(after)


def s5_values(g, C="C"):
    return {
        "log_decay": np.log(-g["p_Lambda_re"]),
        "frequency": g["p_Lambda_im"],
        "log_step": g["p_log_step"][:, 0],
        "B_ri": g["p_B"],
        "C_ri": g[f"p_{C}"],
        "D": np.diag(g["p_D"]),
    }


@pytest.mark.parametrize("rule", ["zoh", "bilinear"])
def test_s5(golden, rule):
    x, g = tensor(golden("s5_ssm")["x"])[None], golden("s5_ssm", rule)
    cell = fill(S5(4, 4, 4, blocks=2, discretization=rule, readout="post"), **s5_values(g))
    close(cell(x)[0][0], g["y"])
    lam, B, _, _ = cell.system()
    close(lam, g["Lambda_bar"])
    close(B, g["B_bar"])
    close(torch.view_as_complex(cell.C_ri), g["C_tilde"])
    close(states(cell, x), g["states"])


@pytest.mark.parametrize("rule", ["zoh", "bilinear"])
def test_s5_bidirectional(golden, rule):
    x, g = tensor(golden("s5_ssm")["x"])[None], golden("s5_ssm", f"{rule}_bidir")
    cell = S5Bidirectional(4, 4, 4, blocks=2, discretization=rule)
    values = {f"forwards.{name}": value for name, value in s5_values(g, "C1").items()}
    cell = fill(cell, **values, C2_ri=g["p_C2"])
    close(cell(x)[0], g["y"])
    lam, B, _, _ = cell.forwards.system()
    close(lam, g["Lambda_bar"])
    close(B, g["B_bar"])
    close(torch.view_as_complex(torch.cat([cell.forwards.C_ri, cell.C2_ri], dim=1)), g["C_tilde"])
    both = [states(cell.forwards, x), states(cell.forwards, x.flip(1)).flip(0)]
    close(torch.cat(both, dim=1), g["states"])


def test_s5_all_modes(golden):
    """conj_sym=False keeps both modes of a pair and reads Re: twice 2 Re of half of C."""
    x, g = tensor(golden("s5_ssm")["x"])[None], golden("s5_ssm", "noconj")
    values = s5_values(g) | {"C_ri": g["p_C"] / 2}
    close(fill(S5(4, 8, 4, blocks=2, readout="post"), **values)(x)[0][0], g["y"])


def test_s5_initial_modes(golden):
    g = golden("s5_ssm")
    from l2ssm.cells.s5 import hippo_blocks

    Lam, V = hippo_blocks(4, 2)
    close(Lam, g["init_Lambda"])
    order = np.abs(V.conj().T @ g["init_V"])
    close(order, np.eye(4), rtol=1e-9)  # equal up to a phase of each eigenvector
    close(np.abs(g["init_Vinv"]), np.abs(V.conj().T), rtol=1e-9)


def flax_norm(x, p, prefix):
    return functional.layer_norm(x, x.shape[-1:], tensor(p[f"{prefix}__scale"]), tensor(p[f"{prefix}__bias"]), 1e-6)


def dense(x, p, prefix):
    return functional.linear(x, tensor(p[f"{prefix}__kernel"]).T, tensor(p[f"{prefix}__bias"]))


def gelu(x):
    return functional.gelu(x, approximate="tanh")


@pytest.mark.parametrize("activation", ["full_glu", "half_glu1", "half_glu2", "gelu"])
def test_s5_layer(golden, activation):
    x, g = tensor(golden("s5_layer")["x"])[None], golden("s5_layer", activation)
    seq = {key.removeprefix("p_seq__"): value for key, value in g.items() if key.startswith("p_seq__")}
    cell = fill(S5(4, 4, 4, readout="post"), **s5_values({f"p_{k}": v for k, v in seq.items()}))
    y = cell(flax_norm(x, g, "p_norm"))[0]
    a = gelu(y)
    out = {
        "full_glu": lambda: dense(a, g, "p_out1") * torch.sigmoid(dense(a, g, "p_out2")),
        "half_glu1": lambda: a * torch.sigmoid(dense(a, g, "p_out2")),
        "half_glu2": lambda: y * torch.sigmoid(dense(a, g, "p_out2")),
        "gelu": lambda: a,
    }[activation]()
    close((x + out)[0], g["y"])


def lru(p, n_u, n_y, *, readout, D):
    """Our decay has a floor: exp(nu) = exp(nu_log) - DECAY_MIN gives the same poles."""
    nu, theta = np.log(np.exp(p["nu_log"]) - DECAY_MIN), np.exp(p["theta_log"])
    cell = LRU(n_u, len(nu), n_y, initial_poles=(tensor(nu), tensor(theta)), normalization="learned", readout=readout)
    values = {"nu": nu, "theta": theta, "log_scale": p["gamma_log"]}
    return fill(cell, **values, B_ri=pairs(p["B"]), C_ri=pairs(p["C"]), D=D)


def minimal(p):
    p = p | {"B": p["B_re"] + 1j * p["B_im"], "C": p["C_re"] + 1j * p["C_im"]}
    return lru(p, 4, 4, readout="post", D=np.diag(p["D"]))


def test_lru(golden):
    g, p = golden("lru"), golden("lru", "p")
    cell, x = minimal(p), tensor(g["x"])[None]
    close(cell(x)[0][0], g["y"])
    lam, B, _, _ = cell.system()
    close(lam, g["lam"])
    close(B, g["B_norm"])
    close(torch.view_as_complex(cell.C_ri), g["C"])
    close(states(cell, x), g["states"])


def lru_layer(x, p, prefix):
    inside = {key.removeprefix(f"{prefix}seq__"): v for key, v in p.items() if key.startswith(f"{prefix}seq__")}
    a = gelu(minimal(inside)(flax_norm(x, p, f"{prefix}normalization"))[0])
    return x + dense(a, p, f"{prefix}out1") * torch.sigmoid(dense(a, p, f"{prefix}out2"))


def test_lru_layer_and_stack(golden):
    g = golden("lru")
    x = tensor(g["x"])[None]
    close(lru_layer(x, g, "layer_p__")[0], g["layer_y"])
    s = dense(x, g, "stack_p__encoder")
    for i in range(2):
        s = lru_layer(s, g, f"stack_p__layers_{i}__")
    close(s[0], g["stack_y"])


def test_lru_of_the_control_convention(golden):
    g, p = golden("lru_neuralssm"), golden("lru_neuralssm", "p")
    cell = lru(p | {"B": p["Bp"]}, 3, 2, readout="pre", D=p["D"])
    u = tensor(g["u"])
    close(cell(u)[0], g["y"])
    close(cell.system().lam, g["lambdas"])
    close(cell.system().B, g["B"])
    for row in range(2):
        close(states(cell, u[row : row + 1]), g["states"][row, 1:])
    G, T = cell.realization(), np.tile([2.0, -2.0], 6)  # their real states are 2 Re x, -2 Im x
    close(T[:, None] * G.A / T, g["A_real"])
    close(T[:, None] * G.B, g["B_real"])
    close(G.C / T, g["C_real"])
    close(G.D, g["D_real"])
