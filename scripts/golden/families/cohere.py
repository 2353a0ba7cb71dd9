"""Cohere 1 and 2: parallel branches after one norm, RoPE of neighbours, scaled logits; windows, and blocks without positions."""


def cohere(seed: int, architecture: str, **config) -> dict:
    return {"seed": seed, "tokens": 40, "config": {
        "architectures": [architecture], "hidden_size": 32, "intermediate_size": 56, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 64, "layer_norm_eps": 0.02, "rope_theta": 500.0,
        "logit_scale": 0.3, "attention_bias": True, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, **config}}


VARIANTS = {
    "cohere": cohere(71, "CohereForCausalLM", model_type="cohere", num_hidden_layers=2, use_qk_norm=True),
    # A weight of normalisation for the only head of keys, and a field that is nothing to this family.
    "cohere-one-key": cohere(
        73, "CohereForCausalLM", model_type="cohere", num_hidden_layers=1, num_key_value_heads=1, use_qk_norm=True,
        attention_bias=False, hidden_act="gelu_accurate", partial_rotary_factor=0.5),
    "cohere2": cohere(
        72, "Cohere2ForCausalLM", model_type="cohere2", num_hidden_layers=3, sliding_window=7, sliding_window_pattern=2),
}
