"""The multipliers that prove the smallest gain at sampled frequencies, by Newton's method. Untrusted search.

    Phi_k(T, g) = [g I_u, 0; 0, 0] - Y_k*Y_k - sum_j q_j(T_j)(w_k, v) > 0   at every frequency k, T admissible

means gamma^2 < g there. With S_k(T) = Phi_uv Phi_vv^-1 Phi_vu - Phi_uu at g = 0, that is Phi_vv > 0 and g I > S_k(T), a
matrix-convex function that mostly grows towards the boundary of Phi_vv > 0. Minimised in (log T, log g), beta growing:

    beta log g - sum_k [log det(I - S_k(T) / g) + w log det(Phi_vv / diag r)] - sum log(conditions of T / T)

With a small w its minimum is within about (number of active terms) / beta, relatively, of the smallest g.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from l2ssm.certificates.clock import Clock
from l2ssm.certificates.hermitian import adjoint, inner, inverse, level, log_det, room, squares, weighted
from l2ssm.certificates.network_forms import Forms
from l2ssm.certificates.network_response import Responses
from l2ssm.errors import SolverError

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

FIRST, GROWTH, LAST = 30.0, 10.0, 1e6  # beta
START = 4.0  # how far the first multipliers are above their bounds
TINY = 1e-100
FLAT = 1e-12  # curvature, of the largest, below which a multiplier counts as without effect
UNUSED = 1e-9  # multiplier of an output without effect, of the largest response |Y|^2
WEIGHT = 0.01  # w
LONGEST = 3.0  # step of any log T and log g
CHUNK = 300_000  # entries of the Phi_k that are worked on together


@dataclass(frozen=True, eq=False)
class Point:
    """Multipliers T (d,) > 0 of all constraints one below the other, and g = gamma^2."""

    T: Array
    g: float

    def relaxed(self, slack: float) -> Point:
        """g (1 + slack), T (1 + slack / 2): Phi grows by slack / 2 (Phi + Y*Y + g I_u), room on all boundaries."""
        return Point(self.T * (1 + slack / 2), self.g * (1 + slack))

    def moved(self, step: Array) -> Point:
        """By a step of (log T, log g)."""
        factor = np.exp(step)
        return Point(self.T * factor[:-1], float(self.g * factor[-1]))


class Problem:
    """The function to minimise, at the frequencies of `responses`, some of them at a time."""

    def __init__(self, forms: Forms, responses: Responses) -> None:
        self.forms, self.responses = forms, responses
        F, _, n = responses.W.shape
        self.count, self.rows = F, F * responses.n_u
        step = max(1, CHUNK // n**2)
        self.chunks = [slice(i, i + step) for i in range(0, F, step)]

    def phi(self, k: slice, point: Point) -> ComplexArray:
        """Phi_k (K, n, n)."""
        forms, u = self.forms, self.responses.n_u
        qw, s, r = (M @ point.T for M in (forms.qw, forms.s, forms.r))
        W, Y = self.responses.W[k], self.responses.Y[k]
        Phi = -adjoint(Y) @ Y
        if forms.has_qw:
            Phi -= adjoint(W) @ (qw[:, None] * W)
        cross = s[:, None] * W[:, forms.pair_w]
        Phi[:, u + forms.pair_v] -= cross
        Phi[:, :, u + forms.pair_v] -= adjoint(cross)
        n = Phi.shape[-1]
        Phi[:, range(n), range(n)] += np.append(np.full(u, point.g), r)
        return Phi

    def value(self, point: Point, beta: float) -> float:
        """The function; infinity where it is not defined."""
        u = self.responses.n_u
        total = self.forms.barrier(point.T)[0] + (beta + self.rows) * np.log(point.g)
        total += WEIGHT * self.count * float(np.sum(np.log(self.forms.r @ point.T)))
        for k in self.chunks:
            if not np.isfinite(total):
                return np.inf
            total -= sum(log_det(Phi) - (1 - WEIGHT) * log_det(Phi[u:, u:]) for Phi in self.phi(k, point))
        return float(total)

    def newton(self, point: Point, beta: float) -> tuple[Array, Array]:
        """(gradient, Hessian) with respect to (T, g)."""
        forms = self.forms
        n = forms.n_w + forms.pair_w.size + forms.n_v + 1
        atoms, M = np.zeros(n), np.zeros((n, n))
        for k in self.chunks:
            self._add(k, point, atoms, M)
        M = np.triu(M) + np.triu(M, 1).T
        stacked = sparse.vstack([forms.qw, forms.s, forms.r])
        to_atoms = sparse.csr_array(sparse.block_diag([stacked, np.ones((1, 1))]))
        gradient, H = to_atoms.T @ atoms, to_atoms.T @ (to_atoms.T @ M).T
        _, slope, curvature = forms.barrier(point.T)
        by_r = forms.r.multiply(1 / (forms.r @ point.T)[:, None]).toarray()
        gradient[:-1] += slope + WEIGHT * self.count * by_r.sum(0)
        H[:-1, :-1] += curvature - WEIGHT * self.count * by_r.T @ by_r
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
        pw, pv = forms.pair_w, forms.pair_v
        W = self.responses.W[k]
        Psi = np.stack([inverse(Phi) for Phi in self.phi(k, point)])
        factor: ComplexArray = np.linalg.cholesky(Psi[:, :u, :u]).astype(np.complex128)
        root = Psi[:, :, :u] @ np.asarray(np.linalg.inv(adjoint(factor)))
        K = 2 * Psi - root @ adjoint(root)
        fw, fv, fu = W @ root, root[:, u:], root[:, :u]
        J = W @ K
        Gww, Gwv, Gwu, Gvv, Gvu = J @ adjoint(W), J[:, :, u:], J[:, :, :u], K[:, u:, u:], K[:, u:, :u]
        fp, fs, Gpp, Gpv, Gsv = fw[:, pw], fv[:, pv], Gww[:, pw][:, :, pw], Gwv[:, pw], Gvv[:, pv]
        q, s, r = self._parts()
        atoms[q] += squares(fw, fw)
        atoms[s] += 2 * squares(fp, fs)
        atoms[r] -= squares(fv, fv)
        atoms[-1] -= float(squares(fu, fu).sum())
        if forms.has_qw:
            M[q, q] += weighted(fw, Gww, fw)
            M[q, s] += weighted(fw, Gww[:, :, pw], fs) + weighted(fw, Gwv[:, :, pv], fp)
            M[q, r] -= weighted(fw, Gwv, fv)
            M[q, -1] -= weighted(fw, Gwu, fu, trace=True)
        both = weighted(fs, Gpv[:, :, pv], fp)
        M[s, s] += weighted(fs, Gpp, fs) + weighted(fp, Gsv[:, :, pv], fp) + both + both.T
        M[s, r] -= weighted(fs, Gpv, fv) + weighted(fp, Gsv, fv)
        M[r, r] += weighted(fv, Gvv, fv)
        M[s, -1] -= weighted(fs, Gwu[:, pw], fu, trace=True) + weighted(fp, Gvu[:, pv], fu, trace=True)
        M[r, -1] += weighted(fv, Gvu, fu, trace=True)
        M[-1, -1] += float(np.sum(weighted(fu, K[:, :u, :u], fu, trace=True)))
        self._add_interior(fw, fv, Gww, Gwv, Gvv, atoms, M)

    def _add_interior(
        self, fw: ComplexArray, fv: ComplexArray, Gww: ComplexArray, Gwv: ComplexArray, Gvv: ComplexArray, *sums: Array
    ) -> None:
        """The same of -w log det Phi_vv,k: -w tr(Q dPhi_i), w tr(Q dPhi_i Q dPhi_j) with Q = Psi - R = (K - R) / 2."""
        atoms, M = sums
        pw, pv = self.forms.pair_w, self.forms.pair_v
        Qww, Qwv, Qvv = ((G - a @ adjoint(b)) / 2 for G, a, b in ((Gww, fw, fw), (Gwv, fw, fv), (Gvv, fv, fv)))
        Qpv, Qpp, Qsv = Qwv[:, pw], Qww[:, pw][:, :, pw], Qvv[:, pv]
        Qps = Qpv[:, :, pv]
        q, s, r = self._parts()
        atoms[q] += WEIGHT * np.einsum("kii->i", Qww).real
        atoms[s] += 2 * WEIGHT * np.einsum("kii->i", Qps).real
        atoms[r] -= WEIGHT * np.einsum("kii->i", Qvv).real
        if self.forms.has_qw:
            M[q, q] += WEIGHT * inner(Qww, Qww)
            M[q, s] += 2 * WEIGHT * inner(Qww[:, :, pw], Qwv[:, :, pv])
            M[q, r] -= WEIGHT * inner(Qwv, Qwv)
        M[s, s] += 2 * WEIGHT * (inner(Qps, adjoint(Qps)) + inner(Qsv[:, :, pv], Qpp))
        M[s, r] -= 2 * WEIGHT * inner(Qpv, Qsv)
        M[r, r] += WEIGHT * inner(Qvv, Qvv)

    def _parts(self) -> tuple[slice, slice, slice]:
        """Where qw, s and r are among the atoms."""
        n_w, n_s, n_v = self.forms.n_w, self.forms.pair_w.size, self.forms.n_v
        return slice(0, n_w), slice(n_w, n_w + n_s), slice(n_w + n_s, n_w + n_s + n_v)

    def start(self) -> Point:
        """A strictly feasible point: the multipliers of the last nonlinearity first, each large enough for the next."""
        forms, u = self.forms, self.responses.n_u
        T = np.zeros(sum(forms.sizes))
        end, end_T = forms.n_v + u, T.size
        least = UNUSED * (float(np.max(np.abs(self.responses.Y), initial=0.0)) ** 2 or 1.0)
        for i in reversed(range(len(forms.constraints))):
            h, unit = forms.constraints[i].widths[1], forms.start(i)
            bound = self._levels(T, slice(end - h, end), slice(end, None)).max()
            T[end_T - unit.size : end_T] = unit * max(START * bound, least)
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
        return np.array([room(Phi) for k in self.chunks for Phi in self.phi(k, point)])

    def _levels(self, T: Array, block: slice, after: slice) -> Array:
        """The largest eigenvalues of -Phi_block + Phi_block,after Phi_after^-1 Phi_after,block at g = 0."""
        return np.array([level(Phi, block, after) for k in self.chunks for Phi in self.phi(k, Point(T, 0.0))])


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
        point = descend(problem, point, beta, clock)
        optimum = (GROWTH * point.g - before) / (GROWTH - 1)
        if point.g - optimum < gap * point.g or beta > LAST:
            return point, beta
        beta, before = beta * GROWTH, point.g


def descend(problem: Problem, point: Point, beta: float, clock: Clock, steps: int = 50) -> Point:
    """Newton's method at one beta.

    Raises:
        SolverError: point is not feasible, or the time is over.
    """
    value = problem.value(point, beta)
    if not np.isfinite(value):
        raise SolverError("the multipliers are not feasible")
    for _ in range(steps):
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
    """(step of (log T, log g), at most `LONGEST` in any of them, the decrease it promises to first order)."""
    x = np.append(point.T, point.g)
    gradient, H = gradient * x, H * x[:, None] * x
    curvature = np.diag(H)
    scale = 1 / np.sqrt(np.maximum(curvature, max(FLAT * float(np.max(curvature)), TINY)))
    H = (H + np.diag(gradient)) * scale[:, None] * scale
    for shift in (0.0, *10.0 ** np.arange(-6, 4)):
        try:
            step = -scale * cho_solve(cho_factor(H + shift * np.eye(x.size)), scale * gradient)
            step *= min(1.0, LONGEST / float(np.max(np.abs(step))))
            return step, -float(gradient @ step)
        except ValueError:  # not positive definite, or not finite
            continue
    raise SolverError("Newton's method for the multipliers failed")
