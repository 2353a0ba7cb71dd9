#!/usr/bin/env python3
"""Adds to a tiny Llama what PyTorch makes of one block alone: gradients of its output's norm, and steps of RMSprop towards its
dense output.

usage: make-regional-golden.py [FOLDER]      default: test/golden/tiny-llama/gqa-tied of this project; test/golden/README.md lists the tensors

The checkpoint is that of make-tiny-llama.py; it gets a file regional.safetensors. Everything is computed in float64 and rounded.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
BLOCK = 1
RATE = 1e-3
EPOCHS = 2


def main() -> None:
    torch.set_num_threads(1)
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "test/golden/tiny-llama/gqa-tied"
    embeddings = load_file(folder / "expected.safetensors")["embeddings"].double()
    # The second window reads the first one backwards.
    windows = [embeddings, embeddings.flip(0)]

    def fresh():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").model
        block = model.layers[BLOCK]
        model.layers = torch.nn.ModuleList([block])
        model.norm = torch.nn.Identity()
        weights = {n.removesuffix(".weight"): p for n, p in block.named_parameters() if n.split(".")[-2] in LINEARS and n.endswith(".weight")}
        return lambda x: model(inputs_embeds=x[None], use_cache=False).last_hidden_state[0], weights

    forward, weights = fresh()
    with torch.no_grad():
        targets = [forward(x) for x in windows]
    result = {"targets": torch.stack(targets)}
    squares = {name: torch.zeros_like(w) for name, w in weights.items()}
    for x in windows:
        gradients = torch.autograd.grad(forward(x).norm(), list(weights.values()))
        for (name, square), g in zip(squares.items(), gradients):
            square += g**2
    for name, square in squares.items():
        result[f"root_mean_square.{name}"] = (square / len(windows)).sqrt()

    # Every third weight is pruned. Masked: a step for each window, pruned weights stay. Free: a step for both, all move.
    for kind, batch in (("masked", 1), ("free", 2)):
        forward, weights = fresh()
        masks = {}
        with torch.no_grad():
            for name, w in weights.items():
                masks[name] = (torch.arange(w.numel()) % 3 != 0).view_as(w).double()
                w *= masks[name]
        optimiser = torch.optim.RMSprop(weights.values(), lr=RATE)
        losses = []
        for _ in range(EPOCHS):
            for first in range(0, len(windows), batch):
                optimiser.zero_grad()
                for x, target in zip(windows[first : first + batch], targets[first : first + batch]):
                    loss = torch.nn.functional.mse_loss(forward(x), target, reduction="sum")
                    loss.backward()
                    losses.append(loss.item())
                if kind == "masked":
                    for name, w in weights.items():
                        w.grad *= masks[name]
                optimiser.step()
        for name, w in weights.items():
            result[f"{kind}.{name}"] = w.detach()
        result[f"{kind}.losses"] = torch.tensor(losses)
        print(kind, losses)

    file = folder / "regional.safetensors"
    save_file({name: value.float().contiguous() for name, value in result.items()}, file, metadata={"made_with": f"torch {torch.__version__}"})
    file.chmod(0o644)


if __name__ == "__main__":
    main()
