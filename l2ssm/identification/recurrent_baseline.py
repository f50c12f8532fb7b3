"""What a deep SSM is measured against: a torch GRU or LSTM of about as many parameters, trained exactly as `fit` does.

Same standardisation, held-out samples, windows, steps, optimiser, schedule, finish and rule for the initial state; what
differs is the network, and that nothing can start it at a linear model.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from l2ssm.data.dataset import Dataset
from l2ssm.errors import OptionError
from l2ssm.identification.fit import fit
from l2ssm.identification.fit_data import FitData
from l2ssm.identification.fit_options import FitOptions
from l2ssm.identification.initial import InitialState, feature_count
from l2ssm.identification.minimize import minimize, threads_for
from l2ssm.identification.outcome import Outcome, Progress
from l2ssm.identification.prescribed_gain import PrescribedGainTraining
from l2ssm.identification.refine import refine
from l2ssm.identification.trainee import Trainee
from l2ssm.identification.windows import standardise, whole_records
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.scaling import Scaling

RECURRENT: dict[str, type[nn.GRU] | type[nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}


class Recurrent(nn.Module):
    """One recurrent layer and an affine read-out between standardised signals, with what `Trainee` asks of a model.

    Args:
        kind: a key of `RECURRENT`.
        n_u, hidden, n_y: sizes; hidden is even.
        seed: of the initial parameters, which are those torch gives.
    """

    gamma = gain = None  # nothing is prescribed

    def __init__(self, kind: str, n_u: int, hidden: int, n_y: int, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layer = RECURRENT[kind](n_u, hidden, batch_first=True)
            self.readout = nn.Linear(hidden, n_y)
        self.hidden = hidden

    @property
    def state_sizes(self) -> list[int]:
        """Pairs of real states, which count as complex ones; those of an LSTM are its output and its memory."""
        return [self.hidden if isinstance(self.layer, nn.LSTM) else self.hidden // 2]

    def standardised(self, u: Tensor, x0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(y, x_end) of u (batch, time, n_u) from the state x0 (batch, sum of state_sizes) complex; see `DeepSSM`."""
        start = None
        if x0 is not None:
            parts = torch.view_as_real(x0).flatten(1)[None].split(self.hidden, dim=2)
            start = tuple(part.contiguous() for part in parts)
            start = start if isinstance(self.layer, nn.LSTM) else start[0]
        states, end = self.layer(u, start)
        end = torch.cat(end, dim=2) if isinstance(self.layer, nn.LSTM) else end
        return self.readout(states), torch.view_as_complex(end[0].unflatten(1, (-1, 2)).contiguous())


@dataclass(frozen=True, eq=False)
class RecurrentModel:
    """A trained baseline: what is needed to simulate, and how it was trained."""

    trainee: Trainee
    scaling: Scaling
    rule: InitialState
    outcome: Outcome
    seconds: float

    @property
    def n_parameters(self) -> int:
        """Those of the initial state included."""
        return _count(self.trainee)

    @torch.no_grad()
    def simulate(self, data: Dataset) -> list[NDArray[np.float64]]:
        """The free run (T, n_y) of each record from u and the first n_init samples of y."""
        batches = whole_records(standardise(data, self.scaling), self.rule)
        return [self.scaling.y_mean + self.scaling.y_std * self.trainee(b)[0][0].double().numpy() for b in batches]


def fit_recurrent(
    train: Dataset,
    kind: str,
    *,
    n_init: int,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> RecurrentModel:
    """Train as `fit` with its defaults; the layer has as many parameters as the default deep SSM, or a few less.

    Args:
        train: records with u and y.
        kind: a key of `RECURRENT`.
        n_init, steps, minutes, seed, progress: as in `fit`.

    Raises:
        OptionError: an unknown kind.
        DataError, FitError: see `fit`.
    """
    if kind not in RECURRENT:
        raise OptionError(f"unknown recurrent layer {kind!r}; known: {', '.join(RECURRENT)}")
    began = time.monotonic()
    default = {name: given.default for name, given in inspect.signature(fit).parameters.items()}
    given = {"n_init": n_init, "steps": steps, "minutes": minutes, "seed": seed}
    options = FitOptions.of(default | given, train, None)
    stats = train.statistics()
    scaling = Scaling(stats.u_mean, stats.u_std, stats.y_mean, stats.y_std)
    rule = options.rule
    data = FitData.of(train, None, None, scaling, rule)
    spread, judged = data.fixed_batches(options)
    trainee = _of_default_size(kind, scaling, feature_count(rule, train.n_u + train.n_y), options)
    prescribed = PrescribedGainTraining(trainee.model, options.steps)
    with threads_for(3.0 * options.batch * options.window * _count(trainee.model)):
        outcome = minimize(
            trainee,
            partial(data.windows, options),
            judged,
            steps=options.steps,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            validate_every=options.validate_every,
            patience=options.patience,
            minutes=options.minutes,
            began=began,
            prescribed=prescribed,
            progress=progress,
        )
        refine(
            trainee,
            spread,
            judged,
            outcome,
            iterations=options.refine_steps,
            minutes=options.minutes,
            prescribed=prescribed,
            progress=progress,
        )
    return RecurrentModel(trainee.float(), scaling, rule, outcome, time.monotonic() - began)


def _of_default_size(kind: str, scaling: Scaling, n_features: int | None, options: FitOptions) -> Trainee:
    """The widest layer with no more parameters than the default deep SSM has, those of the initial state included."""
    most = _count(Trainee(DeepSSM(scaling, **options.model), n_features))
    hidden, n_u, n_y = 2, scaling.u_mean.size, scaling.y_mean.size
    with torch.device("meta"):
        while _count(_trainee(Recurrent(kind, n_u, hidden + 2, n_y), n_features)) <= most:
            hidden += 2
    return _trainee(Recurrent(kind, n_u, hidden, n_y, options.seed), n_features)


def _trainee(network: Recurrent, n_features: int | None) -> Trainee:
    return Trainee(network, n_features)  # type: ignore[arg-type]  # has of a DeepSSM what training asks of it


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
