"""Phi-3: fused projections, partial RoPE, LongRoPE for windows below and above what the model was first trained on."""


def phi3(seed: int, tokens: int, **config) -> dict:
    return {"seed": seed, "tokens": tokens, "config": {
        "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "hidden_size": 32, "intermediate_size": 56,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96,
        "max_position_embeddings": 256, "hidden_act": "silu", "rope_theta": 500.0, "pad_token_id": 0, "bos_token_id": 1,
        "eos_token_id": 2, **config}}


VARIANTS = {
    # As Phi-4-mini: a part of each head is turned, and the embedding is the head.
    "phi3-longrope-short": phi3(
        41, 40, original_max_position_embeddings=48, partial_rotary_factor=0.75, sliding_window=9, tie_word_embeddings=True,
        rope_scaling={"type": "longrope", "short_factor": [1.0, 1.5, 3.0], "long_factor": [2.0, 5.0, 9.0]}),
    # As the first configs of Phi-3, with their name for it.
    "phi3-longrope-long": phi3(
        42, 70, original_max_position_embeddings=32, sliding_window=None, tie_word_embeddings=False,
        rope_scaling={
            "type": "su", "original_max_position_embeddings": 32, "short_factor": [1.0, 1.0, 1.5, 3.0],
            "long_factor": [1.0, 2.0, 5.0, 9.0]}),
}
