"""`reduce`: a model with fewer states, each linear block truncated with a proved H-infinity error."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import block_diag

from l2ssm.certificates.certificate import Certificate, Claim
from l2ssm.certificates.compose import certify
from l2ssm.certificates.statement import rounded_up
from l2ssm.certificates.verify import verify
from l2ssm.errors import CertificateError, OptionError, RealizationError
from l2ssm.identification.model import Model, load
from l2ssm.options import integer, positive
from l2ssm.systems.layers import Dynamic, Layer, Product, Residual
from l2ssm.systems.simulation import signal
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.truncation import Truncation, balanced_truncation, difference

Array = NDArray[np.float64]

MODEL_FILE, ERRORS = "model.l2ssm", "errors"
ATTEMPTS = ((0.0, None), (0.0, 1e-2), (1e-6, 1e-2), (1e-5, 1e-2), (1e-4, 1e-2))
"""(floor relative to the block's norm, slack) of the proofs of an error that are tried, the tightest first."""


@dataclasses.dataclass(frozen=True, eq=False)
class ReducedBlock:
    """One linear block before and after.

    Attributes:
        before: as it was.
        truncation: the reduced system, the map of the state, the Hankel singular values.
        certificate: verified, about the system `difference(before, after)`; None where the block was kept as it was.
    """

    before: StateSpace
    truncation: Truncation
    certificate: Certificate | None

    @property
    def after(self) -> StateSpace:
        """The block in the reduced model."""
        return self.truncation.G

    @property
    def error(self) -> float:
        """Proved: ||before - after||_inf <= error, in the units of the block's hidden channels."""
        return 0.0 if self.certificate is None else self.certificate.gamma


@dataclasses.dataclass(frozen=True, eq=False)
class Reduction:
    """A reduced model and what is proved about it.

    Attributes:
        original: the model it was reduced from.
        model: the reduced one, an ordinary model.
        blocks: by the name of the block in the original.
        gain: certificate of the reduced model where the original had a prescribed gain and one was proved, else None.
    """

    original: Model
    model: Model
    blocks: dict[str, ReducedBlock]
    gain: Certificate | None

    def output_error(self, u: ArrayLike) -> float:
        """A bound of sqrt(sum_t |y[t] - y_reduced[t]|^2) for this input, both models from the zero state.

        Every block adds its proved error times the norm of its input in the reduced model, and the layers behind it
        amplify by their proved incremental gains. It is a bound for one input, not a gain: with biases the models
        differ for u = 0 too. The norms are computed in float64, whose rounding it does not cover. It is as loose as
        the product of the gains behind the blocks.

        Args:
            u: (T, n_u), physical units.

        Returns:
            inf where a layer has no finite incremental gain: `reason` says which.
        """
        if self.reason:
            return float("inf")
        errors = {id(block.before): block.error for block in self.blocks.values()}
        before, after = self.original.network, self.model.network
        return _deviation(before.layers, after.layers, self._gains[0], signal(u, before.n_u), 0.0, errors)

    @property
    def reason(self) -> str:
        """Why no bound of the output error follows; "" where one does."""
        return self._gains[1]

    @cached_property
    def _gains(self) -> tuple[tuple[Claim, ...], str]:
        try:
            return certify(self.original, method="product", lower=False).claims, ""
        except CertificateError as error:
            return (), str(error)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write model.l2ssm, and errors/NAME.cert.json for each truncated block; see `verify_reduction`."""
        errors = Path(folder) / ERRORS
        errors.mkdir(parents=True, exist_ok=True)
        certificates = {name: block.certificate for name, block in self.blocks.items()}
        for name in self.original.network.dynamic_layers():
            certificate, path = certificates.get(name), errors / f"{name}.cert.json"
            if certificate is None:
                path.unlink(missing_ok=True)  # of another reduction
            else:
                certificate.save(path)
        self.model.save(Path(folder) / MODEL_FILE)

    def __str__(self) -> str:
        lines = [f"{'block':8} {'states':>12}  {'proved error':>12}  {'relative':>9}  largest Hankel singular values"]
        for name, block in self.blocks.items():
            norm = block.before.hinf().lower
            relative = rounded_up(block.error / norm, 3) if norm > 0 else "-"
            hankel = " ".join(f"{value:.3g}" for value in block.truncation.hankel[:6])
            states = f"{block.before.n_x} -> {block.after.n_x}"
            lines.append(f"{name:8} {states:>12}  {rounded_up(block.error):>12}  {relative:>9}  {hankel}")
        if self.gain is not None:
            kept = self.model.info["gamma"] is not None
            lines.append(
                f"gain of the reduced model: gamma <= {rounded_up(self.gain.gamma)}, proved; "
                + ("that prescribed is kept" if kept else "above that prescribed, see scale_to_gain")
            )
        return "\n".join(
            [*lines, "error: H-infinity norm of the difference of a block, proved; the output: output_error(u)"]
        )


def reduce(model: Model, order: int | Mapping[str, int] | None = None, tolerance: float | None = None) -> Reduction:
    """Balanced truncation of the linear blocks of a model, the H-infinity error of each proved.

    The gain of the original is not that of the reduced model: a prescribed one is proved again, and stays in the
    model's description only if it holds. The encoder of the initial state is mapped to the states that are kept.

    Args:
        model: fitted.
        order: states to keep in each block, at most; or by name, {"block0": 8}, other blocks are kept as they are.
        tolerance: in each block keep the fewest states whose error is at most so much of its H-infinity norm; one of
            order and tolerance.

    Raises:
        OptionError: not one of order and tolerance, an order < 0, a tolerance that is not > 0, or an unknown block.
        RealizationError: a block to reduce is not linear or not stable; it is named.
        CertificateError: the error of a block was not proved.
    """
    if (order is None) == (tolerance is None):
        raise OptionError(f"order = {order!r}, tolerance = {tolerance!r}: expected one of the two")
    layers = model.network.dynamic_layers()
    wanted = _orders(layers, order)
    tolerance = None if tolerance is None else positive("tolerance", tolerance)
    blocks = {name: _reduced(name, layers[name], count, tolerance) for name, count in wanted.items()}
    by_id = {id(layers[name]): block.truncation for name, block in blocks.items() if block.certificate is not None}
    network = dataclasses.replace(model.network, layers=tuple(_replaced(one, by_id) for one in model.network.layers))
    project = block_diag(*(by_id[id(x)].project if id(x) in by_id else np.eye(x.n_x) for x in layers.values()))
    initial = model.initial
    if initial.weight is not None and initial.bias is not None:
        initial = dataclasses.replace(initial, weight=project @ initial.weight, bias=project @ initial.bias)
    gamma, gain = model.info.get("gamma"), None
    if gamma is not None:
        with contextlib.suppress(CertificateError):  # then it is not kept
            gain = certify(network, method="product", lower=False)
            if gain.gamma > gamma:
                gain = certify(network, lower=False)
    facts = {name: {"states": [b.before.n_x, b.after.n_x], "error": b.error} for name, b in blocks.items()}
    info = dict(model.info) | {
        "gamma": gamma if gamma is not None and gain is not None and gain.gamma <= gamma else None,
        "reduction": {"from": model.digest, "blocks": facts},
    }
    return Reduction(model, Model(network, model.scaling, initial, info), blocks, gain)


def verify_reduction(
    folder: str | os.PathLike[str], original: Model | str | os.PathLike[str], arithmetic: str = "ball"
) -> dict[str, Certificate]:
    """The error certificates that `Reduction.save` wrote, verified, about the blocks of these very two models.

    Args:
        folder: with model.l2ssm and errors/.
        original: the model, or its file.
        arithmetic: see `verify`.

    Raises:
        CertificateError: not proved, or about other numbers; MalformedCertificateError: a file cannot be read.
        ModelFileError: a model file that cannot be read.
        OptionError: the models are not of the same chain of layers.
    """
    before = original if isinstance(original, Model) else load(original)
    after = load(Path(folder) / MODEL_FILE)
    names = {id(layer): name for name, layer in before.network.dynamic_layers().items()}
    pairs = [[leaf for one in m.network.layers for leaf in one.leaves()] for m in (before, after)]
    if [type(leaf) for leaf in pairs[0]] != [type(leaf) for leaf in pairs[1]]:
        raise OptionError("the models are not of the same chain of layers: one was not reduced from the other")
    found = {}
    for full, reduced in zip(*pairs, strict=True):
        if not (isinstance(full, Dynamic) and isinstance(reduced, Dynamic)) or full.G.digest == reduced.G.digest:
            continue
        name = names[id(full)]
        certificate = Certificate.load(Path(folder) / ERRORS / f"{name}.cert.json")
        floor = float(certificate.network.layers[0].G.D[-1, -1])  # type: ignore[attr-defined]
        found[name] = verify(certificate, difference(full.G, reduced.G, floor), arithmetic)
    return found


def _orders(layers: Mapping[str, Layer], order: int | Mapping[str, int] | None) -> dict[str, int | None]:
    """The number of states to keep in each block, None where a tolerance decides."""
    if not isinstance(order, Mapping):
        count = None if order is None else integer("order", order, 0)
        return dict.fromkeys(layers, count)
    unknown = [name for name in order if name not in layers]
    if unknown:
        raise OptionError(f"order names {unknown[0]!r}; the blocks are {', '.join(layers)}")
    return {name: integer(f"order of {name}", count, 0) for name, count in order.items()}


def _reduced(name: str, layer: Layer, order: int | None, tolerance: float | None) -> ReducedBlock:
    """The block truncated, with the certificate of its error."""
    if not isinstance(layer, Dynamic):
        raise RealizationError(
            f"{name} is a {type(layer).__name__}: not a linear time-invariant system, so it has no Hankel singular "
            'values; name the blocks to reduce, order={"block0": 8}'
        )
    G = layer.G
    try:
        norm = G.hinf().lower
        truncation = balanced_truncation(G, order, None if tolerance is None else tolerance * norm)
    except RealizationError as error:
        raise RealizationError(f"{name}: {error}") from None
    if truncation.G.n_x == G.n_x:
        return ReducedBlock(G, Truncation(G, np.eye(G.n_x), truncation.hankel), None)
    return ReducedBlock(G, truncation, _error(name, G, truncation.G, norm))


def _error(name: str, G: StateSpace, H: StateSpace, norm: float) -> Certificate:
    """A verified certificate of [G - H; floor I], the smallest floor for which one is proved near the norm."""
    upper = difference(G, H).hinf().upper
    reason: object = "the difference has no finite norm"
    for relative, eps in ATTEMPTS:
        floor = relative * norm
        try:
            certificate = certify(difference(G, H, floor), eps=eps, lower=False)
        except CertificateError as error:
            reason = error
            continue
        if certificate.gamma <= 1.05 * float(np.hypot(upper, floor)):
            return certificate
        reason = f"the smallest error proved is {certificate.gamma:.6g}, its norm is {upper:.6g}"
    raise CertificateError(f"{name}: the error of the truncation to {H.n_x} states is not proved: {reason}")


def _replaced(layer: Layer, by_id: Mapping[int, Truncation]) -> Layer:
    """The layer with the truncated blocks in it."""
    if id(layer) in by_id:
        return Dynamic(by_id[id(layer)].G)
    if isinstance(layer, Residual):
        return Residual(tuple(_replaced(inner, by_id) for inner in layer.layers))
    if isinstance(layer, Product):
        left, right = (tuple(_replaced(inner, by_id) for inner in chain) for chain in (layer.left, layer.right))
        return Product(left, right)
    return layer


def _deviation(
    before: tuple[Layer, ...], after: tuple[Layer, ...], claims: Any, v: Array, e: float, errors: Mapping[int, float]
) -> float:
    """||chain(w) - reduced chain(v)|| for every w with ||w - v|| <= e: |F w - H v| <= gain |w - v| + |(F - H) v|."""
    for layer, reduced, claim in zip(before, after, claims, strict=True):
        if isinstance(layer, Residual) and isinstance(reduced, Residual):
            e += _deviation(layer.layers, reduced.layers, claim.inner, v, e, errors)
        else:
            own = errors.get(id(layer.G), 0.0) if isinstance(layer, Dynamic) else 0.0
            e = claim.gain * e + own * float(np.linalg.norm(v))
        v = reduced.run(v, np.zeros(reduced.n_x))
    return e
