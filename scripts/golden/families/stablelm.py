"""StableLM: a part of each head rotated, normalised queries and keys, both branches on the same input."""

SIZES = {
    "architectures": ["StableLmForCausalLM"], "model_type": "stablelm", "hidden_size": 32, "intermediate_size": 56,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 64,
    "rope_theta": 500.0,
}

VARIANTS = {
    "stablelm": {"seed": 55, "tokens": 48, "config": {**SIZES, "use_qkv_bias": True, "partial_rotary_factor": 0.5}},
    "stablelm-parallel": {
        "seed": 56, "tokens": 48,
        "config": {
            **SIZES, "num_attention_heads": 2, "num_key_value_heads": 1, "qk_layernorm": True, "use_parallel_residual": True,
            "layer_norm_eps": 1e-3,
        },
    },
}
