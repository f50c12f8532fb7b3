"""Validation of the parametrizations: random parameters, extremes included, judged by four independent methods.

For each draw: the H-infinity bracket of the numbers that `forward` uses, a certificate proved from scratch, the storage
function that the parametrization itself gives in closed form, checked in ball arithmetic, and - for a few draws, since
solvers are slow and only oracles - the Real Bounded Lemma as a semidefinite program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from l2ssm.cells import BOUNDED_CELLS
from l2ssm.cells.base import DiagonalCell
from l2ssm.cells.bounded import Bounded
from l2ssm.cells.l2ru_diagonal import L2RUDiagonal
from l2ssm.errors import CertificateError, L2ssmError, OptionError, SolverError
from l2ssm.identification.columns import aligned
from l2ssm.parametrizations.bounded_diagonal import LOG_PD_MAX, LOG_PD_MIN
from l2ssm.parametrizations.l2ru_diagonal import storage
from l2ssm.systems.modal import Modes
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.structured_bound import StructuredStorage

SCALES = (0.01, 0.1, 1.0, 3.0, 10.0, 100.0)
SIZES = ((1, 4, 1), (3, 4, 2), (2, 6, 3), (4, 4, 4))  # n_u, n_x, n_y
DTYPES = {"float32": torch.float32, "float64": torch.float64}
SOLVERS = ("CLARABEL", "SCS")
POLES = {"nu", "theta", "poles_ri"}  # parameters of the cells that have poles of their own
NEAR = 1e-4  # relative perturbation of the parameters of a dense cell with poles next to the circle, a unit of scale
LMI_EVERY = 5  # draws: the solvers see every scale and size in turn


@dataclass
class Row:
    """One parametrization in one precision.

    Attributes:
        name, dtype: which.
        ratios: upper end of the H-infinity bracket over gamma, one a draw without failure.
        lower: lower end over gamma.
        scales: scale of the parameters of each of these draws.
        failures: draws with an exception, an infinite gradient or no finite gain, described.
        proved: draws whose gain <= gamma was proved by `certify`.
        closed_form: draws whose own storage function was proved at gamma; None for a cell without one.
        lmi: solver -> gamma of its LMI over the upper end of the bracket, one an attempt; NaN where its status was not
            "optimal". Slightly below 1 is the usual answer: solvers violate their constraints.
    """

    name: str
    dtype: str
    ratios: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    proved: int = 0
    closed_form: int | None = 0
    lmi: dict[str, list[float]] = field(default_factory=lambda: {solver: [] for solver in SOLVERS})

    @property
    def above(self) -> int:
        """Draws whose gain is above gamma."""
        return sum(ratio > 1 for ratio in self.lower)

    @property
    def passed(self) -> bool:
        """Whether no draw failed, no bracket exceeds gamma and every draw is proved both ways."""
        draws = len(self.ratios)
        return not self.failures and max(self.ratios) <= 1 and self.proved == draws and self.closed_form == draws


@dataclass(frozen=True)
class Validation:
    """The rows and how they were made; `str` is the table."""

    rows: tuple[Row, ...]
    gamma: float
    draws: int

    @property
    def passed(self) -> bool:
        """Whether every row passed."""
        return all(row.passed for row in self.rows)

    def __str__(self) -> str:
        head = (
            "parametrization",
            "dtype",
            "draws",
            "failed",
            "above",
            "max H/gamma",
            "median",
            "proved",
            "closed form",
        )
        lines = [[*head, *(f"LMI/H {solver}" for solver in SOLVERS)]]
        for row in self.rows:
            n = len(row.ratios)
            worst, median = (f(row.ratios) if n else math.nan for f in (max, np.median))
            solved = [_solved(row.lmi[solver]) for solver in SOLVERS]
            counts = [str(self.draws), str(len(row.failures)), str(row.above)]
            proofs = [f"{row.proved}/{n}", "-" if row.closed_form is None else f"{row.closed_form}/{n}"]
            lines.append([row.name, row.dtype, *counts, f"{worst:.7g}", f"{median:.3f}", *proofs, *solved])
        return aligned(lines)


def validate(
    names: Iterable[str] | None = None,
    *,
    draws: int = 24,
    lmi_draws: int = 5,
    gamma: float = 1.0,
    dtypes: Sequence[str] = ("float32", "float64"),
    seed: int = 0,
) -> Validation:
    """Draw parameters of each bounded cell and measure, prove and solve.

    Args:
        names: of `BOUNDED_CELLS`; all by default.
        draws: parameter sets a row; the scales 0.01 .. 100 take turns.
        lmi_draws: how many of them the solvers see.
        gamma: the prescribed gain.
        dtypes: "float32", "float64".
        seed: of the draws.

    Raises:
        OptionError: an unknown name or dtype, or draws below 1.
    """
    names = list(BOUNDED_CELLS) if names is None else list(names)
    for given, known in ((names, BOUNDED_CELLS), (dtypes, DTYPES)):
        if unknown := [name for name in given if name not in known]:
            raise OptionError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    if draws < 1:
        raise OptionError(f"draws is {draws}, expected at least 1")
    rows = [Row(name, dtype) for name in names for dtype in dtypes]
    for row in rows:
        for k in range(draws):
            cell, scale = draw_cell(row.name, seed + k, gamma, DTYPES[row.dtype]), SCALES[(seed + k) % len(SCALES)]
            _judge(row, cell, scale, gamma, with_lmi=k % LMI_EVERY == 0 and k < LMI_EVERY * lmi_draws)
    return Validation(tuple(rows), gamma, draws)


def next_to_circle(seed: int) -> bool:
    """Whether a draw has poles up to |lam| = exp(-1e-6): a third of the draws of every scale."""
    return (seed + seed // len(SCALES)) % 3 == 0


def draw_cell(name: str, seed: int, gamma: float, dtype: torch.dtype = torch.float64, **options: Any) -> Any:
    """A bounded cell, with its own options, and normal parameters of scale `SCALES[seed % 6]`.

    A third keeps initial poles up to |lam| = exp(-1e-6), in half of the cases with close phases. A dense cell, where no
    parameter is a pole, then keeps its initial parameters but for relative changes of `NEAR` times the scale.
    """
    size = SIZES[(seed // len(SCALES)) % len(SIZES)]
    generator = torch.Generator().manual_seed(seed)
    nu = torch.empty(size[1]).uniform_(-16.0, 0.0, generator=generator)
    theta = torch.empty(size[1]).uniform_(0.0, 3.2 if (seed // 2) % 2 else 0.01, generator=generator)
    cell = BOUNDED_CELLS[name](*size, initial_poles=(nu, theta), gamma=gamma, **options).to(dtype)
    slow, own_poles = next_to_circle(seed), isinstance(cell, DiagonalCell)
    with torch.no_grad():
        for parameter_name, parameter in cell.named_parameters():
            noise = SCALES[seed % len(SCALES)] * torch.randn(parameter.shape, generator=generator)
            if slow and not own_poles:
                parameter.mul_(1 + NEAR * noise)
            elif not (slow and parameter_name in POLES):
                parameter.copy_(noise)
    return cell


def measure(
    row: Row, numbers: Callable[[], Iterable[torch.Tensor]], cell: Any, realize: Callable[[], StateSpace], gamma: float
) -> StateSpace | None:
    """The system of a draw, its gain over gamma added to the row; or None, the failure added.

    Args:
        row: where to.
        numbers: what the cell computes, with a gradient.
        cell: owner of the parameters.
        realize: the numbers as a system.
        gamma: the prescribed gain.
    """
    from l2ssm.systems.hinf import hinf

    try:
        sum(v.abs().square().sum() for v in numbers()).backward()  # type: ignore[union-attr]
        if not all(p.grad is None or torch.isfinite(p.grad).all() for p in cell.parameters()):
            row.failures.append("a gradient is not finite")
            return None
        G = realize()
        bracket = hinf(G, rtol=1e-10)
    except (L2ssmError, RuntimeError) as error:
        row.failures.append(f"{type(error).__name__}: {error}")
        return None
    if not math.isfinite(bracket.upper):
        row.failures.append(f"no finite gain: {bracket.reason}")
        return None
    row.ratios.append(bracket.upper / gamma)
    row.lower.append(bracket.lower / gamma)
    return G


def _judge(row: Row, cell: Any, scale: float, gamma: float, with_lmi: bool) -> None:
    G = measure(row, cell.system, cell, cell.realization, gamma)
    if G is None:
        return
    row.scales.append(scale)
    row.proved += proved(G, gamma)
    assert row.closed_form is not None
    row.closed_form += _holds(lambda: assert_closed_form(cell, gamma))
    if with_lmi:
        unit = row.ratios[-1] * gamma
        normalised = StateSpace(G.A, G.B / unit, G.C, G.D / unit)
        for solver in SOLVERS:
            row.lmi[solver].append(_lmi_gain(normalised, solver))


def proved(G: StateSpace, gamma: float) -> bool:
    """Whether `certify` proves that the gain of G is at most gamma."""
    from l2ssm.certificates.compose import certify

    return _holds(lambda: certify(G, gamma=gamma, lower=False))


def _holds(proof: Any) -> bool:
    try:
        proof()
        return True
    except CertificateError:
        return False


def _lmi_gain(G: StateSpace, solver: str) -> float:
    """The gamma of the semidefinite program, NaN unless the solver calls it optimal."""
    from l2ssm.certificates.lmi import storage_from_lmi

    try:
        return storage_from_lmi(G, None, solver).gamma
    except SolverError:
        return math.nan


@torch.no_grad()
def assert_closed_form(cell: Any, gamma: float) -> None:
    """The storage function that the parametrization gives proves the gain gamma, in ball arithmetic.

    The contractions and L2RU have V(x) = |x|^2, the diagonal L2RU V(x) = gamma sum P_i |x_i|^2 with P = |lam|^2 + 0.01,
    `bounded` its Cauchy storage (of the dual system where it has fewer outputs than inputs).

    Raises:
        CertificateError: it does not.
    """
    from l2ssm.certificates.riccati import assert_storage

    if isinstance(cell, Bounded):
        _assert_cauchy(cell, gamma)
        return
    G = cell.realization()
    P = np.eye(G.n_x)
    if isinstance(cell, L2RUDiagonal):
        lam = cell.system().lam.to(torch.complex128)
        P = np.diag(np.repeat(gamma * storage(lam).numpy(), 2))
    assert_storage(G, P, gamma)


def _assert_cauchy(cell: Bounded, gamma: float) -> None:
    from l2ssm.certificates.balls import BALL
    from l2ssm.certificates.certificate import Claim
    from l2ssm.certificates.verify import check_cauchy
    from l2ssm.systems.layers import Dynamic

    lam, B, C, D = (v.to(torch.complex128 if v.is_complex() else torch.float64).numpy() for v in cell.system())
    modes = Modes(lam, C.T, B.T, D.T) if cell.n_y < cell.n_u else Modes(lam, B, C, D)
    square = (1 - np.abs(lam)) * (1 + np.abs(lam))
    delta = (np.exp(np.clip(cell.log_pd.double().numpy(), LOG_PD_MIN, LOG_PD_MAX)) * square)[:, None]
    C2 = torch.view_as_complex(cell.C2_ri.double()).numpy() * np.sqrt(square)
    V = StructuredStorage(modes, delta)
    Y = V.best_y(C2, V.terms(C2)[1])
    witness = {"delta": delta, "C2_real": C2.real, "C2_imag": C2.imag, "Y": Y}
    layer = Dynamic(StateSpace.from_modes(modes.lam, modes.B, modes.C, modes.D))
    with BALL.session():
        check_cauchy(layer, Claim("cauchy", gamma, witness), "the cell", BALL)


def _solved(gains: Sequence[float]) -> str:
    solved = [gain for gain in gains if not math.isnan(gain)]
    return f"{len(solved)}/{len(gains)}" + (f" {min(solved):.6f}..{max(solved):.6f}" if solved else "")
