"""Activations on their own, as layers of a frozen model."""

from __future__ import annotations

import numpy as np

from l2ssm.systems.layers import Affine, Perceptron


def pointwise(channels: int, activation: str) -> Perceptron:
    """y = sigma(u)."""
    return gate(Affine(np.eye(channels), np.zeros(channels)), activation)


def gate(layer: Affine, activation: str) -> Perceptron:
    """y = sigma(W u + b)."""
    return Perceptron(layer.W, layer.b, np.eye(layer.n_out), np.zeros(layer.n_out), activation)
