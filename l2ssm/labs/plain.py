"""Values as JSON text and back, so that what a stranger's process sends is read and never run.

Constants stand for themselves; everything else is a list that begins with its kind: containers, arrays (their bytes),
systems (their matrices), certificates (their text), and functions (a name by which the other end calls them).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from l2ssm.certificates.certificate import Certificate
from l2ssm.systems.state_space import StateSpace

CONTAINERS: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
NUMBERS = "biufcSU"
"""Kinds of array whose bytes are all there is to them."""


Name = Callable[[Callable[..., Any]], int]
"""Of a function of this end, for the other one."""


def dumps(value: Any, name: Name) -> bytes:
    """The text of a value.

    Args:
        value: of constants, containers, arrays, systems, certificates and functions.
        name: of a function.

    Raises:
        TypeError: it holds something else.
    """
    return json.dumps(_packed(value, name)).encode()


def loads(text: bytes, function: Callable[[int], Callable[..., Any]]) -> Any:
    """The value of a text.

    Args:
        text: from `dumps`, or from anybody.
        function: of a name.

    Raises:
        ValueError, TypeError, LookupError, RecursionError: it is of nobody's making.
        L2ssmError: a system or a certificate that is none.
    """
    return _unpacked(json.loads(text), function)


def _packed(value: Any, name: Name) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind not in NUMBERS:
            raise TypeError(f"an array of {array.dtype} holds no numbers")
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return [kind, array.dtype.str, list(array.shape), base64.b64encode(array.tobytes()).decode()]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    if isinstance(value, bytes):
        return ["bytes", base64.b64encode(value).decode()]
    if isinstance(value, range):
        return ["range", value.start, value.stop, value.step]
    if isinstance(value, dict):
        return ["dict", *([_packed(key, name), _packed(item, name)] for key, item in value.items())]
    for kind, container in CONTAINERS.items():
        if isinstance(value, container):
            return [kind, *(_packed(item, name) for item in value)]
    if isinstance(value, StateSpace):
        return ["system", *(_packed(part, name) for part in (value.A, value.B, value.C, value.D, value.dt))]
    if isinstance(value, Certificate):
        return ["certificate", value.to_json()]
    if isinstance(value, type) and issubclass(value, np.generic):
        return ["kind", np.dtype(value).str]
    if callable(value) and not isinstance(value, type):
        return ["function", name(value)]
    made_of = value if isinstance(value, type) else type(value)
    raise TypeError(f"{made_of.__module__}.{made_of.__name__} is neither a number nor an array, text or StateSpace")


def _unpacked(value: Any, function: Callable[[int], Callable[..., Any]]) -> Any:
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind in ("array", "scalar"):
        return _array(*rest) if kind == "array" else _array(*rest)[()]
    if kind == "complex":
        return complex(*rest)
    if kind == "bytes":
        return base64.b64decode(*rest)
    if kind == "range":
        return range(*rest)
    if kind == "kind":
        return np.dtype(*rest).type
    if kind == "certificate":
        return Certificate.from_json(*rest)
    if kind == "function":
        return function(*rest)
    if kind == "dict":
        return {_unpacked(key, function): _unpacked(item, function) for key, item in rest}
    parts = [_unpacked(item, function) for item in rest]
    return StateSpace(*parts) if kind == "system" else CONTAINERS[kind](parts)


def _array(dtype: str, shape: list[int], content: str) -> Any:
    if np.dtype(dtype).kind not in NUMBERS:
        raise ValueError(f"an array of {dtype} holds no numbers")
    return np.frombuffer(base64.b64decode(content), dtype).reshape(shape).copy()
