"""Selective layers: their certificate against worst inputs and worst coefficients, forgeries and refusals."""

from __future__ import annotations

from dataclasses import replace

import flint
import numpy as np
import pytest
import torch

from l2ssm.cells import RGLRU, S6, BoundedClocked, BoundedSelective, SelectiveLag
from l2ssm.certificates import riccati
from l2ssm.certificates.balls import BALL
from l2ssm.certificates.compose import certify
from l2ssm.certificates.falsify import worst_input
from l2ssm.certificates.supply import SUPPLIES
from l2ssm.certificates.supply_search import search
from l2ssm.certificates.verify import ARITHMETICS, verify
from l2ssm.errors import CertificateError, NotCertifiableError
from l2ssm.systems.clocked import Clocked
from l2ssm.systems.contractive_cores import GatedCore
from l2ssm.systems.interconnection import Interconnection
from l2ssm.systems.layer import Layer
from l2ssm.systems.layers import Affine, Attention, Contractive, Gated, Perceptron, Product, Residual, RMSNorm
from l2ssm.systems.legendre_core import LegendreCore
from l2ssm.systems.selective import Selective
from l2ssm.systems.state_space import StateSpace

SIZES = [(1, 3, 1), (2, 4, 3), (3, 5, 2), (4, 2, 1)]


def chain(*layers: Layer) -> Interconnection:
    ends = ("u", layers[0].n_in), ("y", layers[-1].n_out)
    names = [tuple(f"{c}{i}" for i in range(n)) for c, n in ends]
    return Interconnection(layers, 1.0, *names, *[("",) * len(n) for n in names])


CELLS = {"selective": BoundedSelective, "clocked": BoundedClocked}


def random_cell(seed: int, size: float = 1.0, kind: str = "selective") -> BoundedSelective | BoundedClocked:
    generator = torch.Generator().manual_seed(seed)
    n_u, n_x, n_y = SIZES[seed % len(SIZES)]
    options = {"slowest": 20.0, "gamma": 2.0, "selectivity": 1.0, "generator": generator}
    cell = CELLS[kind].start(n_u, n_x, n_y, **options).double()
    with torch.no_grad():
        for p in cell.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator))
    return cell


def worst_clock(layer: Clocked, T: int, seed: int, steps: int = 25) -> float:
    """The largest gain found over the input AND the clock, free at every sample: one more input, that costs nothing."""
    rng, n = np.random.default_rng(seed), layer.n_in
    wider = {name: np.hstack([getattr(layer, name), 0 * getattr(layer, name)[:, :1]]) for name in ("B_real", "B_imag")}
    free = replace(layer, **wider, D=np.pad(layer.D, ((0, 0), (0, 1))), S=np.eye(n + 1)[-1:], s=np.zeros(1))
    z, best, x0 = rng.normal(size=(T, n + 1)), 0.0, np.zeros(layer.n_x)
    for _ in range(steps):
        y = free.run(z, x0)
        best = max(best, float(np.linalg.norm(y) / np.linalg.norm(z[:, :n])))
        back = free.derivative(z, x0)[1](y)
        z[:, n] += back[:, n] / max(np.abs(back[:, n]).max(), 1e-12)
        z[:, :n] = back[:, :n] * np.sqrt(T * n) / np.linalg.norm(back[:, :n])
    return best


def worst_coefficients(layer: Selective, T: int, seed: int, steps: int = 25) -> float:
    """The largest gain found over the drive AND the steering, each free at every sample: power iteration and ascent."""
    rng, core = np.random.default_rng(seed), layer.core
    u = rng.normal(size=(T, layer.n_in))
    steer = 2.0 * rng.normal(size=(T, core.n_steer))
    best, rate, x0 = 0.0, 1.0, np.zeros(core.n_x)
    for _ in range(steps):
        z = np.hstack([steer, u @ layer.W.T])
        y = core.run(z, x0) @ layer.C.T + u @ layer.D.T
        best = max(best, float(np.linalg.norm(y) / np.linalg.norm(u)))
        back = core.derivative(z, x0)[1](y @ layer.C)
        steer = steer + rate * back[:, : core.n_steer] / max(np.abs(back[:, : core.n_steer]).max(), 1e-12)
        u = back[:, core.n_steer :] @ layer.W + y @ layer.D
        u *= np.sqrt(u.size) / np.linalg.norm(u)
    return best


