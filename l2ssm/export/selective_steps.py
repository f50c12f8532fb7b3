"""One sample of the steered recurrences and of `Clocked`: (output, next state) from steering, drive and state x.

A core with a spare last state leaves it at 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from l2ssm.export.complex_values import Pair, exp, expm1
from l2ssm.export.tape import Value
from l2ssm.systems.clocked import Clocked
from l2ssm.systems.contractive_cores import GatedCore, LosslessCore
from l2ssm.systems.legendre_core import LegendreCore
from l2ssm.systems.s6_core import S6Core


def gated_core(core: GatedCore, steering: Value, u: Value, x: Value) -> tuple[Value, Value]:
    """h+ = a h + sqrt(1 - a^2) i u, output h+; see `GatedCore`."""
    n, apply = core.n_drive, u.tape.apply
    p, i = apply("sigmoid", steering[:n]), apply("sigmoid", steering[n:])
    log_a = -core.rate * (core.gate_min + (1 - core.gate_min) * p)
    m = apply("sqrt", 0.0 - apply("expm1", 2.0 * log_a))
    h = apply("exp", log_a) * x[:n] + m * i * u
    return h, padded(h, core.n_x)


def lossless_core(core: LosslessCore, steering: Value, u: Value, x: Value) -> tuple[Value, Value]:
    """x+ = lam x + s w, output v = s x - conj(lam) w; see `LosslessCore`."""
    n, apply = core.rate.size, u.tape.apply
    step, w, state = apply("softplus", steering), Pair(u[:n], u[n:]), Pair.of(x)
    lam = exp(Pair(-core.rate * step, core.frequency * step))
    s = apply("sqrt", 0.0 - apply("expm1", -2.0 * core.rate * step))
    v = state.scaled(s) - lam.conj() * w
    return u.tape.concat([v.re, v.im]), (lam * state + w.scaled(s)).interleaved()


def s6_core(core: S6Core, steering: Value, u: Value, x: Value) -> tuple[Value, Value]:
    """x_dn+ = exp(step_d A_dn) x_dn + q_dn B_n u_d, output Re(C_n x_dn+), twice it if complex; see `S6Core`."""
    (d, n), tape = core.A_real.shape, u.tape
    channel, place = np.repeat(np.arange(d), n), np.tile(np.arange(n), d)
    step, drive = tape.apply("softplus", steering[:d])[channel], u[channel]
    A_real, A_imag = core.A_real.ravel(), core.A_imag.ravel()
    if core.field == "real":
        B, C = steering[d : d + n][place], steering[d + n :][place]
        log_a = step * A_real
        q = step if core.input_rule == "euler" else tape.apply("expm1", log_a) / A_real
        after = tape.apply("exp", log_a) * x[: d * n] + q * B * drive
        return tape.sum(C * after, n), padded(after, core.n_x)
    vectors = [steering[d + k * n : d + (k + 1) * n][place] for k in range(4)]
    B_, C_ = Pair(*vectors[:2]), Pair(*vectors[2:])
    z = Pair(step * A_real, step * A_imag)
    if core.input_rule == "euler":
        b = B_.scaled(step * drive)
    else:
        inverse = 1 / (core.A_real + 1j * core.A_imag).ravel()
        b = expm1(z) * Pair.constant(u, inverse.real, inverse.imag) * B_.scaled(drive)
    state = exp(z) * Pair.of(x) + b
    return 2.0 * tape.sum((C_ * state).re, n), state.interleaved()


def legendre_core(core: LegendreCore, steering: Value, w: Value, x: Value) -> tuple[Value, Value]:
    """c+ = e_0 w + A(step) (c - e_0 w), output c; A by the quadrature of `legendre_core.transitions`."""
    m, n, tape = core.low.size, int(core.order[0]), w.tape
    nodes, weights = np.polynomial.legendre.leggauss(n)
    root = np.sqrt(2 * np.arange(n) + 1)
    here = np.polynomial.legendre.legvander(nodes, n - 1) * root
    group, place = np.repeat(np.arange(m), n), np.tile(np.arange(n), m)
    held = w[group] * (place == 0).astype(float)
    log_step = tape.apply("minimum", tape.apply("maximum", steering, np.log(core.low)), np.log(core.high))
    r = tape.apply("exp", 0.0 - tape.apply("exp", log_step))[group]
    t = r * (nodes[place] + 1) - 1.0
    weighted = r * tape.linear(0.5 * weights[:, None] * here, x[: m * n] - held)
    polynomials = [tape.constant(np.ones(m * n)), t]
    for i in range(2, n):
        polynomials.append(((2 * i - 1) / i) * t * polynomials[-1] - ((i - 1) / i) * polynomials[-2])
    moved = [root[i] * tape.sum(P * weighted, n) for i, P in enumerate(polynomials[:n])]
    after = tape.concat(moved)[place * m + group] + held
    return x[: m * n], padded(after, core.n_x)


def clocked(layer: Clocked, u: Value, x: Value) -> tuple[Value, Sequence[Value]]:
    """x+ = (e (1 + lam) - 1) x + r e w, y = Re C (r e x + (r^2 - 1) / 2 e w) + D u; see `Clocked`."""
    tape, limit, state = u.tape, np.log(layer.span), Pair.of(x)
    log_speed = tape.linear(layer.S, u) + layer.s
    square = tape.apply("exp", tape.apply("minimum", tape.apply("maximum", log_speed, -limit), limit))
    r = tape.apply("sqrt", square)
    slow = Pair(square * (1 - layer.lam_real) + (1 + layer.lam_real), (1.0 - square) * layer.lam_imag)
    e = slow.inverse().scaled(2.0)
    w = Pair(tape.linear(layer.B_real, u), tape.linear(layer.B_imag, u))
    keep = e * Pair.constant(u, 1 + layer.lam_real, layer.lam_imag)
    ew = e * w
    after = Pair(keep.re - 1.0, keep.im) * state + ew.scaled(r)
    v = (e * state).scaled(r) + ew.scaled(0.5 * (square - 1.0))
    read = tape.linear(np.hstack([layer.C_real, -layer.C_imag]), tape.concat([v.re, v.im]))
    return read + tape.linear(layer.D, u), (after.interleaved(),)


def padded(x: Value, size: int) -> Value:
    """x with zeros behind it."""
    return x if x.size == size else x.tape.concat([x, x.tape.constant(np.zeros(size - x.size))])
