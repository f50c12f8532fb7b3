"""The multipliers that prove the smallest gain at sampled frequencies, by Newton's method. Untrusted search.

    Phi_k(T, g) = [g I_u, 0; 0, 0] - Y_k*Y_k - sum_j q_j(T_j)(w_k, v) > 0   at every frequency k, T admissible

means gamma^2 < g there. With S_k(T) = Phi_uv Phi_vv^-1 Phi_vu - Phi_uu at g = 0, that is Phi_vv > 0 and g I > S_k(T), a
matrix-convex function that grows towards the boundary of Phi_vv > 0. Minimised in (log T, log g), for growing beta:

    beta log g - sum_k log det(I - S_k(T) / g) - sum log(conditions of T)

Its minimum is within about (number of active terms) / beta, relatively, of the smallest g.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.lapack import zpotrf, zpotri

from l2ssm.certificates.clock import Clock
from l2ssm.certificates.network_forms import Forms
from l2ssm.certificates.network_response import Responses
from l2ssm.errors import SolverError

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

FIRST, GROWTH, LAST = 30.0, 10.0, 1e6  # beta
START = 4.0  # how far the first multipliers are above their bounds
TINY = 1e-100
CHUNK = 300_000  # entries of the Phi_k that are worked on together


@dataclass(frozen=True, eq=False)
class Point:
    """Multipliers T (d,) > 0 of all constraints one below the other, and g = gamma^2."""

    T: Array
    g: float

    def moved(self, step: Array) -> Point:
        """By a step of (log T, log g), at most a factor e^3 in any of them."""
        factor = np.exp(step * min(1.0, 3.0 / float(np.max(np.abs(step)))))
        return Point(self.T * factor[:-1], float(self.g * factor[-1]))


class Problem:
    """The function to minimise, at the frequencies of `responses`, some of them at a time."""

    def __init__(self, forms: Forms, responses: Responses) -> None:
        self.forms, self.responses = forms, responses
        F, _, n = responses.W.shape
        self.rows = F * responses.n_u
        step = max(1, CHUNK // n**2)
        self.chunks = [slice(i, i + step) for i in range(0, F, step)]

    def phi(self, k: slice, point: Point) -> ComplexArray:
        """Phi_k (K, n, n)."""
        forms, u = self.forms, self.responses.n_u
        qw, s, r = (M @ point.T for M in (forms.qw, forms.s, forms.r))
        W, Y = self.responses.W[k], self.responses.Y[k]
        Phi = -_adjoint(Y) @ Y
        if forms.has_qw:
            Phi -= _adjoint(W) @ (qw[:, None] * W)
        cross = s[:, None] * W[:, forms.pair]
        Phi[:, u:] -= cross
        Phi[:, :, u:] -= _adjoint(cross)
        n = Phi.shape[-1]
        Phi[:, range(n), range(n)] += np.append(np.full(u, point.g), r)
        return Phi

    def value(self, point: Point, beta: float) -> float:
        """The function; infinity where it is not defined."""
        u = self.responses.n_u
        total = self.forms.barrier(point.T)[0] + (beta + self.rows) * np.log(point.g)
        for k in self.chunks:
            if not np.isfinite(total):
                return np.inf
            total -= sum(_log_det(Phi) - _log_det(Phi[u:, u:]) for Phi in self.phi(k, point))
        return float(total)

    def newton(self, point: Point, beta: float) -> tuple[Array, Array]:
        """(gradient, Hessian) with respect to (T, g)."""
        forms = self.forms
        n = forms.n_w + 2 * forms.n_v + 1
        atoms, M = np.zeros(n), np.zeros((n, n))
        for k in self.chunks:
            self._add(k, point, atoms, M)
        M = np.triu(M) + np.triu(M, 1).T
        stacked = sparse.vstack([forms.qw, forms.s, forms.r])
        to_atoms = sparse.csr_array(sparse.block_diag([stacked, np.ones((1, 1))]))
        gradient, H = to_atoms.T @ atoms, to_atoms.T @ (to_atoms.T @ M).T
        _, slope, curvature = forms.barrier(point.T)
        gradient[:-1] += slope
        H[:-1, :-1] += curvature
        gradient[-1] += (beta + self.rows) / point.g
        H[-1, -1] -= (beta + self.rows) / point.g**2
        return gradient, (H + H.T) / 2

    def _add(self, k: slice, point: Point, atoms: Array, M: Array) -> None:
        """Add the derivatives of -sum log det Phi_k + log det Phi_vv,k by (qw, s, r, g), of the second the upper half.

        With Psi = Phi^-1, R = Psi_u Psi_uu^-1 Psi_u* = sum_l r_l r_l* and Psi - R = [0, 0; 0, Phi_vv^-1] the first is
        -tr(R dPhi_i), the second Re sum_l (dPhi_i r_l)*(2 Psi - R)(dPhi_j r_l); dPhi_i has one or two entries over
        the rows of (W, V, I_u).
        """
        forms, u = self.forms, self.responses.n_u
        n_w, n_v, pair = forms.n_w, forms.n_v, forms.pair
        W = self.responses.W[k]
        Psi = np.stack([_inverse(Phi) for Phi in self.phi(k, point)])
        factor: ComplexArray = np.linalg.cholesky(Psi[:, :u, :u]).astype(np.complex128)
        root = Psi[:, :, :u] @ np.asarray(np.linalg.inv(_adjoint(factor)))
        K = 2 * Psi - root @ _adjoint(root)
        fw, fv, fu = W @ root, root[:, u:], root[:, :u]
        J = W @ K
        Gww, Gwv, Gwu, Gvv, Gvu = J @ _adjoint(W), J[:, :, u:], J[:, :, :u], K[:, u:, u:], K[:, u:, :u]
        fp, Gpp, Gpv, Gpu = fw[:, pair], Gww[:, pair][:, :, pair], Gwv[:, pair], Gwu[:, pair]
        q, s, r = slice(0, n_w), slice(n_w, n_w + n_v), slice(n_w + n_v, n_w + 2 * n_v)
        atoms[q] += _squares(fw, fw)
        atoms[s] += 2 * _squares(fp, fv)
        atoms[r] -= _squares(fv, fv)
        atoms[-1] -= float(_squares(fu, fu).sum())
        if forms.has_qw:
            M[q, q] += _weighted(fw, Gww, fw)
            M[q, s] += _weighted(fw, Gww[:, :, pair], fv) + _weighted(fw, Gwv, fp)
            M[q, r] -= _weighted(fw, Gwv, fv)
            M[q, -1] -= _weighted(fw, Gwu, fu, trace=True)
        both = _weighted(fv, Gpv, fp)
        M[s, s] += _weighted(fv, Gpp, fv) + _weighted(fp, Gvv, fp) + both + both.T
        M[s, r] -= _weighted(fv, Gpv, fv) + _weighted(fp, Gvv, fv)
        M[r, r] += _weighted(fv, Gvv, fv)
        M[s, -1] -= _weighted(fv, Gpu, fu, trace=True) + _weighted(fp, Gvu, fu, trace=True)
        M[r, -1] += _weighted(fv, Gvu, fu, trace=True)
        M[-1, -1] += float(np.sum(_weighted(fu, K[:, :u, :u], fu, trace=True)))

    def start(self) -> Point:
        """A strictly feasible point: the multipliers of the last nonlinearity first, each large enough for the next."""
        forms, u = self.forms, self.responses.n_u
        T = np.zeros(sum(forms.sizes))
        end, end_T = forms.n_v + u, T.size
        for i in reversed(range(len(forms.constraints))):
            h, unit = forms.constraints[i].widths[1], forms.start(i)
            level = self._levels(T, slice(end - h, end), slice(end, None)).max()
            T[end_T - unit.size : end_T] = unit * max(START * level, TINY)
            end, end_T = end - h, end_T - unit.size
        return self.lifted(T, START)

    def lifted(self, T: Array, factor: float) -> Point:
        """T with a g `factor` above what it needs.

        Raises:
            SolverError: no g is enough.
        """
        g = factor * float(self.gains(T).max())
        if not np.isfinite(g):
            raise SolverError("the multipliers are not feasible at some frequency")
        return Point(T, max(g, TINY))

    def gains(self, T: Array) -> Array:
        """gamma^2 (F,) at every frequency; infinity where no gamma is enough."""
        u = self.responses.n_u
        return self._levels(T, slice(0, u), slice(u, None))

    def room(self, point: Point) -> Array:
        """(F,) about the smallest eigenvalue of Phi_k scaled to a unit diagonal; -1 where it is not positive.

        Unlike the gains it varies slowly with frequency: as the responses do, on the scale of the distance to a pole.
        """
        return np.array([_room(Phi) for k in self.chunks for Phi in self.phi(k, point)])

    def _levels(self, T: Array, block: slice, after: slice) -> Array:
        """The largest eigenvalues of -Phi_block + Phi_block,after Phi_after^-1 Phi_after,block at g = 0."""
        return np.array([_level(Phi, block, after) for k in self.chunks for Phi in self.phi(k, Point(T, 0.0))])


def minimise(problem: Problem, point: Point, beta: float, gap: float, clock: Clock) -> tuple[Point, float]:
    """(a point whose g is within about `gap`, relatively, of the smallest; the last beta).

    Args:
        problem: the frequencies.
        point: strictly feasible.
        beta: to begin with.
        gap: > 0.
        clock: time left.

    Raises:
        SolverError: point is not feasible, or the time is over.
    """
    before = np.inf
    while True:
        point = _descend(problem, point, beta, clock)
        optimum = (GROWTH * point.g - before) / (GROWTH - 1)
        if point.g - optimum < gap * point.g or beta > LAST:
            return point, beta
        beta, before = beta * GROWTH, point.g


def _descend(problem: Problem, point: Point, beta: float, clock: Clock) -> Point:
    """Newton's method at one beta."""
    value = problem.value(point, beta)
    if not np.isfinite(value):
        raise SolverError("the multipliers are not feasible")
    for _ in range(50):
        clock.check()
        step, decrease = _newton_step(point, *problem.newton(point, beta))
        best, better = point, value
        for length in 0.5 ** np.arange(20):
            trial = point.moved(length * step)
            new = problem.value(trial, beta)
            if new < better:
                best, better = trial, new
            elif best is not point:
                break
        if best is point:
            return point
        point, value = best, better
        if decrease < 0.1:
            break
    return point


