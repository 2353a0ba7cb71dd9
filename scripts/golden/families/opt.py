"""OPT: learned positions with an offset; normalisation after the branches, projected embeddings; no biases."""

SIZES = {
    "architectures": ["OPTForCausalLM"], "model_type": "opt", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "ffn_dim": 56, "max_position_embeddings": 64, "vocab_size": 96, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 2,
}

VARIANTS = {
    "opt": {"seed": 43, "tokens": 48, "drop_prefix": "model.", "config": {**SIZES, "word_embed_proj_dim": 32}},
    "opt-post-norm": {
        "seed": 44, "tokens": 48, "config": {**SIZES, "do_layer_norm_before": False, "word_embed_proj_dim": 24}},
    "opt-plain": {
        "seed": 45, "tokens": 48,
        "config": {
            **SIZES, "enable_bias": False, "layer_norm_elementwise_affine": False, "_remove_final_layer_norm": True,
            "activation_function": "gelu", "tie_word_embeddings": False,
        },
    },
}
