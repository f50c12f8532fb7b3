"""Values cross between processes as text: what comes out is what went in, and nothing a stranger wrote runs."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from l2ssm.certificates.compose import certify
from l2ssm.labs.plain import dumps, loads
from l2ssm.systems.state_space import StateSpace


def there_and_back(value):
    functions = []

    def name(function):
        functions.append(function)
        return len(functions) - 1

    return loads(dumps(value, name), functions.__getitem__)


CONSTANTS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.complex_numbers() | st.binary()
ARRAYS = hnp.arrays(st.sampled_from(["f8", "c16", "f4", "i4", "?", "U3"]), hnp.array_shapes(min_dims=0, min_side=0))
VALUES = st.recursive(
    CONSTANTS | ARRAYS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.integers() | st.text(), inner),
    max_leaves=8,
)


def same(a, b):
    if isinstance(a, np.ndarray):
        return type(b) is np.ndarray and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float):
        return type(b) is float and (a == b or (math.isnan(a) and math.isnan(b)))
    if isinstance(a, complex):
        return type(b) is complex and same(a.real, b.real) and same(a.imag, b.imag)
    return type(a) is type(b) and a == b


@given(VALUES)
def test_what_comes_out_is_what_went_in(value):
    assert same(value, there_and_back(value))


def test_sets_ranges_scalars_and_functions():
    for value in ({1, 2}, frozenset("ab"), range(1, 9, 2), len, np.float32):
        assert there_and_back(value) == value
    scalar = there_and_back(np.float32(0.1))
    assert isinstance(scalar, np.float32)
    assert scalar == np.float32(0.1)


def test_systems_and_certificates():
    G = StateSpace([[0.5, 0.1], [0.0, 0.2]], [[1.0], [2.0]], [[1.0, 0.0]], [[0.25]], 0.1)
    found = there_and_back([G])[0]
    for part in "ABCD":
        np.testing.assert_array_equal(getattr(found, part), getattr(G, part))
    assert found.dt == G.dt
    certificate = certify(G)
    assert there_and_back(certificate).to_json() == certificate.to_json()
    assert not there_and_back(certificate).verified  # it has to be verified where it arrives


@pytest.mark.parametrize("value", [object(), float, np.array([object()]), np.datetime64("2020"), {1: [object]}])
def test_anything_else_is_refused(value):
    with pytest.raises(TypeError, match=r"neither a number|no numbers"):
        there_and_back(value)


@pytest.mark.parametrize(
    "text",
    [
        ["Popen", "touch"],
        ["array", "|O", [1], "AAAAAAAAAAA="],
        ["array", "<f8", [2], "AAAAAAAAAAA="],
        ["array", "<f8", [10**12], ""],
        ["array", "V8", [1], "AAAAAAAAAAA="],
        ["system", 1, 2],
        ["certificate", "{}"],
        ["dict", [["list"], 1]],
        [],
        [["list"]],
    ],
)
def test_what_nobody_sends_is_an_error(text):
    from l2ssm.errors import L2ssmError

    with pytest.raises((ValueError, TypeError, LookupError, L2ssmError)):
        loads(json.dumps(text).encode(), [].__getitem__)


def test_nesting_without_end_is_an_error():
    with pytest.raises((RecursionError, ValueError)):
        loads(b"[" * 100_000, [].__getitem__)
