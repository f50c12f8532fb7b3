"""The reference vectors of the golden folder, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(os.environ.get("L2SSM_GOLDEN", "golden"))


@pytest.fixture
def golden():
    """golden(name, tag) -> {key: array} of the keys that begin with "tag__"."""

    def load(name: str, tag: str = "") -> dict[str, np.ndarray]:
        path = GOLDEN / f"{name}.npz"
        if not path.is_file():
            pytest.skip(f"no reference vectors: set L2SSM_GOLDEN to the folder of {name}.npz")
        with np.load(path) as data:
            prefix = f"{tag}__" if tag else ""
            return {key[len(prefix) :]: data[key] for key in data if key.startswith(prefix)}

    return load
