"""Gemma 1, 2 and 3: norms of 1 + weight, scaled embeddings, caps, local and global blocks with two bases of RoPE."""


def gemma(seed: int, architecture: str, tokens: int = 40, **config) -> dict:
    return {"seed": seed, "tokens": tokens, "config": {
        "architectures": [architecture], "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 10, "vocab_size": 96,
        "max_position_embeddings": 128, **config}}


def gemma3(seed: int, **config) -> dict:
    return gemma(seed, "Gemma3ForCausalLM", model_type="gemma3_text", hidden_activation="gelu_pytorch_tanh",
                 query_pre_attn_scalar=6, sliding_window=7, **config)


VARIANTS = {
    "gemma": gemma(
        51, "GemmaForCausalLM", model_type="gemma", num_key_value_heads=1, hidden_act="gelu_pytorch_tanh", rope_theta=500.0),
    "gemma2": gemma(
        52, "Gemma2ForCausalLM", model_type="gemma2", num_hidden_layers=3, hidden_activation="gelu_pytorch_tanh",
        query_pre_attn_scalar=6, attn_logit_softcapping=2.0, final_logit_softcapping=1.5, sliding_window=7, rope_theta=500.0,
        attention_bias=True),
    # As the hub has it.
    "gemma3": gemma3(
        53, num_hidden_layers=3, sliding_window_pattern=2, rope_theta=5000.0, rope_local_base_freq=100.0,
        rope_scaling={"rope_type": "linear", "factor": 8.0}, final_logit_softcapping=2.0),
    "gemma3-rope-parameters": gemma3(
        54, layer_types=["full_attention", "sliding_attention"], tie_word_embeddings=False,
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}),
}
