"""README and docs do what they say: their blocks run, their commands exist, their links lead somewhere.

A block that cannot run carries `<!-- not run: reason -->` on the line before it.
"""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts),
]
FENCE = re.compile(r"^(?:<!-- (?P<mark>.*?) -->\n)?^```(?P<language>\S*)\n(?P<code>(?s:.*?))^```$", re.MULTILINE)
RUN_BY_CI = re.compile(r"command \d")  # .ci/run reads these out of the README and runs them
SHELL = ("sh", "console", "bash", "")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language ("" for none), its text, and the mark before it."""

    language: str
    code: str
    mark: str

    @property
    def commands(self) -> list[list[str]]:
        """The commands of ours in it, each as its arguments."""
        lines = self.code.replace("\\\n", " ").splitlines() if self.language in SHELL else []
        stripped = [line.removeprefix("$ ").split(" #")[0] for line in lines]
        return [shlex.split(line)[1:] for line in stripped if line.startswith("l2ssm ")]

    @property
    def skipped(self) -> bool:
        """Whether it is marked as one that does not run here."""
        return bool(re.fullmatch(r"not run: .+", self.mark) or RUN_BY_CI.fullmatch(self.mark))


def blocks(page: Path) -> list[Block]:
    return [Block(m["language"], m["code"], m["mark"] or "") for m in FENCE.finditer(page.read_text(encoding="utf-8"))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# what a page takes as given, besides what every page starts with
SETUP = {
    "docs/deployment.md": "u, y = test.u, test.y",
    "docs/identification.md": """
import numpy as np
from l2ssm.identification.selection import search_table
u, y, dt = test.u, test.y, test.dt
table = np.column_stack([test.t, u, y, y])
np.savetxt("slow.csv", table, delimiter=",", header="t,u,h,ph", comments="")
from l2ssm.networks.deep import DeepSSM
from l2ssm.networks.scaling import Scaling
network = DeepSSM(Scaling(0.0, 1.0, 0.0, 1.0))
G = ls.StateSpace([[0.5]], [[1.0]], [[1.0]], [[0.0]], dt)
""",
    "docs/prediction.md": 'ls.fit_noise(model, train).save("out/model.l2ssm")',  # as `l2ssm fit` leaves it
    "docs/reduction.md": "u = test.u",
    "docs/scan.md": """
import torch
n, u, x0 = 3, torch.randn(2, 16, 1), torch.zeros(2, 3, dtype=torch.complex64)
lam, B, C, D = torch.full((n,), 0.5 + 0.1j), torch.ones(n, 1) + 0j, torch.ones(1, n) + 0j, torch.zeros(1, 1)
a, b, A = lam, torch.ones(2, 16, n) + 0j, 0.5 * torch.eye(n)
x, u_k = torch.zeros(2, n) + 0j, u[:, 0]
""",
    "docs/using_certificates.md": """
