"""Falcon: one key/value head, groups of them with one and with two normalisations, and ALiBi.

With ALiBi, transformers' own loop of attention adds the biases twice, once with the mask; its other implementations don't.
"""

SIZES = {
    "architectures": ["FalconForCausalLM"], "model_type": "falcon", "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 4, "ffn_hidden_size": 56, "vocab_size": 96, "rope_theta": 500.0, "max_position_embeddings": 64,
    "bos_token_id": 0, "eos_token_id": 1,
}

VARIANTS = {
    "falcon-7b": {"seed": 49, "tokens": 48, "config": SIZES},
    "falcon-40b": {
        "seed": 50, "tokens": 48, "config": {**SIZES, "new_decoder_architecture": True, "num_kv_heads": 2, "bias": True}},
    "falcon-11b": {
        "seed": 51, "tokens": 48,
        "config": {
            **SIZES, "new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1,
            "tie_word_embeddings": False, "activation": "gelu_new",
        },
    },
    "falcon-rw": {
        "seed": 52, "tokens": 80, "attention": "sdpa",
        "config": {
            **SIZES, "hidden_size": 36, "num_attention_heads": 12, "alibi": True, "multi_query": False, "parallel_attn": False,
            "bias": True, "layer_norm_epsilon": 1e-3,
        },
    },
}
