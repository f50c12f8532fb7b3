"""Static layers for training; each says what it is once frozen (`frozen()`), number by number, and its bound.

`STATIC` is the table of all. Those of `LIPSCHITZ` are 1-Lipschitz for every parameter value, biases included, so that a
network of such layers and of bounded cells holds a prescribed gain.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from l2ssm.errors import OptionError
from l2ssm.networks.semi_orthogonal import SemiOrthogonal
from l2ssm.parametrizations.spectral import spectral_norm
from l2ssm.systems.layer import Layer
from l2ssm.systems.static_layers import Contractive, Gated, Perceptron

ACTIVATION_MODULES = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
}
SLACK = 1 - 1e-6  # of a unit norm, so that rounding cannot push it above 1
SMALLEST = 1e-6  # norms below it count as it
SMALL_BIAS = 0.3  # of a 1-Lipschitz layer at the start: slopes of tanh stay above 0.9
LOG_SIZE = 20.0  # |log| of the size of signals at which an activation bends stays below it


class StaticLayer(nn.Module, ABC):
    """A memoryless map (batch, time, n_in) -> (batch, time, n_out).

    Args:
        n_in, n_out, hidden: widths; hidden None chooses.
        activation: a name of the layer's `activations`; None: the first of them.
        rest: whether its biases that move the output at 0 stay 0.
        generator: source of randomness.

    Attributes:
        activations: the activations the layer can have; those of a 1-Lipschitz layer have slopes in [0, 1].
        shifts: the biases that move the output at 0.
        one_lipschitz: whether it is 1-Lipschitz for every parameter value.

    Raises:
        OptionError: an activation or a size that the layer cannot have.
    """

    activations: ClassVar[tuple[str, ...]] = ("tanh", "relu")
    shifts: ClassVar[tuple[str, ...]] = ("b",)
    one_lipschitz: ClassVar[bool] = True

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        hidden: int | None = None,
        activation: str | None = None,
        rest: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.activation = activation or (self.activations or ("",))[0]
        if activation is not None and activation not in ACTIVATION_MODULES:
            raise OptionError(f"unknown activation {activation!r}; known: {', '.join(ACTIVATION_MODULES)}")
        if activation is not None and activation not in self.activations:
            known = ", ".join(self.activations)
            reason = f"has slopes outside [0, 1]; it takes {known}" if known else "does not apply, it has its own"
            raise OptionError(f"{type(self).__name__}: activation {activation!r} {reason}")
        self.build(n_in, n_out, hidden, generator)
        for name in self.shifts if rest else ():
            zero = torch.zeros_like(self.get_parameter(name).detach())
            delattr(self, name)
            self.register_buffer(name, zero)

    @abstractmethod
    def build(self, n_in: int, n_out: int, hidden: int | None, generator: torch.Generator | None) -> None:
        """Create the parameters."""

    @abstractmethod
    def frozen(self) -> Layer:
        """The same map as explicit float64 numbers."""

    @abstractmethod
    def around_activation(self) -> tuple[Tensor, Tensor, bool]:
        """(before, after, keeps), float64: the layer is y = after v (+ x where it keeps x), v from before x."""


class TwoMatrixLayer(StaticLayer):
    """y = W2 sigma(W1 x + b1) + b2 with the numbers that `weights` returns."""

    shifts = ("b1", "b2")

    @abstractmethod
    def weights(self) -> tuple[Tensor, Tensor]:
        """(W1 (hidden, n_in), W2 (n_out, hidden)), computed in float64."""

    def biases(self, hidden: int, n_out: int, size: float, generator: torch.Generator | None) -> None:
        """Create b1 uniform in [-size, size] and b2 = 0."""
        self.b1 = nn.Parameter((torch.rand(hidden, generator=generator) * 2 - 1) * size)
        self.b2 = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """The map at every sample."""
        W1, W2 = (W.to(x.dtype) for W in self.weights())
        return functional.linear(ACTIVATION_MODULES[self.activation](functional.linear(x, W1, self.b1)), W2, self.b2)

    def around_activation(self) -> tuple[Tensor, Tensor, bool]:
        """See `StaticLayer.around_activation`."""
        return *self.weights(), False

    @torch.no_grad()
    def frozen(self) -> Layer:
        """`Perceptron`."""
        W1, W2, b1, b2 = (v.double().cpu().numpy() for v in (*self.weights(), self.b1, self.b2))
        return Perceptron(W1, b1, W2, b2, self.activation)


class PerceptronLayer(TwoMatrixLayer):
    """y = W2 sigma(W1 x + b1) + b2 with free W1, W2: no bound on its Lipschitz constant. hidden: 2 n_in."""

    activations = ("tanh", "gelu", "relu", "silu")
    one_lipschitz = False

    def build(self, n_in: int, n_out: int, hidden: int | None, generator: torch.Generator | None) -> None:
        """See `StaticLayer.build`."""
        hidden = hidden or 2 * n_in
        self.W1 = nn.Parameter(torch.randn(hidden, n_in, generator=generator) * n_in**-0.5)
        self.W2 = nn.Parameter(torch.randn(n_out, hidden, generator=generator) * (0.5 * hidden**-0.5))
        self.biases(hidden, n_out, 1.0, generator)

    def weights(self) -> tuple[Tensor, Tensor]:
        """See `TwoMatrixLayer.weights`."""
        return self.W1.double(), self.W2.double()


class OrthogonalLayer(TwoMatrixLayer):
    """y = s Q2 sigma(Q1 x / s + b1) + b2, Q1 and Q2 with orthonormal rows or columns, s > 0: 1-Lipschitz. hidden: n_in.

    Starts with Q2 = Q1' where the widths allow it and s = 3: near the identity, also for signals of size 1.
    """

    def build(self, n_in: int, n_out: int, hidden: int | None, generator: torch.Generator | None) -> None:
        """See `StaticLayer.build`."""
        hidden = hidden or n_in
        start = nn.init.orthogonal_(torch.empty(hidden, n_in), generator=generator)
        back = start.mT if n_out == n_in else nn.init.orthogonal_(torch.empty(n_out, hidden), generator=generator)
        self.Q1, self.Q2 = SemiOrthogonal(start), SemiOrthogonal(back)
        self.log_s = nn.Parameter(torch.tensor(math.log(3.0)))
        self.biases(hidden, n_out, SMALL_BIAS, generator)

    def weights(self) -> tuple[Tensor, Tensor]:
        """See `TwoMatrixLayer.weights`."""
        s = torch.exp(torch.clamp(self.log_s.double(), -LOG_SIZE, LOG_SIZE))
        return SLACK * self.Q1() / s, s * self.Q2()


class SandwichLayer(TwoMatrixLayer):
    """y = sqrt2 A' Psi sigma(sqrt2 Psi^-1 B x + b1) + b2, A A' + B B' = I, Psi > 0 diagonal: 1-Lipschitz. hidden: n_in.

    Every perceptron that a diagonal multiplier (Psi^2) proves 1-Lipschitz is one of these. At most n_in + n_out hidden
    units. Starts with A = B where the widths allow it and Psi = 3 I: near the identity, also for signals of size 1.

    Source: Wang and Manchester, "Direct parameterization of Lipschitz-bounded deep networks", 2023.
    """

    def build(self, n_in: int, n_out: int, hidden: int | None, generator: torch.Generator | None) -> None:
        """See `StaticLayer.build`."""
        hidden = hidden or n_in
        if hidden > n_in + n_out:
            raise OptionError(f"hidden is {hidden}, a sandwich layer has at most n_in + n_out = {n_in + n_out}")
        if hidden <= min(n_in, n_out):
            B = nn.init.orthogonal_(torch.empty(n_in, hidden), generator=generator)
            A = B if n_out == n_in else nn.init.orthogonal_(torch.empty(n_out, hidden), generator=generator)
            start = torch.cat([A, B]) * 0.5**0.5
        else:
            start = nn.init.orthogonal_(torch.empty(n_out + n_in, hidden), generator=generator)
        self.AB = SemiOrthogonal(start)
        self.log_psi = nn.Parameter(torch.full((hidden,), math.log(3.0)))
        self.biases(hidden, n_out, SMALL_BIAS, generator)

    def weights(self) -> tuple[Tensor, Tensor]:
        """See `TwoMatrixLayer.weights`."""
        AB, psi = self.AB(), torch.exp(torch.clamp(self.log_psi.double(), -LOG_SIZE, LOG_SIZE))
        n_out = self.b2.numel()
        return 2**0.5 * AB[n_out:].mT / psi[:, None], 2**0.5 * AB[:n_out] * psi


class ContractiveLayer(StaticLayer):
    """y = x - (2 a / ||W||^2) W' sigma(W x + b), a in (0, 1): 1-Lipschitz for all W, b, a. hidden: n_in = n_out.

    The Jacobian I - (2 a / ||W||^2) W' diag(sigma') W is symmetric with eigenvalues in [1 - 2 a, 1]
    (Meunier et al., "A Dynamical System Perspective for Lipschitz Neural Networks", 2022, for a = 1). It starts at
    a = 1/4, slopes in [1/2, 1]: near the identity, so that a deep chain passes signals on.
    """

    def build(self, n_in: int, n_out: int, hidden: int | None, generator: torch.Generator | None) -> None:
        """See `StaticLayer.build`."""
        if n_out != n_in:
            raise OptionError(f"a contractive layer has as many outputs as inputs, not {n_in} inputs, {n_out} outputs")
        hidden = hidden or n_in
        self.W = nn.Parameter(nn.init.orthogonal_(torch.empty(hidden, n_in), generator=generator))
        self.b = nn.Parameter(torch.rand(hidden, generator=generator) * 4 - 2)
        self.logit_a = nn.Parameter(torch.logit(torch.tensor(0.25)))

    def step_size(self) -> Tensor:
        """c = 2 a / ||W||^2, in float64."""
        a = torch.sigmoid(self.logit_a.double())
        return 2 * SLACK * a / torch.clamp(spectral_norm(self.W.double()), min=SMALLEST) ** 2

    def forward(self, x: Tensor) -> Tensor:
        """The map at every sample."""
        hidden = ACTIVATION_MODULES[self.activation](functional.linear(x, self.W, self.b))
        return x - functional.linear(hidden, (self.step_size() * self.W.double()).to(x.dtype).mT)

    def around_activation(self) -> tuple[Tensor, Tensor, bool]:
        """See `StaticLayer.around_activation`."""
        W = self.W.double()
        return W, -self.step_size() * W.mT, True

    @torch.no_grad()
    def frozen(self) -> Layer:
        """`Contractive`."""
        W, b = (v.double().cpu().numpy() for v in (self.W, self.b))
        return Contractive(W, b, float(self.step_size()), self.activation)


class GLULayer(StaticLayer):
    """y = (W x + b) * g(V x + c), g logistic: the gated linear unit; its slope grows with x, no bound at all."""

    activations = ()
    one_lipschitz = False
    value: ClassVar[str] = "identity"

    def build(self, n_in: int, n_out: int, hidden: int | None, generator: torch.Generator | None) -> None:
        """See `StaticLayer.build`."""
        if hidden is not None:
            raise OptionError(f"hidden is {hidden}, but a gated layer has no hidden units")
        self.W = nn.Parameter(nn.init.orthogonal_(torch.empty(n_out, n_in), generator=generator))
        self.V = nn.Parameter(torch.randn(n_out, n_in, generator=generator) * n_in**-0.5)
        self.b = nn.Parameter(torch.zeros(n_out))
        self.c = nn.Parameter(torch.ones(n_out))

    def weights(self) -> tuple[Tensor, Tensor]:
        """(W, V) as they are used, computed in float64."""
        return self.W.double(), self.V.double()

    def forward(self, x: Tensor) -> Tensor:
        """The map at every sample."""
        W, V = (M.to(x.dtype) for M in self.weights())
        value = functional.linear(x, W, self.b)
        return (torch.tanh(value) if self.value == "tanh" else value) * torch.sigmoid(functional.linear(x, V, self.c))

    def around_activation(self) -> tuple[Tensor, Tensor, bool]:
        """See `StaticLayer.around_activation`; before holds the rows of the value, then those of the gate."""
        W, V = self.weights()
        return torch.cat([W, V]), torch.eye(len(W)).double(), False

    @torch.no_grad()
    def frozen(self) -> Layer:
        """`Gated`."""
        W, V, b, c = (v.double().cpu().numpy() for v in (*self.weights(), self.b, self.c))
        return Gated(W, b, V, c, self.value)


class GatedLayer(GLULayer):
    """y = tanh(W x + b) * g(V x + c), ||[W; V / 4]|| <= 1: the bounded twin of the gated linear unit, 1-Lipschitz."""

    one_lipschitz = True
    value = "tanh"

    def weights(self) -> tuple[Tensor, Tensor]:
        """See `GLULayer.weights`; both are divided by the norm of [W; V / 4] where it is above 1."""
        W, V = self.W.double(), self.V.double()
        scale = SLACK / torch.clamp(spectral_norm(torch.cat([W, 0.25 * V])), min=1.0)
        return scale * W, scale * V


STATIC: dict[str, type[StaticLayer]] = {
    "perceptron": PerceptronLayer,
    "contractive": ContractiveLayer,
    "sandwich": SandwichLayer,
    "orthogonal": OrthogonalLayer,
    "gated": GatedLayer,
    "glu": GLULayer,
}
LIPSCHITZ = tuple(name for name, layer in STATIC.items() if layer.one_lipschitz)
