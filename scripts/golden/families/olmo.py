"""OLMo 1, 2 and 3: norms without weights, clamped projections; norms after the branches and over all of q and k; windows."""


def olmo(seed: int, architecture: str, **config) -> dict:
    return {"seed": seed, "tokens": 40, "config": {
        "architectures": [architecture], "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96, "max_position_embeddings": 64,
        "rope_theta": 500.0, "attention_bias": True, "pad_token_id": 1, "eos_token_id": 2, **config}}


VARIANTS = {
    "olmo": olmo(61, "OlmoForCausalLM", model_type="olmo", clip_qkv=1.2, tie_word_embeddings=True),
    "olmo2": olmo(62, "Olmo2ForCausalLM", model_type="olmo2", rms_norm_eps=0.02),
    # RoPE is scaled in blocks without a window only.
    "olmo3": olmo(
        63, "Olmo3ForCausalLM", model_type="olmo3", num_hidden_layers=4, intermediate_size=36, sliding_window=7,
        rope_theta=500000.0, rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}),
}