def check_bound(cell: BoundedSelective | BoundedClocked, seed: int) -> float:
    """gamma is proved, and no input or coefficients found exceed what is; the tightness reached."""
    layer = cell.frozen()
    certificate = certify(chain(layer), kind="l2", lower=False)
    assert certificate.gamma <= cell.gamma
    found = worst_input(chain(layer), horizon=64, starts=("zero",), amplitudes=(0.3, 3.0), iterations=6).gain
    steered = (worst_clock if isinstance(layer, Clocked) else worst_coefficients)(layer, 64, seed)
    assert max(found, steered) <= certificate.gamma
    return max(found, steered) / certificate.gamma


@pytest.mark.parametrize("kind", CELLS)
def test_no_input_and_no_coefficients_exceed_the_bound(kind):
    ratios = [check_bound(random_cell(seed, (0.1, 1.0, 10.0)[seed % 3], kind), seed) for seed in range(24)]
    assert max(ratios) > 0.9  # the bound is nearly reached by some coefficients


@pytest.mark.slow
@pytest.mark.parametrize("kind", CELLS)
def test_no_input_and_no_coefficients_exceed_the_bound_of_200_random_cells(kind):
    for seed in range(200):
        check_bound(random_cell(seed, (0.01, 0.1, 1.0, 10.0)[seed % 4], kind), seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CELLS)
def test_no_input_and_no_coefficients_exceed_the_bound_of_20_trained_cells(kind):
    """Trained to have gain: the output is to follow large targets."""
    for seed in range(20):
        cell = random_cell(seed, 0.1, kind)
        optimizer = torch.optim.Adam(cell.parameters(), lr=0.05)
        generator = torch.Generator().manual_seed(seed)
        for _ in range(100):
            u = torch.randn(4, 60, cell.n_u, dtype=torch.float64, generator=generator)
            target = 5 * torch.cumsum(u, dim=1).mean(-1, keepdim=True).tanh()
            loss = (cell(u)[0] - target).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        check_bound(cell, seed)


@pytest.mark.parametrize("gate_min", [0.05, 0.5])
def test_gated_recurrence(gate_min):
    """State bound and gain sqrt((1 + a) / (1 - a)), nearly attained, never exceeded, for all gates."""
    cell = RGLRU(3, 1, 3, gate_min=gate_min, generator=torch.Generator().manual_seed(0)).double()
    layer = cell.frozen()
    a = np.exp(-layer.core.rate * gate_min)
    exact = float(np.sqrt((1 + a) / (1 - a)).max())
    certificate = certify(chain(layer), kind="l2", lower=False)
    assert exact <= certificate.gamma <= exact * (1 + 1e-6)
    open_gates = np.hstack([np.full((4000, 3), -40.0), np.full((4000, 3), 40.0), np.ones((4000, 3))])
    h = layer.core.run(open_gates, np.zeros(layer.core.n_x))
    assert np.abs(h).max() <= exact
    assert np.abs(h).max() > 0.99 * exact
    for seed in range(5):
        assert worst_coefficients(layer, 200, seed) <= certificate.gamma


