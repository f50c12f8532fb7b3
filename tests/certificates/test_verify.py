"""`verify` on files: it agrees with what was written, refuses other models, needs neither torch nor cvxpy."""

from __future__ import annotations

import ast
import copy
import json
import pickle
import subprocess
import sys
import tokenize
import types
from pathlib import Path

import numpy as np
import pytest

import l2ssm.certificates as package
from l2ssm.certificates.certificate import Certificate
from l2ssm.certificates.compose import certify
from l2ssm.certificates.verify import verify
from l2ssm.errors import CertificateError, MalformedCertificateError
from l2ssm.systems.state_space import StateSpace

FOLDER = Path(package.__file__).parent
CORE = ("rigorous", "certificate", "document", "verify")
THEOREMS = ("bounded_real", "static_gain", "constraints", "flatten", "joint", "supply")
TRUSTED = CORE + THEOREMS
ARITHMETICS = ("balls", "midrad", "rational")


def test_file_round_trip(network, tmp_path):
    N = network(0)
    certificate = certify(N, model_sha256="ab" * 32)
    path = tmp_path / "model.cert.json"
    certificate.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.cert.json"]
    loaded = Certificate.load(path)
    assert not loaded.verified
    assert "NOT VERIFIED HERE" in str(loaded)
    again = verify(path, N)
    assert again.verified
    assert str(again) == str(certificate)
    assert again.to_json() == certificate.to_json() == path.read_text()
    assert again.model_sha256 == "ab" * 32
    assert "sha256 abababababab..." in str(again)


def test_windows_line_ends_are_read(network, tmp_path):
    path = tmp_path / "c.json"
    path.write_bytes(certify(network(0), lower=False).to_json().replace("\n", "\r\n").encode())
    assert verify(path).verified


def test_nothing_is_left_behind_when_writing_fails(network, tmp_path, monkeypatch):
    certificate = certify(network(0), lower=False)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        certificate.save(tmp_path / "c.json")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_malformed(tmp_path):
    with pytest.raises(MalformedCertificateError, match="cannot read the certificate"):
        verify(tmp_path / "none.json")


def test_another_model_is_refused(modal, network):
    G = modal(0)
    certificate = certify(G)
    assert verify(certificate, types.SimpleNamespace(network=G)).verified
    A = G.A.copy()
    A[0, 0] = np.nextafter(A[0, 0], 0)
    A[1, 1] = A[0, 0]
    for other in (StateSpace(A, G.B, G.C, G.D), StateSpace(G.A, G.B, G.C, G.D, dt=2.0), network(0)):
        with pytest.raises(CertificateError, match="is about the system"):
            verify(certificate, other)
    with pytest.raises(CertificateError, match="cannot be certified"):
        verify(certificate, 7)


def test_model_files(network, tmp_path, monkeypatch):
    """A path goes through `l2ssm.identification.model.load`, whose digest must be the one in the certificate."""
    N, digest = network(0), "cd" * 32
    loader = types.ModuleType("l2ssm.identification.model")
    loader.load = lambda path: types.SimpleNamespace(network=N, digest=digest)
    monkeypatch.setitem(sys.modules, "l2ssm.identification.model", loader)
    for model_sha256 in (None, digest):
        assert verify(certify(N, lower=False, model_sha256=model_sha256), tmp_path / "m.l2ssm").verified
    with pytest.raises(CertificateError, match="is about the model file efefefefefef"):
        verify(certify(N, lower=False, model_sha256="ef" * 32), str(tmp_path / "m.l2ssm"))
    loader.load = lambda path: types.SimpleNamespace(network=network(1), digest=digest)
    with pytest.raises(CertificateError, match="is about the system"):
        verify(certify(N, lower=False, model_sha256=digest), tmp_path / "m.l2ssm")


