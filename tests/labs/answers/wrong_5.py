"""Plausible wrong answers to lab 5: `exercise__idea`; the docstring is part of what the grader has to say."""

from __future__ import annotations

import numpy as np


def bounded_real__gamma_not_squared(A, B, C, D, P, gamma):
    """gamma"""
    F, K = np.hstack([A, B]), np.hstack([C, D])
    corner = np.zeros((len(P) + B.shape[1],) * 2)
    corner[: len(P), : len(P)] = P
    corner[len(P) :, len(P) :] = gamma * np.eye(B.shape[1])
    return F.T @ P @ F + K.T @ K - corner


def bounded_real__continuous_time(A, B, C, D, P, gamma):
    """M = [A B]'P[A B]"""
    return np.block(
        [[A.T @ P + P @ A + C.T @ C, P @ B + C.T @ D], [B.T @ P + D.T @ C, D.T @ D - gamma**2 * np.eye(B.shape[1])]]
    )


def provable__no_test_of_room(A, B, C, D, P):
    """nothing is proved"""
    room, S = P - A.T @ P @ A - C.T @ C, A.T @ P @ B + C.T @ D
    top = np.linalg.eigvalsh(D.T @ D + B.T @ P @ B + S.T @ np.linalg.pinv(room) @ S)[-1]
    return np.sqrt(abs(top))


def provable__without_input_terms(A, B, C, D, P):
    """D'D + B'PB"""
    room, S = P - A.T @ P @ A - C.T @ C, A.T @ P @ B + C.T @ D
    if not (np.linalg.eigvalsh(P)[0] > 0 and np.linalg.eigvalsh(room)[0] > 0):
        return np.inf
    return np.sqrt(np.linalg.eigvalsh(S.T @ np.linalg.solve(room, S))[-1])


def prove__the_optimum_of_the_solver(G):
    """at the optimum M is singular"""
    from l2ssm.certificates.lmi import storage_from_lmi

    witness = storage_from_lmi(G)
    return witness.gamma, witness.P


def prove__lyapunov(G):
    """above the norm"""
    from scipy.linalg import solve_discrete_lyapunov

    P = solve_discrete_lyapunov(G.A.T, 10 * (G.C.T @ G.C + np.eye(G.n_x)))
    return 1e3 * G.hinf().upper + 1e3 * np.linalg.norm(P), P


def free_map__entries_clipped(K, n_x, gamma):
    """the whole of K"""
    K = np.clip(K, -1, 1)
    return K[:n_x, :n_x], gamma * K[:n_x, n_x:], K[n_x:, :n_x], gamma * K[n_x:, n_x:]


def free_map__gamma_twice(K, n_x, gamma):
    """the columns of u"""
    K = K / max(1.0, np.linalg.norm(K, 2))
    return K[:n_x, :n_x], gamma * K[:n_x, n_x:], gamma * K[n_x:, :n_x], gamma * K[n_x:, n_x:]


def free_map__always_normalised(K, n_x, gamma):
    """divide K by max(1, ||K||)"""
    K = K / (np.linalg.norm(K, 2) + 1e-12)
    return K[:n_x, :n_x], gamma * K[:n_x, n_x:], K[n_x:, :n_x], gamma * K[n_x:, n_x:]


def contraction_of__without_coordinates(A, B, C, D, P, gamma):
    """use the coordinates"""
    return np.block([[A, B / gamma], [C, D / gamma]])


def contraction_of__inverse_root(A, B, C, D, P, gamma):
    """P^(1/2)"""
    values, vectors = np.linalg.eigh(P)
    root, back = (vectors * values**p @ vectors.T for p in (-0.5, 0.5))
    return np.block([[root @ A @ back, root @ B / gamma], [C @ back, D / gamma]])
