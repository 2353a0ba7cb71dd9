#!/usr/bin/env python3
"""Prunes layers with the published SparseGPT code and Wanda's rule, for tests to compare with: a real and a synthetic one.

usage: make-sparsegpt-golden.py MODEL TEXT SPARSEGPT_REPOSITORY FOLDER

MODEL is SmolLM2-135M-Instruct, TEXT any English text of 8,192 tokens or more, SPARSEGPT_REPOSITORY a checkout of
https://github.com/IST-DASLab/sparsegpt (imported, no part of this project), FOLDER where the two files go
(test/golden, whose README.md lists the tensors).
"""

import contextlib
import io
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

LAYER = "model.layers.5.self_attn.k_proj"
WINDOWS, LENGTH = 16, 512

# The published code prunes what is <= the score at index ⌊n·sparsity⌋, one weight a column block too many at 0.5.
EXACT_HALF = 0.5 - 1e-6


def solve(layer: torch.nn.Linear, inputs: list[torch.Tensor], blocksize: int, **options: float) -> tuple[torch.Tensor, float]:
    """The weights as the published code prunes them, and the loss it reports; the layer keeps its own."""
    from sparsegpt import SparseGPT

    dense = layer.weight.data
    layer.weight.data = dense.clone()
    solver = SparseGPT(layer)
    for window in inputs:
        solver.add_batch(window, None)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        solver.fasterprune(blocksize=blocksize, percdamp=0.01, **options)
    pruned, layer.weight.data = layer.weight.data, dense
    return pruned, float(printed.getvalue().split("error")[1])


def wanda_half(score: torch.Tensor) -> torch.Tensor:
    order = torch.sort(score, dim=1, stable=True)[1]
    return torch.zeros_like(score, dtype=torch.uint8).scatter_(1, order[:, : score.shape[1] // 2], 1)


def wanda_2of4(score: torch.Tensor) -> torch.Tensor:
    groups = score.reshape(score.shape[0], -1, 4)
    smallest = torch.topk(groups, 2, dim=2, largest=False)[1]
    return torch.zeros_like(groups, dtype=torch.uint8).scatter_(2, smallest, 1).reshape(score.shape)


def real_layer(model_folder: str, text: str) -> dict[str, torch.Tensor]:
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ids = tokenizer(pathlib.Path(text).read_text(encoding="utf-8"), add_special_tokens=False)["input_ids"]
    layer = model.get_submodule(LAYER)

    inputs: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda _module, args, _output: inputs.append(args[0][0]))
    with torch.no_grad():
        for window in range(WINDOWS):
            model(torch.tensor([ids[window * LENGTH : (window + 1) * LENGTH]]), use_cache=False)
    hook.remove()
    x = torch.cat(inputs)
    dense = layer.weight.data
    norms = x.norm(dim=0)
    score = dense.abs() * norms
    return {
        "weight": dense,
        "gram": (x.double().T @ x.double()).float(),
        "column_norms": norms,
        "sparsegpt.50": solve(layer, inputs, 128, sparsity=0.5)[0],
        "sparsegpt.2of4": solve(layer, inputs, 128, sparsity=0.0, prunen=2, prunem=4)[0],
        "sparsegpt.4of8.mask": (solve(layer, inputs, 128, sparsity=0.0, prunen=4, prunem=8)[0] == 0).to(torch.uint8),
        "wanda.50.mask": wanda_half(score),
        "wanda.2of4.mask": wanda_2of4(score),
    }


def synthetic_layer() -> dict[str, torch.Tensor]:
    """Strongly correlated inputs, two of them always zero, and three column blocks of 32."""
    rows, columns, tokens, dead = 64, 96, 240, [7, 50]
    generator = torch.Generator().manual_seed(11)
    mixing = torch.randn(columns // 3, columns, generator=generator)
    x = torch.randn(tokens, columns // 3, generator=generator) @ mixing / 6 + 0.3 * torch.randn(tokens, columns, generator=generator)
    x *= torch.exp(0.8 * torch.randn(columns, generator=generator))
    x[:, dead] = 0
    layer = torch.nn.Linear(columns, rows, bias=False)
    layer.weight.data = torch.randn(rows, columns, generator=generator) / columns**0.5
    # One row a "sample" makes the published H = (2/tokens)·XᵀX.
    inputs = [x.unsqueeze(1)]

    score = layer.weight.data.abs() * x.norm(dim=0)
    tensors = {"x": x, "weight": layer.weight.data, "wanda.50.mask": wanda_half(score), "wanda.2of4.mask": wanda_2of4(score)}
    for name, options in {
        "50": {"sparsity": EXACT_HALF},
        "2of4": {"sparsity": 0.0, "prunen": 2, "prunem": 4},
        "4of8": {"sparsity": 0.0, "prunen": 4, "prunem": 8},
    }.items():
        pruned, loss = solve(layer, inputs, 32, **options)
        tensors[f"sparsegpt.{name}"] = pruned
        tensors[f"sparsegpt.{name}.loss"] = torch.tensor(loss)
        others = [j for j in range(columns) if j not in dead]
        zeros = int((pruned == 0).sum())
        assert (pruned[:, dead] == 0).all()
        print(f"synthetic {name}: {zeros} of {pruned.numel()} zero ({int((pruned[:, others] == 0).sum())} outside dead inputs), loss {loss:.5f}")
    return tensors


def main() -> None:
    model_folder, text, repository, folder = sys.argv[1:]
    sys.path.insert(0, repository)
    torch.cuda.synchronize = lambda *_: None
    torch.set_num_threads(1)
    out = pathlib.Path(folder)
    made = {"made_with": f"torch {torch.__version__}"}
    for file, tensors, metadata in (
        ("smollm2-layer.safetensors", real_layer(model_folder, text), {"layer": LAYER, "tokens": str(WINDOWS * LENGTH)}),
        ("correlated-layer.safetensors", synthetic_layer(), {"block_size": "32", "damping": "0.01"}),
    ):
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, out / file, metadata={**metadata, **made})
        (out / file).chmod(0o644)


if __name__ == "__main__":
    main()
