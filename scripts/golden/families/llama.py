"""Llama-shaped families: Mistral, Qwen2, Qwen3, SmolLM3, Granite, and RoPE's types."""

SIZES = {
    "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 96, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 500.0,
    "tie_word_embeddings": False,
}


def variant(seed: int, architecture: str, tokens: int = 40, **config) -> dict:
    return {"seed": seed, "tokens": tokens, "config": {"architectures": [architecture], **SIZES, **config}}


def llama(seed: int, tokens: int = 40, **config) -> dict:
    return variant(seed, "LlamaForCausalLM", tokens, model_type="llama", **config)


VARIANTS = {
    "llama-rope-dynamic": llama(11, tokens=90, rope_scaling={"rope_type": "dynamic", "factor": 2.0}),
    "llama-rope-yarn": llama(12, rope_scaling={
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 8.0, "beta_slow": 1.0}),
    "llama-undivided": llama(18, intermediate_size=54),
    "mistral-window": variant(
        13, "MistralForCausalLM", tokens=80, model_type="mistral", sliding_window=9, head_dim=12, max_position_embeddings=128),
    "qwen2-windows": variant(
        14, "Qwen2ForCausalLM", model_type="qwen2", num_hidden_layers=3, use_sliding_window=True, sliding_window=7,
        max_window_layers=1, tie_word_embeddings=True),
    "qwen3": variant(15, "Qwen3ForCausalLM", model_type="qwen3", head_dim=10, attention_bias=True),
    "smollm3": variant(
        16, "SmolLM3ForCausalLM", model_type="smollm3", num_hidden_layers=3, no_rope_layers=[1, 0, 1],
        no_rope_layer_interval=2, tie_word_embeddings=True, pad_token_id=0, bos_token_id=1, eos_token_id=2),
    # RoPE in both spellings, of which the older counts; a window where the list says it, whatever use_sliding_window does.
    "smollm3-windows": variant(
        19, "SmolLM3ForCausalLM", model_type="smollm3", hidden_act="gelu_python", use_sliding_window=False,
        sliding_window=7, layer_types=["full_attention", "sliding_attention"], rope_scaling={"type": "linear", "factor": 4.0},
        rope_parameters={"rope_type": "default", "rope_theta": 100.0}, pad_token_id=0, bos_token_id=1, eos_token_id=2),
    # Of many tokens, so that it matters how the frequencies are rounded.
    "smollm3-llama3": variant(
        62, "SmolLM3ForCausalLM", tokens=160, model_type="smollm3", hidden_size=18, intermediate_size=54,
        num_attention_heads=3, num_key_value_heads=1, vocab_size=76, no_rope_layer_interval=3, hidden_act="relu",
        rms_norm_eps=1e-3, attention_bias=True, mlp_bias=True, tie_word_embeddings=True, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, rope_theta=2e6, rope_scaling={
            "rope_type": "llama3", "factor": 4.861, "low_freq_factor": 1.485, "high_freq_factor": 4.248,
            "original_max_position_embeddings": 16}),
    "granite": variant(
        17, "GraniteForCausalLM", model_type="granite", embedding_multiplier=3.5, logits_scaling=2.5,
        residual_multiplier=0.6, attention_multiplier=0.4, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
}
