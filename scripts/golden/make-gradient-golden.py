#!/usr/bin/env python3
"""Adds to the tiny Llamas what PyTorch's autograd gives for them: gradients of the mean cross-entropy, in float32.

usage: make-gradient-golden.py [FOLDER]      default: test/golden/tiny-llama of this project; test/golden/README.md lists the tensors

The checkpoints are those of make-tiny-llama.py; each gets a file gradients.safetensors beside it. The gradients are computed
in float64 and rounded, so that they are exact to the last digits.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def gradients(folder: pathlib.Path) -> tuple[dict[str, torch.Tensor], float]:
    ids = load_file(folder / "expected.safetensors")["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    inputs: dict[str, torch.Tensor] = {}

    def keep(name: str):
        def hook(_module: torch.nn.Module, arguments: tuple, keywords: dict) -> None:
            hidden = arguments[0] if arguments else keywords["hidden_states"]
            hidden.retain_grad()
            inputs[name] = hidden
        return hook

    for i, block in enumerate(model.model.layers):
        block.register_forward_pre_hook(keep(f"block_input.{i}"), with_kwargs=True)
    model.model.norm.register_forward_pre_hook(keep("final_norm_input"), with_kwargs=True)
    logits = model(ids, use_cache=False).logits[0]
    loss = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:])
    loss.backward()

    result = {name: hidden.grad[0].float() for name, hidden in inputs.items()}
    for name, p in model.named_parameters():
        if name.split(".")[-2] in LINEARS and name.endswith(".weight"):
            result[name] = p.grad.float()
    return result, loss.item()


def main() -> None:
    torch.set_num_threads(1)
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "test/golden/tiny-llama"
    for folder in sorted(root.iterdir()):
        values, loss = gradients(folder)
        assert all(torch.isfinite(v).all() and v.abs().max() > 0 for v in values.values()), folder
        file = folder / "gradients.safetensors"
        save_file(values, file, metadata={"made_with": f"torch {torch.__version__}"})
        file.chmod(0o644)
        norms = [v.norm().item() for name, v in values.items() if name.endswith(".weight")]
        print(f"{folder.name:16} loss {loss:.4f}, {len(norms)} weights, gradient norms {min(norms):.3g} to {max(norms):.3g}")


if __name__ == "__main__":
    main()
