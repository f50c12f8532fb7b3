"""Reference solutions of lab 5."""

from __future__ import annotations

import numpy as np


def bounded_real(A, B, C, D, P, gamma):
    n, m = B.shape
    F, K = np.hstack([A, B]), np.hstack([C, D])
    M = F.T @ P @ F + K.T @ K
    M[:n, :n] -= P
    M[n:, n:] -= gamma**2 * np.eye(m)
    return M


def provable(A, B, C, D, P):
    room = P - A.T @ P @ A - C.T @ C
    if not (np.linalg.eigvalsh(P)[0] > 0 and np.linalg.eigvalsh((room + room.T) / 2)[0] > 0):
        return np.inf
    S = A.T @ P @ B + C.T @ D
    return np.sqrt(np.linalg.eigvalsh(D.T @ D + B.T @ P @ B + S.T @ np.linalg.solve(room, S))[-1])


def prove(G):
    from l2ssm.certificates.riccati import bounded_real_riccati

    gamma = 1.0005 * G.hinf().upper
    for extra in 10.0 ** np.arange(-3, -16, -1):
        try:
            P = bounded_real_riccati(G.A, G.B, G.C, G.D, gamma, extra * np.eye(G.n_x))
        except Exception:
            continue
        return gamma, (P + P.T) / 2
    raise ValueError("no room")


def free_map(K, n_x, gamma):
    K = K / max(1.0, np.linalg.norm(K, 2))
    return K[:n_x, :n_x], gamma * K[:n_x, n_x:], K[n_x:, :n_x], gamma * K[n_x:, n_x:]


def contraction_of(A, B, C, D, P, gamma):
    L = np.linalg.cholesky(P).T  # P = L'L: any square root will do
    back = np.linalg.inv(L)
    return np.block([[L @ A @ back, L @ B / gamma], [C @ back, D / gamma]])
