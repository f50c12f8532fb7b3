"""C99 source of a model: one .c and one .h, no malloc, nothing but math.h, with vectors to test itself."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from l2ssm.errors import OptionError
from l2ssm.export.about import about
from l2ssm.export.c_body import Body, number, table
from l2ssm.export.c_templates import HEADER, SOURCE, START, STARTED, TEST
from l2ssm.export.precision import dtype_of
from l2ssm.export.start import start_program
from l2ssm.export.steps import step_program
from l2ssm.files import write_atomically

if TYPE_CHECKING:
    from l2ssm.certificates.certificate import Certificate
    from l2ssm.systems.interconnection import Interconnection

REALS = {"float64": "double", "float32": "float"}
TOLERANCES = {"float64": 1e-9, "float32": 1e-5}
"""Of the self-test: largest difference from `simulate`, relative to the largest output."""
TEST_SAMPLES = 64
STEP_HEAD = "void l2ssm_step(l2ssm_state *s, const l2ssm_real *u, l2ssm_real *y)"
START_HEAD = "void l2ssm_start(l2ssm_state *s, const l2ssm_real *u, const l2ssm_real *y)"


def write_c(
    system: Any,
    path: str | os.PathLike[str],
    *,
    precision: str = "float64",
    certificate: Certificate | None = None,
    name: str = "l2ssm",
) -> None:
    """Write PATH (.c) and the header beside it, with `void l2ssm_step(l2ssm_state *s, const real *u, real *y)`.

    Compiled with -DL2SSM_SELF_TEST the .c file is a program that runs test vectors: exit code 0 if all is as in
    `simulate`. A fitted model whose initial state is estimated has `l2ssm_start` for it.

    Args:
        system: a fitted model, an `Interconnection` or a `StateSpace`.
        path: of the .c file.
        precision: "float64" (double) or "float32" (float), of numbers and arithmetic.
        certificate: verified, of just these numbers, to be named in both files.
        name: with which every C name begins, for several models in one program.

    Raises:
        ExportError: a layer has no step, a number is too large, or the certificate is about other numbers.
        OptionError: a path that does not end in .c, an unknown precision, or no C name.
    """
    source = Path(path)
    if not re.fullmatch(r"[\w.+-]+\.c", source.name):
        raise OptionError(f"the file name {source.name!r} is not made of letters, digits, '.', '_', '+', '-' and .c")
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise OptionError(f"name is {name!r}, expected letters, digits and underscores")
    facts = about(system, precision, certificate)
    header, text = _sources(facts.network, system, precision)
    for target, content in ((source.with_suffix(".h"), header), (source, text)):
        named = content.replace("l2ssm_", f"{name}_").replace("L2SSM_", f"{name.upper()}_")
        filled = named.replace("@header@", source.with_suffix(".h").name).replace("@comment@", _comment(facts.facts()))
        write_atomically(target, filled.encode())


def _sources(network: Interconnection, system: Any, precision: str) -> tuple[str, str]:
    """The texts of the .h and of the .c file."""
    dtype = dtype_of(precision)
    bodies = [Body(step_program(network), {"u": "u", "x": "s->x"}, dtype, "c")]
    functions = [_function(STEP_HEAD, bodies[0], {"y": "y", "x_next": "s->x"})]
    initial = start_program(system)
    if initial is not None:
        bodies.append(Body(initial, {"u_start": "u", "y_start": "y"}, dtype, "d"))
        functions.append(_function(START_HEAD, bodies[1], {"x0": "s->x"}))
    n_init = 0 if initial is None else system.initial.n_init
    sizes = {"N_U": network.n_u, "N_Y": network.n_y, "N_X": network.n_x, "N_INIT": n_init}
    header = HEADER.format(
        real=REALS[precision],
        sizes="\n".join(f"#define L2SSM_{key} {size}" for key, size in sizes.items()),
        states=max(network.n_x, 1),
        scratch=max(1, *(body.scratch for body in bodies)),
        start="" if initial is None else START,
    )
    text = SOURCE.format(
        states=max(network.n_x, 1),
        tables="\n".join(line for body in bodies for line in body.tables),
        functions="\n\n".join(functions),
        test=_test(network, system, precision, n_init),
    )
    return header, text


def _function(head: str, body: Body, results: dict[str, str]) -> str:
    lines = [*body.lines, *(body.copy(name, target) for name, target in results.items())]
    whole = "\n".join(lines)
    counters = ", ".join(name for name in "ijk" if f"({name} = " in whole)
    declared = [f"int {counters};"]
    declared += ["l2ssm_real sum;"] if "sum = " in whole else []
    declared += ["l2ssm_real *const w = s->w;"] if "w[" in whole else []
    return f"{head}\n{{\n" + "\n".join(f"    {line}" for line in (*declared, *lines)) + "\n}"


def _comment(facts: dict[str, str]) -> str:
    """The facts in printable ASCII, with nothing in them that ends a comment."""
    texts = [f"{key}: {text}".encode("ascii", "backslashreplace").decode() for key, text in facts.items()]
    plain = [re.sub(r"[^ -~]|\*/|/\*|\?\?|\\$", " ", text) for text in texts]
    return "/*\n" + "\n".join(f" * {line}" for line in plain) + "\n */"


def _test(network: Interconnection, system: Any, precision: str, n_init: int) -> str:
    """The self-test: random inputs, and what `simulate` makes of them from rest and from the estimated state."""
    dtype, rng = dtype_of(precision), np.random.default_rng(0)
    count = max(TEST_SAMPLES, n_init)
    u, y = rng.standard_normal((count, network.n_u)), rng.standard_normal((count, network.n_y))
    if hasattr(system, "scaling"):
        scaling = system.scaling
        u, y = scaling.u_mean + scaling.u_std * u, scaling.y_mean + scaling.y_std * y
    u, y = (signal.astype(dtype).astype(np.float64) for signal in (u, y))
    given, expected = {"u": u}, {"rest": network.simulate(u)}
    if n_init:
        given["y"], expected["started"] = y, network.simulate(u, system.start_state(u, y))
    largest = max(float(np.max(np.abs(run), initial=0.0)) for run in expected.values()) or 1.0
    tables = [_numbers(name, array, "l2ssm_real", dtype) for name, array in given.items()]
    tables += [_numbers(name, array, "double", np.dtype(np.float64)) for name, array in expected.items()]
    limit = repr(TOLERANCES[precision] * largest)
    return TEST.format(tables="\n".join(tables), samples=count, limit=limit, started=STARTED if n_init else "")


def _numbers(name: str, array: NDArray[np.float64], kind: str, dtype: np.dtype[Any]) -> str:
    return table(f"l2ssm_test_{name}", kind, [number(v, dtype) for v in array.ravel().tolist()])
