#!/usr/bin/env python3
"""Makes random tiny checkpoints of every model family, and what transformers computes with them.

usage: make-families.py [--out FOLDER] [NAME…]      default: all, into test/golden/families of this project
       make-families.py --random SEEDS --out FOLDER [MODEL_TYPE…]      random ones (random_variants.py); SEEDS: 5 or 5-9

The variants are in families/*.py beside this script: by name, a seed, the number of tokens and the config as a checkpoint has
it; where they need it, the class that loads them, a prefix of names to drop, buffers that checkpoints have, factors of weights
by the last part of their names, another implementation of attention, a dtype other than bf16, whether the checkpoint is in
shards, whether experts are stored as transformers has them in memory, whether config.json is as transformers writes it, and
whether gradients that are zero are kept.
For each: config.json, model.safetensors (as transformers writes it), expected.safetensors
(float32: the tokens, what the first block reads, what each block gives, the logits) and gradients.safetensors (of the mean
cross-entropy, by parameters of the blocks; computed in float64). Random ones have a variant.json, which says the rest.
"""

import argparse
import copy
import importlib
import json
import pathlib
import shutil
import sys
import tempfile

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import load_file, save_file
import transformers
from transformers import AutoConfig
from transformers.utils import logging

# Plain products instead of fused kernels, in float64 as well.
EXPERTS = {"experts_implementation": "eager"}
SHARDS = 3
HERE = pathlib.Path(__file__).resolve().parent


def variants() -> dict[str, dict]:
    sys.path.insert(0, str(HERE / "families"))
    found: dict[str, dict] = {}
    for file in sorted((HERE / "families").glob("*.py")):
        own = importlib.import_module(file.stem).VARIANTS
        assert not found.keys() & own.keys(), f"{file}: a name is taken"
        found |= own
    return found


def blocks_of(model: torch.nn.Module, count: int) -> torch.nn.ModuleList:
    lists = [m for name, m in model.named_modules()
             if isinstance(m, torch.nn.ModuleList) and len(m) == count and not name.startswith(("model.vis", "visual"))]
    return lists[0]


def randomise(
        model: torch.nn.Module, generator: torch.Generator, gains: dict[str, float], dtype: torch.dtype) -> None:
    """Weights large enough that attention is far from uniform and every part of a block matters; values that the dtype holds."""
    conv1d = {id(m.weight) for m in model.modules() if type(m).__name__ == "Conv1D"}
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 1:
                value = p + 0.25 * noise
            elif id(p) in embeddings:
                value = noise * (0.4 if "pos" in name or "wpe" in name else 1.0)
            elif p.dim() == 2:
                value = noise * 1.4 / p.shape[0 if id(p) in conv1d else 1] ** 0.5
            else:
                value = noise * 1.4 / p.shape[-1] ** 0.5
            value = value * gains.get(name.rsplit(".", 1)[-1], 1.0)
            p.copy_(value.to(dtype).float())


def auto_class(variant: dict):
    return getattr(transformers, variant.get("auto", "AutoModelForCausalLM"))


def load(variant: dict, folder: pathlib.Path | str, dtype: torch.dtype) -> tuple[torch.nn.Module, dict]:
    """A checkpoint of the variant as its golden values are computed, and what transformers says of its keys."""
    return auto_class(variant).from_pretrained(
        folder, dtype=dtype, attn_implementation=variant.get("attention", "eager"), **EXPERTS, output_loading_info=True)


def layer_count(config) -> int:
    return getattr(config, "num_hidden_layers", None) or config.n_layer


