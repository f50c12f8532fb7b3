"""`scale_to_gain`: a model brought under a gain by its certificate, and certified again."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from l2ssm.certificates.compose import certify
from l2ssm.errors import CertificateError
from l2ssm.identification.model import Model
from l2ssm.options import positive
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.static_layers import Affine

Scaled = TypeVar("Scaled", Model, Interconnection)
ROUNDS = 5  # proofs until a scaled network is given up


def scale_to_gain(model: Scaled, gamma: float) -> Scaled:
    """The model, its last weights multiplied by gamma / certified gain where that is below 1: certified gain <= gamma.

    Biases are kept, so the output for the constant input that the model maps to its last bias is kept too.

    Args:
        model: a fitted model or its network; it is not changed.
        gamma: gain to prove, > 0.

    Raises:
        OptionError: gamma is not a finite number > 0.
        NotCertifiableError: a layer has no finite gain; it is named.
        CertificateError: the last layer is not affine, or the scaled model was not proved.
    """
    gamma = positive("gamma", gamma, "gain")
    if isinstance(model, Model):
        return dataclasses.replace(model, network=scale_to_gain(model.network, gamma))
    last, network, scale = model.layers[-1], model, 1.0
    if not isinstance(last, Affine):
        raise CertificateError(
            f"the last layer is a {type(last).__name__}, expected an Affine one, which can be scaled"
        )
    for _ in range(ROUNDS):
        proved = certify(network, method="product", lower=False).gamma
        if proved > gamma:
            proved = certify(network, lower=False).gamma
        if proved <= gamma:
            return network
        scale *= gamma / proved * (1 - 1e-9)
        layers = (*model.layers[:-1], Affine(scale * last.W, last.b))
        network = dataclasses.replace(model, layers=layers)
    raise CertificateError(f"gamma = {gamma!r} is not proved after {ROUNDS} scalings; the smallest gain was {proved!r}")
