#!/usr/bin/env python3
"""Prunes the real layer of the golden data with a plain PyTorch version of Thanos, for tests to compare with.

usage: make-thanos-golden.py FOLDER

FOLDER (test/golden, whose README.md lists the tensors) holds smollm2-layer.safetensors and receives smollm2-thanos.safetensors.
Written from the formulas of Ilin & Richtárik 2025 (arXiv 2504.05346), in float64: the inverse of what is left of the Hessian
anew for every block, and a system of equations for every row.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

TOKENS = 16 * 512
BLOCK = 128
WEIGHT_ROWS = 48
"""Rows whose weights are kept in the file, which need not be large."""


def lowest(score: torch.Tensor, goal: int | tuple[int, int]) -> torch.Tensor:
    """True for so many of the lowest scores of all, or for all but the N highest of every M of a row; of equals the first goes."""
    if isinstance(goal, tuple):
        keep, of = goal
        groups = score.reshape(-1, of)
        order = groups.argsort(dim=1, stable=True)[:, : of - keep]
        return torch.zeros_like(groups, dtype=torch.bool).scatter_(1, order, True).reshape(score.shape)
    mask = torch.zeros(score.numel(), dtype=torch.bool)
    mask[score.flatten().argsort(stable=True)[:goal]] = True
    return mask.reshape(score.shape)


def thanos(dense: torch.Tensor, gram: torch.Tensor, goal: float | tuple[int, int]) -> torch.Tensor:
    columns = dense.shape[1]
    h = gram * (2 / TOKENS)
    norms = h.diagonal().sqrt()
    h = h + 0.01 * h.diagonal().mean() * torch.eye(columns, dtype=h.dtype)
    w = dense.clone()
    left = 0 if isinstance(goal, tuple) else int(goal * w.numel())
    for first in range(0, columns, BLOCK):
        end = min(first + BLOCK, columns)
        inverse = torch.linalg.inv(h[first:, first:])
        score = w[:, first:].abs() * norms[first:]
        if isinstance(goal, tuple):
            mask = lowest(score[:, : end - first], goal)
        else:
            mask = lowest(score, left)[:, : end - first]
            left -= int(mask.sum())
        for row, removed in enumerate(mask):
            (places,) = removed.nonzero(as_tuple=True)
            constraints = inverse[places]
            multipliers = torch.linalg.solve(constraints[:, places], w[row, first + places])
            w[row, first:] -= multipliers @ constraints
            w[row, first + places] = 0
    return w


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    torch.set_num_threads(1)
    layer = load_file(folder / "smollm2-layer.safetensors")
    dense, gram = layer["weight"].double(), layer["gram"].double()
    tensors = {}
    for name, goal in {"50": 0.5, "2of4": (2, 4)}.items():
        pruned = thanos(dense, gram, goal)
        change = pruned - dense
        error = ((change @ gram) * change).sum() / ((dense @ gram) * dense).sum()
        print(f"thanos {name}: output error {error:.5f}, zeros {int((pruned == 0).sum())} of {pruned.numel()}")
        tensors[f"thanos.{name}.mask"] = (pruned == 0).to(torch.uint8)
        tensors[f"thanos.{name}.rows"] = pruned[:WEIGHT_ROWS].float().contiguous()
    file = folder / "smollm2-thanos.safetensors"
    save_file(tensors, file, metadata={"made_with": f"torch {torch.__version__}", "damping": "0.01", "block_size": str(BLOCK)})
    file.chmod(0o644)


if __name__ == "__main__":
    main()
