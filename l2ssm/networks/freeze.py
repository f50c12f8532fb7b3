"""`freeze`: a trained model as explicit float64 numbers in physical units - what is deployed, and what is certified."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch

from l2ssm.errors import RealizationError
from l2ssm.networks.deep import DeepSSM
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layer import Layer
from l2ssm.systems.static_layers import Affine


@torch.no_grad()
def freeze(
    model: DeepSSM,
    dt: float,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    input_units: Sequence[str] | None = None,
    output_units: Sequence[str] | None = None,
) -> Interconnection:
    """The model with every number evaluated once in float64 and the standardisation folded into its two ends.

    Args:
        model: a trained `DeepSSM`; it is not changed.
        dt: sample time in seconds.
        input_names, output_names, input_units, output_units: one a channel.

    Raises:
        RealizationError: a parameter is NaN or infinite.
    """
    m = copy.deepcopy(model).double()
    if not all(torch.isfinite(p).all() for p in m.parameters()):
        raise RealizationError("the model has parameters that are not finite; it cannot be frozen")
    E, e = m.encoder()
    H, h = m.decoder()
    E = E / m.u_std
    H, h = m.y_std[:, None] * H, m.y_mean + m.y_std * h
    offset = torch.zeros_like(e) if m.from_rest else e - E @ m.u_mean
    layers: list[Layer] = [Affine(E.numpy(), offset.numpy())]
    for block, gain in zip(m.chain(), m.cell_gains(), strict=True):
        layers += block.frozen(dt, None if gain is None else float(gain))
    layers.append(Affine(H.numpy(), h.numpy()))

    def labels(given: Sequence[str] | None, letter: str, count: int) -> tuple[str, ...]:
        return tuple(given) if given is not None else tuple(f"{letter}{i + 1}" if letter else "" for i in range(count))

    return Interconnection(
        tuple(layers),
        dt,
        labels(input_names, "u", m.n_u),
        labels(output_names, "y", m.n_y),
        labels(input_units, "", m.n_u),
        labels(output_units, "", m.n_y),
    )
