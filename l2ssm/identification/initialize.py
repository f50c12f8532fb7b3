"""`initialize`: a deep model starts at a linear one, exactly, with all else beside it.

The stream between the blocks has d_model coordinates. The first n_u hold the input, the next n_y the output: the
encoder writes u to the first, the cell of the first block maps them by G to the second, which every later block and
static layer passes on untouched, and the decoder reads them. What the other coordinates hold is random as ever, so that
training goes on from the linear model in every direction. Every cell also begins with the poles of G: a nonlinear plant
answers to what its nonlinearity generates with the same dynamics as to its input.

With a gain prescribed by construction the first cell holds as much of G as fits below it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from l2ssm.cells import LRU, BoundedCell, Cell
from l2ssm.cells.base import DiagonalCell
from l2ssm.cells.linear_start import modes_of_any
from l2ssm.errors import OptionError, RealizationError
from l2ssm.identification.windows import Scored
from l2ssm.networks.deep import Block, DeepSSM
from l2ssm.networks.static import ContractiveLayer, PerceptronLayer, StaticLayer
from l2ssm.systems.hinf import hinf
from l2ssm.systems.modal import Modes
from l2ssm.systems.state_space import StateSpace

Array = NDArray[np.float64]

THROUGH = 0.97  # of its gain, what a bounded block passes on of the output coordinates
FULL = 0.985  # of its gain, what a bounded block starts with at most
HALVINGS = 12  # of the search for it
LARGEST = 1 - 1e-6  # modulus of a pole, as of `subspace`: of those between it and 1 too
DISTINCT = 1e-9  # imaginary part that keeps the two real states of a mode together
SIZE, SAMPLES = 0.5, 5000
TOLERANCE = 1e-3  # of the response of a cell in float32, relative to the largest
CHECKED = (0.01, 0.3, 1.0, 2.0, 3.0)  # rad a sample, where it is compared


@dataclass(frozen=True)
class LinearStart:
    """What `initialize` did.

    Attributes:
        order: states of G.
        kept: factor by which G was made smaller to fit below a prescribed gain; 1 where it fits.
    """

    order: int
    kept: float

    def __str__(self) -> str:
        return f"order {self.order}" + ("" if self.kept == 1 else f", times {self.kept:.3g} to fit below gamma")


def check_start(model: DeepSSM) -> list[DiagonalCell]:
    """The cells of a model that can hold a linear one; see `initialize`.

    Raises:
        OptionError: a model that cannot; the message says which part of it.
    """
    if model.n_u + model.n_y > model.E.shape[0]:
        raise OptionError(
            f"d_model is {model.E.shape[0]}, a linear start needs n_u + n_y = {model.n_u + model.n_y} coordinates"
        )
    free = model.gains() is None
    if model.scaffold != ("twofold" if free else "series"):
        raise OptionError(f"the scaffold {model.scaffold!r} does not pass a linear model on")
    kind: type[Cell] = LRU if free else BoundedCell
    found: list[DiagonalCell] = []
    for block in model.chain():
        assert isinstance(block, Block)
        cell = block.cell
        if not (isinstance(cell, DiagonalCell) and isinstance(cell, kind)):
            raise OptionError(f"{type(cell).__name__} is not a cell that takes any linear system: lru, or bounded ones")
        for layer in block.static_chain():
            if not isinstance(layer, PerceptronLayer if free else ContractiveLayer):
                raise OptionError(f"{type(layer).__name__} does not pass a coordinate on untouched")
        found.append(cell)
    return found


def initialize(model: DeepSSM, G: StateSpace) -> LinearStart:
    """Start the model at G in place: the free run from zero is that of G, or in the series scaffold of what fits gamma.

    It is so up to rounding, of the parameters' dtype. A model that cannot start at G stays what it was.

    Args:
        model: of the scaffold "twofold" with static "perceptron" and cell "lru", or of "series" with "contractive" and
            a diagonal bounded cell.
        G: stable, between the standardised inputs and outputs of the model. A pole nearer than 1e-6 to the unit circle
            is moved to that distance.

    Raises:
        OptionError: a model that cannot hold a linear one; the message says which part of it.
        RealizationError: G is not stable or has no basis of eigenvectors, more modes than a cell has states, or a
            system that the class of the cell does not contain.
    """
    cells, modes = check_start(model), modes_of_any(G)
    if (G.n_u, G.n_y) != (model.n_u, model.n_y):
        raise OptionError(f"G maps {G.n_u} to {G.n_y} signals, the model {model.n_u} to {model.n_y}")
    if not abs(modes.lam).max(initial=0.0) < 1:
        raise RealizationError(f"a pole of modulus {abs(modes.lam).max():.9g}: a start needs a stable linear model")
    if modes.lam.size > cells[0].n_x:
        raise RealizationError(f"the linear model has {modes.lam.size} modes, a cell {cells[0].n_x} states")
    lam = modes.lam * (LARGEST / np.maximum(abs(modes.lam), LARGEST))
    drive, read, kept, share = _ends(model, G)
    first = Modes(lam, modes.B / drive, modes.C * (share / read)[:, None], modes.D * (share / read)[:, None] / drive)
    before = copy.deepcopy(model.state_dict())
    try:
        _start_blocks(model, cells, first)
    except Exception:
        model.load_state_dict(before)
        raise
    outputs = slice(model.n_u, model.n_u + model.n_y)
    with torch.no_grad():
        if model.gains() is not None:
            model.E.zero_()
        model.E[outputs] = 0.0
        model.E[: model.n_u] = torch.diag(torch.as_tensor(drive)).to(model.E)
        model.H.zero_()
        model.H[:, outputs] = torch.diag(torch.as_tensor(read)).to(model.H)
        model.h.zero_()
        if model.e is not None:
            model.e.zero_()
    return LinearStart(G.n_x, kept)


def passed_on(model: DeepSSM) -> float:
    """By how much the output coordinates are multiplied between the first cell and the decoder, at the start."""
    gains = model.gains()
    return 1.0 if gains is None else float(torch.stack(gains[1:-1]).detach().prod()) * THROUGH ** (len(gains) - 3)


def _ends(model: DeepSSM, G: StateSpace) -> tuple[Array, Array, float, float]:
    """(drive (n_u,), read (n_y,), kept, share): diagonals of encoder and decoder, and what the first cell holds of G.

    That is share diag(1 / read) G diag(1 / drive), the model kept G. Where G does not fit below gamma between the
    standardised signals, the ends weigh them as gamma does, by their units.
    """
    gains = model.gains()
    drive, read = np.ones(model.n_u), np.ones(model.n_y)
    if gains is None:
        return drive, read, 1.0, 1.0
    gain, kept = float((gains[0] * gains[-1]).detach()) * passed_on(model), 0.0
    u_std, y_std = model.u_std.cpu().numpy(), model.y_std.cpu().numpy()
    for weights in ((drive, read), (u_std / u_std.min(), y_std.max() / y_std)):
        drive, read = weights
        seen = StateSpace(G.A, G.B / drive, G.C / read[:, None], G.D / read[:, None] / drive)
        kept = min(1.0, THROUGH * gain / max(hinf(seen, rtol=1e-3).upper, 1e-300))
        if kept == 1:
            break
    return drive, read, kept, kept / gain


@torch.no_grad()
def _start_blocks(model: DeepSSM, cells: Sequence[DiagonalCell], first: Modes) -> None:
    """Cells and static layers: the first cell holds `first`, all else passes the output coordinates on."""
    outputs = slice(model.n_u, model.n_u + model.n_y)
    for k, cell in enumerate(cells):
        _assign(cell, outputs, first.lam, first if k == 0 else None)
    for block in model.chain():
        for layer in block.static_chain() if isinstance(block, Block) else []:
            _pass_on(layer, outputs)


@torch.no_grad()
def calibrate(model: DeepSSM, records: Sequence[Scored]) -> None:
    """Scale what the cells add to the coordinates beside the outputs to a standard deviation of at most SIZE, in place.

    Slow modes add up what is slow in the input: their outputs can be many times larger than for the white input that
    the scale of a random C is made for, and the larger from block to block.

    Args:
        model: with cells "lru", see `check_start`.
        records: training records; the first SAMPLES of the longest are run through the model.
    """
    longest = max(records, key=lambda record: len(record.u))
    u = torch.as_tensor(longest.u[:SAMPLES], dtype=model.E.dtype)[None]
    s = torch.nn.functional.linear(u, *model.encoder())
    outputs = np.arange(model.n_u, model.n_u + model.n_y)
    for block in model.chain():
        assert isinstance(block, Block)
        assert isinstance(block.cell, LRU)
        deviation = block.cell(s)[0].std(dim=(0, 1))
        share = torch.clamp(SIZE / deviation, max=1.0)
        share[outputs] = 1.0
        block.cell.C_ri.mul_(share[:, None, None])
        block.cell.D.mul_(share[:, None])
        s = block(s)[0]


def _assign(cell: DiagonalCell, outputs: slice, lam: NDArray[np.complex128], first: Modes | None) -> None:
    """Give the cell the poles lam beside its own, and its output rows `first`, or what passes the outputs on."""
    own, n, bounded = modes_of_cell(cell), len(lam), isinstance(cell, BoundedCell)
    poles = np.concatenate([lam, own.lam[n:]])
    poles = poles.real + 1j * np.where(abs(poles.imag) < DISTINCT, DISTINCT, poles.imag)
    B = own.B * np.sqrt((1 - abs(poles) ** 2) / (1 - abs(own.lam) ** 2))[:, None]
    C, D = own.C.copy(), own.D.copy()
    C[outputs], D[outputs] = 0.0, 0.0
    if first is None:
        D[outputs, outputs] = THROUGH * np.eye(outputs.stop - outputs.start) if bounded else 0.0
    else:
        size = np.linalg.norm(first.B, axis=1) / np.linalg.norm(B[:n], axis=1)
        B[:n] = 0.0
        B[:n, : outputs.start] = first.B / np.where(size > 0, size, 1.0)[:, None]
        C[outputs, :n] = first.C * size
        D[outputs, : outputs.start] = first.D

    def system(share: float) -> StateSpace:
        part = np.full((len(C), 1), share)
        part[outputs] = 1.0
        return StateSpace.from_modes(poles, B, part * C, part * D)

    if isinstance(cell, BoundedCell):
        wanted = system(_largest_share(system, FULL * cell.gamma))
        made: DiagonalCell | BoundedCell = type(cell).from_state_space(wanted, cell.gamma, n_x=cell.n_x)
    else:
        wanted = system(1.0)
        made = LRU.from_state_space(wanted, n_x=cell.n_x)
    if cell.state_dict().keys() == made.state_dict().keys():
        cell.load_state_dict(made.state_dict())
    want, have = (S.frequency_response(CHECKED) for S in (wanted, cell.realization()))
    if not np.abs(want - have).max() <= TOLERANCE * max(np.abs(want).max(), 1e-300):
        raise OptionError(f"{type(cell).__name__} with these cell options has no inverse map")


def _largest_share(system: Callable[[float], StateSpace], limit: float) -> float:
    """The largest share in [0, 1], found by halving, at which the norm of the system is at most limit; 0 if none is."""
    low, high = 0.0, 1.0
    for k in range(HALVINGS + 1):
        middle = 1.0 if k == 0 else 0.5 * (low + high)
        if hinf(system(middle), rtol=1e-3).upper <= limit:
            low = middle
            if k == 0:
                break
        else:
            high = middle
    return low


def modes_of_cell(cell: DiagonalCell) -> Modes:
    """The numbers of the cell in float64."""
    lam, B, C, D = (v.detach().cpu().numpy() for v in cell.system())
    return Modes(lam.astype(complex), B.astype(complex), C.astype(complex), D.astype(float))


def _pass_on(layer: StaticLayer, outputs: slice) -> None:
    """The layer leaves these coordinates as they are; a contractive one can do so only if it does not see them."""
    if isinstance(layer, ContractiveLayer):
        layer.W[:, outputs] = 0.0
    elif isinstance(layer, PerceptronLayer):
        layer.W2[outputs] = 0.0
        layer.b2[outputs] = 0.0
