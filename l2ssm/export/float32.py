"""Certified export to float32: round the numbers, prove their gain, shrink and round again until it is at most gamma.

Rounding a system of gain gamma moves its gain by up to 1e-7 / (1 - |lam|), upwards in about half of the cases; so "by
construction" ends at float32, and the numbers that are deployed are proved instead. The proof is about the system with
exactly these numbers; the rounding inside a float32 simulation is not covered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from l2ssm.certificates.certificate import chain_of
from l2ssm.errors import CertificateError, ExportError, NotCertifiableError, RealizationError
from l2ssm.export.precision import dtype_of, rounded
from l2ssm.options import positive
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Affine, Clocked, Dynamic, Layer, Selective
from l2ssm.systems.state_space import StateSpace

if TYPE_CHECKING:
    from l2ssm.certificates.certificate import Certificate

HALF_UNIT = 2.0**-24  # relative rounding error of float32
ROUNDS = 20
SMALLEST_SCALE = 0.9  # rounding to float32 costs far less


@dataclass(frozen=True)
class Float32Export:
    """What is deployed, and its proof.

    Attributes:
        system: of the kind that was given; every number is a float32, kept as float64.
        certificate: verified, of `system`; its gamma as asked for.
        scale: the gain was multiplied by this, at most 1.
        rounds: proofs that were needed.
    """

    system: Any
    certificate: Certificate
    scale: float
    rounds: int


def certified_float32(
    system: Any, gamma: float | None = None, *, kind: str | None = None, time_limit: float = 60.0
) -> Float32Export:
    """The system with every number rounded to float32, shrunk where needed, and a proof that its gain is <= gamma.

    What is shrunk is the decoder of a model (the matrix of its last layer), B and D of a linear system. From a fitted
    model what only training and prediction need is left out; its rule for the initial state is not rounded.

    Args:
        system: a fitted model, an `Interconnection` or a `StateSpace`.
        gamma: the gain to prove, > 0; the system is scaled to it if its gain is at most a tenth above. Default: the one
            prescribed to the model; where there is none, whatever is proved of the rounded numbers.
        kind: of the certificate, "incremental" or "l2"; default "l2" with selective layers.
        time_limit: seconds a proof, see `certify`.

    Raises:
        OptionError: gamma is not a finite number > 0.
        NotCertifiableError: a layer has no finite gain, or a pole is rounded onto the unit circle.
        CertificateError: nothing was proved within 20 rounds, or gamma is more than a tenth below what can be proved.
        ExportError: a number does not fit into float32, or the last layer cannot be scaled.

    >>> export = certified_float32(StateSpace([[0.9]], [[0.1]], [[1.0]], [[0.0]]), 1.0)
    >>> export.certificate.gamma, export.system.A.item() == float(np.float32(0.9))
    (1.0, True)
    """
    from l2ssm.certificates.compose import certify

    network = chain_of(system)
    if gamma is None:
        gamma = getattr(system, "info", {}).get("gamma")
    target = None if gamma is None else positive("gamma", gamma, "gain")
    selective = any(isinstance(layer, (Clocked, Selective)) for layer in network.dynamic_layers().values())
    how: dict[str, Any] = {"kind": kind or ("l2" if selective else "incremental"), "time_limit": time_limit}
    if target is None:
        close = _rounded(network)
        return Float32Export(_like(system, close, 1.0), certify(close, **how), 1.0, 1)
    scale, found = 1.0, np.inf
    for rounds in range(1, ROUNDS + 1):
        close = _rounded(network if scale == 1.0 else _shrunk(network, scale))
        try:
            return Float32Export(_like(system, close, scale), certify(close, gamma=target, **how), scale, rounds)
        except NotCertifiableError:
            raise
        except CertificateError:
            found = certify(close, lower=False, **how).gamma
        scale *= min(target / found, 1.0) * (1 - HALF_UNIT * 2.0**rounds)
        if scale < SMALLEST_SCALE:
            raise CertificateError(
                f"gamma = {target:g} is below {found:g}, what is proved of the rounded numbers; to be there the model "
                f"would have to be scaled by {scale:.3g}, which makes it another one"
            )
    raise CertificateError(f"no gain up to gamma = {target} was proved in {ROUNDS} rounds; the last was {found}")


def in_float32(system: Any) -> Any:
    """The system with every number rounded to float32, and no proof.

    Args:
        system: a `Model`, an `Interconnection` or a `StateSpace`.

    Raises:
        ExportError: a number does not fit into float32.
    """
    return _like(system, _rounded(chain_of(system)), 1.0)


def _rounded(network: Interconnection) -> Interconnection:
    structure, arrays = network.describe()
    single = dtype_of("float32")
    try:
        return Interconnection.build(
            structure, {name: rounded(array, single).astype(np.float64) for name, array in arrays.items()}
        )
    except RealizationError as error:
        raise ExportError(f"a layer does not hold with its numbers rounded to float32: {error}") from None


def _shrunk(network: Interconnection, scale: float) -> Interconnection:
    """The gain times scale, by the last layer; a linear system that is the only layer by its B and D."""
    *before, last = network.layers
    smaller: Layer
    if isinstance(last, Affine):
        smaller = Affine(scale * last.W, last.b)
    elif isinstance(last, Dynamic) and not before:
        G = last.G
        smaller = Dynamic(StateSpace(G.A, scale * G.B, G.C, scale * G.D, G.dt))
    else:
        raise ExportError(f"the last layer is a {type(last).__name__}; an Affine one is needed to scale the gain")
    return replace(network, layers=(*before, smaller))


def _like(system: Any, network: Interconnection, scale: float) -> Any:
    """The network in the form of what was given."""
    if isinstance(system, Interconnection):
        return network
    if isinstance(system, StateSpace):
        (layer,) = network.layers
        assert isinstance(layer, Dynamic)
        G, s = layer.G, system
        return StateSpace(
            G.A, G.B, G.C, G.D, s.dt, s.input_names, s.output_names, s.state_names, s.input_units, s.output_units
        )
    origin = {"precision": "float32", "from": system.digest, "scale": scale}
    return replace(system, network=network, parameters={}, noise=None, info={**system.info, "export": origin})
