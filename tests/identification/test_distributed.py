"""One fit by several processes: the same bits for one and for two, also where one is killed or a checkpoint damaged;
gradients shared out in every way are those of one process; what cannot be shared out is refused."""

from __future__ import annotations

import dataclasses
import gc
import multiprocessing
import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed as dist

from l2ssm import Record, fit
from l2ssm.cells import CELLS, SELECTIVE_CELLS
from l2ssm.errors import FitError, ModelFileError, OptionError
from l2ssm.identification import distributed, shared_work
from l2ssm.identification.chunks import Chunks, check_chunks
from l2ssm.identification.distributed import Place, launch, place, process_group
from l2ssm.identification.grouped_work import GroupedWork
from l2ssm.identification.shards import Replicas, Shards
from l2ssm.identification.trainee import Trainee
from l2ssm.identification.windows import Batch
from l2ssm.identification.work import Work
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.scaling import Scaling

pytestmark = [
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes are forked here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]
OPTIONS = {"layers": 1, "d_model": 3, "n_x": 2, "steps": 9, "validate_every": 3, "window": 40, "batch": 5, "n_init": 5,
           "refine_steps": 2, "linear_start": False}  # fmt: skip
CASES = {
    "windows": {},
    "linear start, three shards": {"linear_start": True, "shards": 3},
    "carried": {"carry_state": True, "refine_steps": 0},
    "learned gain": {"gamma": 4.0, "gain_penalty": 1e-3, "steps": 6},
    "held gain": {"gamma": 1.0, "scaffold": "twofold", "steps": 4, "validate_every": 2, "refine_steps": 0},
    "mean": {"average": 0.5, "minutes": 60.0},
}
together = partial(launch, start_method="fork")


def record(seed: int = 0) -> Record:
    u = np.random.default_rng(seed).normal(size=150)
    return Record(u, np.tanh(np.convolve(u, 0.8 ** np.arange(20))[:150]), 0.5)


def numbers(model) -> dict:
    """Every number of a model and of its training, and all that is told of it but the seconds."""
    told = {name: value for name, value in model.info.items() if name not in ("seconds", "history", "search")}
    told["search"] = [{k: v for k, v in trial.items() if k != "seconds"} for trial in model.info.get("search", ())]
    history = [(report["step"], report["train_mse"], report["valid_mse"]) for report in model.info["history"]]
    parameters = {name: value.tobytes() for name, value in model.parameters.items()}
    return {"network": model.network.digest, "parameters": parameters, "told": told, "history": history}


def every_case():
    return {name: numbers(fit(record(), **OPTIONS | case)) for name, case in CASES.items()}


def test_two_processes_give_the_bits_of_one():
    alone = {name: numbers(fit(record(), nproc=1, **OPTIONS | case)) for name, case in CASES.items()}
    found = together(every_case, 2)
    assert found == alone
    assert alone["windows"]["told"]["work"] == "8 shards"
    assert alone["linear start, three shards"]["told"]["work"] == "3 shards"


def chosen():
    return numbers(fit(record(), starts=2, **OPTIONS))


@pytest.mark.slow
def test_two_processes_choose_the_same_start():
    """Every process makes the trials and halves them by the same losses."""
    found = together(chosen, 2)
    assert found == launch(chosen, 1)
    assert len(found["told"]["search"]) == 2


def by_torch():
    return [numbers(fit(record(), shards=0, **OPTIONS)) for _ in range(2)]


def test_a_fit_by_torch_is_the_same_each_time():
    """Its steps add the same gradients in another order than shards do, and its refinement in that of two shards."""
    one, other = together(by_torch, 2)
    assert one == other
    assert one["told"]["work"] == "replicas"
    shards = numbers(fit(record(), nproc=1, shards=2, **OPTIONS))
    assert one["told"]["valid_loss"] == pytest.approx(shards["told"]["valid_loss"], rel=1e-3)


def test_one_process_has_no_sockets_and_no_children():
    def sockets() -> int:
        return sum(
            os.readlink(file).startswith("socket") for file in Path("/proc/self/fd").iterdir() if file.is_symlink()
        )

    seen = []
    before = sockets()
    fit(record(), nproc=1, progress=lambda _: seen.append((sockets(), place(), os.getpid())), **OPTIONS)
    assert set(seen) == {(before, Place(0, 1), os.getpid())}
    assert not multiprocessing.active_children()
    assert place() is None


