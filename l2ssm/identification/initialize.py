"""`initialize`: a deep model starts at a linear one, exactly, with all else beside it.

The stream between the blocks has d_model coordinates. The first n_u hold the input, the next n_y the output: the
encoder writes u to the first, the cell of the first block maps them by G to the second, which every later block and
static layer passes on untouched, and the decoder reads them. What the other coordinates hold is random as ever, so that
training goes on from the linear model in every direction. Every cell also begins with the poles of G: a nonlinear plant
answers to what its nonlinearity generates with the same dynamics as to its input.

With a prescribed gain the first cell holds as much of G as fits below it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from l2ssm.cells import LRU, BoundedCell, Cell
from l2ssm.cells.base import DiagonalCell
from l2ssm.cells.linear_start import modes_of_any
from l2ssm.errors import OptionError, RealizationError
from l2ssm.identification.initial import features
from l2ssm.identification.minimize import Trainee
from l2ssm.identification.windows import Scored
from l2ssm.networks.deep import Block, DeepSSM
from l2ssm.networks.static import ContractiveLayer, PerceptronLayer, StaticLayer
from l2ssm.systems.hinf import hinf
from l2ssm.systems.modal import Modes
from l2ssm.systems.simulation import states
from l2ssm.systems.state_space import StateSpace
from l2ssm.systems.subspace import free_responses, triangular, with_initial_states

Array = NDArray[np.float64]

THROUGH = 0.97  # of its gain, what a bounded block passes on of the output coordinates
FULL = 0.985  # of its gain, what a bounded block starts with at most
HALVINGS = 12  # of the search for it
STARTS = 2000  # of that regression, over all records
START_SHARE = 10  # the start of a record, where most free runs begin, counts as one in so many of them
LARGEST = 1 - 1e-6  # modulus of a pole of G, as of `subspace`: larger ones become it
DISTINCT = 1e-9  # imaginary part that keeps the two real states of a mode together
SEEN = 1e-7  # of the largest free response: smaller ones tell nothing of a state
SIZE, SAMPLES = 0.5, 5000
TOLERANCE = 1e-3  # of the response of a cell in float32, relative to the largest


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
    free = model.gamma is None
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
    """Start the model at G in place: the free run from zero is that of G, or of a multiple that fits below gamma.

    Args:
        model: of the scaffold "twofold" with static "perceptron" and cell "lru", or of "series" with "contractive" and
            a diagonal bounded cell.
        G: stable, between the standardised inputs and outputs of the model.

    Raises:
        OptionError: a model that cannot hold a linear one; the message says which part of it.
        RealizationError: more modes than a cell has states, or a system that the class of the cell does not contain.
    """
    cells, modes, kept, gain = check_start(model), modes_of_any(G), 1.0, 1.0
    if (G.n_u, G.n_y) != (model.n_u, model.n_y):
        raise OptionError(f"G maps {G.n_u} to {G.n_y} signals, the model {model.n_u} to {model.n_y}")
    modes = Modes(modes.lam * (LARGEST / np.maximum(abs(modes.lam), LARGEST)), modes.B, modes.C, modes.D)
    if modes.lam.size > cells[0].n_x:
        raise RealizationError(f"the linear model has {modes.lam.size} modes, a cell {cells[0].n_x} states")
    outputs = slice(model.n_u, model.n_u + model.n_y)
    gains = model.gains()
    if gains is not None:
        gain = float(torch.stack(gains).detach().prod()) * THROUGH ** (len(cells) - 1)
        kept = min(1.0, THROUGH * gain / max(hinf(G, rtol=1e-3).upper, 1e-300))
    first = Modes(modes.lam, modes.B, modes.C * (kept / gain), modes.D * (kept / gain))
    with torch.no_grad():
        for k, cell in enumerate(cells):
            _assign(cell, outputs, modes.lam, first if k == 0 else None)
        for block in model.chain():
            for layer in block.static_chain() if isinstance(block, Block) else []:
                _pass_on(layer, outputs)
        E = torch.zeros_like(model.E) if gains is not None else model.E.detach().clone()
        E[outputs] = 0.0
        E[: model.n_u] = torch.eye(model.n_u)
        model.E.copy_(E)
        model.H.zero_()
        model.H[:, outputs] = torch.eye(model.n_y)
    return LinearStart(G.n_x, kept)


def start_states(trainee: Trainee, start: LinearStart, records: Sequence[Scored], n_init: int) -> None:
    """What the features of a record tell of the first cell's initial states, by ridge regression, in place.

    The states to be explained are those of the cell driven by the input alone, along whole records, each from the state
    that explains its outputs best.

    Args:
        trainee: with an encoder of x0, its model started by `initialize`.
        start: what that returned.
        records: training records.
        n_init: samples that the features see.
    """
    assert trainee.initial is not None
    model = trainee.model
    cell = model.chain()[0].cell
    assert isinstance(cell, DiagonalCell)
    outputs = slice(model.n_u, model.n_u + model.n_y)
    own = _modes(cell)
    gains, rest = model.gains(), 1.0
    if gains is not None:
        rest = float(torch.stack(gains[1:]).detach().prod()) * THROUGH ** (len(gains) - 3)
    W = model.encoder()[0].detach().double().numpy()
    lam = np.where(abs(own.lam.imag) <= 2 * DISTINCT, own.lam.real, own.lam)  # nothing shows such an imaginary part
    G = StateSpace.from_modes(lam, own.B @ W, own.C[outputs], own.D[outputs] @ W)
    pairs = [(record.u, record.y * (start.kept / rest)) for record in records if len(record.u) > n_init]
    stride = max(1, sum(len(u) for u, _ in pairs) // STARTS)
    known, wanted = [], []
    for (u, y), x0 in zip(pairs, with_initial_states(G, pairs, np.zeros(0)).x0, strict=True):
        first = np.arange(0, len(u) - n_init, stride)
        first = np.concatenate([np.zeros(len(first) // START_SHARE, dtype=int), first])
        windows = first[:, None] + np.arange(n_init)
        known.append(features(u[windows], (y * (rest / start.kept))[windows], n_init))
        wanted.append(states(G, u, x0)[first])
    free = free_responses(G.A, G.C, max(len(u) for u, _ in pairs))
    _, sizes, basis = np.linalg.svd(triangular(free), full_matrices=False)
    seen = sizes > SEEN * sizes.max(initial=0.0)  # in these coordinates an error of any state costs the output the same
    to_seen, back = basis[seen].T * sizes[seen], basis[seen].T / sizes[seen]
    weights, bias = ridge(np.vstack(known), np.vstack(wanted) @ to_seen)
    weights, bias = back @ weights, back @ bias
    with torch.no_grad():
        trainee.initial.weight[: G.n_x] = torch.tensor(weights).to(trainee.initial.weight.dtype)
        trainee.initial.bias[: G.n_x] = torch.tensor(bias).to(trainee.initial.bias.dtype)


def ridge(X: Array, Y: Array) -> tuple[Array, Array]:
    """(W, b) of Y = X W' + b by ridge regression, one ridge a column of Y chosen by generalised cross-validation.

    Source: Golub, Heath and Wahba, "Generalized cross-validation as a method for choosing a good ridge parameter",
    Technometrics 21(2), 1979.

    Args:
        X: (samples, inputs).
        Y: (samples, outputs).
    """
    x, y, N = X.mean(axis=0), Y.mean(axis=0), len(X)
    U, s, Vt = np.linalg.svd(X - x, full_matrices=False)
    found = U.T @ (Y - y)
    outside = np.maximum(((Y - y) ** 2).sum(axis=0) - (found**2).sum(axis=0), 0.0)
    largest = s.max(initial=0.0) ** 2 or 1.0
    kept = s**2 / (s**2 + np.geomspace(1e-12, 1e2, 57)[:, None] * largest)  # (ridges, inputs)
    errors = ((1 - kept)[:, :, None] * found) ** 2
    scores = (errors.sum(axis=1) + outside) / (1 - (kept.sum(axis=1)[:, None] + 1) / (N + 1)) ** 2
    best = kept[scores.argmin(axis=0)].T  # (inputs, outputs)
    W = (Vt.T @ (best * found / np.where(s > 0, s, 1.0)[:, None])).T
    return W, y - W @ x


@torch.no_grad()
def calibrate(model: DeepSSM, records: Sequence[Scored]) -> None:
    """Scale what the cells add to the coordinates beside the outputs to a standard deviation of at most SIZE, in place.

    Slow modes add up what is slow in the input: their outputs can be many times larger than for the white input that
    the scale of a random C is made for, and the larger from block to block.

    Args:
        model: with cells "lru", see `check_start`.
        records: training records; the first SAMPLES of the first of them are run through the model.
    """
    u = torch.as_tensor(records[0].u[:SAMPLES], dtype=model.E.dtype)[None]
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
    own, n, bounded = _modes(cell), len(lam), isinstance(cell, BoundedCell)
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
    want, have = (S.frequency_response([0.3, 1.0, 2.0, 3.0]) for S in (wanted, cell.realization()))
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


def _modes(cell: DiagonalCell) -> Modes:
    """The numbers of the cell in float64."""
    lam, B, C, D = (v.detach().cpu().numpy() for v in cell.system())
    return Modes(lam.astype(complex), B.astype(complex), C.astype(complex), D.astype(float))


def _pass_on(layer: StaticLayer, outputs: slice) -> None:
    """The layer leaves these coordinates as they are; a contractive one can do so only if it does not see them."""
    if isinstance(layer, ContractiveLayer):
        layer.W[:, outputs] = 0.0
    elif isinstance(layer, PerceptronLayer):
        layer.W2[outputs] = 0.0
