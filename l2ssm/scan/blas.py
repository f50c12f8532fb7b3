"""The decorator of our numba kernels, and the address of scipy's real matrix product. Importing this loads numba."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import get_cython_function_address

_SIGNATURE = b"(char *, char *, int *, int *, int *, "


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel compiled lazily; cached beside the source or in the user's cache folder, uncached if neither works."""
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(kernel)
    except RuntimeError:  # numba found no folder it may write to
        return numba.njit(**options)(kernel)


def gemm_address(dtype: np.dtype[Any]) -> int:
    """Address of scipy's sgemm or dgemm.

    Raises:
        ImportError: scipy's BLAS interface is missing or takes other integers than C int.
    """
    name = {"float32": "sgemm", "float64": "dgemm"}[np.dtype(dtype).name]
    capsules: dict[str, Any] = vars(importlib.import_module("scipy.linalg.cython_blas"))["__pyx_capi__"]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    signature = get_name(capsules[name]) or b""
    if _SIGNATURE not in signature:
        raise ImportError(f"scipy.linalg.cython_blas.{name} has the unexpected signature {signature!r}")
    return int(get_cython_function_address("scipy.linalg.cython_blas", name))