@torch.no_grad()
def expected(model, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    result: dict[str, torch.Tensor] = {"input_ids": ids}
    blocks = blocks_of(model, layer_count(model.config.get_text_config()))

    def entering(_module, arguments, keywords):
        hidden = arguments[0] if arguments else keywords["hidden_states"]
        result["embeddings"] = hidden[0].clone()

    hooks = [blocks[0].register_forward_pre_hook(entering, with_kwargs=True)]
    for i, block in enumerate(blocks):
        hooks.append(block.register_forward_hook(
            lambda _module, _inputs, output, i=i: result.__setitem__(
                f"hidden_states.{i}", (output[0] if isinstance(output, tuple) else output).reshape(ids.shape[1], -1).clone())))
    result["logits"] = model(ids, use_cache=False).logits[0].clone()
    for hook in hooks:
        hook.remove()
    return result


def saved_tensors(variant: dict, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What transformers writes, by the names that it writes."""
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch, save_original_format=not variant.get("fused"))
        return load_file(pathlib.Path(scratch) / "model.safetensors")


def save_checkpoint(variant: dict, weights: dict[str, torch.Tensor], folder: pathlib.Path) -> None:
    if not variant.get("shards"):
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    size = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    plan = split_torch_state_dict_into_shards(weights, max_shard_size=size // SHARDS)
    for file, names in plan.filename_to_tensors.items():
        save_file({name: weights[name] for name in names}, folder / file, metadata={"format": "pt"})
    if plan.is_sharded:
        index = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def gradients(variant: dict, folder: pathlib.Path, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """By the names that the checkpoint has."""
    model, _ = load(variant, folder, torch.float64)
    logits = model(ids, use_cache=False).logits[0]
    torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:]).backward()
    for p in model.parameters():
        p.data = torch.zeros_like(p) if p.grad is None else p.grad.detach()
    # Saved like the weights, so that the names and shapes are those of the checkpoint, whatever the model calls them.
    saved = saved_tensors(variant, model)
    marks = (".layers.", ".h.", "layers.", "h.")
    return {k: v.float() for k, v in saved.items()
            if any(k.startswith(m) or m in k for m in marks) and v.dim() >= 2
            and (variant.get("zero_gradients") or v.abs().max() > 0)}


def make(name: str, variant: dict, root: pathlib.Path) -> None:
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(variant["config"], indent=2) + "\n")
    generator = torch.Generator().manual_seed(variant["seed"])
    config = AutoConfig.from_pretrained(folder)
    torch.manual_seed(variant["seed"])
    model = auto_class(variant).from_config(
        copy.deepcopy(config), attn_implementation="eager", **EXPERTS, dtype=torch.float32).eval()
    dtype = getattr(torch, variant.get("dtype", "bfloat16"))
    randomise(model, generator, variant.get("gains", {}), dtype)
    # Without the token that models with a padding index treat in another way.
    vocabulary = config.get_text_config().vocab_size
    ids = torch.randint(2, vocabulary, (1, variant["tokens"]), generator=generator)
    prefix = variant.get("drop_prefix", "")
    weights = {k.removeprefix(prefix): v for k, v in saved_tensors(variant, model.to(dtype)).items()}
    save_checkpoint(variant, weights | variant.get("buffers", {}), folder)
    if variant.get("resaved"):
        config.save_pretrained(folder)
    reloaded, info = load(variant, folder, torch.float32)
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), (name, info)
    values = expected(reloaded.eval(), ids)
    assert all(torch.isfinite(v).all() for v in values.values()), name
    save_file(values, folder / "expected.safetensors", metadata={"made_with": f"torch {torch.__version__}"})
    of_weights = {k.removeprefix(prefix): v for k, v in gradients(variant, folder, ids).items()}
    save_file(of_weights, folder / "gradients.safetensors", metadata={"made_with": f"torch {torch.__version__}"})
    for file in folder.iterdir():
        file.chmod(0o644)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name:28} {size:8} bytes, logits sd {values['logits'].std():.2f}, {len(of_weights)} gradients")


def make_random(model_types: list[str], seeds: range, root: pathlib.Path) -> None:
    sys.path.insert(0, str(HERE))
    from random_variants import MODEL_TYPES, random_variant
    for model_type in model_types or MODEL_TYPES:
        for seed in seeds:
            name = f"{model_type}-{seed}"
            variant = random_variant(model_type, seed)
            try:
                make(name, variant, root)
            except Exception as error:  # Not everything that can be drawn is a model in transformers.
                print(f"{name:28} left out, {type(error).__name__}: {str(error)[:300]}")
                shutil.rmtree(root / name)
                continue
            kept = {key: variant[key] for key in ("auto", "attention") if key in variant}
            (root / name / "variant.json").write_text(json.dumps(kept))


def main() -> None:
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parents[1] / "test/golden/families")
    parser.add_argument("--random")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    if arguments.random:
        first, _, last = arguments.random.partition("-")
        make_random(arguments.names, range(int(first), int(last or first) + 1), arguments.out)
        return
    known = variants()
    for name in arguments.names or known:
        make(name, known[name], arguments.out)


if __name__ == "__main__":
    main()
