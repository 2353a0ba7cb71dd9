#!/usr/bin/env python3
"""Refines Wanda's masks of the real layer of the golden data with a plain PyTorch version of DSnoT, for tests to compare with.

usage: make-dsnot-golden.py MODEL TEXT FOLDER

MODEL and TEXT are those of make-sparsegpt-golden.py. FOLDER (test/golden, whose README.md lists the tensors) holds
smollm2-layer.safetensors and receives smollm2-dsnot.safetensors. Written from the paper (Zhang et al. 2024), in float64:
every cycle looks at all weights of a row anew.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

LAYER = "model.layers.5.self_attn.k_proj"
WINDOWS, LENGTH = 16, 512
CYCLES, THRESHOLD = 50, 0.1
# The published threshold is for errors summed over windows of this length.
ERROR_TOKENS = 2048


def layer_inputs(model_folder: str, text: str) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ids = tokenizer(pathlib.Path(text).read_text(encoding="utf-8"), add_special_tokens=False)["input_ids"]
    inputs: list[torch.Tensor] = []
    hook = model.get_submodule(LAYER).register_forward_hook(lambda _module, args, _output: inputs.append(args[0][0]))
    with torch.no_grad():
        for window in range(WINDOWS):
            model(torch.tensor([ids[window * LENGTH : (window + 1) * LENGTH]]), use_cache=False)
    hook.remove()
    return torch.cat(inputs).double()


def wanda(score: torch.Tensor, sparsity: float) -> torch.Tensor:
    """True where a weight is pruned."""
    order = torch.sort(score, dim=1, stable=True)[1]
    return torch.zeros_like(score, dtype=torch.bool).scatter_(1, order[:, : int(score.shape[1] * sparsity)], True)


def refine(
    change: torch.Tensor, score: torch.Tensor, variance: torch.Tensor, pruned: torch.Tensor, group: int | None, same_sign: bool
) -> torch.Tensor:
    """One row: `change` is what pruning a weight adds to the error, `score` Wanda's, `pruned` the mask; returns another mask."""
    pruned = pruned.clone()
    touched = torch.zeros_like(pruned)
    places = torch.arange(len(change))
    for _ in range(CYCLES):
        error = change[pruned].sum()
        sign = error.sign()
        if error.abs() <= THRESHOLD:
            break
        growable = pruned & ~touched & (change * sign > 0)
        prunable = ~pruned & ~touched & (change * sign < 0)
        if group:
            growable &= prunable.reshape(-1, group).any(1).repeat_interleave(group)
        if not growable.any() or not prunable.any():
            break
        grow = int(torch.where(growable, change * sign / variance, -torch.inf).argmax())
        if group:
            prunable &= places // group == grow // group
        drop = int(torch.where(prunable, score, torch.inf).argmin())
        after = error - change[grow] + change[drop]
        if after.abs() >= error.abs() or (same_sign and after.sign() == -sign):
            break
        pruned[grow], pruned[drop] = False, True
        touched[[grow, drop]] = True
    return pruned


def main() -> None:
    model_folder, text, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    torch.set_num_threads(1)
    layer = load_file(folder / "smollm2-layer.safetensors")
    x = layer_inputs(model_folder, text)
    assert torch.allclose(x.norm(dim=0).float(), layer["column_norms"], rtol=1e-4), "not the inputs of the golden layer"
    dense = layer["weight"].double()
    mean, variance = x.mean(dim=0), x.var(dim=0, unbiased=False)
    score = dense.abs() * layer["column_norms"].double()
    changes = dense * mean * ERROR_TOKENS
    tensors = {"mean": mean.float(), "variance": variance.float()}
    for name, start, group, same_sign in (
        ("50", layer["wanda.50.mask"] == 1, None, True),
        ("60", wanda(score, 0.6), None, True),
        ("60.crossing", wanda(score, 0.6), None, False),
        ("2of4", layer["wanda.2of4.mask"] == 1, 4, True),
        ("2of4.crossing", layer["wanda.2of4.mask"] == 1, 4, False),
    ):
        rows = [refine(*row, variance, pruned, group, same_sign) for *row, pruned in zip(changes, score, start)]
        refined = torch.stack(rows)
        assert (refined.sum(1) == start.sum(1)).all()
        tensors[f"wanda.{name}.dsnot.mask"] = refined.to(torch.uint8)
        before, after = ((changes * mask).sum(1).abs().mean() for mask in (start, refined))
        swaps = int((refined & ~start).sum())
        print(f"{name}: {swaps} swaps, mean |error| {before:.3f} before, {after:.3f} after")
    file = folder / "smollm2-dsnot.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file, metadata={"made_with": f"torch {torch.__version__}", "layer": LAYER})
    file.chmod(0o644)


if __name__ == "__main__":
    main()
