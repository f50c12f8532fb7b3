"""`resample_model`: a model identified at one sample time, run at another."""

from __future__ import annotations

import dataclasses
import inspect
import math
from typing import Any

import torch

from l2ssm.cells import CELLS
from l2ssm.cells.continuous import ContinuousTime
from l2ssm.errors import OptionError
from l2ssm.identification.initial import DEGREES, InitialState
from l2ssm.identification.model import Model
from l2ssm.networks.deep import Block, DeepSSM
from l2ssm.networks.freeze import freeze
from l2ssm.networks.scaffolds import SCAFFOLD_BLOCKS
from l2ssm.options import positive

PREFIX = "model."  # of the network's names among a model's parameters


def resample_model(model: Model, dt: float) -> Model:
    """The same continuous-time cells sampled every dt seconds: only their steps change, by dt / model.dt.

    Exact for a model of one block whose input is held (see `ContinuousTime.resampled`). Between blocks the signals of
    both models are held from sample to sample, so a deep model is reproduced as well as those are sampled.

    Args:
        model: fitted, with cells in continuous time.
        dt: new sample time in seconds.

    A prescribed gain was proved at the old sample time: the new model has none.

    Raises:
        OptionError: cells in discrete time, a reduced model, dt not a number > 0, or so long that the initial state
            has too few samples.
    """
    ratio = positive("dt", dt) / model.dt
    known = [name for name, cell in CELLS.items() if issubclass(cell, ContinuousTime)]
    if model.info["cell"] not in known:
        raise OptionError(
            f"cell {model.info['cell']!r} is learned in discrete time, for dt = {model.dt:g} s alone; identify again "
            f"with one of {', '.join(known)}, or from resampled data"
        )
    if "reduction" in model.info:
        raise OptionError("a reduced model has no continuous time: resample the one it was reduced from, then reduce")
    if model.info["scaffold"] in SCAFFOLD_BLOCKS:
        raise OptionError(f"scaffold {model.info['scaffold']!r} is learned in discrete time: identify again")
    initial = _initial(model.initial, ratio)
    deep = rebuilt(model)
    for block in deep.chain():
        assert isinstance(block, Block)
        assert isinstance(block.cell, ContinuousTime)
        block.cell = block.cell.resampled(ratio)
    network = freeze(
        deep,
        dt,
        input_names=model.input_names,
        output_names=model.output_names,
        input_units=model.input_units,
        output_units=model.output_units,
    )
    ends = (*network.layers[:-1], model.network.layers[-1])  # which `scale_to_gain` may have scaled
    network = dataclasses.replace(network, layers=ends)
    trained = {PREFIX + name: p.detach().numpy().copy() for name, p in deep.named_parameters()}
    info = dict(model.info) | {"identified_at": model.info.get("identified_at", model.dt)}
    info |= {"gamma": None, "learn_gamma": False}
    return Model(network, model.scaling, initial, info, dict(model.parameters) | trained)


def rebuilt(model: Model) -> DeepSSM:
    """The network in torch, with the trained parameters."""
    options: dict[str, Any] = {
        name: model.info[name] for name in inspect.signature(DeepSSM).parameters if name in model.info
    }
    deep = DeepSSM(model.scaling, **options)
    for name, parameter in deep.named_parameters():
        with torch.no_grad():
            parameter.copy_(torch.tensor(model.parameters[PREFIX + name]))
    return deep


def _initial(rule: InitialState, ratio: float) -> InitialState:
    """The rule over the same time: for the encoder from its first to its last sample, else of all samples."""
    if rule.kind != "encoder":
        return dataclasses.replace(rule, n_init=math.ceil(rule.n_init / ratio))
    n_init = round((rule.n_init - 1) / ratio) + 1
    if min(n_init, DEGREES) != min(rule.n_init, DEGREES):
        raise OptionError(
            f"the initial state of this model needs {min(rule.n_init, DEGREES)} samples in the time of its n_init = "
            f"{rule.n_init}; at dt times {ratio:g} there are {n_init}"
        )
    return dataclasses.replace(rule, n_init=n_init)
