"""Plausible wrong answers to lab 4: `exercise__idea`; the docstring is part of what the grader has to say."""

from __future__ import annotations

import numpy as np


def _observability(G, n):
    return np.concatenate([G.C @ np.linalg.matrix_power(G.A, k) for k in range(n)])


def initial_state__forgets_the_input(G, u, y):
    """has to be taken out first"""
    return np.linalg.lstsq(_observability(G, len(y)), y.ravel(), rcond=None)[0]


def initial_state__as_few_samples_as_states(G, u, y):
    """use all the samples"""
    n = G.n_x
    return np.linalg.lstsq(_observability(G, n), (y - G.simulate(u))[:n].ravel(), rcond=None)[0]


def pooled_nrmse__mean_of_scores(records):
    """all scored errors together"""
    return np.mean([np.sqrt(np.mean((y - s)[n:] ** 2)) / np.std(y[n:]) for y, s, n in records])


def pooled_nrmse__scores_everything(records):
    """are not scored"""
    e = np.concatenate([y - s for y, s, _ in records])
    return np.sqrt(np.mean(e**2)) / np.std(np.concatenate([y for y, _, _ in records]))


def band__textbook(u, e, lags):
    """S = (1 + ac)/(1 - ac)"""
    return 1.96 / np.sqrt(len(u))


def _rho(x, lags):
    x = x - np.mean(x)
    return np.array([x[: len(x) - k] @ x[k:] for k in range(lags + 1)]) / (x @ x)


def band__one_side_of_the_lags(u, e, lags):
    """both signs of k"""
    return 1.96 * np.sqrt(np.sum(_rho(u, lags) * _rho(e, lags)) / len(u))


def band__absolute_values(u, e, lags):
    """no absolute values"""
    products = np.abs(_rho(u, lags) * _rho(e, lags))
    return 1.96 * np.sqrt((products[0] + 2 * products[1:].sum()) / len(u))


def linear_gain__slope_at_zero(f, sigma):
    """E[u f(u)] / sigma^2"""
    h = 1e-5
    return float((f(np.array(h)) - f(np.array(-h))) / (2 * h))


def linear_gain__random_numbers(f, sigma):
    """to 1e-6"""
    u = sigma * np.random.default_rng(0).normal(size=100_000)
    return np.mean(u * f(u)) / sigma**2


def split__distortion_with_noise(Y):
    """subtract noise / P"""
    noise = np.mean(np.var(Y, axis=1, ddof=1), axis=0)
    return noise, np.var(np.mean(Y, axis=1), axis=0, ddof=1)


def split__axes_swapped(Y):
    """over the periods"""
    noise = np.mean(np.var(Y, axis=0, ddof=1), axis=0)
    return noise, np.maximum(np.var(np.mean(Y, axis=0), axis=0, ddof=1) - noise / Y.shape[0], 0.0)


def split__biased(Y):
    """ddof = 1"""
    noise = np.mean(np.var(Y, axis=1), axis=0)
    return noise, np.maximum(np.var(np.mean(Y, axis=1), axis=0) - noise / Y.shape[1], 0.0)
