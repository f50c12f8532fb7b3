"""Plausible wrong answers to lab 0: `exercise__idea`; the docstring is part of what the grader has to say."""

from __future__ import annotations

import numpy as np


def fit_percent__without_the_mean(y, y_sim):
    """is the mean taken out of y?"""
    return 100 * (1 - np.linalg.norm(y - y_sim) / np.linalg.norm(y))


def fit_percent__squares(y, y_sim):
    """norms, not squares"""
    return 100 * (1 - np.sum((y - y_sim) ** 2) / np.sum((y - np.mean(y)) ** 2))


def secant_gain__largest_samples(u, v, y_u, y_v):
    """Euclidean norms"""
    if not np.any(y_u - y_v):
        return 0.0
    return np.max(np.abs(y_u - y_v)) / np.max(np.abs(u - v)) if np.any(u - v) else np.inf


def secant_gain__spectral_norm(u, v, y_u, y_v):
    """over time and channels together"""
    out, into = np.linalg.norm(y_u - y_v, 2), np.linalg.norm(u - v, 2)
    return 0.0 if out == 0 else out / into if into > 0 else np.inf


def secant_gain__zero_by_zero(u, v, y_u, y_v):
    """refute"""
    return np.linalg.norm(y_u - y_v) / np.linalg.norm(u - v)


def refuting_pair__noise(T):
    """passes slow differences best"""
    return np.random.default_rng(0).uniform(-1, 1, (T, 1)), np.zeros((T, 1))


def refuting_pair__impulse(T):
    """passes slow differences best"""
    return np.eye(T)[:, :1], np.zeros((T, 1))


def refuting_pair__one_dimensional(T):
    """expected (600, 1)"""
    return np.ones(T), np.zeros(T)
