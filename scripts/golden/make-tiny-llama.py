#!/usr/bin/env python3
"""Makes random tiny Llama checkpoints and what transformers computes with them, in float32.

usage: make-tiny-llama.py [FOLDER]      default: test/golden/tiny-llama of this project; test/golden/README.md lists the tensors
"""

import copy
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

BASE = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "hidden_act": "silu",
    "mlp_bias": False,
    "model_type": "llama",
    "torch_dtype": "float32",
}

# name: (seed, tokens, config)
VARIANTS = {
    "gqa-tied": (1, 48, {
        "hidden_size": 48, "intermediate_size": 104, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 160, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": True,
    }),
    "head-dim-bias": (2, 56, {
        "hidden_size": 48, "intermediate_size": 88, "num_hidden_layers": 2, "num_attention_heads": 6, "head_dim": 24,
        "num_key_value_heads": 3, "vocab_size": 136, "max_position_embeddings": 96, "rms_norm_eps": 3e-4,
        "rope_theta": 500.0, "tie_word_embeddings": False, "attention_bias": True, "mlp_bias": True,
    }),
    "rope-llama3": (3, 64, {
        "hidden_size": 64, "intermediate_size": 120, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 16,
        "num_key_value_heads": 1, "vocab_size": 144, "max_position_embeddings": 256, "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0, "tie_word_embeddings": False,
        "rope_scaling": {
            "factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
            "original_max_position_embeddings": 32, "rope_type": "llama3",
        },
    }),
    # The old spelling of the kind, `type`, as checkpoints of the Llama 2 time have it.
    "rope-linear": (4, 70, {
        "hidden_size": 48, "intermediate_size": 72, "num_hidden_layers": 2, "num_attention_heads": 3,
        "num_key_value_heads": 3, "vocab_size": 128, "max_position_embeddings": 128, "rms_norm_eps": 1e-3,
        "rope_theta": 1000.0, "tie_word_embeddings": True, "rope_scaling": {"factor": 3.0, "type": "linear"},
    }),
    "rope-parameters": (5, 40, {
        "hidden_size": 64, "intermediate_size": 152, "num_hidden_layers": 2, "num_attention_heads": 8,
        "num_key_value_heads": 4, "vocab_size": 200, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True, "rope_parameters": {"rope_theta": 200.0, "rope_type": "default"},
    }),
}


def randomise(model: LlamaForCausalLM, generator: torch.Generator) -> None:
    """Weights large enough that attention is far from uniform and every part of a block matters to the logits."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if "norm" in name:
                p.copy_(1 + 0.25 * noise)
            elif p.dim() == 1:
                p.copy_(0.3 * noise)
            elif "embed_tokens" in name:
                p.copy_(noise)
            else:
                p.copy_(noise * 1.4 / p.shape[1] ** 0.5)


@torch.no_grad()
def expected(model: LlamaForCausalLM, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Logits, and the hidden states as they leave each block: `output_hidden_states` gives the last one after the norm."""
    result: dict[str, torch.Tensor] = {"input_ids": ids}
    hooks = [
        block.register_forward_hook(
            lambda _module, _inputs, output, i=i: result.__setitem__(
                f"hidden_states.{i}", (output[0] if isinstance(output, tuple) else output)[0].clone()
            )
        )
        for i, block in enumerate(model.model.layers)
    ]
    result["logits"] = model(ids, use_cache=False).logits[0].clone()
    for hook in hooks:
        hook.remove()
    result["embeddings"] = model.model.embed_tokens(ids)[0].clone()
    return result


def without_rope_kind(config: dict) -> dict:
    """The same config with another rotary embedding, to see that the golden logits depend on it."""
    other = {k: v for k, v in config.items() if k not in ("rope_scaling", "rope_parameters")}
    return {**other, "rope_theta": 77.0 if "rope_scaling" not in config else config["rope_theta"]}


def main() -> None:
    torch.set_num_threads(1)
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "test/golden/tiny-llama"
    for name, (seed, tokens, sizes) in VARIANTS.items():
        config = dict(sorted({**BASE, **sizes}.items()))
        generator = torch.Generator().manual_seed(seed)
        # A plain float32 softmax(QKᵀ)V, not a fused kernel.
        # LlamaConfig completes the nested rope dict it is given, so it gets a copy: the file keeps what was written above.
        model = LlamaForCausalLM(LlamaConfig(**copy.deepcopy(config), attn_implementation="eager")).eval()
        randomise(model, generator)
        ids = torch.randint(config["vocab_size"], (1, tokens), generator=generator)

        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        tied = config["tie_word_embeddings"]
        weights = {k: v.contiguous() for k, v in model.state_dict().items() if not (tied and k == "lm_head.weight")}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

        reloaded, info = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
        assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
        values = expected(reloaded.eval(), ids)
        save_file(values, folder / "expected.safetensors", metadata={"made_with": f"torch {torch.__version__}"})

        other = LlamaForCausalLM(LlamaConfig(**copy.deepcopy(without_rope_kind(config)), attn_implementation="eager")).eval()
        other.load_state_dict(model.state_dict())
        difference = (expected(other, ids)["logits"] - values["logits"]).abs().max().item()
        assert difference > 0.1, f"{name}: the logits hardly depend on the rotary embedding ({difference})"
        for file in folder.iterdir():
            file.chmod(0o644)
        last = values[f"hidden_states.{config['num_hidden_layers'] - 1}"]
        print(f"{name:16} {sum(v.numel() for v in weights.values()):6} weights, logits {list(values['logits'].shape)}, "
              f"sd {values['logits'].std():.2f}, last hidden sd {last.std():.2f}, "
              f"rope {reloaded.config.rope_parameters}, another rope moves logits by up to {difference:.2f}")


if __name__ == "__main__":
    main()
