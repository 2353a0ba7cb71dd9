#!/usr/bin/env python3
"""Prunes the real layer of the golden data with plain PyTorch versions of what solvers and scores do, for tests to compare with.

usage: make-solver-golden.py FOLDER

FOLDER (test/golden, whose README.md lists the tensors) holds smollm2-layer.safetensors and receives smollm2-solvers.safetensors.
Everything is written from the papers' formulas, in float64, in full matrices: eigenvalues where secateur factors, a solve
for every row where it iterates. Unstructured ALPS amplifies rounding: run in float32, this very code gives another mask in
2 % of the places, first in 0.02 % after five steps. So its first six steps are there as well.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

TOKENS = 16 * 512


def keep_largest(values: torch.Tensor, goal: float | tuple[int, int]) -> torch.Tensor:
    """True where a weight stays: all but ⌊numel · goal⌋ of the matrix, or N of every M consecutive inputs of a row."""
    size = values.abs()
    if isinstance(goal, tuple):
        keep, of = goal
        groups = size.reshape(-1, of)
        kept = torch.zeros_like(groups, dtype=torch.bool).scatter_(1, groups.topk(keep, dim=1).indices, True)
        return kept.reshape(values.shape)
    zeros = int(values.numel() * goal)
    kept = torch.ones(values.numel(), dtype=torch.bool)
    kept[size.flatten().argsort(stable=True)[:zeros]] = False
    return kept.reshape(values.shape)


def hessian(gram: torch.Tensor, damping: float) -> torch.Tensor:
    h = gram * (2 / TOKENS)
    return h + damping * h.diagonal().mean() * torch.eye(len(h), dtype=h.dtype)


def least_squares(dense: torch.Tensor, kept: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """Row by row the minimiser of (w − ŵ)·H·(w − ŵ)ᵀ over ŵ that is zero where nothing is kept."""
    fitted = torch.zeros_like(dense)
    for row, mask in enumerate(kept):
        fitted[row, mask] = torch.linalg.solve(h[mask][:, mask], h[mask] @ dense[row])
    return fitted


def conjugate_gradients(start: torch.Tensor, kept: torch.Tensor, target: torch.Tensor, h: torch.Tensor, steps: int) -> torch.Tensor:
    x = start.clone()
    residual = (target - x @ h) * kept
    direction, norm = residual.clone(), (residual**2).sum(1, keepdim=True)
    for _ in range(steps):
        image = direction @ h
        step = norm / (direction * image).sum(1, keepdim=True)
        x = x + step * direction
        residual = (residual - step * image) * kept
        following = (residual**2).sum(1, keepdim=True)
        direction, norm = residual + following / norm * direction, following
    return x


def alps(dense: torch.Tensor, gram: torch.Tensor, goal: float | tuple[int, int], most: int = 300) -> torch.Tensor:
    """Meng et al. 2024, algorithm 1 with the penalty's schedule of their experiments, in inputs scaled to H_jj = 1."""
    h = hessian(gram, 0.01)
    scale = h.diagonal().sqrt()
    h = h / scale / scale[:, None]
    values, vectors = torch.linalg.eigh(h)
    w0 = dense * scale
    target = w0 @ h
    rho, multipliers = 0.1, torch.zeros_like(w0)
    kept = keep_largest(w0, goal)
    d, looked, count = w0 * kept, kept, int(kept.sum())
    for step in range(most):
        w = (target - multipliers + rho * d) @ (vectors / (values + rho) @ vectors.T)
        free = w + multipliers / rho
        kept = keep_largest(free, goal)
        d = free * kept
        multipliers = multipliers + rho * (w - d)
        if step % 3 < 2:
            continue
        changed = int((kept != looked).sum())
        looked = kept
        assert step > 2 or changed > 0.005 * count, "the first penalty is too large for this layer"
        if changed == 0 or (step >= 30 and changed < 3e-4 * count):
            break
        rho *= 1.3 if changed > 0.1 * count else 1.2 if changed > 0.005 * count else 1.1
    print(f"alps {goal}: {step + 1} steps, penalty {rho:.3f}")
    kept = keep_largest(w, goal)
    return conjugate_gradients(w * kept, kept, target, h, 10) / scale


def admm(dense: torch.Tensor, gram: torch.Tensor, goal: float | tuple[int, int], steps: int = 20, gradual: int = 15) -> torch.Tensor:
    """Boža 2024: penalty 1, in inputs scaled to H_jj = 1 and then damped, a mask that becomes sparser as a cube and then stays."""
    one = torch.eye(len(gram), dtype=gram.dtype)
    scale = (gram.diagonal() * (2 / TOKENS)).sqrt()
    h = gram * (2 / TOKENS) / scale / scale[:, None] + 0.1 * one
    inverse = torch.linalg.inv(h + one)
    w, u = dense * scale, torch.zeros_like(dense)
    target = w @ h
    for step in range(steps):
        free = w + u
        if step < gradual:
            share = 1 - (1 - (step + 1) / gradual) ** 3
            if isinstance(goal, tuple):
                final = keep_largest(free, goal)
                candidates = free.abs().masked_fill(final, torch.inf)
                kept = keep_largest(candidates, (1 - goal[0] / goal[1]) * share) if share < 1 else final
            else:
                kept = keep_largest(free, goal * share)
        z = free * kept
        u = free - z
        w = (target + z - u) @ inverse
    return (w + u) * kept / scale


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    torch.set_num_threads(1)
    layer = load_file(folder / "smollm2-layer.safetensors")
    dense, gram = layer["weight"].double(), layer["gram"].double()
    wanda = (layer["wanda.2of4.mask"] == 0)
    h = hessian(gram, 0.01)
    tensors = {
        "alps.60": alps(dense, gram, 0.6),
        "alps.60.six_steps": alps(dense, gram, 0.6, 6),
        "alps.2of4": alps(dense, gram, (2, 4)),
        "admm.60": admm(dense, gram, 0.6),
        "admm.2of4": admm(dense, gram, (2, 4)),
        "wanda.2of4.least_squares": least_squares(dense, wanda, h),
    }
    for name, pruned in tensors.items():
        change = pruned - dense
        error = ((change @ gram) * change).sum() / ((dense @ gram) * dense).sum()
        print(f"{name}: output error {error:.5f}, zeros {int((pruned == 0).sum())}")
    save_file(
        {name: pruned.float().contiguous() for name, pruned in tensors.items()},
        folder / "smollm2-solvers.safetensors",
        metadata={"made_with": f"torch {torch.__version__}", "damping": "0.01, admm 0.1"},
    )
    (folder / "smollm2-solvers.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