def test_memories_whose_steps_are_chosen():
    """Contraction at every step; certified by the bounds of the steps, the better the closer they are."""
    gains = []
    for low in (0.01, 0.1, 1.0):
        generator = torch.Generator().manual_seed(0)
        cell = SelectiveLag(2, 4, 2, step_min=low, step_max=1.0, slowest=10.0, generator=generator).double()
        with torch.no_grad():
            cell.S.copy_(torch.randn(cell.S.shape, generator=generator))
        layer = cell.frozen()
        certificate = certify(chain(layer), kind="l2", lower=False)
        found = worst_input(chain(layer), horizon=64, starts=("zero",), iterations=6).gain
        assert max(found, *(worst_coefficients(layer, 64, seed) for seed in range(3))) <= certificate.gamma
        gains.append(certificate.gamma)
    assert gains[0] > gains[1] > gains[2]
    C, W = (np.linalg.norm(M, 2) for M in (layer.C, layer.W))
    assert gains[2] <= C * W * (1 + 1e-5)  # sqrt(beta / alpha) = 1 where the steps cannot move
    assert gains[0] <= C * W * np.sqrt(np.expm1(-1.0) / np.expm1(-0.01)) * (1 + 1e-5)


@pytest.mark.parametrize("high", [1e-6, 0.1, 1.0, 1.1, 30.0, 1000.0])
def test_supply_of_legendre_memories_is_that_of_the_bounds_of_their_steps(high):
    """alpha below 1 - exp(-low) and beta above 1 - exp(-high), by little, in every arithmetic."""
    low = np.array([min(high, 1.0), 1e-6])
    core = LegendreCore(low, np.full(2, high), np.full(2, 3.0))
    with BALL.session():
        want = [-(-flint.arb(x)).expm1() for x in (*low, high, high)]
        alpha, beta = SUPPLIES[LegendreCore](core, BALL.embed)
        got = [M[i, 0] for M in (alpha, beta) for i in range(2)]
        assert not any(a > b for a, b in zip(got[:2], want[:2], strict=True))
        assert not any(a < b for a, b in zip(got[2:], want[2:], strict=True))
    plain = np.concatenate([v[:, 0] for v in SUPPLIES[LegendreCore](core, np.asarray)])
    np.testing.assert_allclose(plain, -np.expm1(-np.array([*low, high, high])), rtol=2e-6)
    assert plain.max() <= 1


@pytest.mark.parametrize("arithmetic", ARITHMETICS.values(), ids=ARITHMETICS)
def test_no_step_is_lost_beside_a_larger_one(arithmetic):
    """5e-324 beside 32, divided in floats, would round to zero: a memory that costs nothing."""
    steps = np.array([5e-324, 1e-300, 0.1, 32.0, 33.0, 1e3])
    core = LegendreCore(steps, steps, np.full(6, 3.0))
    with arithmetic.session():
        beta = SUPPLIES[LegendreCore](core, arithmetic.embed)[1]
        for i, step in enumerate(steps):
            room = arithmetic.embed(np.array([[min(step, 1.0)]])) - beta[i : i + 1, :] * 2
            with pytest.raises(CertificateError, match="beta"):
                arithmetic.assert_positive_definite(room, "beta")


@pytest.mark.parametrize(
    ("core", "start", "before"),
    [
        (GatedCore([0.7], [0.4]), [1.0, 0.0], 0),
        (LegendreCore([0.5], [3.0], [8.0]), [1.0, *7 * [0.0]], 1),
    ],
)
def test_no_memory_gains_more_than_its_supply(core, start, before):
    """|x+|^2 - |x|^2 <= beta w^2 - alpha |v|^2 whatever steers, reached by some; v is x+, or x where `before`."""
    rng = np.random.default_rng(0)
    alpha, beta = (x.item() for x in SUPPLIES[type(core)](core, np.asarray))
    slack = []
    for trial in range(1000):
        w = rng.normal() * (trial % 2 if before else 1)
        x0 = (start + trial % 3 * rng.normal(size=core.n_x)) * (np.arange(core.n_x) < core.n_out)
        steer = rng.choice([-40.0, 0.0, 40.0, rng.normal()], core.n_steer)
        v = core.run(np.tile(np.append(steer, w), (2, 1)), x0)
        ahead, supplied = np.sum(v[before] ** 2), beta * w**2 - alpha * np.sum(v[0] ** 2)
        slack.append((ahead - np.sum(x0**2) - supplied) / (np.sum(x0**2) + w**2))
    assert -0.05 < max(slack) < 1e-14


