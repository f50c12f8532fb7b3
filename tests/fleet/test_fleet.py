"""Fleets on numbers alone: nothing is lost or done twice through killed workers, poison, errors, a killed driver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from l2ssm.errors import DataError, OptionError
from l2ssm.identification.fleet import STOPPED, Fleet
from l2ssm.identification.result_store import ResultStore, canonical

distributed = pytest.importorskip("distributed")


def square():
    """A task that notes each time it is done, and does what its spec says; made here, so that it travels by value."""

    def task(spec, folder):
        with (folder / "done").open("a") as file:
            file.write(f"{os.getpid()}\n")
        times = len((folder / "done").read_text().split())
        if spec.get("fails"):
            raise DataError("no such number")
        if times <= spec.get("breaks", 0):
            raise RuntimeError("the disk was full")
        if times <= spec.get("kills", 0):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(spec.get("sleep", 0.0))
        return {"square": spec["x"] ** 2}

    return task


def done(result):
    return (result.folder / "done").read_text().split()


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def listening(pid="self"):
    """Addresses (hex) on which the process waits for connections."""
    inodes = {}
    for table in ("tcp", "tcp6"):
        rows = [line.split() for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
        inodes |= {f"socket:[{row[9]}]": row[1] for row in rows if row[3] == "0A"}
    links = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            links.append(os.readlink(descriptor))
    return sorted(inodes[link] for link in links if link in inodes)


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="sockets and children are read from /proc")
def test_sockets(tmp_path):
    """None by default, and no child; those of worker processes are on the loopback address alone."""

    def look(spec, folder):
        return {"pid": os.getpid(), "listening": listening(), "children": children()}

    before = listening(), children()
    (here,) = Fleet(tmp_path).run(look, [{}])
    assert here.value == {"pid": os.getpid(), "listening": before[0], "children": before[1]}
    (there,) = Fleet(tmp_path, 1).run(lambda spec, folder: [listening(), listening(os.getppid())], [{}])
    of_worker, of_driver = there.value
    assert of_worker
    assert set(before[0]) < set(of_driver)
    assert {address.split(":")[0] for address in {*of_worker, *of_driver} - set(before[0])} == {"0100007F"}
    assert listening() == before[0]


def test_results_are_kept_skipped_and_in_order(tmp_path):
    specs = [{"x": x} for x in (3, 1, 2, 1)]
    seen = []
    first = Fleet(tmp_path).run(square(), specs, seen.append)
    assert [r.value["square"] for r in first] == [9, 1, 4, 1]
    assert sorted(r.spec["x"] for r in seen) == [1, 2, 3]
    again = Fleet(tmp_path).run(square(), [*specs, {"x": 5}])
    assert [r.value["square"] for r in again] == [9, 1, 4, 1, 25]
    assert [len(done(r)) for r in again] == [1] * 5
    assert {p.name for p in first[0].folder.iterdir()} == {"spec.json", "result.json", "done"}
    (first[0].folder / "result.json").write_text('{"squ')
    assert [len(done(r)) for r in Fleet(tmp_path).run(square(), specs)] == [2, 1, 1, 1]


def test_errors_are_records_and_leave_the_others_alone(tmp_path):
    specs = [{"x": 1}, {"x": 2, "fails": True}, {"x": 3, "breaks": 2}, {"x": 4, "breaks": 9}, {"x": 5}]
    found = Fleet(tmp_path, retries=2).run(square(), specs)
    assert [r.error for r in found] == ["", "no such number", "", "RuntimeError: the disk was full", ""]
    assert [len(done(r)) for r in found] == [1, 1, 3, 3, 1]  # an answer is not asked for again
    assert json.loads((found[1].folder / "error.json").read_text()) == {"error": "no such number"}
    assert not (found[2].folder / "error.json").exists()
    assert Fleet(tmp_path).run(square(), specs[:1])[0].value == {"square": 1}


def test_what_cannot_be_kept_is_the_error_of_its_task(tmp_path):
    def task(spec, folder):
        return {"y": float(spec["y"])}

    good, bad = Fleet(tmp_path, retries=0).run(task, [{"y": 1.5}, {"y": "nan"}])
    assert good.value == {"y": 1.5}
    assert "cannot be kept as JSON" in bad.error


def test_killed_workers_lose_nothing_and_poison_fails_alone(tmp_path):
    """One task kills its first worker, the driver kills another one from outside, one task kills all of its workers."""
    specs = [{"x": x, "sleep": 0.05} for x in range(10)]
    specs += [{"x": 10, "kills": 1}, {"x": 11, "kills": 99}, {"x": 12, "fails": True}]
    killed = []

    def kill_one(result):
        if not killed and result.value:
            killed.append(int(done(result)[0]))
            os.kill(killed[0], signal.SIGKILL)

    found = Fleet(tmp_path, 2, retries=1).run(square(), specs, kill_one)
    assert killed
    assert [r.value and r.value["square"] for r in found] == [*(x**2 for x in range(11)), None, None]
    assert [r.error[:12] for r in found] == [""] * 11 + ["KilledWorker", "no such numb"]
    assert len(done(found[10])) == 2


def test_a_client_or_an_address_is_enough(tmp_path):
    pin = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, silence_logs=50, **pin) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        (first,) = Fleet(tmp_path, cluster.scheduler_address).run(square(), [{"x": 7}])
        (second,) = Fleet(tmp_path, client).run(square(), [{"x": 8}])
        assert client.status == "running"
    assert [first.value, second.value] == [{"square": 49}, {"square": 64}]
    assert done(first) == done(second) != [str(os.getpid())]


DRIVER = """
    import os, sys, time
    from l2ssm.identification.fleet import Fleet

    def task(spec, folder):
        (folder / "done").open("a").write(".")
        time.sleep(0.5)
        return spec["x"]

    if __name__ == "__main__":
        workers = int(sys.argv[2]) or None
        tell = lambda result: print(result.value, flush=True)
        Fleet(sys.argv[1], workers).run(task, [{"x": x} for x in range(6)], tell)