record = test
controller_certificate = ls.certify(ls.StateSpace([[0.5]], [[0.01]], [[0.5]], [[0.0]], test.dt))
plant_certificate = ls.certify(ls.StateSpace([[0.5]], [[1.0]], [[0.5]], [[0.0]], test.dt))
""",
}

BUDGET = {  # options added to a command, so that it ends soon
    "fit": "--steps 3 --refine-steps 0 --layers 1",
    "fit-many": "--steps 3 --layers 1 --seeds 2 --processes 1",
    "tune": "--steps 3 --layers 1 --trials 2",
    "sweep-gamma": "--steps 3 --layers 1 --time-limit 1 --gamma 8",
    "certify": "--time-limit 1",
}
NOT_HERE = (
    "demo",
    "bench",
    "lab",
    "validate",
)  # minutes, or a browser: their options are checked, and tests of their own


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """A folder with the files that pages start from, and (model, certificate)."""
    import l2ssm

    folder = tmp_path_factory.mktemp("start")
    data = l2ssm.plants.CascadedTanks().experiment(seed=0, samples=400)
    model = l2ssm.fit(data["train"], gamma=8.0, steps=3, refine_steps=0, layers=2)
    certificate = l2ssm.certify(model, time_limit=1.0)
    (folder / "out").mkdir()
    for place in (folder, folder / "out"):
        model.save(place / "model.l2ssm")
        certificate.save(place / "cert.json")
    for name, record in (("train", data["train"]), ("test", data["test"]), ("tanks", data["train"])):
        table = np.column_stack([record.t, record.u, record.y])
        np.savetxt(folder / f"{name}.csv", table, delimiter=",", header="t,u,h2", comments="")
    return folder, data, model, certificate


def fewer_trials(options: dict[str, Any]) -> dict[str, Any]:
    """Two values of one option, or two seeds, where more are to be tried."""
    if options.get("search"):
        name, values = next(iter(options["search"].items()))
        return {"search": {name: values[:2]}, "starts": 1}
    return {"starts": min(2, options.get("starts", 1))}


@pytest.fixture
def small(monkeypatch):
    """Little data, and few steps of all that trains."""
    import l2ssm

    def limited(name: str, **fewer: object) -> None:
        full = getattr(l2ssm, name)
        monkeypatch.setattr(l2ssm, name, lambda *given, **options: full(*given, **options | fewer), raising=False)

    few = {"steps": 3, "refine_steps": 0, "layers": 1}
    limited("fit", **few)
    every = l2ssm.fit
    monkeypatch.setattr(l2ssm, "fit", lambda *given, **options: every(*given, **options | fewer_trials(options)))
    limited("fit_many", **few, processes=1)
    limited("sweep_gamma", **few, gammas=[8.0])
    limited("certify", time_limit=1.0)
    experiment = l2ssm.plants.Plant.experiment
    monkeypatch.setattr(l2ssm.plants.Plant, "experiment", lambda plant, seed: experiment(plant, seed, samples=400))


RUNNABLE = [page for page in PAGES if any(block.language == "python" or block.commands for block in blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
@pytest.mark.filterwarnings("ignore::UserWarning")  # what a reader sees as well: a fit of three steps is no good fit
def test_blocks_run(page, start, small, tmp_path, monkeypatch, capsys):
    import l2ssm
    from l2ssm.cli.app import app

    folder, data, model, certificate = start
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    names = {"ls": l2ssm, "l2ssm": l2ssm, "data": data, "train": data["train"], "test": data["test"]}
    names |= {"model": model, "certificate": certificate}
    exec(SETUP.get(name_of(page), ""), names)
    for block in blocks(page):
        if block.skipped:
            continue
        if block.language == "python":
            exec(compile(block.code, name_of(page), "exec"), names)
        for command in block.commands:
            if command[0] in NOT_HERE or "--fleet" in command:  # fleets start processes of their own
                continue
            run = CliRunner().invoke(app, [*command, *BUDGET.get(command[0], "").split()])
            assert run.exit_code == 0, f"l2ssm {shlex.join(command)}: {run.output} {run.exception!r}"
    if page.name == "README.md":
        assert "VERIFIED" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_are_python_and_commands_have_their_options(page):
    from l2ssm.cli.app import app

    for block in blocks(page):
        if block.language == "python":
            compile(block.code, name_of(page), "exec")
        if block.language in SHELL[:-1] and not block.skipped:
            foreign = [line for line in block.code.splitlines() if not line.startswith(("l2ssm ", " ", "#"))]
            assert not foreign, f"not a command of ours; say before the block why it is not run: {foreign}"
        for command in block.commands:
            path = command[:2] if command[0] == "bench" else command[:1]
            shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
            assert shown.exit_code == 0, command
            for option in (word for word in command if re.match(r"-{1,2}[a-z]", word)):
                assert option in shown.output, f"{' '.join(path)} has no option {option}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_command_stands_outside_a_block(page):
    """Indented lines are set as code too, but nothing here would run them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(r"^(?: {4}|\t)\s*(?:\$ |l2ssm |python |pip |[\w., ]+ = \w+\.\w+\().*$", text, flags=re.MULTILINE)
    assert not found, f"make fenced blocks of {found}"


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]+))?\)", text):
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(place), f"{target} has no heading {anchor}"


def test_every_page_is_in_the_contents():
    listed: set[Path] = set()
    for page in PAGES:
        for block in blocks(page):
            if block.language == "{toctree}":
                entries = [line for line in block.code.splitlines() if line and not line.startswith(":")]
                listed |= {(page.parent / f"{entry}.md").resolve() for entry in entries}
    assert listed == {p for p in PAGES if p.is_relative_to(ROOT / "docs")} - {ROOT / "docs" / "index.md"}
