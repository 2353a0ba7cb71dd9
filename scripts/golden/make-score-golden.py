#!/usr/bin/env python3
"""Prunes the real layer of the golden data by plain PyTorch versions of RIA and GBLM-Pruner, for tests to compare with.

usage: make-score-golden.py MODEL TEXT FOLDER

MODEL and TEXT are those of make-sparsegpt-golden.py. FOLDER (test/golden, whose README.md lists the tensors) holds
smollm2-layer.safetensors and receives smollm2-scores.safetensors. Written from the papers' formulas, the scores in float64:
Zhang et al. 2024 ("Plug-and-Play", equations of RIA, a = 1/2) and Das et al. 2023 (GBLM-Pruner, alpha 100). Where the
latter's published code fixes what the formula leaves open, it is as there: norms of inputs over 2,048 tokens, of gradients over
128 windows. Gradients are autograd's, in float32, each of a window's mean cross-entropy.
"""

import contextlib
import pathlib
import sys

import numpy
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

LAYER = "model.layers.5.self_attn.k_proj"
# The norms of the golden layer are over 16 windows; the gradients here over the first of them.
WINDOWS, LENGTH, GRADIENT_WINDOWS = 16, 512, 8
# GBLM compares weights within rows, so some rows are enough.
ROWS = 48
GOALS = {"50": 0.5, "60": 0.6, "2of4": (2, 4)}


def pruned(score: torch.Tensor, goal: float | tuple[int, int]) -> torch.Tensor:
    """True for the ⌊columns · goal⌋ smallest of every row, or all but N of every M; of equal ones the first go."""
    keep, of = goal if isinstance(goal, tuple) else (None, score.shape[1])
    zeros = of - keep if keep else int(of * goal)
    groups = score.reshape(-1, of)
    order = groups.argsort(dim=1, stable=True)
    return torch.zeros_like(groups, dtype=torch.bool).scatter_(1, order[:, :zeros], True).reshape(score.shape)


def ria(weight: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
    """|w_ij| as a share of what leaves input j plus as a share of what enters output i, times the root of the input's norm."""
    size = weight.abs()
    return (size / size.sum(dim=0, keepdim=True) + size / size.sum(dim=1, keepdim=True)) * norms.sqrt()


def gblm(weight: torch.Tensor, norms: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """|w_ij| · ‖X_j‖ + 100 · |w_ij| · ‖g_ij‖"""
    inputs = norms * (2048 / (WINDOWS * LENGTH)) ** 0.5
    return weight.abs() * inputs + 100 * weight.abs() * gradients * 128**0.5


class Seen(Exception):
    """Ends a forward where no more of it is needed."""


def root_mean_square_gradient(model_folder: str, text: str, layer: dict[str, torch.Tensor]) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval().requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ids = tokenizer(pathlib.Path(text).read_text(encoding="utf-8"), add_special_tokens=False)["input_ids"]
    windows = torch.tensor(ids[: WINDOWS * LENGTH]).reshape(WINDOWS, 1, LENGTH)
    linear = model.get_submodule(LAYER)
    assert torch.equal(linear.weight, layer["weight"]), "not the model of the golden layer"

    squares = torch.zeros(linear.in_features, dtype=torch.float64)

    def measure(_module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        squares.add_(inputs[0][0].double().square().sum(0))
        raise Seen

    hook = linear.register_forward_pre_hook(measure)
    for window in windows:
        with contextlib.suppress(Seen):
            model(window, use_cache=False)
    hook.remove()
    assert torch.allclose(squares.sqrt().float(), layer["column_norms"], rtol=1e-4), "not the text of the golden layer"

    linear.weight.requires_grad_(True)
    total = torch.zeros(linear.weight.shape, dtype=torch.float64)
    for window in windows[:GRADIENT_WINDOWS]:
        loss = model(window, labels=window, use_cache=False).loss
        total += torch.autograd.grad(loss, linear.weight)[0].double().square()
    return (total / GRADIENT_WINDOWS).sqrt().float()


def main() -> None:
    model_folder, text, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    torch.set_num_threads(1)
    layer = load_file(folder / "smollm2-layer.safetensors")
    weight, norms = layer["weight"].double(), layer["column_norms"].double()
    gradients = root_mean_square_gradient(model_folder, text, layer)[:ROWS]
    scores = {"ria": ria(weight, norms), "gblm": gblm(weight[:ROWS], norms, gradients.double())}
    tensors = {"gradients": gradients.contiguous()}
    for name, score in scores.items():
        for goal, value in GOALS.items():
            tensors[f"{name}.{goal}.mask"] = torch.from_numpy(numpy.packbits(pruned(score, value).numpy()))
    shares = 100 * gradients.double() * 128**0.5 / (norms * (2048 / (WINDOWS * LENGTH)) ** 0.5)
    print(f"the gradient's share beside the input's norm: median {shares.median():.4f}, largest {shares.max():.4f}")
    wanda = pruned(weight.abs() * norms, 0.5)
    for name, score in scores.items():
        differs = (pruned(score, 0.5) != wanda[: len(score)]).double().mean()
        print(f"{name}: at 50 % another mask than Wanda's in {differs:.2%} of the places")
    file = folder / "smollm2-scores.safetensors"
    save_file(tensors, file, metadata={"made_with": f"torch {torch.__version__}", "layer": LAYER})
    file.chmod(0o644)


if __name__ == "__main__":
    main()
