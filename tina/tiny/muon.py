"""Muon in float32: momentum whose matrix is orthogonalised before each update (Jordan et al., 2024).

`torch.optim.Muon` orthogonalises in bfloat16, which is some forty times slower on a CPU that has no bfloat16 units.
"""

from collections.abc import Iterable

import torch

QUINTIC = (3.4445, -4.7750, 2.0315)  # of Jordan et al.: pulls singular values to about 1 in five iterations
ITERATIONS = 5
RMS = 0.2  # of an AdamW update, so that one learning rate suits both (Liu et al., 2025, "Muon is scalable", eq. 4)


def orthogonalised(matrix: torch.Tensor) -> torch.Tensor:
    """`matrix` (rows, columns) with its singular values brought near 1, by Newton-Schulz iterations."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalised(matrix.T).T
    a, b, c = QUINTIC
    x = matrix / matrix.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon(torch.optim.Optimizer):
    """For matrices only; with Nesterov momentum and without weight decay."""

    def __init__(self, matrices: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95):
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for matrix in group["params"]:
                average = self.state[matrix].setdefault("average", torch.zeros_like(matrix))
                average.lerp_(matrix.grad, 1 - group["momentum"])
                update = orthogonalised(matrix.grad.lerp(average, group["momentum"]))
                matrix.sub_(update, alpha=group["lr"] * RMS * max(matrix.shape) ** 0.5)
