"""Where the notebooks and the hidden checks are: inside an installed package, or in the repository it runs from."""

from __future__ import annotations

from pathlib import Path

from l2ssm.errors import OptionError

PLAYGROUND = "playground"
_PACKAGE = Path(__file__).parent
_REPOSITORY = {"notebooks": Path("sysid_examples/labs"), "checks": Path("tests/labs/checks")}


def folder(kind: str) -> Path:
    """The folder of the notebooks or of the checks.

    Args:
        kind: "notebooks" or "checks".

    Raises:
        OptionError: the package was installed without them.
    """
    for place in (_PACKAGE / kind, _PACKAGE.parents[1] / _REPOSITORY[kind]):
        if place.is_dir():
            return place
    raise OptionError(
        f"this installation has no {kind} of the labs; install l2ssm from its repository or a wheel of it"
    )


def labs() -> dict[str, Path]:
    """Notebook by the name that `l2ssm lab` takes: "0", "1", ..., "playground"."""
    found = {path.stem.split("_")[1]: path for path in sorted(folder("notebooks").glob("lab_[0-9]*.py"))}
    return found | {PLAYGROUND: folder("notebooks") / f"{PLAYGROUND}.py"}


def notebook(lab: str) -> Path:
    """The notebook of a lab.

    Raises:
        OptionError: there is no such lab; the message lists those there are.
    """
    found = labs()
    if lab not in found:
        raise OptionError(f"there is no lab {lab!r}; there are {', '.join(found)}")
    return found[lab]


def checks(lab: str) -> Path:
    """The file with the hidden checks of a lab.

    Raises:
        OptionError: there is no such lab, or it has no exercises.
    """
    path = folder("checks") / f"lab_{lab}.py"
    if notebook(lab) and not path.is_file():
        raise OptionError(f"lab {lab} has no exercises to be graded")
    return path
