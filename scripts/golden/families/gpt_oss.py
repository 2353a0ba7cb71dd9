"""gpt-oss."""

from llama import variant

VARIANTS = {
    "gpt_oss": {
        **variant(
            51, "GptOssForCausalLM", tokens=80, model_type="gpt_oss", num_hidden_layers=3, head_dim=12,
            intermediate_size=12, num_local_experts=6, num_experts_per_tok=2, sliding_window=9, attention_bias=True,
            max_position_embeddings=128, rope_theta=500.0, swiglu_limit=7.0, rope_scaling={
                "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "beta_fast": 8.0,
                "beta_slow": 1.0, "truncate": False}),
        # So that some of what gates and ups give is clamped.
        "gains": {"gate_up_proj": 2.0}},
}
