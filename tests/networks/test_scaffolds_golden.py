"""The scaffolds against the outputs of the reference implementations, where those files are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from l2ssm.cells import RGLRU, S4D, S5, S6
from l2ssm.networks.attention import LocalAttention
from l2ssm.networks.conv import CausalConv
from l2ssm.networks.glu import VARIANTS, GLUBlock
from l2ssm.networks.griffin import GatedPerceptron, GriffinBlock, RecurrentMixing
from l2ssm.networks.h3 import H3
from l2ssm.networks.mamba import MambaBlock

GOLDEN = Path(os.environ.get("L2SSM_GOLDEN", "golden"))


def golden(name: str, prefix: str = "") -> dict[str, torch.Tensor]:
    path = GOLDEN / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no reference vectors: set L2SSM_GOLDEN to the folder of {name}.npz")
    with np.load(path) as data:
        return {key[len(prefix) :]: torch.tensor(data[key]) for key in data if key.startswith(prefix)}


def close(got: torch.Tensor, want: torch.Tensor) -> None:
    """1e-10 of the largest number."""
    torch.testing.assert_close(got, want, rtol=0, atol=1e-10 * float(want.abs().max()))


@torch.no_grad()
def put(module: nn.Module, **values: torch.Tensor) -> None:
    """Set parameters by dotted name, dots written as two underscores."""
    parameters = dict(module.named_parameters())
    for name, value in values.items():
        parameter = parameters[name.replace("__", ".")]
        assert parameter.numel() == value.numel(), name
        parameter.copy_(value.reshape(parameter.shape))


def starts(batch: int, time: int) -> torch.Tensor:
    """The reference begins a record at the first sample."""
    resets = torch.zeros(batch, time, dtype=torch.bool)
    resets[:, 0] = True
    return resets


def real(state: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(state).flatten(1)


def test_mamba_block():
    g = golden("mamba_block")
    block = MambaBlock(4, lambda width: S6(width, 8, width, rank=1)).double()
    x_proj = g["p__x_proj__weight"]
    put(
        block,
        norm__scale=g["res_norm_weight"],
        W_in__weight=g["p__in_proj__weight"],
        conv__taps=g["p__conv1d__weight"][:, 0].mT.flip(0),
        conv__bias=g["p__conv1d__bias"],
        cell__log_decay=g["p__A_log"],
        cell__D=g["p__D"],
        cell__W_low=x_proj[:1],
        cell__W_B=x_proj[1:9],
        cell__W_C=x_proj[9:],
        cell__W_step=g["p__dt_proj__weight"],
        cell__step_bias=g["p__dt_proj__bias"],
        W_out__weight=g["p__out_proj__weight"],
    )
    y, end = block.mix(g["x"])
    close(y, g["y"])
    close(real(end)[:, :24].unflatten(1, (3, 8)), g["last_conv_state"].mT.flip(1)[:, :3])
    close(real(end)[:, 24:], g["last_ssm_state"].flatten(1))
    close(block.run(g["x"])[0], g["y_residual_block"])


def test_griffin_convolution():
    g = golden("griffin_conv1d")
    conv = CausalConv(8, 4).double()
    put(conv, taps=g["p__w"].flip(0), bias=g["p__b"])
    y, end = conv(g["x"])
    close(y, g["y"])
    close(real(end).unflatten(1, (3, 8)), g["cache"].flip(1))
    close(conv(g["x"], resets=g["segment_pos_reset"] == 0)[0], g["y_reset"])


def recurrent(g: dict[str, torch.Tensor], heads: int) -> RecurrentMixing:
    mixing = RecurrentMixing(8, lambda width: RGLRU(width, 1, width, blocks=heads), width=12).double()
    put(
        mixing,
        **{f"W_{k}__{v}": g[f"linear_{k}__{v}"] for k in ("x", "y", "out") for v in ("weight", "bias")},
        conv__taps=g["conv_1d__w"].flip(0),
        conv__bias=g["conv_1d__b"],
        cell__recurrence=g["rg_lru__a_param"],
        cell__W_a=g["rg_lru__a_gate__w"],
        cell__b_a=g["rg_lru__a_gate__b"],
        cell__W_i=g["rg_lru__input_gate__w"],
        cell__b_i=g["rg_lru__input_gate__b"],
    )
    return mixing


def perceptron(module: GatedPerceptron, g: dict[str, torch.Tensor]) -> None:
    (W1, W3), (b1, b3) = g["ffw_up__w"].mT, g["ffw_up__b"]
    put(module, W1__weight=W1, W1__bias=b1, W3__weight=W3, W3__bias=b3)
    put(module, W2__weight=g["ffw_down__weight"], W2__bias=g["ffw_down__bias"])


def sub(g: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key[len(prefix) :]: value for key, value in g.items() if key.startswith(prefix)}


def test_griffin_recurrent_block_and_perceptron():
    g = golden("griffin_blocks")
    heads = int(g["num_heads"])
    mixing = recurrent(sub(g, "rb__"), heads)
    y, end = mixing(g["x"], resets=starts(2, 64))
    close(y, g["y_recurrent_block"])
    close(real(end)[:, :36].unflatten(1, (3, 12)), g["conv1d_state"].flip(1))
    close(real(end)[:, 36:], g["rg_lru_state"])
    mlp = GatedPerceptron(8).double()
    perceptron(mlp, sub(g, "mlp__"))
    close(mlp(g["x"]), g["y_mlp"])


@pytest.mark.parametrize("kind", ["recurrent", "attention"])
def test_griffin_residual_blocks(kind):
    g = golden("griffin_blocks")
    p, heads = sub(g, f"{kind}__p__"), int(g["num_heads"])
    if kind == "recurrent":
        mixing = recurrent(sub(p, "recurrent_block__"), heads)
    else:
        mixing = LocalAttention(8, heads=heads, window=int(g["attention_window_size"])).double()
        q = sub(p, "attention_block__")
        put(mixing, **{f"W_{k}__weight": q[f"proj_{k}__weight"] for k in "qkv"})
        put(mixing, W_out__weight=q["proj_final__weight"], W_out__bias=q["proj_final__bias"])
    block = GriffinBlock(8, mixing).double()
    perceptron(block.perceptron, sub(p, "mlp_block__"))
    put(
        block, norm__scale=1 + p["temporal_pre_norm__scale"], norm_of_perceptron__scale=1 + p["channel_pre_norm__scale"]
    )
    close(block.run(g["x"], resets=starts(2, 64))[0], g[f"{kind}__y"])


@pytest.mark.parametrize("d", [1, 2])
def test_h3(d):
    g = golden("h3", f"hd{d}__")
    p = sub(g, "p__")
    kernel = sub(p, "kernel__kernel__")
    states = kernel["A_imag"].shape[1]

    def bank(heads: int) -> S4D:
        cell = S4D(heads, states, heads, discretization="bilinear", readout="post").double()
        put(cell, log_decay=kernel["inv_A_real"], frequency=kernel["A_imag"], log_step=kernel["log_dt"], D=p["D"])
        put(cell, B_ri=kernel["B"], C_ri=kernel["C"][0])
        return cell

    layer = H3(4, bank, head_dim=d, shift=8).double()
    taps = p["ssm_k_kernel__kernel__C"][0].mT.clone()
    taps[0] += p["ssm_k_D"]
    put(layer, conv__taps=taps)
    put(layer, **{f"W_{k}__{v}": p[f"{k}_proj__{v}"] for k in "qkv" for v in ("weight", "bias")})
    put(layer, W_out__weight=p["output_linear__weight"], W_out__bias=p["output_linear__bias"])
    close(layer(g["x"])[0], g["y"])
    impulse = torch.zeros(1, 64, 4, dtype=torch.float64)
    impulse[:, 0] = 1
    through = torch.zeros(64, 4, dtype=torch.float64)
    through[0] = p["ssm_k_D"]
    close(layer.conv(impulse)[0][0] - through, g["K_shift"].mT)
    heads = 4 // d
    through[0, :heads] = p["D"]
    close(layer.cell(impulse[..., :heads])[0][0] - through[:, :heads], g["K_diag"].mT)


@pytest.mark.parametrize("variant", VARIANTS)
def test_s5_layers(variant):
    g = golden("s5_layer", f"{variant}__")
    p = sub(g, "p_")
    cell = S5(4, 4, 4, readout="post").double()
    put(cell, log_step=p["seq__log_step"], B_ri=p["seq__B"], C_ri=p["seq__C"], D=torch.diag(p["seq__D"]))
    put(cell, log_decay=torch.log(-p["seq__Lambda_re"]), frequency=p["seq__Lambda_im"])
    block = GLUBlock(4, lambda _: cell, variant=variant).double()
    put(block, norm__scale=p["norm__scale"], norm__shift=p["norm__bias"])
    for ours, theirs in (("W1", "out1"), ("W2", "out2")):
        if f"{theirs}__kernel" in p:
            put(block, **{f"{ours}__weight": p[f"{theirs}__kernel"].mT, f"{ours}__bias": p[f"{theirs}__bias"]})
    close(block.run(golden("s5_layer")["x"][None])[0][0], g["y"])
