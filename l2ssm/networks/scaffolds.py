"""The scaffolds by name: what makes the blocks of a deep model around any cell."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from l2ssm.errors import OptionError
from l2ssm.networks.attention import LocalAttention
from l2ssm.networks.block import Build, Scaffold
from l2ssm.networks.glu import VARIANTS, GLUBlock
from l2ssm.networks.griffin import GriffinBlock, RecurrentMixing
from l2ssm.networks.h3 import H3Block
from l2ssm.networks.mamba import MambaBlock

Generator = torch.Generator | None


def _mamba(index: int, d_model: int, build: Build, generator: Generator, *, expand: int = 2, conv: int = 4) -> Scaffold:
    return MambaBlock(d_model, build, expand=expand, conv=conv, generator=generator)


def _hawk(
    index: int, d_model: int, build: Build, generator: Generator, *, width: int | None = None, conv: int = 4
) -> Scaffold:
    inside = -(-4 * d_model // 3) if width is None else width
    mixing = RecurrentMixing(d_model, build, width=inside, conv=conv, generator=generator)
    return GriffinBlock(d_model, mixing, generator=generator)


def _griffin(
    index: int,
    d_model: int,
    build: Build,
    generator: Generator,
    *,
    width: int | None = None,
    conv: int = 4,
    heads: int = 1,
    window: int = 16,
) -> Scaffold:
    """Every third block attends, the others are those of Hawk."""
    if index % 3 != 2:
        return _hawk(index, d_model, build, generator, width=width, conv=conv)
    mixing = LocalAttention(d_model, heads=heads, window=window, generator=generator)
    return GriffinBlock(d_model, mixing, generator=generator)


def _h3(index: int, d_model: int, build: Build, generator: Generator, *, head_dim: int = 1, shift: int = 4) -> Scaffold:
    return H3Block(d_model, build, head_dim=head_dim, shift=shift, generator=generator)


def _glu(variant: str) -> Callable[..., Scaffold]:
    def make(index: int, d_model: int, build: Build, generator: Generator) -> Scaffold:
        return GLUBlock(d_model, build, variant=variant, generator=generator)

    return make


SCAFFOLD_BLOCKS: dict[str, Callable[..., Scaffold]] = {
    "mamba": _mamba,
    "hawk": _hawk,
    "griffin": _griffin,
    "h3": _h3,
    **{name: _glu(name) for name in VARIANTS},
}
"""Makers: (place of the block, d_model, build, generator, options of the scaffold)."""


def make_block(
    name: str,
    index: int,
    d_model: int,
    build: Build,
    generator: Generator = None,
    options: Mapping[str, Any] | None = None,
) -> Scaffold:
    """Block number `index` of the scaffold.

    Raises:
        OptionError: an option that the scaffold does not have or that makes no sense, or a cell that does not fit.
    """
    parameters = inspect.signature(SCAFFOLD_BLOCKS[name]).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    for option in options or {}:
        if option not in known:
            raise OptionError(f"scaffold {name!r} has no option {option!r}; it has {', '.join(known) or 'none'}")
    return SCAFFOLD_BLOCKS[name](index, d_model, build, generator, **dict(options or {}))
