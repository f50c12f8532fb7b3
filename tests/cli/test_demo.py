"""The demo, cut short: what it prints of the proof is what the certificate says, and its command can be repeated."""

from __future__ import annotations

import json
import shlex

from l2ssm.certificates.certificate import Certificate
from l2ssm.cli import demo


def test_the_last_lines_round_to_the_safe_side_and_list_every_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "STEPS", 5)
    monkeypatch.setattr(demo, "SAMPLES", 400)
    folder = tmp_path / "my demo"
    demo.run(folder, 3)
    *_, result, files, _ = capsys.readouterr().out.strip().splitlines()
    certificate = Certificate.load(folder / "cert.json")
    assert certificate.lower is not None
    proved = float(result.partition("certified gamma ")[2].split()[0])
    attained = float(result.partition("worst input found ")[2].split()[0])
    assert certificate.gamma <= proved <= certificate.gamma * (1 + 1e-4)
    assert certificate.lower.gain * (1 - 1e-4) <= attained <= certificate.lower.gain
    assert all(name in files for name in ("model.l2ssm", "run.json", "cert.json", "report.html", "report.json"))
    command = json.loads((folder / "run.json").read_text())["command"]
    assert shlex.split(command) == ["l2ssm", "demo", "--seed", "3", "-o", str(folder)]