def dying_fit(folder: Path, dying: int, damage: bool):
    """A fit in which one process is killed after the second validation, the first time."""
    file, marker = folder / "fit.checkpoint", folder / "died"
    (folder / f"{dist.get_rank()}").write_text(str(os.getpid()))
    dist.barrier()
    steps = []

    def kill(report):
        steps.append(report.step)
        if report.step == 6 and not marker.exists():
            marker.write_text("")
            if damage:
                file.write_bytes(file.read_bytes()[:-100])
            os.kill(int((folder / f"{dying}").read_text()), signal.SIGKILL)

    if damage and marker.exists():
        with pytest.warns(UserWarning, match="skipped, going on from step 3"):
            model = fit(record(), checkpoint=file, progress=kill, **OPTIONS)
    else:
        model = fit(record(), checkpoint=file, progress=kill, **OPTIONS)
    return numbers(model), steps


@pytest.mark.parametrize(("dying", "damage", "first"), [(0, True, 6), (1, False, 9)], ids=["first", "second"])
def test_a_killed_process_loses_nothing(tmp_path, dying, damage, first):
    """Started again from the last checkpoint, or from the one before where that was cut short: the same bits."""
    found, steps = together(partial(dying_fit, tmp_path, dying, damage), 2)
    assert steps[0] == first
    assert found == numbers(fit(record(), nproc=1, **OPTIONS))
    assert not list(tmp_path.glob("fit.checkpoint*"))


def one_after_a_kill(folder: Path):
    marker = folder / "died"
    if dist.get_rank() == 1 and not marker.exists():
        marker.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    total = torch.ones(1)
    dist.all_reduce(total)
    return float(total), os.environ["TORCHELASTIC_USE_AGENT_STORE"], os.environ["TORCHELASTIC_RESTART_COUNT"]


@pytest.mark.parametrize("way", ["new store", "prefix"])
def test_restarted_processes_find_each_other(tmp_path, monkeypatch, way):
    """Each of the two ways alone; with neither, those of the second attempt wait for the addresses of the first."""
    if way == "prefix":
        environment = {k: v for k, v in distributed.ENVIRONMENT.items() if not k.startswith("TORCH_")}
        monkeypatch.setattr(distributed, "ENVIRONMENT", environment)
    else:
        monkeypatch.setattr(distributed.dist, "PrefixStore", lambda prefix, store: store)
    monkeypatch.setattr(distributed, "TIMEOUT", distributed.timedelta(seconds=15))
    assert together(partial(one_after_a_kill, tmp_path), 2) == (2.0, str(way == "prefix"), "1")


def failing(how: str):
    if how == "answer":
        raise OptionError("no such option")
    if how == "steps":
        GroupedWork(Place(dist.get_rank(), 2)).begin(trainee("lru"), dist.get_rank())
    if dist.get_rank() == 1:
        raise RuntimeError("out of luck")


def refusing(report):
    raise OptionError("enough")


def collecting() -> int:
    signal.alarm(30)  # where it waits for ever
    return gc.collect()


def test_forked_processes_leave_the_garbage_of_their_parent_alone():
    """A store in it would wait for a thread that a forked process does not have."""
    gc.disable()
    try:
        for _ in range(2):
            cycle = [dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)]
            cycle.append(cycle)
        del cycle
        assert together(collecting, 2, restarts=0) >= 0
    finally:
        gc.enable()


def test_failures_are_told():
    handlers, environment = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)], dict(os.environ)
    with pytest.raises(OptionError, match="no such option"):
        together(partial(failing, "answer"), 2)
    with pytest.raises(OptionError, match="enough"):
        together(partial(fit, record(), progress=refusing, **OPTIONS), 2, restarts=0)
    with pytest.raises(ModelFileError, match=r"checkpoints of steps \[0, 1\]"):
        together(partial(failing, "steps"), 2)
    with pytest.raises(FitError, match=r"the 2 processes failed 1 times(.|\n)*out of luck"):
        together(partial(failing, "other"), 2, restarts=0)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert dict(os.environ) == environment
    assert not multiprocessing.active_children()


def interrupted_fit():
    def stop(report):
        raise KeyboardInterrupt

    def both(model):
        found = [None, None]
        dist.all_gather_object(found, numbers(model))
        return found[0] == found[1], model.info["stopped"]

    spent = fit(record(), minutes=1e-9, **OPTIONS)
    return both(fit(record(), progress=stop, **OPTIONS)), both(spent)


def test_an_interrupt_of_the_first_process_ends_all():
    stopped, spent = together(interrupted_fit, 2)
    assert stopped == (True, "interrupted at step 3")
    assert spent == (True, "the budget of 1e-09 minutes is spent")


def trainee(cell: str, **options) -> Trainee:
    scaling = Scaling(np.zeros(2), np.ones(2), np.zeros(1), np.ones(1))
    scaling = dataclasses.replace(scaling, u_mean=np.array([0.1, -0.2]))
    made = Trainee(DeepSSM(scaling, cell=cell, layers=2, d_model=4, n_x=3, seed=1, **options), 6).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return made


