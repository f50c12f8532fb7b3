"""`certify_many`: certificates of many models, one after the other or by a fleet of workers. No torch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.compose import certify
from l2ssm.certificates.verify import verify
from l2ssm.errors import CertificateError
from l2ssm.identification.fleet import Fleet
from l2ssm.identification.model import Model, load

K = TypeVar("K", bound=Hashable)
MODELS, CERTIFICATE = "models", "cert.json"


def certify_many(
    models: Mapping[K, Model], *, fleet: Fleet | None = None, **options: Any
) -> dict[K, Certificate | str]:
    """By the keys of the models their certificates, verified in this process, or why there is none.

    Args:
        models: by any key; a model that is there twice is proved once by a fleet.
        fleet: of workers that search for the proofs; they and the models are kept in its folder.
        options: of `certify`.

    Raises:
        OptionError: what `certify` finds wrong; with a fleet, an option that is not JSON.
    """
    if fleet is None:
        return {key: _certificate(model, options) for key, model in models.items()}
    folder = Path(fleet.folder).absolute() / MODELS
    folder.mkdir(parents=True, exist_ok=True)
    for model in models.values():
        if not (path := _path(folder, model.digest)).exists():
            model.save(path)
    specs = [{"model": model.digest, "options": options} for model in models.values()]
    found: dict[K, Certificate | str] = {}
    for (key, model), done in zip(models.items(), fleet.run(partial(_prove, folder), specs), strict=True):
        found[key] = done.error or verify(Certificate.load(done.folder / CERTIFICATE), model)
    return found


def _certificate(model: Model, options: dict[str, Any]) -> Certificate | str:
    try:
        return certify(model, **options)
    except CertificateError as error:
        return str(error)


def _path(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.l2ssm"


def _prove(models: Path, spec: dict[str, Any], folder: Path) -> dict[str, float]:
    """On a worker."""
    certificate = certify(load(_path(models, spec["model"])), **spec["options"])
    certificate.save(folder / CERTIFICATE)
    return {"gamma": certificate.gamma}
