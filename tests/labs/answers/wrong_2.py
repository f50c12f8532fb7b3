"""Plausible wrong answers to lab 2: `exercise__idea`; the docstring is part of what the grader has to say."""

from __future__ import annotations

import numpy as np


def hold__euler(a, b, step):
    """a_bar = exp(a step)"""
    return 1 + a * step, b * step


def hold__cancels(a, b, step):
    """use expm1"""
    return (np.exp(a * step), b * (np.exp(a * step) - 1) / a) if a else (1.0, b * step)


def hold__divides_by_zero(a, b, step):
    """for a = 0 the limit"""
    return np.exp(a * step), b * (np.exp(a * step) - 1) / a


def kernel__no_delay(lam, b, c, d, length):
    """delayed by one"""
    K = 2 * np.real(np.asarray(lam)[None, :] ** np.arange(length)[:, None] @ (c * b))
    K[0] += d
    return K


def kernel__without_the_conjugates(lam, b, c, d, length):
    """2 Re(sum c lam^(l-1) b)"""
    powers = np.asarray(lam)[None, :] ** np.arange(length - 1)[:, None]
    return np.concatenate([[d], np.real(powers @ (c * b))])


def convolve__circular(K, u):
    """circular convolution"""
    return np.fft.irfft(np.fft.rfft(K) * np.fft.rfft(u), len(u))


def convolve__whole(K, u):
    """got an array of shape"""
    n = 2 * len(u)
    return np.fft.irfft(np.fft.rfft(K, n) * np.fft.rfft(u, n), n)


def compose__other_order(first, then):
    """the first map is done first"""
    return then[0] * first[0], first[0] * then[1] + first[1]


def compose__divides(first, then):
    """do you divide by a?"""
    a = np.asarray(then[0]) * first[0]
    return a, a * (np.divide(first[1], first[0]) + np.divide(then[1], a))


def real_form__sign_of_c(lam, b, c, d):
    """minus Im c"""
    b, c = complex(b), complex(c)
    A = np.array([[lam.real, -lam.imag], [lam.imag, lam.real]])
    return A, np.array([[b.real], [b.imag]]), 2 * np.array([[c.real, c.imag]]), np.array([[d]])


def real_form__factor_two(lam, b, c, d):
    """the factor 2"""
    b, c = complex(b), complex(c)
    A = np.array([[lam.real, -lam.imag], [lam.imag, lam.real]])
    return A, np.array([[b.real], [b.imag]]), np.array([[c.real, -c.imag]]), np.array([[d]])


def real_form__complex(lam, b, c, d):
    """is complex"""
    return np.array([[lam]]), np.array([[b]]), np.array([[2 * c]]), np.array([[d]])
