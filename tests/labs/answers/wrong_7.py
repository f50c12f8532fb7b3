"""Plausible wrong answers to lab 7: `exercise__idea`; the docstring is part of what the grader has to say."""

from __future__ import annotations

import json

import numpy as np


def product_bound__forgets_the_skip(encoder, blocks, decoder):
    """1 + the product"""
    return encoder * decoder * np.prod([np.prod(gains) for gains in blocks])


def product_bound__one_skip_a_layer(encoder, blocks, decoder):
    """1 + the product"""
    return encoder * decoder * np.prod([np.prod(1 + np.array(gains)) for gains in blocks])


def attack__noise(G, T):
    """iterate until it settles"""
    return np.random.default_rng(0).normal(size=(T, G.n_u))


def attack__impulse(G, T):
    """possible over"""
    return np.eye(T)[:, :1] @ np.ones((1, G.n_u))


def attack__adjoint_forwards_in_time(G, T):
    """iterate until it settles"""
    u = np.random.default_rng(0).normal(size=(T, G.n_u))
    for _ in range(50):
        u = G.transposed.simulate(G.simulate(u))
        u = u / np.linalg.norm(u)
    return u


def _matrix(A, B, C, D, P, gamma):
    F, K = np.hstack([A, B]), np.hstack([C, D])
    corner = np.zeros((len(A) + B.shape[1],) * 2)
    corner[: len(A), : len(A)], corner[len(A) :, len(A) :] = P, gamma**2 * np.eye(B.shape[1])
    return F.T @ P @ F + K.T @ K - corner


def accepts__only_the_matrix(A, B, C, D, P, gamma):
    """check P too"""
    try:
        return bool(np.linalg.eigvalsh(_matrix(A, B, C, D, P, gamma))[-1] < 0 and np.all(P == P.T))
    except Exception:
        return False


def accepts__lower_triangle(A, B, C, D, P, gamma):
    """P is not symmetric"""
    try:
        low = np.tril(P) + np.tril(P, -1).T
        top = np.linalg.eigvalsh(_matrix(A, B, C, D, low, gamma))[-1]
        return bool(np.linalg.eigvalsh(P)[0] > 0 and top < 0 and 0 < gamma < np.inf)
    except Exception:
        return False


def accepts__fails_open(A, B, C, D, P, gamma):
    """gamma is NaN"""
    try:
        bad = np.linalg.eigvalsh(P)[0] <= 0 or np.linalg.eigvalsh(_matrix(A, B, C, D, P, gamma))[-1] >= 0
    except np.linalg.LinAlgError:
        bad = False
    return not bad


def accepts__faints(A, B, C, D, P, gamma):
    """he does not faint"""
    np.linalg.cholesky(P)
    return bool(np.all(P == P.T) and np.linalg.eigvalsh(_matrix(A, B, C, D, P, gamma))[-1] < 0)


def forge__one_digit(certificate):
    """caught at the door"""
    document = json.loads(certificate.to_json())
    document["gamma"] = (0.5 * certificate.gamma).hex()
    return json.dumps(document)


def forge__honest(certificate):
    """at most 0.9"""
    return certificate.to_json()


def forge__object(certificate):
    """expected the JSON text"""
    return certificate
