"""`l2ssm certify`: prove a bound, write the certificate and, if asked, the worst input that was found."""

from __future__ import annotations

from pathlib import Path

from l2ssm.cli.messages import say


def run(
    model_file: Path,
    target: Path,
    worst: Path | None,
    kind: str,
    gamma: float | None,
    method: str,
    time_limit: float,
    arithmetic: str | None,
) -> None:
    """The certificate goes to `target`, the worst input in it also to `worst`; of a linear model it is searched."""
    import l2ssm
    from l2ssm.certificates.falsify import waveform, worst_input, worst_input_table
    from l2ssm.files import write_atomically

    model = l2ssm.load(model_file)
    certificate = l2ssm.certify(
        model, kind=kind, gamma=gamma, method=method, time_limit=time_limit, arithmetic=arithmetic
    )
    certificate.save(target)
    say(f"{certificate}\nwrote {target}")
    if worst is not None:
        found = waveform(certificate.lower) or worst_input(model)
        write_atomically(worst, worst_input_table(model, found).encode())
        say(f"wrote {worst}")
