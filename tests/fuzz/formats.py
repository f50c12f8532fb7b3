"""What is fuzzed: for every kind of file the bytes of a valid one, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Format:
    """Attributes: the ending of a file, what makes a valid one in a folder, what reads it."""

    suffix: str
    make: Callable[[Path], bytes]
    read: Callable[[Path], object]


def record() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"u": rng.standard_normal(40), "y": rng.standard_normal((40, 2))}


def _written(write: Callable[[Path], object], suffix: str) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        path = folder / f"valid{suffix}"
        write(path)
        return path.read_bytes()

    return make


def _network():
    from l2ssm.systems.interconnection import Interconnection
    from l2ssm.systems.layers import Affine, Attention, Contractive, Dynamic, Residual, Selective
    from l2ssm.systems.legendre_core import LegendreCore
    from l2ssm.systems.state_space import StateSpace

    G = StateSpace.from_modes([0.5 + 0.2j], [[1.0]], [[1.0]], [[0.5]], dt=0.1)
    steering = np.ones((1, 1))
    core = LegendreCore(np.array([0.1]), np.array([0.5]), np.array([2.0]))
    layers = (
        Affine(np.ones((1, 1)), np.zeros(1)),
        Dynamic(G),
        Residual((Contractive(0.5 * np.eye(1), np.zeros(1), 1.0, "tanh"),)),
        Selective(core, steering, np.zeros(1), steering, np.ones((1, 2)), np.zeros((1, 1))),
        Attention(np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)), np.array([2.0])),
    )
    return Interconnection(layers, 0.1, ("u",), ("y",), ("V",), ("m",))


def _model(path: Path) -> None:
    from l2ssm.identification.initial import InitialState
    from l2ssm.identification.model import Model
    from l2ssm.networks.scaling import Scaling

    network = _network()
    initial = InitialState("encoder", 4, np.zeros((network.n_x, 8)), np.zeros(network.n_x))
    one = np.ones(1)
    info = {"cell": "lru", "layers": 1, "d_model": 1, "n_parameters": 2, "valid_rmse": [0.1], "gamma": None}
    Model(network, Scaling(0 * one, one, 0 * one, one), initial, info, {"w": np.ones(2)}).save(path)


def _use_model(path: Path) -> object:
    from l2ssm.identification.model import load

    model = load(path)
    u = np.zeros((6, model.network.n_u))
    model.simulate(u, np.zeros((6, model.network.n_y)))
    return model.runtime().simulate(u, x0=0)


def _reworded_model(path: Path) -> object:
    """The damage in the description of the model instead: the file itself is sound."""
    import random

    from mutations import mutated

    from l2ssm.identification.model_file import read_tensors, write_tensors

    damaged = path.read_bytes()
    _model(path)
    text, arrays = read_tensors(path)
    seed = random.Random(damaged).randrange(2**30)
    write_tensors(path, mutated(text.encode(), seed).decode("latin-1"), arrays)
    return _use_model(path)


def _certificate(path: Path) -> None:
    from l2ssm.certificates.compose import certify
    from l2ssm.systems.state_space import StateSpace

    certify(StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]]), lower=False).save(path)


def _rehashed_certificate(path: Path) -> object:
    """With the digest of what is in the file, as one who wants it to be read would write it."""
    from l2ssm.certificates.certificate import Certificate
    from l2ssm.certificates.document import _sha256

    try:
        document = json.loads(path.read_bytes())
        document["sha256"] = _sha256({key: value for key, value in document.items() if key != "sha256"})
        path.write_text(json.dumps(document, sort_keys=True, ensure_ascii=True, indent=1) + "\n")
    except (ValueError, TypeError, RecursionError, KeyError):
        pass
    return Certificate.load(path)


def _verify(path: Path) -> object:
    from l2ssm.certificates.verify import verify

    return verify(path, arithmetic="float")


def _checkpoint(path: Path) -> None:
    import torch

    from l2ssm.identification.checkpoint import Checkpoint, TrainingState
    from l2ssm.identification.outcome import Outcome

    values = {"outcome": Outcome(3, "steps", 0, []), "carried": None, "mean": {}}
    given = {"step": 3, "running": 0.1, "seconds": 1.0, "optimizer": {0: {"step": torch.ones(1)}}}
    given |= {"parameters": {"w": torch.ones(2)}, "best": {"w": torch.ones(2)}}
    names = TrainingState.__dataclass_fields__
    Checkpoint(path, {"seed": 0}).write(TrainingState(**{k: v for k, v in (values | given).items() if k in names}))


def _read_checkpoint(path: Path) -> object:
    from l2ssm.identification.checkpoint import Checkpoint

    return Checkpoint(path, {"seed": 0}).read()


def _rehashed_checkpoint(path: Path) -> object:
    """With the digest of what is in the file."""
    from l2ssm.errors import ModelFileError
    from l2ssm.identification.checkpoint import _digest
    from l2ssm.identification.model_file import read_tensors, write_tensors

    try:
        text, arrays = read_tensors(path)
        write_tensors(path, _digest(text[64:], arrays) + text[64:], arrays)
    except ModelFileError:
        pass
    return _read_checkpoint(path)


def _csv(path: Path) -> None:
    values = record()
    table = np.column_stack([0.1 * np.arange(40), values["u"], values["y"]])
    rows = "\n".join(",".join(f"{v:.6g}" for v in row) for row in table)
    path.write_text(f"t,u,y1,y2\n{rows}\n")


def _mat(compressed: bool, form: str = "5") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        from scipy import sparse
        from scipy.io import savemat

        values = record()
        cells = np.empty((1, 2), dtype=object)
        cells[0, 0], cells[0, 1] = values["u"], values["u"]
        more = {"c": cells, "s": {"v": values["u"]}, "z": sparse.eye(3)} if form == "5" else {}
        savemat(path, {**values, **more}, do_compression=compressed, format=form)

    return write


def _hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, value in record().items():
            file.create_dataset(name, data=value, chunks=(8, *value.shape[1:]), compression="gzip")
        file.create_group("g").create_dataset("v", data=np.arange(3.0))


def _parquet(path: Path) -> None:
    import pandas

    values = record()
    pandas.DataFrame({"u": values["u"], "y1": values["y"][:, 0], "y2": values["y"][:, 1]}).to_parquet(path)


def _read(inputs: list[str], outputs: list[str], **options: object) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        from l2ssm.data.read import read as read_file

        return read_file(path, inputs=inputs, outputs=outputs, **options)

    return read


def _npy(path: Path) -> None:
    np.save(path, np.column_stack([record()["u"], record()["y"]]), allow_pickle=False)


def _store(folder: Path) -> Path:
    """A store of two records, one of them with a sample that was not measured."""
    from l2ssm.data.dataset import Dataset
    from l2ssm.data.record import Record

    values = record()
    holed = values["y"].copy()
    holed[3, 1] = np.nan
    parts = [Record(values["u"], y, 0.1, name=name, missing=True) for name, y in (("a", values["y"]), ("b", holed))]
    if not (folder / "store").exists():
        Dataset(parts).save(folder / "store")
    return folder / "store"


def _part_of_a_store(name: str) -> Callable[[Path], bytes]:
    return lambda folder: (_store(folder) / name).read_bytes()


def _with_part(name: str, rehashed: bool = False) -> Callable[[Path], object]:
    """One file of a store damaged; or with the checksums of what is there, as one who wants it to be read would."""

    def read(path: Path) -> object:
        import hashlib

        from l2ssm.data.read import read as read_file
        from l2ssm.data.store_writer import encode

        store = _store(path.parent)
        manifest, damaged = store / "manifest.json", path.read_bytes()
        sound = (store / name).read_bytes(), manifest.read_bytes()
        (store / name).write_bytes(damaged)
        try:
            if rehashed:
                try:
                    said = json.loads(manifest.read_bytes())
                    said.pop("sha256", None)
                    if name != manifest.name:
                        said["records"][1]["sha256"] = hashlib.sha256(damaged[128:]).hexdigest()
                    manifest.write_bytes(encode(said))
                except (ValueError, TypeError, AttributeError, RecursionError):
                    pass
            return [(r.u.sum(), r.missing) for r in read_file(store)]
        finally:
            (store / name).write_bytes(sound[0])
            manifest.write_bytes(sound[1])

    return read


VARIABLES, COLUMNS = _read(["u"], ["y"], dt=0.1), _read(["u"], ["y1", "y2"], dt=0.1)
FORMATS = {
    "model": Format(".l2ssm", _written(_model, ".l2ssm"), _use_model),
    "model with its text": Format(".l2ssm", _written(_model, ".l2ssm"), _reworded_model),
    "certificate": Format(".json", _written(_certificate, ".json"), _verify),
    "certificate with its digest": Format(".json", _written(_certificate, ".json"), _rehashed_certificate),
    "checkpoint": Format(".ckpt", _written(_checkpoint, ".ckpt"), _read_checkpoint),
    "checkpoint with its digest": Format(".ckpt", _written(_checkpoint, ".ckpt"), _rehashed_checkpoint),
    "csv": Format(".csv", _written(_csv, ".csv"), _read(["u"], ["y1", "y2"], time="t")),
    "npy": Format(".npy", _written(_npy, ".npy"), _read([0], [1, 2], dt=0.1)),
    "npz": Format(".npz", _written(lambda p: np.savez(p, **record()), ".npz"), VARIABLES),
    "npz compressed": Format(".npz", _written(lambda p: np.savez_compressed(p, **record()), ".npz"), VARIABLES),
    "mat 5": Format(".mat", _written(_mat(False), ".mat"), VARIABLES),
    "mat 5 compressed": Format(".mat", _written(_mat(True), ".mat"), VARIABLES),
    "mat 4": Format(".mat", _written(_mat(False, "4"), ".mat"), VARIABLES),
    "hdf5": Format(".h5", _written(_hdf5, ".h5"), VARIABLES),
    "mat 7.3": Format(".mat", _written(_hdf5, ".mat"), VARIABLES),
    "parquet": Format(".parquet", _written(_parquet, ".parquet"), COLUMNS),
    "store manifest": Format(".json", _part_of_a_store("manifest.json"), _with_part("manifest.json")),
    "store manifest with its digest": Format(
        ".json", _part_of_a_store("manifest.json"), _with_part("manifest.json", rehashed=True)
    ),
    "store samples": Format(".npy", _part_of_a_store("000001.npy"), _with_part("000001.npy")),
    "store samples with their digest": Format(
        ".npy", _part_of_a_store("000001.npy"), _with_part("000001.npy", rehashed=True)
    ),
}
