"""What an analysis looks at: the network inside whatever was given, its label, and the records of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError, OptionError
from l2ssm.options import integer
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.state_space import StateSpace
from l2ssm.units import per

Array = NDArray[np.float64]


class FittedModel(Protocol):
    """A fitted model: its frozen network in physical units and a simulation that finds its own initial state."""

    @property
    def network(self) -> Interconnection:
        """The model as explicit numbers, in physical units."""

    @property
    def n_init(self) -> int:
        """Samples at the start of a record that `simulate` may use to find the initial state."""

    @property
    def info(self) -> Mapping[str, Any]:
        """Cell, sizes, gamma, seed, versions, training history."""

    def simulate(self, data: Any) -> Any:
        """The free run: y (T, n_y) of one record."""


class PredictingModel(FittedModel, Protocol):
    """A fitted model with a noise model."""

    @property
    def noise(self) -> Any:
        """Has `deviation(k)`, the standard deviation (n_y,) of the k-step prediction error to expect; or None."""

    def predict(self, data: Any, *, k: float = 1) -> Any:
        """y (T, n_y) of one record, k steps ahead; the free run for k = inf."""


Subject: TypeAlias = FittedModel | Interconnection | StateSpace


def network_of(subject: Subject) -> Interconnection | StateSpace:
    """The numbers of a model: the model's network, or the system itself.

    Raises:
        OptionError: neither a fitted model, an `Interconnection` nor a `StateSpace`.
    """
    if isinstance(subject, (Interconnection, StateSpace)):
        return subject
    network = getattr(subject, "network", None)
    if not isinstance(network, Interconnection):
        raise OptionError(
            f"{type(subject).__name__} is not something to analyse; expected a fitted model, an Interconnection"
            " or a StateSpace"
        )
    return network


def require_linear(*systems: object) -> None:
    """OptionError unless each is a `StateSpace`."""
    for G in systems:
        if not isinstance(G, StateSpace):
            raise OptionError(
                f"{type(G).__name__} is not a StateSpace; those of a model are linear_operators(model) and "
                "model.linearize()"
            )


def initial_samples(subject: Subject) -> int:
    """How many samples the simulation uses to find its initial state; 0 for a bare system (zero state)."""
    return 0 if isinstance(subject, (Interconnection, StateSpace)) else int(subject.n_init)


def scored_from(models: Iterable[Subject], n_init: int | None) -> int:
    """The first sample that is scored: n_init, by default the largest that a model's initial state uses.

    Raises:
        OptionError: no integer, or below what a model has seen of y.
    """
    used = max((initial_samples(model) for model in models), default=0)
    first = used if n_init is None else integer("n_init", n_init, 0)
    if first < used:
        raise OptionError(f"n_init = {first}, but a model reads the first {used} outputs; expected n_init >= {used}")
    return first


def each_input(value: ArrayLike, n_u: int, name: str = "u0") -> Array:
    """The value as (n_u,), one number for all inputs spread over them.

    Raises:
        DataError: another size, or not finite.
    """
    try:
        given = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        given = np.array(np.nan)
    if given.size not in (1, n_u) or given.ndim > 1 or not np.all(np.isfinite(given)):
        raise DataError(f"{name} is {value!r}, expected {n_u} finite numbers, one an input")
    return np.broadcast_to(given.reshape(-1), (n_u,)).copy()


def with_unit(name: str, unit: str) -> str:
    """ "name [unit]".

    >>> with_unit("h", "mm"), with_unit("h", "")
    ('h [mm]', 'h [-]')
    """
    return f"{name} [{unit or '-'}]"


def gain_unit(*systems: Interconnection | StateSpace) -> str:
    """Output unit per input unit where all channels agree on one, "" where they have none or differ.

    >>> gain_unit(StateSpace([[0.0]], [[1.0]], [[1.0]], [[0.0]], input_units=["V"], output_units=["mm"]))
    'mm/V'
    """
    pairs = {(y, u) for G in systems for y in G.output_units or () for u in G.input_units or ()}
    if len(pairs) != 1 or pairs == {("", "")}:
        return ""
    y, u = pairs.pop()
    return per(y, u)


def records_of(data: Dataset | Record, subject: Subject | None = None, *, missing: bool = False) -> list[Record]:
    """The records of the data, checked to have outputs and, if a subject is given, its channels and sampling time.

    With `missing` some of their outputs may not have been measured.

    Raises:
        DataError: not records, no outputs or outputs missing, another number of channels, another dt or another unit
            than the subject has.
    """
    records = [data] if isinstance(data, Record) else list(data) if isinstance(data, Dataset) else []
    if not records:
        raise DataError(f"the data is {type(data).__name__}, expected a Record or a Dataset with at least one record")
    for record in records:
        if record.y is None:
            raise DataError(f"record {record.name!r} has no outputs to compare a simulation with")
        if record.missing and not missing:
            raise DataError(
                f"record {record.name!r} has outputs that were not measured, and this needs all of them: take a stretch"
                ' without gaps, or cut it there with dropna="split"'
            )
        if subject is None:
            continue
        network = network_of(subject)
        if (record.n_u, record.n_y) != (network.n_u, network.n_y):
            raise DataError(
                f"record {record.name!r} has {record.n_u} inputs and {record.n_y} outputs,"
                f" the model {network.n_u} and {network.n_y}"
            )
        if not np.isclose(record.dt, network.dt, rtol=1e-6, atol=0.0):
            raise DataError(
                f"record {record.name!r} is sampled with dt = {record.dt:g} s, the model with {network.dt:g} s;"
                " resample the data"
            )
        _check_units(record, network)
    return records


def _check_units(record: Record, network: Interconnection | StateSpace) -> None:
    """DataError where the data and the model both name a unit and the two differ."""
    known = (*(network.input_units or ()), *(network.output_units or ()))
    for name, unit in zip(record.channels, known, strict=True):
        given = record.units.get(name, "")
        if given and unit and given != unit:
            raise DataError(f"channel {name!r} is in {given} in record {record.name!r}, in {unit} in the model")


def simulated(subject: Subject, records: list[Record]) -> list[Array]:
    """The free run on every record, each (T, n_y); a bare system starts from the zero state.

    A run that overflows (an unstable system) gives inf or NaN there and no warning.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(subject, (Interconnection, StateSpace)):
            return [subject.simulate(record.u) for record in records]
        return [cast(Array, np.asarray(subject.simulate(record), dtype=np.float64)) for record in records]


def measured(record: Record) -> Array:
    """The measured outputs (T, n_y) of a record that `records_of` has let through."""
    assert record.y is not None
    return record.y
