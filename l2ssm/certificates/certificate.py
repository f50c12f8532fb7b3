"""`Certificate`: a claim about a gain, its witnesses and the numbers it is about. Part of the trusted base."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from l2ssm.errors import MalformedCertificateError, NotCertifiableError
from l2ssm.files import write_atomically
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layers import Dynamic
from l2ssm.systems.state_space import StateSpace

if TYPE_CHECKING:
    from collections.abc import Sequence


JOINT, JOINT_AT_REST = "joint", "joint at rest"
"""Methods of a claim that is proved by one matrix inequality, see `joint`."""
AT_REST = "at rest"
"""End of the name of every method that bounds a gain from rest only."""


@dataclass(frozen=True, eq=False)
class Claim:
    """The gain of a layer, or of a run of layers, and what is needed to check it.

    Attributes:
        method: which theorem is used: `JOINT` or `JOINT_AT_REST`, or with the type of a layer a key of
            `verify.CHECKERS`.
        gain: an upper bound of the incremental gain; by a method "... at rest" of the gain from rest.
        witness: named float64 arrays, with one or two axes.
        inner: the claims of the layers inside.
        layers: how many consecutive layers it is about.
    """

    method: str
    gain: float
    witness: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    inner: tuple[Claim, ...] = ()
    layers: int = 1


@dataclass(frozen=True, eq=False)
class LowerBound:
    """A gain that was attained in float64 by some input; evidence, not part of the proof.

    Attributes:
        gain: ||y(u + du) - y(u)|| / ||du|| from x0 = 0, or the largest gain found at a frequency.
        description: where it was found.
        u, du: (T, n_u) base input and deviation, which `verify` simulates again; None for a gain at a frequency.
    """

    gain: float
    description: str
    u: NDArray[np.float64] | None = None
    du: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Certificate:
    """gamma bounds the gain of `network`: the claim, its witnesses, and the numbers it is about.

    A new object is unchecked. `verify` returns one with `verified_in` set, and only that one prints VERIFIED.

    Attributes:
        kind: "incremental" or "l2", see `statement.MEANINGS`.
        gamma: the bound, output unit per input unit.
        network: the frozen model; its numbers are taken as exact.
        proof: how the claims make gamma, a key of `verify.PROOFS`.
        claims: those of the layers, or of runs of layers, in the order of the chain.
        lower: the worst input found, or None.
        model_sha256: SHA-256 (hex) of the model file the numbers came from, or None.
        created: versions of the programs that made it.
        verified_in: the arithmetic in which `verify` has checked this very object, "" if it has not.
    """

    kind: str
    gamma: float
    network: Interconnection
    proof: str
    claims: tuple[Claim, ...]
    lower: LowerBound | None = None
    model_sha256: str | None = None
    created: Mapping[str, str] = field(default_factory=dict)
    verified_in: str = field(default="", init=False)

    @property
    def verified(self) -> bool:
        """Whether `verify` has checked this very object."""
        return bool(self.verified_in)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the system the certificate is about."""
        return self.network.digest

    @property
    def file_digest(self) -> str:
        """SHA-256 (hex) of the certificate's file, as sha256sum prints it."""
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()

    @property
    def unit(self) -> str:
        """Of gamma: output unit / input unit where the channels agree, else ""."""
        from l2ssm.certificates.statement import gain_unit

        return gain_unit(self)

    def bound(self, x0: ArrayLike | None = None, u_energy: float = 0.0) -> float:
        """sum |dy|^2 <= gamma^2 sum |du|^2 + V(dx0): see `storage.energy_bound`, which rounds upwards.

        Args:
            x0: difference of the two states at the start; zero if None.
            u_energy: sum |u - v|^2 of the two inputs.
        """
        from l2ssm.certificates.storage import energy_bound

        return energy_bound(self, x0, u_energy)

    def to_json(self) -> str:
        """The file, always the same text for the same certificate."""
        from l2ssm.certificates.document import encode

        return encode(self)

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """The certificate (not yet verified) of a text made by `to_json`; see `document.decode`.

        Args:
            text: what `to_json` returned.
        """
        from l2ssm.certificates.document import decode

        return decode(text)

    def save(self, path: str | Path) -> None:
        """Write the JSON file, or nothing.

        Args:
            path: file to write.
        """
        write_atomically(path, self.to_json().encode("ascii"))

    @classmethod
    def load(cls, path: str | Path) -> Certificate:
        """Read a file written by `save`.

        Args:
            path: of a file that `save` wrote.

        Raises:
            MalformedCertificateError: no such file, or not a certificate.
            CertificateError: the file was altered.
        """
        try:
            return cls.from_json(Path(path).read_bytes().decode("ascii").replace("\r\n", "\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise MalformedCertificateError(f"cannot read the certificate {path}: {error}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, or what comes out of a pickle, is read from the file and not verified."""
        return type(self).from_json, (self.to_json(),)

    def __str__(self) -> str:
        from l2ssm.certificates.statement import printout

        return printout(self)


def model_digest(system: object) -> str | None:
    """The digest of a fitted model: of everything in its file, not of its network alone; None for a bare system."""
    return getattr(system, "digest", None) if hasattr(system, "network") else None


def chain_of(system: object) -> Interconnection:
    """The chain a system is certified as: itself, a one-layer chain, or the `network` of a model.

    Raises:
        NotCertifiableError: anything else.
    """
    network = getattr(system, "network", system)
    if isinstance(network, StateSpace):
        G = network
        labels = (G.input_names, G.output_names, G.input_units, G.output_units)
        names: Sequence[tuple[str, ...]] = [tuple(label or ()) for label in labels]
        return Interconnection((Dynamic(G),), G.dt, *names)
    if isinstance(network, Interconnection):
        return network
    raise NotCertifiableError(
        f"{type(system).__name__} cannot be certified; expected a StateSpace, an Interconnection or a model"
    )
