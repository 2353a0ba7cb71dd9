#!/usr/bin/env python3
"""Adds to a tiny Llama what PyTorch says its cross-entropy becomes when weights of it are zero.

usage: make-loss-golden.py [FOLDER]      default: test/golden/tiny-llama/gqa-tied of this project; test/golden/README.md lists the tensors

The checkpoint is one of make-tiny-llama.py; it gets a file losses.safetensors beside it. Losses are computed in float64.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

WINDOWS, TOKENS = 3, 20
BLOCKS = (1, 2)
# What goes, alone: a linear and the indices of its weights, row by row.
ABLATIONS = (
    ("self_attn.q_proj", [5]),
    ("self_attn.o_proj", [0, 1, 48, 49]),
    ("mlp.down_proj", list(range(208))),
    ("self_attn.o_proj", list(range(48 * 48))),
)


@torch.no_grad()
def losses(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    logits = model(ids, use_cache=False).logits
    each = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return each.view(ids.shape[0], -1).mean(1)


@torch.no_grad()
def changes(model: torch.nn.Module, ids: torch.Tensor, block: int) -> torch.Tensor:
    dense = losses(model, ids)
    rows = []
    for name, indices in ABLATIONS:
        weight = model.get_submodule(f"model.layers.{block}.{name}").weight
        kept = weight.clone()
        weight.view(-1)[indices] = 0
        rows.append(losses(model, ids) - dense)
        weight.copy_(kept)
    return torch.stack(rows)


def main() -> None:
    torch.set_num_threads(1)
    default = pathlib.Path(__file__).parents[2] / "test/golden/tiny-llama/gqa-tied"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    ids = torch.randint(model.config.vocab_size, (WINDOWS, TOKENS), generator=torch.Generator().manual_seed(0))
    values = {"input_ids": ids, **{f"changes.{block}": changes(model, ids, block).float() for block in BLOCKS}}
    file = folder / "losses.safetensors"
    save_file(values, file, metadata={"made_with": f"torch {torch.__version__}"})
    file.chmod(0o644)
    for block in BLOCKS:
        print(f"block {block}: mean changes {[f'{value:.3g}' for value in values[f'changes.{block}'].mean(1).tolist()]}")


if __name__ == "__main__":
    main()
