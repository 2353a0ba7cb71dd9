"""Mixtures of experts: Mixtral, Qwen2-MoE, Qwen3-MoE."""

from llama import variant

VARIANTS = {
    "mixtral": variant(
        31, "MixtralForCausalLM", model_type="mixtral", num_local_experts=5, num_experts_per_tok=2, sliding_window=9,
        intermediate_size=40, rope_theta=1e4),
    "qwen2-moe": variant(
        32, "Qwen2MoeForCausalLM", model_type="qwen2_moe", num_hidden_layers=3, num_experts=6, num_experts_per_tok=3,
        moe_intermediate_size=24, shared_expert_intermediate_size=36, decoder_sparse_step=1, mlp_only_layers=[1],
        norm_topk_prob=False),
    "qwen2-moe-windows": variant(
        34, "Qwen2MoeForCausalLM", model_type="qwen2_moe", num_hidden_layers=3, num_experts=3, num_experts_per_tok=1,
        moe_intermediate_size=12, shared_expert_intermediate_size=20, decoder_sparse_step=3, use_sliding_window=True,
        sliding_window=7, max_window_layers=2),
    "qwen3-moe": variant(
        33, "Qwen3MoeForCausalLM", model_type="qwen3_moe", head_dim=12, num_experts=8, num_experts_per_tok=2,
        moe_intermediate_size=20, norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[]),
    # As transformers 5 saves it: another name for the number of experts, all experts of a block in one tensor; f16, in shards.
    "qwen3-moe-saved": {
        **variant(
            35, "Qwen3MoeForCausalLM", model_type="qwen3_moe", num_hidden_layers=1, head_dim=6, num_local_experts=5,
            num_experts_per_tok=2, moe_intermediate_size=18, hidden_act="gelu_python_tanh"),
        "fused": True, "dtype": "float16", "shards": True},
}
