"""`l2ssm demo`: plant -> data -> certified fit -> proof -> analysis, with nothing to download."""

from __future__ import annotations

import time
from pathlib import Path

from l2ssm.cli.messages import say, training_progress
from l2ssm.cli.source import Source

PLANT, SAMPLES, STEPS = "cascaded_tanks", 2048, 600
GAMMA = 8.0  # V/V: a little above 6.6, the largest steady-state gain of the tanks, just before they overflow


def run(folder: Path, seed: int) -> None:
    """The main job on the embedded cascaded tanks; leaves model.l2ssm, cert.json, report.html, report.json, figures."""
    import l2ssm

    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    source = Source(plant=PLANT, seed=seed, samples=SAMPLES)
    train, test = source.dataset("train"), source.dataset("test")
    say(f"1. data: an experiment on the {PLANT} plant (simulated, noise included)\n{train}\n")

    say(f"2. fit with the prescribed gain gamma = {GAMMA:g} V/V")
    model = l2ssm.fit(train, gamma=GAMMA, steps=STEPS, seed=seed, progress=training_progress)
    model.save(folder / "model.l2ssm")
    source.remember(folder, f"l2ssm demo --seed {seed}")
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
        lower, upper, omega = G.hinf()
        say(
            f"{name}: spectral radius {G.spectral_radius():.6f}, Schur stable {G.is_schur()}, "
            f"H-infinity norm in [{lower:.5f}, {upper:.5f}], peak at {omega:.4g} rad/s"
        )
    l2ssm.plots.sigma(operators).savefig(folder / "sigma.png", dpi=120)
    l2ssm.plots.compare(comparison).savefig(folder / "fit.png", dpi=120)
    l2ssm.write_report(model, test, certificate, folder, f"l2ssm demo --seed {seed}")
    lower_gain = certificate.lower.gain if certificate.lower is not None else float("nan")
    files = ", ".join(sorted(p.name for p in folder.iterdir() if p.is_file()))
    say(
        f"\nfit {comparison.scores['l2ssm'].fit[0]:.1f} %, certified gamma {certificate.gamma:.4f} V/V, "
        f"worst input found {lower_gain:.4f} V/V, {time.monotonic() - began:.0f} s\n"
        f"files in {folder}: {files}\n"
        f"look at {folder / 'report.html'}; check the proof with: l2ssm verify {folder / 'cert.json'}"
    )
