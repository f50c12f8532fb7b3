# %% [markdown]
# # What a state can remember: HiPPO and the lag operator
#
# A state-space model knows the past of its input through n numbers. HiPPO chooses them well: they are the coefficients
# of the past in an orthonormal basis, and they can be updated without looking back. Which past - all of it alike, a
# window, or less and less of what is older - is a choice of weight. Here n = 64 numbers hold a chaotic signal.
#
# The lag operator writes all of these memories as one inner product on warped time. Its equations were reconstructed
# from the published abstract (Tomonaga, Doya, Murata, arXiv 2512.18965); see docs/memory.md.

# %%
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy.integrate import solve_ivp

import l2ssm as ls
from l2ssm.parametrizations.history_basis import Fourier, Jacobi, Laguerre
from l2ssm.parametrizations.lag_operator import LagOperator
from l2ssm.parametrizations.warp import power
from l2ssm.systems.memory import METHODS

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out/03")
folder.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## A Lorenz trajectory: 10 s, 1000 samples

# %%
N, T, DT = 64, 1000, 0.01
WINDOW = 400  # samples: length of the windows, time constant of the fading memories


def lorenz(t, s):
    return [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]


t = DT * (np.arange(T) + 0.5)
u = solve_ivp(lorenz, (0, T * DT + 5), [1.0, 1.0, 20.0], t_eval=t + 5, rtol=1e-9, atol=1e-9).y[0]
lag = T - 0.5 - np.arange(T)  # of the middle of each sample, in samples before the end


def recent(values, horizon):
    """The values where the lag is at most the horizon, NaN before."""
    return np.where(lag <= horizon, values, np.nan)


def rms(recalled):
    return float(np.sqrt(np.nanmean((recalled - u) ** 2)))


# %% [markdown]
# ## The whole past alike: LegS, by four discretizations and exactly
#
# The published recurrences take 1/t at one end of the step, which is a first-order error; at its middle it is of second
# order; the exact step integrates it. "Distance" is to the exact coefficients, relative.

# %%
whole = {method: ls.HippoMemory(N, method) for method in METHODS}
exact = whole["zoh"].project(u)
print(f"LegS, uniform weight on all of the past, n = {N}\n{'method':>10} {'distance':>10} {'RMS error':>10} {'s':>6}")
for method, memory in whole.items():
    began = time.perf_counter()
    c = memory.project(u)[-1]
    seconds, distance = time.perf_counter() - began, np.linalg.norm(c - exact[-1]) / np.linalg.norm(exact[-1])
    print(f"{method:>10} {distance:10.1e} {rms(memory.reconstruct(c, t / (T * DT))):10.2e} {seconds:6.2f}")

# %% [markdown]
# ## Other weights: a window (LegT, FouT), and a fading memory (LegS with an exponential weight)

# %%
recalled = {"LegS, all of the past": whole["zoh"].reconstruct(exact[-1], t / (T * DT))}
for name, measure, options in (
    ("LegT, window of 4 s", "legt", {}),
    ("FouT, window of 4 s", "fout", {}),
    ("LegS, time constant 4 s", "legs", {}),
):
    memory = ls.LagMemory(measure, N, window=WINDOW, **options)
    recalled[name] = recent(memory.reconstruct(memory.project(u)[-1], lag), WINDOW)

# %% [markdown]
# ## The lag operator: any basis, any warp
#
# The coefficients come from the recurrence, or from the exact kernel. Where the basis is closed under the warp both are
# the same to rounding; where it is not (window, hyperbolic) the recurrence loses what leaves the basis in every step.


# %%
def lag_memory(operator, step, *, exactly):
    """What the operator recalls at the lags of the samples."""
    signal = torch.tensor(u)
    if exactly:
        c = operator.kernel(torch.tensor(step, dtype=torch.float64), T).flip(0).mT @ signal
    else:
        c = operator.recur(signal, torch.full((T,), step, dtype=torch.float64))[-1]
    return operator.reconstruct(c, torch.tensor(lag * step)).numpy()


pairs = {  # and the time constant in samples
    "Legendre, exponential": (LagOperator(Jacobi(N), "exponential"), WINDOW),
    "Jacobi 1, exponential": (LagOperator(Jacobi(N, 1.0), "exponential"), WINDOW),
    "Laguerre, shift": (LagOperator(Laguerre(N, 0.5), "shift"), 3),
    "Legendre, hyperbolic": (LagOperator(Jacobi(N), "hyperbolic"), WINDOW),
    "Legendre, window": (LagOperator(Jacobi(N), "window"), WINDOW),
    "Fourier, window": (LagOperator(Fourier(N - 1), "window"), WINDOW),
}
print(f"\nLag operator, RMS error over the last {WINDOW} samples\n{'':>24} recurrence    kernel  closed")
for name, (operator, constant) in pairs.items():
    values = [recent(lag_memory(operator, 1 / constant, exactly=e), WINDOW) for e in (False, True)]
    print(f"{name:>24} {rms(values[0]):10.2e} {rms(values[1]):9.2e}  {operator.closed}")
    if name != "Legendre, exponential":  # that is LegS once more
        recalled[f"lag operator: {name}"] = values[1]

# %% [markdown]
# Growing warps W(t) are exact as well: W = t^3 spends the coefficients on the recent past, W = t^(1/2) on the distant
# one.

# %%
print("\nGrowing warps x = W(s)/W(t): RMS error in the older and the more recent half")
for exponent in (0.5, 1.0, 3.0):
    operator = LagOperator(Jacobi(N), power(exponent))
    c = operator.recur(torch.tensor(u), operator.warp.steps(T, DT))[-1]
    values = (c @ operator.basis.evaluate(torch.tensor((t / (T * DT)) ** exponent)).mT).numpy()
    halves = [np.sqrt(np.mean((values - u)[part] ** 2)) for part in (slice(None, T // 2), slice(T // 2, None))]
    print(f"  t^{exponent:<4g} {halves[0]:.2e}  {halves[1]:.2e}")
    if exponent == 3.0:
        recalled["lag operator: Legendre, W = t^3"] = values

# %%
ls.plots.memory(t, u, recalled).savefig(folder / "memory.png")

# %% [markdown]
# ## A gain that comes for free
#
# The map from u to the coefficients of an exponential LegS memory has L2 gain 1, whatever its time constant: a proof.

# %%
A, b = (v.numpy() for v in pairs["Legendre, exponential"][0].transition(torch.tensor(1 / WINDOW, dtype=torch.float64)))
G = ls.StateSpace(A[:16, :16], b[:16, None], np.eye(16), np.zeros((16, 1)), DT)  # triangular: the first 16 of 64
print(f"\n{ls.certify(G)}")
print("wrote", ", ".join(sorted(p.name for p in folder.iterdir())), "to", folder)