def batches(windows: int, time: int) -> list[Batch]:
    generator = torch.Generator().manual_seed(2)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    goes_on = torch.arange(windows) % 2 == 1
    return [
        Batch(draw(n, time, 2), draw(n, time, 1), draw(n, 6), draw(n, time, 1).abs(), goes_on[:n])
        for n in (max(1, windows - 1), windows)
    ]


def gradients(work: Work, cell: str) -> list[np.ndarray]:
    """Loss, gradient and end states of a step, of all batches, and the validation error."""
    model = trainee(cell, **({"gamma": 2.0} if cell == "bounded" else {}))
    given = batches(5, 33)
    n = sum(model.model.state_sizes)
    carried = torch.complex(*torch.randn(2, 5, n, generator=torch.Generator().manual_seed(3), dtype=torch.float64))
    found = []

    def keep(loss, end):
        found.extend([loss.numpy(), end.numpy()])
        found.extend(p.grad.numpy().copy() for p in model.parameters())
        model.zero_grad()

    work.begin(model, 0)
    penalty = 0.1 * torch.exp(model.model.h.sum())
    keep(*work.step(model, given[1], carried, penalty))
    keep(*work.gradient(model, given, 7.0, 0.0))
    found.append(np.array(work.evaluate(model, given)))
    return found


SHARED = [
    (Shards, "lru"),
    (Replicas, "lru"),
    *((Chunks, cell) for cell in ("lru", "s4d", "bounded", "s6", "bounded_clocked")),
]


def all_gradients(size: int):
    here = place() or Place(0, 1)
    assert here.size == size
    return [gradients(kind(here, 3) if kind is Shards else kind(here), cell) for kind, cell in SHARED]


@pytest.mark.parametrize("size", [1, 3])
def test_gradients_are_those_of_one_process(size):
    shared = together(partial(all_gradients, size), size)
    for (kind, cell), found in zip(SHARED, shared, strict=True):
        for one, other in zip(gradients(Work(), cell), found, strict=True):
            scale = max(1.0, np.abs(one).max())
            np.testing.assert_allclose(other / scale, one / scale, rtol=0, atol=1e-12, err_msg=f"{kind} {cell}")


def test_many_parameters_are_shared_out_by_torch(monkeypatch):
    def kind():
        return type(shared_work.shared_work(trainee("lru"), batch=5, shards=None, in_time=False))

    assert launch(kind, 1) is Shards
    monkeypatch.setattr(shared_work, "MANY", 100)
    assert launch(kind, 1) is Replicas


def test_what_cannot_be_cut_in_time_is_refused():
    joined = {"lru", "s4d", "s5", "bounded", "l2ru_diagonal", "contraction", "s6", "rglru"}
    joined |= {"bounded_selective", "bounded_clocked"}
    for cell in CELLS | SELECTIVE_CELLS:
        model = trainee(cell).model
        if cell in joined:
            check_chunks(model)
        else:
            with pytest.raises(OptionError, match="does not run as a diagonal recurrence that is linear in its state"):
                check_chunks(model)
    for scaffold in ("mamba", "griffin", "h3"):
        with pytest.raises(OptionError, match="looks along time beside its recurrence"):
            check_chunks(trainee("lru" if scaffold == "h3" else "rglru", scaffold=scaffold).model)


def test_options_that_do_not_fit():
    for options in ({"shards": 2}, {"sequence_parallel": True}):
        with pytest.raises(OptionError, match="give nproc too"):
            fit(record(), **OPTIONS | options)
    with pytest.raises(OptionError, match="give one of them"):
        fit(record(), nproc=1, shards=2, sequence_parallel=True, **OPTIONS)
    with pytest.raises(OptionError, match="expected a function of a module"):
        fit(record(), nproc=2, progress=lambda report: None, **OPTIONS)
    with pytest.raises(OptionError, match="belongs to a group already"):
        together(partial(fit, record(), nproc=2, **OPTIONS), 2)
    with pytest.raises(OptionError, match="2 processes share 5 windows in 1 parts"):
        together(partial(fit, record(), shards=1, **OPTIONS), 2)
    few = {"shards": 0, "carry_state": True, "window": 140}
    with pytest.raises(OptionError, match="2 processes share a step of 1 windows"):
        together(partial(fit, record(), **OPTIONS | few), 2)
    for nproc in (0, "2", 1.5, True):
        with pytest.raises(OptionError, match=r"nproc is .*expected an integer >= 1"):
            fit(record(), nproc=nproc, **OPTIONS)
    daemon = multiprocessing.get_context("fork").Pool(1)  # like the workers of a fleet
    with daemon as pool, pytest.raises(OptionError, match="worker process, which may not start others"):
        pool.apply(fit, (record(),), {"nproc": 2} | OPTIONS)
    with process_group():
        assert not dist.is_initialized()
