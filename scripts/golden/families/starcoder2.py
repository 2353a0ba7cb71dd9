"""StarCoder2: layer normalisation, a plain feed-forward network, a sliding window."""

SIZES = {
    "architectures": ["Starcoder2ForCausalLM"], "model_type": "starcoder2", "hidden_size": 32, "intermediate_size": 56,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 128,
    "rope_theta": 500.0,
}

VARIANTS = {
    "starcoder2": {"seed": 57, "tokens": 80, "config": {**SIZES, "sliding_window": 9}},
    "starcoder2-plain": {
        "seed": 58, "tokens": 40,
        "config": {**SIZES, "use_bias": False, "norm_epsilon": 1e-3, "hidden_act": "gelu", "tie_word_embeddings": False},
    },
}
