"""`Model`: what a fit returns - explicit numbers, the rule for the initial state, their origin. No torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError, L2ssmError, ModelFileError
from l2ssm.identification.initial import InitialState
from l2ssm.identification.model_file import check_parts, read_tensors, write_tensors
from l2ssm.identification.noise_model import NoiseModel, predicted
from l2ssm.networks.scaling import Scaling
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.simulation import signal
from l2ssm.systems.state_space import StateSpace
from l2ssm.units import per

if TYPE_CHECKING:
    from l2ssm.export.runtime import Runtime

Array = NDArray[np.float64]
SCHEMA = "l2ssm-model-1"
DT_TOLERANCE = 1e-6  # relative


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted deep state-space model in physical units.

    Attributes:
        network: the model's numbers and their meaning; `simulate` runs exactly these.
        scaling: standardisation of the data the initial state is computed from (already folded into `network`).
        initial: how the state at the first sample is found.
        info: cell, sizes, options, seed, versions, data digest, history - JSON-able.
        parameters: the trained free parameters the numbers were computed from, but for what `scale_to_gain` took off
            the last weights.
        noise: model of the residual of the free run, needed to predict; see `fit_noise`.
    """

    network: Interconnection
    scaling: Scaling
    initial: InitialState
    info: Mapping[str, Any]
    parameters: Mapping[str, NDArray] = field(default_factory=dict)
    noise: NoiseModel | None = None

    @property
    def dt(self) -> float:
        """Sample time in seconds."""
        return self.network.dt

    @property
    def n_init(self) -> int:
        """Samples at the start of a record that are used for the initial state and are not scored."""
        return self.initial.n_init

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return self.network.input_names

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return self.network.output_names

    @property
    def input_units(self) -> tuple[str, ...]:
        """Units of the inputs, "" where not known."""
        return self.network.input_units

    @property
    def output_units(self) -> tuple[str, ...]:
        """Units of the outputs, "" where not known."""
        return self.network.output_units

    @overload
    def simulate(self, data: Dataset, y: None = None, *, x0: ArrayLike | None = None) -> list[Array]: ...

    @overload
    def simulate(
        self, data: Record | ArrayLike, y: ArrayLike | None = None, *, x0: ArrayLike | None = None
    ) -> Array: ...

    def simulate(
        self, data: Dataset | Record | ArrayLike, y: ArrayLike | None = None, *, x0: ArrayLike | None = None
    ) -> list[Array] | Array:
        """The free run: y (T, n_y) from u and, for the initial state alone, the first n_init samples of y.

        Args:
            data: a Dataset (a list is returned), a Record, or u (T, n_u).
            y: (>= n_init, n_y) measured outputs, where data is an array and the initial state is estimated from them.
            x0: (n_x,) initial state to use instead of the model's rule; 0 stands for the zero state.

        Raises:
            DataError: another sample time, channels that do not fit, or no outputs to find the initial state from.
        """
        if isinstance(data, Dataset):
            return [self.simulate(record, x0=x0) for record in data]
        if isinstance(data, Record):
            self._check_record(data)
            return self._run(data.u, data.y, x0)
        return self._run(signal(data, self.network.n_u), None if y is None else signal(y, self.network.n_y, "y"), x0)

    @overload
    def predict(self, data: Dataset, y: None = None, *, k: float = 1) -> list[Array]: ...

    @overload
    def predict(self, data: Record | ArrayLike, y: ArrayLike | None = None, *, k: float = 1) -> Array: ...

    def predict(
        self, data: Dataset | Record | ArrayLike, y: ArrayLike | None = None, *, k: float = 1
    ) -> list[Array] | Array:
        """k steps ahead: row t is the prediction of y[t] from the outputs up to y[t - k] and the inputs up to u[t].

        That is the free run plus the prediction of its residual by the noise model. The free run is the same for all k
        and its initial state is that of `simulate`, so rows count from n_init on.

        Args:
            data: a Dataset (a list is returned), a Record, or u (T, n_u); with outputs.
            y: (T, n_y) measured outputs, where data is an array.
            k: steps ahead, an integer >= 1; math.inf is the free run.

        Raises:
            OptionError: k is neither, or the model has no noise model of its own.
            DataError: no outputs, and as for `simulate`.
        """
        if isinstance(data, Dataset):
            return [self.predict(record, k=k) for record in data]
        simulated = self.simulate(data, y)
        if isinstance(data, Record):
            y = data.y
        measured = None if y is None else signal(y, self.network.n_y, "y")
        return predicted(self.noise, self.network.digest, simulated, measured, k)

    def linearize(self, u0: ArrayLike = 0.0) -> StateSpace:
        """The Jacobian system at the steady state of the constant input u0: see `l2ssm.linearize`."""
        from l2ssm.analysis.linearization import linearize

        return linearize(self, u0)

    def _run(self, u: Array, y: Array | None, x0: ArrayLike | None) -> Array:
        if x0 is not None:
            start = None if np.ndim(x0) == 0 and x0 == 0 else np.asarray(x0, dtype=np.float64)
            return self.network.simulate(u, start)
        return self.network.simulate(u, self.start_state(u, y))

    def start_state(self, u: Array, y: Array | None) -> Array | None:
        """x0 (n_x,) of a record `u` (T, n_u), `y` (T, n_y) by the model's rule; None stands for the zero state.

        Raises:
            DataError: the rule needs outputs, or more samples.
        """
        if self.initial.kind != "encoder":
            return self.initial.state(u, u)
        n = self.n_init
        if y is None or min(len(u), len(y)) < n:
            have = "no outputs" if y is None else f"{min(len(u), len(y))} samples"
            raise DataError(
                f"the initial state is estimated from the first {n} samples of u and y, got {have}; "
                "give a longer record with y, or x0=0 to start at rest"
            )
        return self.initial.state(*self.scaling.apply(u[:n], y[:n]))

    def runtime(self, precision: str = "float64") -> Runtime:
        """The model one sample at a time, in numpy alone, in "float64" or "float32"; see `export.runtime.Runtime`."""
        from l2ssm.export.runtime import Runtime

        return Runtime(self.network, self.start_state, ready=self.initial.kind != "encoder", precision=precision)

    def _check_record(self, record: Record) -> None:
        if abs(record.dt - self.dt) > DT_TOLERANCE * self.dt:
            raise DataError(f"record '{record.name}' has dt = {record.dt:g} s, the model {self.dt:g} s; resample it")
        pairs = [("inputs", record.input_names, self.input_names)]
        if record.y is not None:
            pairs.append(("outputs", record.output_names, self.output_names))
        for kind, got, want in pairs:
            if len(got) != len(want):
                raise DataError(f"record '{record.name}' has {kind} {list(got)}, the model {list(want)}")
            if got != want and set(got) == set(want):
                raise DataError(f"record '{record.name}' has {kind} in the order {list(got)}, the model {list(want)}")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything the model file holds: every number and every word."""
        metadata, tensors = self._pack()
        h = hashlib.sha256(metadata.encode())
        for name in sorted(tensors):
            h.update(f" {name} {tensors[name].dtype.str} {tensors[name].shape} ".encode())
            h.update(np.ascontiguousarray(tensors[name]).tobytes())
        return h.hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file, `path`, atomically; nothing else is needed to load it.

        Raises:
            OSError: the folder does not exist or cannot be written.
        """
        write_tensors(path, *self._pack())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """The model of the file `path`, written by `save`.

        Raises:
            ModelFileError: not there, not a safetensors file, another schema, or incomplete.
        """
        metadata, tensors = read_tensors(path)
        try:
            head = json.loads(metadata)
            if not isinstance(head, dict) or head.get("schema") != SCHEMA:
                raise ModelFileError(f"{path} is not a model file of schema {SCHEMA!r}")
            names = ("network", "scaling", "initial", "parameters", "noise")
            groups: dict[str, dict[str, NDArray]] = {name: {} for name in names}
            for name, value in tensors.items():
                group, _, rest = name.partition("/")
                groups[group][rest] = value
            noise = NoiseModel(about=head["noise"]["about"], **groups["noise"]) if groups["noise"] else None
            network = Interconnection.build(head["network"], groups["network"])
            scaling = Scaling(**groups["scaling"])
            initial = InitialState(head["initial"]["kind"], int(head["initial"]["n_init"]), **groups["initial"])
            check_parts(network, scaling, initial, head["info"])
            model = cls(network, scaling, initial, head["info"], groups["parameters"], noise)
            whole = model._pack()[0] == metadata
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError, L2ssmError) as error:
            if isinstance(error, ModelFileError):
                raise
            raise ModelFileError(f"{path} is not a complete l2ssm model file: {error}") from None
        if not whole:
            raise ModelFileError(f"{path} holds a description that does not match its arrays")
        return model

    def _pack(self) -> tuple[str, dict[str, NDArray]]:
        structure, arrays = self.network.describe()
        tensors: dict[str, NDArray] = {f"network/{name}": value for name, value in arrays.items()}
        for name in ("u_mean", "u_std", "y_mean", "y_std"):
            tensors[f"scaling/{name}"] = getattr(self.scaling, name)
        if self.initial.weight is not None and self.initial.bias is not None:
            tensors["initial/weight"], tensors["initial/bias"] = self.initial.weight, self.initial.bias
        tensors |= {f"parameters/{name}": value for name, value in self.parameters.items()}
        initial = {"kind": self.initial.kind, "n_init": self.initial.n_init}
        head = {"schema": SCHEMA, "network": structure, "initial": initial, "info": dict(self.info)}
        if self.noise is not None:
            tensors |= {f"noise/{name}": getattr(self.noise, name) for name in ("coefficients", "covariance")}
            head["noise"] = {"about": self.noise.about}
        return json.dumps(head, sort_keys=True, ensure_ascii=True, allow_nan=False), tensors

    def __repr__(self) -> str:
        return f"Model({self.info.get('cell')}, {self.network!r}, {self.digest[:8]})"

    def __str__(self) -> str:
        info = self.info
        gamma = info.get("gamma")
        how = "learned" if info.get("learn_gamma") else "prescribed"
        held = "construction" if info.get("scaffold") in (None, "series") else "certificate"
        bound = "not prescribed" if gamma is None else f"{gamma:g} {self.gain_unit}".strip() + f" {how}, by {held}"
        valid = ", ".join(
            f"{name} {value:.4g} {unit}".strip()
            for name, value, unit in zip(self.output_names, info["valid_rmse"], self.output_units, strict=True)
        )
        reduced = info.get("reduction")
        before = ", before the reduction" if reduced else ""
        rows = {
            "cell": f"{info['cell']}, {info['layers']} blocks of width {info['d_model']}, {self.network.n_x} states",
            "parameters": f"{info['n_parameters']}{before}",
            "channels": f"{', '.join(self.input_names)} -> {', '.join(self.output_names)}, dt = {self.dt:g} s",
            "initial state": f"{self.initial.kind}, n_init = {self.n_init}",
            "validation RMSE": f"{valid}{before}",
            "gain": f"{bound}; run certify(model) for a proof",
        }
        rows |= {"started at": info["linear_start"]} if "linear_start" in info else {}
        if info.get("rollbacks"):
            rows["taken back"] = f"{info['rollbacks']} steps that were not finite"
        if reduced:
            blocks = [f"{name} {b['states'][0]} -> {b['states'][1]}" for name, b in reduced["blocks"].items()]
            rows["reduced from"] = f"{reduced['from'][:12]}..., states {', '.join(blocks)}"
        if self.noise is not None:
            rows["noise model"] = f"autoregression of order {self.noise.order} of the free-run residual"
        return "\n".join(["l2ssm model", *(f"  {name:16} {value}" for name, value in rows.items())])

    @property
    def gain_unit(self) -> str:
        """The unit of a gain, output per input; "" where the channels' units differ or are not known."""
        y, u = set(self.output_units), set(self.input_units)
        return per(min(y), min(u)) if len(y) == len(u) == 1 else ""


def load(path: str | os.PathLike[str]) -> Model:
    """The model in the file `path`, written by `Model.save`; see `Model.load`."""
    return Model.load(path)
