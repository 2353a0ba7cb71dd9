"""GPT-J: neighbouring dimensions rotated, one normalisation for both branches, a bias of the head."""

VARIANTS = {
    "gptj": {
        "seed": 48, "tokens": 48,
        "config": {
            "architectures": ["GPTJForCausalLM"], "model_type": "gptj", "n_embd": 32, "n_layer": 2, "n_head": 2, "n_inner": 56,
            "n_positions": 64, "rotary_dim": 6, "vocab_size": 96, "bos_token_id": 0, "eos_token_id": 1,
        },
    },
}
