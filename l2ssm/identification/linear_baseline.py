"""The best linear model of some data, and its free run from the first samples: what every model is measured by.

Its peak gain is the scale of prescribed gains: one below it cannot even hold the linear part.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from l2ssm.analysis.metrics import Scores, score
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError
from l2ssm.identification.linear_orders import falling_orders, start_is_known
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Dynamic
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.subspace import Pair, free_responses

Array = NDArray[np.float64]
INTEGRATING = 1e3  # peak gain between standardised signals from which on it says nothing: a pole at 1


@dataclass(frozen=True, eq=False)
class LinearBaseline:
    """A linear model of deviations from the means, its initial state from the first n_init samples.

    Attributes:
        G: between deviations from the means, in physical units.
        scaling: of the training data.
        n_init: samples of u and y from which a free run is started.
        standardised_peak: sup |G| between standardised signals.
        seconds: that the identification took.
    """

    G: StateSpace
    scaling: Scaling
    n_init: int
    standardised_peak: float
    seconds: float

    @cached_property
    def network(self) -> Interconnection:
        """The same between physical channels: u - mean, G, y + mean; what `compare` and `write_report` look at."""
        G = self.G
        before = Affine(np.eye(G.n_u), -self.scaling.u_mean)
        after = Affine(np.eye(G.n_y), self.scaling.y_mean)
        labels = (tuple(names or ()) for names in (G.input_names, G.output_names, G.input_units, G.output_units))
        return Interconnection((before, Dynamic(G), after), G.dt, *labels)

    @property
    def info(self) -> dict[str, Any]:
        """Empty: there are no options behind it."""
        return {}

    @property
    def n_parameters(self) -> int:
        """Those of the transfer function, n_x (n_u + n_y) + n_u n_y: coordinates of the state do not count."""
        G = self.G
        return G.n_x * (G.n_u + G.n_y) + G.n_u * G.n_y

    @overload
    def simulate(self, data: Dataset) -> list[Array]: ...

    @overload
    def simulate(self, data: Record) -> Array: ...

    def simulate(self, data: Dataset | Record) -> list[Array] | Array:
        """The free run (T, n_y) of a record, or a list of those of several.

        Args:
            data: records; the first n_init outputs of each are read.
        """
        if isinstance(data, Record):
            return self.simulate(Dataset([data]))[0]
        mean_u, mean_y = self.scaling.u_mean, self.scaling.y_mean
        pairs = [(record.u - mean_u, record.y - mean_y) for record in data if record.y is not None]
        return [mean_y + free_run(self.G, u, y, self.n_init) for u, y in pairs]

    def scores(self, data: Dataset | Record) -> Scores:
        """The metrics of `compare` over y[n_init:] of all records.

        Args:
            data: records with outputs.
        """
        data = Dataset([data]) if isinstance(data, Record) else data
        data.require_outputs()
        return score([record.y for record in data if record.y is not None], self.simulate(data), self.n_init)

    def __str__(self) -> str:
        slowest = float(np.abs(self.G.poles()).max(initial=0.0))
        return f"linear model of order {self.G.n_x}, slowest pole of modulus {slowest:.6f}"

    def peak_gain(self) -> float:
        """sup |G|, output unit per input unit.

        Raises:
            DataError: it is not finite, or so large that the model integrates.
        """
        if not 0 < self.standardised_peak < INTEGRATING:
            slowest = float(np.abs(self.G.poles()).max(initial=0.0))
            raise DataError(
                f"the best linear model has a pole of modulus {slowest:.6f} and the peak gain "
                f"{self.standardised_peak:.4g} (standardised): it integrates, and no finite gain can be prescribed"
            )
        return float(self.G.hinf().upper)


def fit_linear(train: Dataset | Record, n_init: int) -> LinearBaseline:
    """Subspace identification refined on the free-run error; the order is chosen on the training data.

    It is that of `subspace`. Where the first samples do not tell its states - slow modes look alike there - smaller
    orders are tried too, and the one of least free-run error from the first samples is kept.

    Args:
        train: records with outputs; the means are the operating point.
        n_init: samples that a free run is started from.

    Raises:
        DataError: no outputs, a channel that does not vary, or records too short.
    """
    began = time.monotonic()
    train = Dataset([train]) if isinstance(train, Record) else train
    train.require_outputs()
    train.require_variation()
    stats = train.statistics()
    scaling = Scaling(stats.u_mean, stats.u_std, stats.y_mean, stats.y_std)
    pairs = [scaling.apply(record.u, record.y) for record in train if record.y is not None]
    best, least = None, math.inf
    for found in falling_orders(pairs, train.dt):
        error = _error(found.G, pairs, n_init)
        if best is None or error < least:
            best, least = found.G, error
        if start_is_known(least, found):
            break
    assert best is not None
    to, of = stats.y_std[:, None], stats.u_std
    units = ([train.units.get(name, "") for name in names] for names in (train.input_names, train.output_names))
    labels = (train.input_names, train.output_names, None, *units)
    G = StateSpace(best.A, best.B / of, to * best.C, to * best.D / of, train.dt, *labels)
    return LinearBaseline(G, scaling, n_init, float(best.hinf().upper), time.monotonic() - began)


def free_run(G: StateSpace, u: Array, y: Array, n_init: int) -> Array:
    """y_hat (T, n_y) from the initial state that explains the first n_init samples best, in least squares."""
    missing = (y[:n_init] - G.simulate(u[:n_init])).reshape(-1)
    x0 = linalg.lstsq(free_responses(G.A, G.C, n_init), missing)[0]
    return G.simulate(u, x0)


def _error(G: StateSpace, pairs: list[Pair], n_init: int) -> float:
    """Mean squared error over all samples from n_init on."""
    errors = [(y - free_run(G, u, y, n_init))[n_init:] for u, y in pairs]
    return float(np.mean(np.concatenate(errors) ** 2))
