#!/usr/bin/env python3
"""Prunes one real layer with the published SparseGPT code and Wanda's rule, for tests to compare with.

usage: make-sparsegpt-golden.py MODEL TEXT SPARSEGPT_REPOSITORY OUT.safetensors

MODEL is SmolLM2-135M-Instruct, TEXT any English text of 8,192 tokens or more, SPARSEGPT_REPOSITORY a checkout of
https://github.com/IST-DASLab/sparsegpt (imported, no part of this project). test/golden/README.md lists the tensors.
"""

import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

LAYER = "model.layers.5.self_attn.k_proj"
WINDOWS, LENGTH = 16, 512


def main() -> None:
    model_folder, text, repository, out = sys.argv[1:]
    sys.path.insert(0, repository)
    torch.cuda.synchronize = lambda *_: None
    from sparsegpt import SparseGPT

    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ids = tokenizer(open(text, encoding="utf-8").read(), add_special_tokens=False)["input_ids"]
    layer = model.get_submodule(LAYER)
    dense = layer.weight.data.clone()

    inputs: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda _module, args, _output: inputs.append(args[0][0]))
    with torch.no_grad():
        for window in range(WINDOWS):
            model(torch.tensor([ids[window * LENGTH : (window + 1) * LENGTH]]), use_cache=False)
    hook.remove()
    x = torch.cat(inputs)
    tensors = {"weight": dense, "gram": (x.double().T @ x.double()).float(), "column_norms": x.norm(dim=0)}

    def solve(**options: float) -> torch.Tensor:
        layer.weight.data = dense.clone()
        solver = SparseGPT(layer)
        for window in inputs:
            solver.add_batch(window, None)
        solver.fasterprune(blocksize=128, percdamp=0.01, **options)
        return layer.weight.data.clone()

    tensors["sparsegpt.50"] = solve(sparsity=0.5)
    tensors["sparsegpt.2of4"] = solve(sparsity=0.0, prunen=2, prunem=4)
    tensors["sparsegpt.4of8.mask"] = (solve(sparsity=0.0, prunen=4, prunem=8) == 0).to(torch.uint8)

    score = dense.abs() * tensors["column_norms"]
    order = torch.sort(score, dim=1, stable=True)[1]
    half = torch.zeros_like(score, dtype=torch.uint8)
    half.scatter_(1, order[:, : score.shape[1] // 2], 1)
    tensors["wanda.50.mask"] = half
    groups = score.reshape(score.shape[0], -1, 4)
    smallest = torch.topk(groups, 2, dim=2, largest=False)[1]
    tensors["wanda.2of4.mask"] = torch.zeros_like(groups, dtype=torch.uint8).scatter_(2, smallest, 1).reshape(score.shape)

    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        out,
        metadata={"layer": LAYER, "tokens": str(len(x)), "made_with": f"torch {torch.__version__}"},
    )


if __name__ == "__main__":
    main()
