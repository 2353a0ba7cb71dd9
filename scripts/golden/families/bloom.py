"""BLOOM: ALiBi, also with heads that are no power of two; a normalisation of the embeddings; residuals of what is normalised."""

SIZES = {
    "architectures": ["BloomForCausalLM"], "model_type": "bloom", "hidden_size": 24, "n_layer": 2, "n_head": 6, "vocab_size": 96,
    "seq_length": 64,
}

VARIANTS = {
    "bloom": {"seed": 53, "tokens": 48, "drop_prefix": "transformer.", "config": SIZES},
    "bloom-normed-residuals": {
        "seed": 54, "tokens": 40,
        "config": {
            **SIZES, "n_embed": 32, "num_attention_heads": 4, "layer_norm_epsilon": 1e-3,
            "apply_residual_connection_post_layernorm": True, "tie_word_embeddings": False,
        },
    },
}
