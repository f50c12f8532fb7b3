"""Strict JSON: no NaN and no Infinity, which the standard does not have."""

from __future__ import annotations

import json
import math
from typing import Any


def strict(value: Any) -> Any:
    """The same value with inf as "inf", -inf as "-inf" and NaN as null.

    >>> strict({"gain": float("inf"), "fit": [1.5, float("nan")]})
    {'gain': 'inf', 'fit': [1.5, None]}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    return value


def dumps(value: Any) -> str:
    """The text of a strict JSON file; every float reads back as the same float."""
    return json.dumps(strict(value), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
