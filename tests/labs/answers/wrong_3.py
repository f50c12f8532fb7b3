"""Plausible wrong answers to lab 3: `exercise__idea`; the docstring is part of what the grader has to say."""

from __future__ import annotations

import numpy as np


def legs__without_the_minus(N):
    """A[n, k] = -sqrt"""
    B = np.sqrt(2 * np.arange(N) + 1.0)
    return np.tril(np.outer(B, B), -1) + np.diag(np.arange(N) + 1.0), B


def legs__upper_triangle(N):
    """below the diagonal"""
    B = np.sqrt(2 * np.arange(N) + 1.0)
    return -np.triu(np.outer(B, B), 1) - np.diag(np.arange(N) + 1.0), B


def legs__counts_from_one(N):
    """got"""
    B = np.sqrt(2 * np.arange(1, N + 1) + 1.0)
    return -np.tril(np.outer(B, B), -1) - np.diag(np.arange(N) + 2.0), B


def excess__norm_of_a(A, b, r):
    """but the largest value is 0"""
    return np.linalg.norm(A, 2) ** 2 - r + np.linalg.norm(b) ** 2 - (1 - r)


def excess__without_cross_terms(A, b, r):
    """the largest value is 0"""
    return max(np.linalg.eigvalsh(A.T @ A)[-1] - r, b @ b - (1 - r))


def s4d_kernel__no_hold(a, b, c, step, L):
    """(exp(a step) - 1)/a"""
    return 2 * np.real(np.exp(np.outer(np.arange(L), a * step)) @ (c * b * step))


def s4d_kernel__one_late(a, b, c, step, L):
    """l from 0"""
    return 2 * np.real(np.exp(np.outer(np.arange(1, L + 1), a * step)) @ (c * b * np.expm1(a * step) / a))


def s4d_kernel__complex(a, b, c, step, L):
    """the kernel is real"""
    return np.exp(np.outer(np.arange(L), a * step)) @ (c * b * np.expm1(a * step) / a)


def ring__moduli_spaced(shortest, longest, n):
    """not the moduli spaced"""
    return np.linspace(np.exp(-1 / shortest), np.exp(-1 / longest), n)


def ring__first_order(shortest, longest, n):
    """not 1 - 1/tau"""
    return 1 - 1 / np.geomspace(shortest, longest, n)


def input_scale__as_written(nu):
    """-expm1(z) none"""
    return np.sqrt(1 - np.exp(-np.exp(nu)) ** 2)


def input_scale__in_double(nu):
    """stay in its precision"""
    return np.sqrt(-np.expm1(-2 * np.exp(np.asarray(nu, dtype=np.float64))))