def test_constant_coefficients_reach_the_norm_of_a_relaxation_system():
    """Real poles, positive residues (tanks, diffusion, RC ladders): the diagonal storage is exact."""
    rng = np.random.default_rng(0)
    for n in (2, 6, 12):
        lam = np.exp(-1 / np.geomspace(2, 200, n))
        b = rng.uniform(0.2, 1, n) * np.sqrt(1 - lam)
        G = StateSpace(np.diag(lam), b[:, None], b[None], [[0.05]])
        norm = G.hinf().upper
        layer = BoundedSelective.from_state_space(G, 1.001 * norm).frozen()
        u = rng.normal(size=(100, 1))
        np.testing.assert_allclose(layer.run(u, np.zeros(layer.n_x)), G.simulate(u), rtol=1e-9, atol=1e-9)
        assert norm * (1 - 1e-5) <= certify(chain(layer), kind="l2", lower=False).gamma <= 1.001 * norm


def test_a_constant_clock_reaches_the_norm_of_every_diagonal_system():
    """Resonances of any damping, several modes and channels: whatever the linear cell holds."""
    rng = np.random.default_rng(0)
    for modulus, n_u, n, n_y in ((0.9, 1, 1, 1), (0.99, 1, 1, 1), (0.999, 1, 1, 1), (0.95, 1, 4, 1), (0.95, 2, 3, 3)):
        lam = modulus ** rng.uniform(1, 4, n) * np.exp(1j * rng.uniform(0.2, 2.8, n))
        B, C = (rng.normal(size=shape) + 1j * rng.normal(size=shape) for shape in ((n, n_u), (n_y, n)))
        G = StateSpace.from_modes(lam, B, C, 0.1 * rng.normal(size=(n_y, n_u)))
        norm = G.hinf().upper
        layer = BoundedClocked.from_state_space(G, 1.001 * norm).frozen()
        u = rng.normal(size=(100, n_u))
        np.testing.assert_allclose(layer.run(u, np.zeros(layer.n_x)), G.simulate(u), rtol=1e-9, atol=1e-9 * norm)
        assert norm * (1 - 1e-5) <= certify(chain(layer), kind="l2", lower=False).gamma <= norm * (1 + 1e-5)
        # the same proof, whatever the input does to the clock
        selective = replace(layer, S=3 * rng.normal(size=layer.S.shape))
        assert certify(chain(selective), kind="l2", lower=False).gamma <= norm * (1 + 1e-5)
        assert worst_clock(selective, 100, 0) <= norm * (1 + 1e-5)


def test_every_storage_of_the_system_is_one_on_every_clock():
    """V(x+) - V(x) + |y|^2 <= gain^2 |u|^2 sample by sample, states and clocks at random, for P from the Riccati."""
    layer = random_cell(1, 0.5, "clocked").frozen()
    gain, P = riccati.storage(layer.G, 1e-4)
    rng, worst = np.random.default_rng(0), -np.inf
    for _ in range(1000):
        x, u = rng.normal(size=layer.n_x) * 10 ** rng.uniform(-2, 2), rng.normal(size=(1, layer.n_in))
        step = replace(layer, S=0 * layer.S, s=rng.uniform(-4, 4, 1))
        y = step.run(u, x)
        after = next_state(step, u, x)
        supplied = gain**2 * np.sum(u**2) - np.sum(y**2)
        worst = max(worst, (after @ P @ after - x @ P @ x - supplied) / (np.sum(u**2) + x @ P @ x))
    assert -0.01 < worst < 1e-12


