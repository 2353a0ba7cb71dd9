"""DeepSeek-V2 and DeepSeek-V3."""

import torch

from llama import variant

SIZES = {
    "kv_lora_rank": 16, "qk_nope_head_dim": 6, "qk_rope_head_dim": 4, "v_head_dim": 5, "num_key_value_heads": 4,
    "moe_intermediate_size": 16, "first_k_dense_replace": 1, "moe_layer_freq": 1,
}
YARN = {
    "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 8.0, "beta_slow": 1.0,
    "mscale": 1.3, "mscale_all_dim": 0.7}


def corrections(seed: int, layers: list[int], experts: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {f"model.layers.{i}.mlp.gate.e_score_correction_bias": 0.15 * torch.randn(experts, generator=generator)
            for i in layers}


VARIANTS = {
    "deepseek_v2": variant(
        41, "DeepseekV2ForCausalLM", model_type="deepseek_v2", **SIZES, num_hidden_layers=3, q_lora_rank=20,
        n_routed_experts=8, num_experts_per_tok=3, n_shared_experts=2, topk_method="group_limited_greedy", n_group=4,
        topk_group=2, routed_scaling_factor=2.0, norm_topk_prob=False, attention_bias=True, mlp_bias=True,
        rope_scaling=YARN),
    "deepseek_v2-lite": variant(
        42, "DeepseekV2ForCausalLM", model_type="deepseek_v2", **SIZES, q_lora_rank=None, n_routed_experts=6,
        num_experts_per_tok=2, n_shared_experts=1, topk_method="greedy", n_group=1, topk_group=1,
        routed_scaling_factor=1.0, norm_topk_prob=False),
    "deepseek_v3": {
        **variant(
            43, "DeepseekV3ForCausalLM", model_type="deepseek_v3", **SIZES, num_hidden_layers=3, q_lora_rank=20,
            n_routed_experts=9, num_experts_per_tok=3, n_shared_experts=1, n_group=3, topk_group=2,
            norm_topk_prob=True, routed_scaling_factor=2.5, rope_scaling=YARN),
        "buffers": corrections(50, [1, 2], 9)},
    # Every block after the first ones has experts, whatever moe_layer_freq says.
    "deepseek_v3-plain": {
        **variant(
            44, "DeepseekV3ForCausalLM", model_type="deepseek_v3", **{**SIZES, "moe_layer_freq": 2}, q_lora_rank=None, n_routed_experts=6,
            num_experts_per_tok=2, n_shared_experts=2, n_group=1, topk_group=1, norm_topk_prob=False,
            routed_scaling_factor=1.5, rope_interleave=False),
        "buffers": corrections(44, [1], 6)},
}
