"""`HeldGain`: a network of free parts held below a gain by its certificate, while it is trained.

Multipliers for the slopes of the activations prove a gain at every frequency (see `certificates.network_multipliers`).
For fixed multipliers it is a differentiable function of the weights. The output of the network is multiplied by gamma
over it, where that is below 1: the optimiser sees what is left of a model that is brought to its gain, and moves in
directions that keep it. The multipliers follow the weights by some Newton steps now and then, and are searched for anew
at validations, from the weights alone, so that an interrupted fit goes on as if it had not been.

Nothing is proved here: finitely many frequencies, in floats. `scale_to_gain` has the last word.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from l2ssm.certificates.clock import Clock
from l2ssm.certificates.flatten import constraints_of
from l2ssm.certificates.network_forms import Forms
from l2ssm.certificates.network_multipliers import Point, Problem, descend
from l2ssm.certificates.network_response import evaluate, grid
from l2ssm.certificates.network_search import COARSE, FINE, feasible, violating
from l2ssm.errors import RealizationError, SolverError
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.freeze import freeze
from l2ssm.networks.frequency import signals

EVERY = 50  # steps after which the multipliers follow
SEARCH, STEPS = 30, 4  # Newton steps of a search, and of following
BETA = 100.0  # of the barrier: multipliers within a few per cent of the best, and well inside
POWER = 100  # of the mean over frequencies that stands for the largest gain, which would have kinks
ROUNDS = 4  # of a search, in which frequencies are added that were missing
ACTIVE = 6  # frequencies that count during training steps, those of the largest gains
MARGIN = 1e-3  # relative, of gamma^2: what the frequencies in between may ask for


class HeldGain:
    """Called for the factor of the output that brings the model to its gain: a float64 scalar <= 1.

    Args:
        model: with a prescribed gain and a scaffold that does not hold one by construction.

    Raises:
        NotCertifiableError: a static layer without a finite gain.
    """

    def __init__(self, model: DeepSSM) -> None:
        assert model.gain is not None
        self.model = model
        self.training = False  # a step may leave what the multipliers can prove; what is validated may not
        self.forms = Forms(constraints_of(self._layers(), False)[0])
        self.maps = [torch.tensor(M.toarray()) for M in (self.forms.qw, self.forms.s, self.forms.r)]
        self.point: Point | None = None
        self.last = torch.ones((), dtype=torch.float64)  # the factor before
        self.theta, self.active = np.zeros(0), np.zeros(0)

    def search(self) -> None:
        """Multipliers and factor for the present weights, from nothing else.

        Raises:
            OptionError: a part whose frequency response is not known.
        """
        self.last = torch.ones((), dtype=torch.float64)
        try:
            layers, clock = self._layers(), Clock(math.inf)
            self.theta, fine = grid(layers, *COARSE), grid(layers, *FINE)
            problem = Problem(self.forms, evaluate(layers, False, self.theta))
            largest = self._move(problem, problem.start(), SEARCH)
            for _ in range(ROUNDS):
                assert self.point is not None
                missing = violating(layers, False, self.forms, Point(self.point.T, largest * (1 + MARGIN)), fine, clock)
                if not missing.size:
                    break
                self.theta = np.unique(np.append(self.theta, missing))
                problem = Problem(self.forms, evaluate(layers, False, self.theta))
                largest = self._move(problem, feasible(problem, self.point), STEPS)
            with torch.no_grad():
                self()  # which a step may fall back on
        except (SolverError, RealizationError):
            self.point = None

    def follow(self) -> None:
        """The multipliers moved to the present weights."""
        if self.point is None:
            return self.search()
        try:
            problem = Problem(self.forms, evaluate(self._layers(), False, self.theta))
            self._move(problem, feasible(problem, self.point), STEPS)
        except (SolverError, RealizationError):
            self.search()

    def _move(self, problem: Problem, point: Point, steps: int) -> float:
        """The largest gamma^2 from now on."""
        self.point = descend(problem, point, BETA, Clock(math.inf), steps)
        squares = problem.gains(self.point.T)
        self.active = self.theta[np.argsort(-squares)[:ACTIVE]]
        return float(squares.max())

    def __call__(self) -> Tensor:
        """The factor; where the multipliers prove nothing, that of the step before while training, 0 otherwise."""
        squares = None if self.point is None else self._squares(self.active if self.training else self.theta)
        if squares is None:
            return self.last if self.training else torch.zeros((), dtype=torch.float64)
        largest = squares.detach().max()
        gain = torch.sqrt(largest) * ((squares / largest) ** POWER).sum() ** (0.5 / POWER)
        assert self.model.gain is not None
        factor = torch.clamp(self.model.gain() * (1 - MARGIN) / gain, max=1.0)
        self.last = factor.detach()
        return factor

    def _squares(self, theta: np.ndarray) -> Tensor | None:
        """gamma^2 (F,) that the multipliers prove, None where none at some frequency; see `Problem`."""
        assert self.point is not None
        T, forms, u = torch.tensor(self.point.T), self.forms, self.model.n_u
        qw, s, r = (M @ T for M in self.maps)
        W, Y = signals(self.model, torch.tensor(theta))
        n = Y.shape[-1]
        v = torch.eye(n, dtype=W.dtype)[u:]
        cross = (s[:, None] * W[:, forms.pair_w]).mH @ v[forms.pair_v]
        weights = torch.diag(torch.cat([torch.zeros(u).double(), r])).to(W.dtype)
        Phi = weights - Y.mH @ Y - W.mH @ (qw[:, None] * W) - cross - cross.mH
        L, failed = torch.linalg.cholesky_ex(Phi[:, u:, u:])
        if failed.any():
            return None
        X = torch.linalg.solve_triangular(L, Phi[:, u:, :u], upper=False)
        return torch.linalg.eigvalsh(X.mH @ X - Phi[:, :u, :u])[:, -1]

    def _layers(self) -> tuple:
        with self.released():
            return freeze(self.model, 1.0).layers

    @contextmanager
    def released(self) -> Iterator[None]:
        """The model without its factor."""
        held, self.model.hold = self.model.hold, None
        try:
            yield
        finally:
            self.model.hold = held
