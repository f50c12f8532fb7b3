"""Static layers for training; each says what it is once frozen (`frozen()`), number by number."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from l2ssm.errors import OptionError
from l2ssm.systems.layer import Layer
from l2ssm.systems.static_layers import Contractive, Perceptron

ACTIVATION_MODULES = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
}


class StaticLayer(nn.Module, ABC):
    """A memoryless map (batch, time, n) -> (batch, time, n)."""

    @abstractmethod
    def frozen(self) -> Layer:
        """The same map as explicit float64 numbers."""


class PerceptronLayer(StaticLayer):
    """y = W2 sigma(W1 x + b1) + b2, no bound on its Lipschitz constant.

    Args:
        n: width.
        hidden: hidden width.
        activation: a name of `systems.activations.ACTIVATIONS`.
        generator: source of randomness.
    """

    def __init__(self, n: int, *, hidden: int, activation: str, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.activation = check_activation(activation)
        self.W1 = nn.Parameter(torch.randn(hidden, n, generator=generator) * n**-0.5)
        self.b1 = nn.Parameter(torch.rand(hidden, generator=generator) * 2 - 1)
        self.W2 = nn.Parameter(torch.randn(n, hidden, generator=generator) * (0.5 * hidden**-0.5))
        self.b2 = nn.Parameter(torch.zeros(n))

    def forward(self, x: Tensor) -> Tensor:
        """The map at every sample."""
        hidden = ACTIVATION_MODULES[self.activation](functional.linear(x, self.W1, self.b1))
        return functional.linear(hidden, self.W2, self.b2)

    def frozen(self) -> Layer:
        """`Perceptron` with the parameters as they are."""
        W1, b1, W2, b2 = (v.detach().double().cpu().numpy() for v in (self.W1, self.b1, self.W2, self.b2))
        return Perceptron(W1, b1, W2, b2, self.activation)


class ContractiveLayer(StaticLayer):
    """y = x - (2 / ||W||^2) W' sigma(W x + b): 1-Lipschitz for every W and b, slopes of sigma in [0, 1].

    The Jacobian I - (2 / ||W||^2) W' diag(sigma') W is symmetric with eigenvalues in [-1, 1]
    (Meunier et al., "A Dynamical System Perspective for Lipschitz Neural Networks", 2022).

    Args:
        n: width.
        hidden: number of hidden units.
        activation: "tanh" or "relu".
        generator: source of randomness.
    """

    def __init__(self, n: int, *, hidden: int, activation: str, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if check_activation(activation) not in ("tanh", "relu"):
            raise OptionError(
                f"activation {activation!r} has slopes outside [0, 1]; a 1-Lipschitz layer takes tanh, relu"
            )
        self.activation = activation
        self.W = nn.Parameter(nn.init.orthogonal_(torch.empty(hidden, n), generator=generator))
        self.b = nn.Parameter(torch.rand(hidden, generator=generator) * 4 - 2)

    def step_size(self) -> Tensor:
        """c = 2 / ||W||^2, from the singular values, a little below so that rounding cannot push it above."""
        return 2 * (1 - 1e-6) / torch.linalg.matrix_norm(self.W, ord=2) ** 2

    def forward(self, x: Tensor) -> Tensor:
        """The map at every sample."""
        hidden = ACTIVATION_MODULES[self.activation](functional.linear(x, self.W, self.b))
        return x - functional.linear(hidden, (self.step_size() * self.W).mT)

    @torch.no_grad()
    def frozen(self) -> Layer:
        """`Contractive` with the step size evaluated in float64."""
        W = self.W.detach().double()
        c = 2 * (1 - 1e-6) / torch.linalg.matrix_norm(W, ord=2) ** 2
        return Contractive(W.cpu().numpy(), self.b.detach().double().cpu().numpy(), float(c), self.activation)


def check_activation(name: str) -> str:
    """The name, or an OptionError that lists the activations there are."""
    if name not in ACTIVATION_MODULES:
        raise OptionError(f"unknown activation {name!r}; known: {', '.join(ACTIVATION_MODULES)}")
    return name