"""


def test_a_killed_driver_resumes(tmp_path):
    """The second run does what the first did not finish, and no worker of the first is left to do it as well."""
    script = tmp_path / "driver.py"
    script.write_text(textwrap.dedent(DRIVER))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(script), str(tmp_path / "results")]
    with subprocess.Popen([*command, "2"], env=environment, stdout=subprocess.PIPE, text=True) as driver:
        told = [driver.stdout.readline() for _ in range(2)]
        driver.kill()
    assert len(told) == 2
    before = sorted((tmp_path / "results").glob("*/result.json"))
    assert 2 <= len(before) < 6
    again = subprocess.run([*command, "0"], env=environment, capture_output=True, text=True, check=True)
    assert sorted(map(int, again.stdout.split())) == list(range(6))
    counts = [len(path.read_text()) for path in (tmp_path / "results").glob("*/done")]
    assert len(counts) == 6
    assert sum(counts) <= 6 + 2  # what the two workers had in their hands
    assert all(len((path.parent / "done").read_text()) == 1 for path in before)


def test_ctrl_c_keeps_what_is_done(tmp_path):
    specs = [{"x": x} for x in range(3)]
    seen = []

    def once(result):
        seen.append(result)
        if len(seen) == 1:
            raise KeyboardInterrupt

    found = Fleet(tmp_path).run(square(), specs, once)
    assert sum(r.error == "" for r in found) == 1
    assert {r.error for r in found} == {"", STOPPED}
    assert [r.value["square"] for r in Fleet(tmp_path).run(square(), specs)] == [0, 1, 4]


def test_keys():
    """One key a spec, whatever the order of its names and the kind of its numbers; another one for another task."""
    store = ResultStore("nowhere", "square")
    same = [{"a": 1, "b": [2.5]}, {"b": (np.float64(2.5),), "a": np.int64(1)}]
    assert len({store.key(spec) for spec in same}) == 1
    others = [{"a": 1.5, "b": [2.5]}, {"a": 1}, {"w": np.zeros(2)}, {"w": np.zeros(2, np.float32)}, {"w": np.ones(2)}]
    assert len({store.key(spec) for spec in [*others, same[0]]}) == 6
    assert ResultStore("nowhere", "cube").key(same[0]) != store.key(same[0])
    for bad in ({"x": float("nan")}, {"x": print}, {"x": {1, 2}}):
        with pytest.raises(OptionError, match="cannot be kept as JSON"):
            canonical(bad)


def test_options(tmp_path, monkeypatch):
    for wrong in ({"workers": 0}, {"workers": 1.5}, {"retries": -1}, {"workers": True}):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            Fleet(tmp_path, **wrong)
    with pytest.raises(OptionError, match="expected a number, an address"):
        Fleet(tmp_path, workers=["a"]).run(square(), [{"x": 1}])
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OptionError, match=r"pip install l2ssm\[fleet\]"):
        Fleet(tmp_path, 2).run(square(), [{"x": 1}])


def test_no_torch():
    code = "import sys, l2ssm.identification.fleet; print('torch' in sys.modules, 'dask' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