def next_state(layer: Clocked, u: np.ndarray, x: np.ndarray) -> np.ndarray:
    """From what the layer says at the next sample, with every mode read out."""
    n = layer.lam_real.size
    eyes = {"C_real": np.vstack([np.eye(n), 0 * np.eye(n)]), "C_imag": np.vstack([0 * np.eye(n), -np.eye(n)])}
    reader = replace(layer, **eyes, D=np.zeros((2 * n, layer.n_in)))
    seen = reader.run(np.vstack([u, 0 * u]), x)[1]
    lam, r2 = layer.lam_real + 1j * layer.lam_imag, np.exp(layer.s)
    z = (seen[:n] + 1j * seen[n:]) / (np.sqrt(r2) * 2 / (1 + lam + r2 * (1 - lam)))
    return np.stack([z.real, z.imag], axis=1).ravel()


def test_storage_and_forgeries_of_a_clocked_layer():
    layer = random_cell(1, 0.5, "clocked").frozen()
    network = chain(Affine(np.eye(layer.n_in), np.zeros(layer.n_in)), layer)
    rng = np.random.default_rng(2)
    for method in ("auto", "riccati"):
        good = certify(network, kind="l2", method=method)
        for arithmetic in ("ball", "float"):
            verify(good, network, arithmetic)
        for _ in range(10):
            u, x0 = rng.normal(size=(30, layer.n_in)), rng.normal(size=network.n_x)
            assert float(np.sum(network.simulate(u, x0) ** 2)) <= good.bound(x0, float(np.sum(u**2)))
        claim = good.claims[1]
        for changes in ({"gain": 0.99 * claim.gain}, {"method": claim.method.removesuffix(" at rest")}):
            with pytest.raises(CertificateError):
                verify(forged(good, 1, **changes))
        with pytest.raises(CertificateError, match="needs kind 'l2'"):
            verify(replace(good, kind="incremental"))
        biased = chain(Affine(np.eye(layer.n_in), np.ones(layer.n_in)), layer)
        with pytest.raises(CertificateError, match="at rest"):
            verify(replace(good, network=biased))
    with pytest.raises(NotCertifiableError, match=r"block0: the input sets the clock.*kind='l2'"):
        certify(network)


def bounded_chain() -> Interconnection:
    layer = random_cell(2, 0.3).frozen()  # 3 inputs, 2 outputs
    rng = np.random.default_rng(1)
    encoder = Affine(rng.normal(size=(3, 2)), np.zeros(3))
    back = Affine(rng.normal(size=(3, 2)), np.zeros(3))
    return chain(encoder, Residual((layer, back, Contractive(np.eye(3), np.zeros(3), 1.0, "tanh"))), layer)


def test_chains_with_selective_layers_and_their_storage():
    network = bounded_chain()
    certificate = certify(network, kind="l2")
    assert certificate.verified
    assert "from rest" in str(certificate)
    assert 0 < certificate.lower.gain <= certificate.gamma
    for arithmetic in ("ball", "float"):
        verify(certificate, network, arithmetic)
    rng = np.random.default_rng(2)
    for _ in range(10):
        u, x0 = rng.normal(size=(30, 2)), rng.normal(size=network.n_x)
        energy = float(np.sum(network.simulate(u, x0) ** 2))
        assert energy <= certificate.bound(x0, float(np.sum(u**2)))


def forged(certificate, i, **changes):
    claims = list(certificate.claims)
    claims[i] = replace(claims[i], **changes)
    return replace(certificate, claims=tuple(claims))


def test_forgeries_are_refused():
    layer = random_cell(1, 0.3).frozen()
    good = certify(chain(layer), kind="l2", lower=False)
    p = good.claims[0].witness["p"]
    for claim in (
        {"gain": 0.99 * good.claims[0].gain},
        {"witness": {"p": -p}},
        {"witness": {"p": 2 * p}},
        {"witness": {"p": p[:-1]}},
        {"witness": {"P": p}},
    ):
        with pytest.raises(CertificateError):
            verify(forged(good, 0, **claim))
    with pytest.raises(CertificateError, match="needs kind 'l2'"):
        verify(replace(good, kind="incremental"))
    biased = chain(Affine(np.eye(layer.n_in), np.ones(layer.n_in)), layer)
    both = certify(chain(Affine(np.eye(layer.n_in), np.zeros(layer.n_in)), layer), kind="l2", lower=False)
    with pytest.raises(CertificateError, match="at rest"):
        verify(replace(both, network=biased))
    other = S6(2, 3, 2).frozen()
    with pytest.raises(CertificateError, match="S6Core"):
        verify(replace(good, network=chain(other)))


