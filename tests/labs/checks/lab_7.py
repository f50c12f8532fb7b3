"""Hidden checks of lab 7: products, attacks, a checker that fails closed, forgeries."""

from __future__ import annotations

import numpy as np

import l2ssm as ls
from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.riccati import storage
from l2ssm.errors import CertificateError, L2ssmError
from l2ssm.labs.checking import check, close


def _system(seed, n_x=4, n_u=2, n_y=2, radius=0.9):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n_x, n_x))
    A *= radius / np.max(np.abs(np.linalg.eigvals(A)))
    return ls.StateSpace(A, rng.normal(size=(n_x, n_u)), rng.normal(size=(n_y, n_x)), 0.3 * rng.normal(size=(n_y, n_u)))


@check("product_bound")
def several_blocks(product_bound):
    """three blocks of one, two and three layers"""
    got = product_bound(0.5, [[3.0], [0.5, 2.0], [1.0, 2.0, 3.0]], 4.0)
    close(got, 0.5 * 4 * 2 * 7 * 4, 1e-12, "each residual block: 1 + the product of the gains inside it")


@check("product_bound")
def edge_cases(product_bound):
    """dead blocks change nothing, no blocks are a chain"""
    close(product_bound(2.0, [[0.0, 5.0]], 3.0), 6.0, 1e-12, "a block with a zero layer is the identity: gain 1")
    close(product_bound(2.0, [], 3.0), 6.0, 1e-12, "without blocks only encoder and decoder are left")


@check("attack")
def nearly_attained(attack):
    """systems with several channels, against the singular value of the Toeplitz matrix"""
    for seed, T in ((0, 30), (1, 60), (2, 50)):
        G = _system(seed)
        u = np.asarray(attack(G, T), dtype=float)
        assert u.shape == (T, 2), f"shape {u.shape}, expected {(T, 2)}"
        columns = [G.simulate(np.eye(T)[:, [k]] * np.eye(2)[[j]]).ravel() for k in range(T) for j in range(2)]
        best = np.linalg.norm(np.stack(columns, 1), 2)
        ratio = np.linalg.norm(G.simulate(u)) / np.linalg.norm(u)
        assert ratio >= 0.99 * best, f"{ratio:.4f} of {best:.4f} possible over {T} samples; iterate until it settles"


@check("attack")
def long_horizons(attack):
    """4000 samples, where the matrix would not fit"""
    G = ls.StateSpace.from_modes([0.99 * np.exp(0.8j)], [[1.0]], [[1.0]], [[0.0]], conjugate_pairs=True)
    u = np.asarray(attack(G, 4000), dtype=float)
    ratio, norm = np.linalg.norm(G.simulate(u)) / np.linalg.norm(u), G.hinf().lower
    assert ratio >= 0.98 * norm, (
        f"{ratio:.3f} of {norm:.3f} over 4000 samples; a sinusoid at the peak frequency does better"
    )


HONEST = "an honest proof was refused: {}"


@check("accepts")
def honest_proofs(accepts):
    """proofs with 0.1 % of room"""
    for seed in range(6):
        G = _system(seed, radius=0.5 + 0.08 * seed)
        gamma, P = storage(G, 1e-3)
        got = accepts(G.A, G.B, G.C, G.D, P, gamma)
        assert bool(got) is True, HONEST.format(f"seed {seed}, got {got!r}")


@check("accepts")
def false_claims(accepts):
    """gamma below the norm, P of another system, P not positive"""
    G, H = _system(0), _system(1)
    gamma, P = storage(G, 1e-4)
    _, Q = storage(H, 1e-4)
    low = G.hinf().lower * (1 - 1e-6)
    for P_, gamma_, why in (
        (P, low, "gamma is 1e-6 below the norm"),
        (Q, gamma, "P belongs to another system"),
        (-P, gamma, "P is negative definite"),
        (np.diag([1.0, 1, 1, -1]) @ P, gamma, "P is not symmetric"),
    ):
        assert not accepts(G.A, G.B, G.C, G.D, P_, gamma_), f"accepted, although {why}"
    unstable = ls.StateSpace([[1.5]], [[1.0]], [[0.1]], [[0.0]])
    assert not accepts(unstable.A, unstable.B, unstable.C, unstable.D, np.array([[-1.0]]), 10.0), (
        "accepted an unstable system with a negative P, for which M is negative: check P too"
    )


@check("accepts")
def asymmetric_storage(accepts):
    """a P whose lower triangle is honest and whose upper one is not"""
    G = _system(2)
    gamma, P = storage(G, 1e-3)
    bad = P + np.triu(np.ones_like(P), 1) * 1e3
    assert not accepts(G.A, G.B, G.C, G.D, bad, gamma), "P is not symmetric: eigvalsh reads its lower triangle only"


@check("accepts")
def not_numbers(accepts):
    """NaN, infinity, negative gamma and wrong shapes are refused, and nothing raises"""
    G = _system(3)
    gamma, P = storage(G, 1e-3)
    for P_, gamma_, why in (
        (P, np.nan, "gamma is NaN"),
        (P, -gamma, "gamma is negative"),
        (P, np.inf, "gamma is infinite, which is no claim"),
        (np.where(np.eye(4) > 0, np.nan, P), gamma, "P has NaN"),
        (P[:3, :3], gamma, "P has the wrong shape"),
    ):
        try:
            got = accepts(G.A, G.B, G.C, G.D, P_, gamma_)
        except Exception as error:
            raise AssertionError(
                f"raised {type(error).__name__} where {why}: a clerk refuses, he does not faint"
            ) from None
        assert not got, f"accepted, although {why}"


@check("forge")
def caught(forge):
    """well formed, about the same system, and refuted by the inequality"""
    honest = ls.certify(_system(4), lower=False)
    text = forge(honest)
    assert isinstance(text, str), f"got a {type(text).__name__}, expected the JSON text"
    try:
        forged = Certificate.from_json(text)
    except L2ssmError as error:
        raise AssertionError(f"not well formed, caught at the door: {error}") from None
    assert forged.digest == honest.digest, "it is about another system"
    assert forged.gamma <= 0.9 * honest.gamma, (
        f"it claims {forged.gamma:.5g}; at most 0.9 * {honest.gamma:.5g} is asked"
    )
    try:
        ls.verify(forged)
    except CertificateError:
        return
    raise AssertionError("verify accepted it: please report this to the authors")