def test_verify_returns_a_new_object_and_copies_lose_the_flag(network):
    import dataclasses

    certificate = certify(network(0), lower=False)
    assert certificate.verified
    assert not dataclasses.replace(certificate, gamma=certificate.gamma * 2).verified
    assert not Certificate.from_json(certificate.to_json()).verified
    with pytest.raises(dataclasses.FrozenInstanceError):
        certificate.gamma = 0.1
    for M in certificate.claims[0].witness.values():
        with pytest.raises(ValueError, match="read-only"):
            M *= 0.5
    for mapping in (certificate.claims[0].witness, certificate.created):
        with pytest.raises(TypeError, match="does not support item"):
            mapping["P"] = np.eye(2)


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_says_the_same_and_is_not_verified(network, clone):
    certificate = certify(network(0), method="product")
    other = clone(certificate)
    assert other.to_json() == certificate.to_json()
    assert not other.verified
    assert verify(other).verified


def test_objects_that_cannot_be_written_are_malformed(network):
    import dataclasses

    certificate = certify(network(0), lower=False)
    for change in ({"gamma": None}, {"gamma": "one"}, {"claims": (None,)}, {"network": None}, {"created": {"a": 1}}):
        with pytest.raises(MalformedCertificateError):
            verify(dataclasses.replace(certificate, **change))


def test_the_file_can_be_read_by_a_person(network):
    document = json.loads(certify(network(0)).to_json())
    text = " ".join(document["statement"]["summary"])
    assert "gamma <=" in text
    assert "worst input found" in text
    assert any("rounding of a runtime" in line for line in document["statement"]["not_covered"])
    assert document["unit"] == "mm/V"
    assert {"python", "numpy", "python-flint", "l2ssm", "search"} == set(document["created"])


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "cvxpy", "matplotlib", "sklearn", "pandas", "h5py", "numba"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Block())
from l2ssm.certificates.verify import verify
from l2ssm.errors import CertificateError
assert not any(name in sys.modules for name in ("torch", "cvxpy", "l2ssm.certificates.lmi"))
assert verify(sys.argv[1]).verified
try:
    verify(sys.argv[2])
except CertificateError:
    raise SystemExit(2)
"""


def test_verify_runs_where_torch_and_cvxpy_cannot_be_imported(network, tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    certificate = certify(network(0))
    certificate.save(good)
    bad.write_text(good.read_text().replace(certificate.gamma.hex(), (certificate.gamma / 2).hex()))
    run = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(good), str(bad)],
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (2, "")


def lines_of_code(path: Path) -> int:
    """Lines that hold a token other than a comment or a docstring."""
    source = path.read_text()
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    skip = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    with path.open("rb") as file:
        tokens = [t for t in tokenize.tokenize(file.readline) if t.type not in skip]
    lines = {n for t in tokens[1:] for n in range(t.start[0], t.end[0] + 1)}
    return len(lines - docstrings)


def test_the_trusted_base_is_small_and_needs_little():
    """Few lines of code; only numpy, python-flint, the standard library, `systems`, `errors` and themselves."""
    core, theorems = (sum(lines_of_code(FOLDER / f"{name}.py") for name in names) for names in (CORE, THEOREMS))
    assert core < 500
    assert theorems < 400
    for name in ARITHMETICS:
        assert lines_of_code(FOLDER / f"{name}.py") < 200, name
    allowed = {f"l2ssm.certificates.{name}" for name in (*TRUSTED, *ARITHMETICS, "storage", "statement", "evidence")}
    allowed |= {"l2ssm.certificates", "l2ssm.errors", "l2ssm.files", "flint"}
    for name in (*TRUSTED, *ARITHMETICS):
        for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text())):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                top = module.split(".")[0]
                standard = top in sys.stdlib_module_names
                reader = (name, module) == ("verify", "l2ssm.identification.model")  # of model files, when asked to
                assert (
                    reader or standard or module in allowed or top == "numpy" or module.startswith("l2ssm.systems.")
                ), module