def test_what_has_no_gain_is_refused_by_name():
    eye = Affine(np.eye(2), np.zeros(2))
    layer = RGLRU(2, 1, 2).frozen()
    gate = Perceptron(np.eye(2), np.zeros(2), np.eye(2), np.zeros(2), "silu")
    cases = [
        (chain(layer), "l2", "block0: the recurrence gate may close"),
        (chain(S6(2, 3, 2).frozen()), "l2", "block0: .*S6Core.*bounded_selective"),
        (chain(S6(2, 3, 2).frozen()), "incremental", "block0: .*S6Core.*bounded_selective"),
        (chain(random_cell(0).frozen()), "incremental", "block0: .*kind='l2'"),
        (chain(Product((gate,), (eye,))), "incremental", r"layers.0 \(Product\): .*gated"),
        (chain(Residual((Product((layer,), (gate,)),))), "l2", r"layers.0.0 \(Product\)"),
        (chain(Attention(np.eye(2), np.eye(2), np.eye(2), np.ones(1))), "l2", "attention"),
    ]
    for network, kind, message in cases:
        with pytest.raises(NotCertifiableError, match=message):
            certify(network, kind=kind)


@pytest.mark.parametrize("activation", ["tanh", "identity"])
def test_a_gate_alone_has_the_gain_of_its_value_from_rest(activation):
    """|v g(.)| <= |v|: ||W|| where nothing shifts the value, whatever shifts the gate."""
    W, V = np.random.default_rng(0).normal(size=(2, 3, 3))
    norm = np.linalg.norm(W, 2)
    gate = chain(Gated(W, np.zeros(3), V, np.ones(3), activation))
    assert norm <= certify(gate, kind="l2", lower=False).gamma <= norm * (1 + 2e-3)
    shifted = chain(Gated(W, np.ones(3), V, np.ones(3), activation))
    if activation == "identity":
        with pytest.raises(NotCertifiableError, match="slopes that grow with u"):
            certify(shifted, kind="l2")
    else:
        assert certify(shifted, kind="l2", lower=False).gamma > norm * 1.01


def test_root_mean_square_norm():
    """Its slope is largest at zero."""
    layer = RMSNorm(np.array([1.0, -3.0]), np.array([0.25]))
    certificate = certify(chain(layer), lower=False)
    assert certificate.gamma == pytest.approx(6.0)
    with pytest.raises(CertificateError):
        verify(forged(certificate, 0, gain=5.999))
    assert worst_input(chain(layer), horizon=4).gain <= 6.0


def test_the_search_finds_the_best_weights():
    """Against many random weights: none proves less."""
    layer = random_cell(1, 0.3).frozen()
    p, gain = search(layer, "layer")
    rng = np.random.default_rng(0)
    C, W, D = layer.C, layer.W, layer.D
    into, out, _ = layer.core.memories()
    for size in np.geomspace(1e-3, 3, 300):
        q = p[:, 0] * np.exp(size * rng.normal(size=p.shape[0])) * np.exp(size * rng.normal())
        Q = np.diag(q[out]) - C.T @ C
        if np.linalg.eigvalsh(Q)[0] > 0:
            F = D.T @ D + (W.T * q[into]) @ W + D.T @ C @ np.linalg.solve(Q, C.T @ D)
            assert np.sqrt(np.linalg.eigvalsh(F)[-1]) >= gain * (1 - 1e-6)