def _newton_step(point: Point, gradient: Array, H: Array) -> tuple[Array, float]:
    """(step of (log T, log g), twice the decrease it promises)."""
    x = np.append(point.T, point.g)
    gradient, H = gradient * x, H * x[:, None] * x
    scale = 1 / np.sqrt(np.maximum(np.diag(H), TINY))
    H = (H + np.diag(gradient)) * scale[:, None] * scale
    for shift in (0.0, *10.0 ** np.arange(-6, 4)):
        try:
            step = -scale * cho_solve(cho_factor(H + shift * np.eye(x.size)), scale * gradient)
            return step, -float(gradient @ step)
        except LinAlgError:
            continue
    raise SolverError("Newton's method for the multipliers failed")


def _log_det(Phi: ComplexArray) -> float:
    """log det of a Hermitian positive definite matrix, -infinity of any other."""
    if not Phi.size:
        return 0.0
    L, fail = zpotrf(Phi, lower=1)
    return -np.inf if fail else 2 * float(np.sum(np.log(np.diag(L).real)))


def _inverse(Phi: ComplexArray) -> ComplexArray:
    """Phi^-1 of a Hermitian positive definite matrix; SolverError of any other."""
    L, fail = zpotrf(Phi, lower=1)
    if fail:
        raise SolverError("a matrix of the search for multipliers is not positive definite")
    lower = np.tril(zpotri(L, lower=1)[0])
    return np.asarray(lower + np.tril(lower, -1).conj().T)


