"""GPT-NeoX and Pythia: q, k and v interleaved by heads, a part of each head rotated, parallel and sequential branches."""

SIZES = {
    "architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "hidden_size": 32, "intermediate_size": 56,
    "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 96, "max_position_embeddings": 64, "rotary_emb_base": 500,
}

VARIANTS = {
    "gpt_neox": {"seed": 46, "tokens": 48, "config": {**SIZES, "rotary_pct": 0.5}},
    "gpt_neox-sequential": {
        "seed": 47, "tokens": 48,
        "config": {
            **SIZES, "use_parallel_residual": False, "attention_bias": False, "hidden_act": "gelu_new",
            "layer_norm_eps": 1e-3, "tie_word_embeddings": True, "num_attention_heads": 2,
            "rope_scaling": {"type": "linear", "factor": 2.0},
        },
    },
}
