"""Memory and time of one training step (forward and backward) on a record of a million samples, n_x 64, n_u = n_y = 4.

    PYTHONPATH=. python tests/benchmarks/memory_long_record.py [samples] [backend]

Peak memory is the growth of the process's maximal resident size over what it was once the data were there.
"""

from __future__ import annotations

import sys
import time

import torch

from l2ssm.scan import lti_scan, select_backend
from l2ssm.scan.bench import resident_peak


def training_step(u: torch.Tensor, y: torch.Tensor, parameters: list[torch.Tensor], backend: str) -> float:
    """One gradient descent step on the mean squared error; returns the loss."""
    found, _ = lti_scan(u, *parameters, backend=backend)
    loss = torch.nn.functional.mse_loss(found, y)
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= 1e-3 * gradient
    return loss.item()


def main(samples: int = 2**20, backend: str = "auto") -> None:
    torch.manual_seed(0)
    n_x, n_io = 64, 4
    lam = torch.polar(0.9 + 0.0999 * torch.rand(n_x), torch.randn(n_x))
    B, C = torch.randn(2, n_x, n_io) @ torch.eye(n_io) + 0j, torch.randn(2, n_io, n_x) + 0j
    parameters = [p.requires_grad_() for p in (lam, B[0].clone(), C[0].clone() / 8, torch.zeros(n_io, n_io))]
    training_step(torch.randn(1, 64, n_io), torch.randn(1, 64, n_io), parameters, backend)  # code is loaded
    u, y = torch.randn(1, samples, n_io), torch.randn(1, samples, n_io)
    before, start = resident_peak(), time.perf_counter()
    training_step(u, y, parameters, backend)
    seconds = time.perf_counter() - start
    print(f"backend {select_backend(u).name if backend == 'auto' else backend}, {torch.get_num_threads()} threads")
    print(f"data {2 * u.numel() * 4 / 2**20:.0f} MB, resident before {before / 2**20:.0f} MB")
    added = (resident_peak() - before) / 2**20
    print(f"one training step of {samples} samples: {seconds:.2f} s, {added:.0f} MB above the data")


if __name__ == "__main__":
    main(*(int(argument) if k == 0 else argument for k, argument in enumerate(sys.argv[1:])))