def _room(Phi: ComplexArray) -> float:
    diagonal = np.diag(Phi).real
    if not np.all(diagonal > 0):
        return -1.0
    scale = 1 / np.sqrt(diagonal)
    try:
        factor = cho_factor(Phi * scale[:, None] * scale, lower=True)
    except LinAlgError:
        return -1.0
    x, size = np.cos(np.arange(len(Phi)) ** 2 + 0j), 1.0
    for _ in range(8):
        x = cho_solve(factor, x / np.linalg.norm(x))
        size = float(np.linalg.norm(x))
    return 1 / size


def _level(Phi: ComplexArray, block: slice, after: slice) -> float:
    S = -Phi[block, block]
    if Phi[after].size:
        try:
            factor = cho_factor(Phi[after, after], lower=True)
        except LinAlgError:
            return np.inf
        S = S + Phi[block, after] @ cho_solve(factor, Phi[after, block])
    return float(np.linalg.eigvalsh(S)[-1])


def _adjoint(M: ComplexArray) -> ComplexArray:
    return np.swapaxes(M.conj(), -1, -2)


def _squares(a: ComplexArray, b: ComplexArray) -> Array:
    """sum over frequencies and columns of Re(a conj(b)): one a row."""
    return np.asarray(np.einsum("kil,kil->i", a, b.conj()).real)


def _weighted(a: ComplexArray, G: ComplexArray, b: ComplexArray, trace: bool = False) -> Array:
    """sum_k Re(conj(a_i) . b_j G_ij); with `trace` also summed over j."""
    E = a.conj() @ np.swapaxes(b, 1, 2)
    total = np.einsum("kij,kij->ij", E.real, G.real) - np.einsum("kij,kij->ij", E.imag, G.imag)
    return np.asarray(total.sum(1) if trace else total)
