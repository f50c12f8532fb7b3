"""The commands' pictures: which file names make one, and the line on an operator that goes with a Bode plot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from l2ssm.cli.messages import say
from l2ssm.errors import OptionError

if TYPE_CHECKING:
    from l2ssm.systems.state_space import StateSpace

FORMATS = (".png", ".svg", ".pdf")


def picture_path(path: Path) -> Path:
    """The path of a picture, checked before anything is computed for it.

    Raises:
        OptionError: no suffix, or one of another format than .png, .svg and .pdf.
        FileNotFoundError: the folder does not exist.
    """
    if path.suffix.lower() not in FORMATS:
        raise OptionError(f"-o is {path}, expected a file that ends in one of {' '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}")
    return path


def norm_line(G: StateSpace) -> str:
    """The bracket of the H-infinity norm, rounded to the safe side, and where the peak is."""
    from l2ssm.certificates.statement import rounded_down, rounded_up

    lower, upper, omega = G.hinf()
    peak = f"at {omega:.4g} rad/s" if omega else "at steady state"
    return f"H-infinity norm in [{rounded_down(lower, 6)}, {rounded_up(upper, 6)}], peak {peak}"


def bode(model_file: Path, output: Path, hz: bool) -> None:
    """Draw every operator of a model and print its norm."""
    import l2ssm

    picture_path(output)
    operators = l2ssm.linear_operators(l2ssm.load(model_file))
    single = all(G.n_u == G.n_y == 1 for G in operators.values())
    figure = l2ssm.plots.bode(operators, hz=hz) if single else l2ssm.plots.sigma(operators, hz=hz)
    figure.savefig(output, dpi=150)
    for name, G in operators.items():
        say(f"{name}: {norm_line(G)}, {G!r}")
    say(f"wrote {output}")
