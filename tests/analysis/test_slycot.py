"""H-infinity norm and Gramians of 200 random systems against slycot (SLICOT), where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from l2ssm.systems.gramian import controllability_gramian, hankel_singular_values, observability_gramian

from .test_oracles import EPS, SEEDS, draw

slycot = pytest.importorskip("slycot", reason="slycot is not installed (needs a Fortran compiler)")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_system_is_what_slicot_says(seed: int) -> None:
    G, gap = draw(seed)
    own = EPS * G.n_x / gap  # what rounding of A alone costs the other program, relative

    tolerance = 1e-8
    peak, _ = slycot.ab13dd("D", "I", "N", "D", G.n_x, G.n_u, G.n_y, G.A, np.eye(G.n_x), G.B, G.C, G.D, tol=tolerance)
    lower, upper, _ = G.hinf()
    assert lower * (1 - tolerance - 10 * own) <= peak <= upper * (1 + tolerance + 10 * own)

    for W, Q, trana in (
        (controllability_gramian(G), G.B @ G.B.T, "T"),
        (observability_gramian(G), G.C.T @ G.C, "N"),
    ):
        _, _, X, scale, *_ = slycot.sb03md57(G.A, C=-Q, dico="D", trana=trana)
        np.testing.assert_allclose(W, X / scale, rtol=0, atol=(1e-12 + 100 * own) * np.abs(X).max() / scale)

    hankel = slycot.ab09ad("D", "B", "N", G.n_x, G.n_u, G.n_y, G.A, G.B, G.C)[-1]
    mine = hankel_singular_values(G)
    np.testing.assert_allclose(mine, hankel, rtol=0, atol=(1e-6 + 100 * own) * mine[0])
