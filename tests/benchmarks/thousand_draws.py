"""The validation table with many draws, and with the cells of neural-ssm where that package is installed.

    PYTHONPATH=. python tests/benchmarks/thousand_draws.py [--draws 1000] [--cells bounded ...] [--dtypes float32 ...]

Their cells get parameters of the same scales and sizes; the gain is that of their own A, B, C, D, by the same bracket.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import torch
from peer_cells import Peer, peers

from l2ssm.cells import BOUNDED_CELLS
from l2ssm.identification.validate import (
    DTYPES,
    SCALES,
    SIZES,
    Row,
    Validation,
    measure,
    next_to_circle,
    proved,
    validate,
)
from l2ssm.systems.state_space import StateSpace

GAMMA = 1.0


def draw(peer: Peer, seed: int, dtype: torch.dtype) -> Any:
    """A cell of theirs with normal parameters; a third with |lam| up to exp(-1e-6), where it has poles."""
    generator = torch.Generator().manual_seed(seed)
    n_u, n_x, n_y = SIZES[(seed // len(SCALES)) % len(SIZES)]
    torch.manual_seed(seed)
    cell = peer.build(n_u, n_x, n_y, GAMMA).to(dtype)
    with torch.no_grad():
        for name, parameter in cell.named_parameters():
            if name == "nu_log" and next_to_circle(seed):
                parameter.uniform_(-13.8, 0.0, generator=generator)
            else:
                parameter.copy_(SCALES[seed % len(SCALES)] * torch.randn(parameter.shape, generator=generator))
    return cell


def peer_row(name: str, peer: Peer, dtype: str, draws: int) -> Row:
    """Their row: failures, gains, and how many of them are proved to be at most gamma."""
    row = Row(name, dtype, closed_form=None)
    for seed in range(draws):
        cell = draw(peer, seed, DTYPES[dtype])

        def system(cell: Any = cell) -> StateSpace:
            return StateSpace(*(M.detach().double().numpy() for M in peer.matrices(cell)))

        G = measure(row, lambda cell=cell: peer.matrices(cell), cell, system, GAMMA)
        row.proved += G is not None and proved(G, GAMMA)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    known = [*BOUNDED_CELLS, *peers()]
    parser.add_argument("--cells", nargs="+", default=known, choices=known)
    parser.add_argument("--dtypes", nargs="+", default=list(DTYPES), choices=list(DTYPES))
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.cells:
        if name in BOUNDED_CELLS:
            result = validate([name], draws=given.draws, lmi_draws=20, gamma=GAMMA, dtypes=given.dtypes)
        else:
            rows = tuple(peer_row(name, peers()[name], dtype, given.draws) for dtype in given.dtypes)
            result = Validation(rows, GAMMA, given.draws)
        print(result, flush=True)
        for row in result.rows:
            kinds = Counter(failure.split(":")[0] for failure in row.failures)
            print("".join(f"  {row.dtype}: {count} x {kind}\n" for kind, count in kinds.items()), end="", flush=True)


if __name__ == "__main__":
    main()
