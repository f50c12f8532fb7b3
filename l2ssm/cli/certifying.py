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
) -> None:
    """The certificate goes to `target`; the worst of the inputs it is about is searched again for its waveform."""
    import l2ssm
    from l2ssm.certificates.falsify import STARTS, worst_input, worst_input_table
    from l2ssm.certificates.statement import sense
    from l2ssm.files import write_atomically

    model = l2ssm.load(model_file)
    certificate = l2ssm.certify(model, kind=kind, gamma=gamma, method=method, time_limit=time_limit)
    certificate.save(target)
    say(f"{certificate}\nwrote {target}")
    if worst is not None:
        starts = STARTS if sense(certificate) != "rest" else STARTS[:1]
        write_atomically(worst, worst_input_table(model, worst_input(model, starts=starts)).encode())
        say(f"wrote {worst}")
