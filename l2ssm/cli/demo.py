"""`l2ssm demo`: plant -> data -> certified fit -> proof -> analysis, with nothing to download."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from l2ssm.cli.messages import say, training_progress
from l2ssm.cli.source import Source

if TYPE_CHECKING:
    from l2ssm.certificates.certificate import Certificate

PLANT, SAMPLES, STEPS = "cascaded_tanks", 2048, 600
GAMMA = 8.0  # V/V: a little above 6.6, the largest steady-state gain of the tanks, just before they overflow


def run(folder: Path, seed: int) -> None:
    """The main job on the embedded cascaded tanks; leaves model.l2ssm, run.json, cert.json, report, figures."""
    import l2ssm
    from l2ssm.cli.pictures import norm_line

    command = shlex.join(["l2ssm", "demo", "--seed", str(seed), "-o", str(folder)])
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    source = Source(plant=PLANT, seed=seed, samples=SAMPLES)
    train, test = source.dataset("train"), source.dataset("test")
    say(f"1. data: an experiment on the {PLANT} plant (simulated, noise included)\n{train}\n")

    say(f"2. fit with the prescribed gain gamma = {GAMMA:g} V/V")
    model = l2ssm.fit(train, gamma=GAMMA, steps=STEPS, seed=seed, progress=training_progress)
    model.save(folder / "model.l2ssm")
    source.remember(folder, command)
    comparison = l2ssm.compare(test, {"l2ssm": model})
    say(f"\n{model}\n\non the test record:\n{comparison}\n")

    say("3. certify, and check the file")
    certificate = l2ssm.certify(model)
    certificate.save(folder / "cert.json")
    l2ssm.verify(folder / "cert.json", model=folder / "model.l2ssm")
    say(f"{certificate}\n")

    say("4. analyse")
    operators = l2ssm.linear_operators(model)
    for name, G in operators.items():
        say(f"{name}: spectral radius {G.spectral_radius():.6f}, Schur stable {G.is_schur()}, {norm_line(G)}")
    l2ssm.plots.sigma(operators).savefig(folder / "sigma.png", dpi=120)
    l2ssm.plots.compare(comparison).savefig(folder / "fit.png", dpi=120)
    l2ssm.write_report(model, test, certificate, folder, command)
    files = ", ".join(sorted(p.name for p in folder.iterdir() if p.is_file()))
    say(
        f"\nfit {comparison.scores['l2ssm'].fit[0]:.1f} %, {_bounds(certificate)}, {time.monotonic() - began:.0f} s\n"
        f"files in {folder}: {files}\n"
        f"look at {folder / 'report.html'}; check the proof with: l2ssm verify {folder / 'cert.json'}"
    )


def _bounds(certificate: Certificate) -> str:
    """The two sides of the gain, rounded as the certificate rounds them: up what is proved, down what was attained."""
    from l2ssm.certificates.statement import rounded_down, rounded_up

    proved = f"certified gamma {rounded_up(certificate.gamma)} V/V"
    if certificate.lower is None:
        return proved
    return f"{proved}, worst input found {rounded_down(certificate.lower.gain)} V/V"
