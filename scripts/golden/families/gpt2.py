"""GPT-2: fused and transposed linears, learned positions, checkpoints of the model without its head and with old buffers."""

import torch

SIZES = {
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64,
    "vocab_size": 96, "bos_token_id": 0, "eos_token_id": 1,
}
CAUSAL = torch.tril(torch.ones(64, 64, dtype=torch.uint8)).view(1, 1, 64, 64)

VARIANTS = {
    "gpt2": {
        "seed": 41, "tokens": 48, "drop_prefix": "transformer.",
        "buffers": {f"h.{i}.attn.bias": CAUSAL.clone() for i in range(2)},
        "config": {**SIZES, "n_inner": 56, "scale_attn_by_inverse_layer_idx": True},
    },
    "gpt2-untied": {
        "seed": 42, "tokens": 40,
        "config": {
            **SIZES, "activation_function": "gelu", "layer_norm_epsilon": 1e-3, "scale_attn_weights": False,
            "tie_word_embeddings": False,
        },
    },
}
