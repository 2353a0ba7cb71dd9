"""OLMo 1 and 2: norms without weights and clamped projections; norms after the branches and over all of q and k."""


def olmo(seed: int, architecture: str, **config) -> dict:
    return {"seed": seed, "tokens": 40, "config": {
        "architectures": [architecture], "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 64,
        "rope_theta": 500.0, "attention_bias": True, "pad_token_id": 1, "eos_token_id": 2, **config}}


VARIANTS = {
    "olmo": olmo(61, "OlmoForCausalLM", model_type="olmo", clip_qkv=1.2, tie_word_embeddings=True),
    "olmo2": olmo(62, "Olmo2ForCausalLM", model_type="olmo2", rms_norm_eps=1e-4),
}
