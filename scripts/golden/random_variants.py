"""Random variants of every family, as families/*.py has fixed ones; a seed says which.

Sizes are tiny and odd. A field that transformers has a default for is sometimes left out, and what has several spellings
is written in one of them.
"""

import random

import torch

ACTIVATIONS = (
    "silu", "silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python", "gelu_python_tanh",
    "gelu_accurate", "quick_gelu", "relu", "relu2")
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


class Draw(random.Random):
    def maybe(self, share: float = 0.5) -> bool:
        return self.random() < share

    def near(self, low: float, high: float) -> float:
        return round(self.uniform(low, high), 3)

    def some(self, share: float = 0.5, **fields) -> dict:
        """Each field with that probability."""
        return {key: value for key, value in fields.items() if self.maybe(share)}


def rope(draw: Draw, pairs: int, longest: int, types: tuple[str, ...] = (), partial: float | None = None) -> dict:
    """The fields of a type of RoPE with random parameters, in the older or the newer spelling."""
    kind = draw.choice(("default",) * 3 + (types or ("linear", "dynamic", "yarn", "llama3", "longrope")))
    original = draw.choice((16, 24, 32, longest))
    own: dict = {}
    if kind in ("linear", "dynamic"):
        own = {"factor": draw.near(1, 6)}
    if kind == "yarn":
        own = {"factor": draw.near(1.5, 6), "original_max_position_embeddings": original, **draw.some(
            beta_fast=draw.near(4, 32), beta_slow=draw.near(0.5, 2), truncate=draw.maybe(),
            attention_factor=draw.near(0.8, 1.3)), **(
                {"mscale": draw.near(0.5, 1.5), "mscale_all_dim": draw.near(0.5, 1.5)} if draw.maybe() else {})}
    if kind == "llama3":
        low = draw.near(0.5, 2)
        own = {"factor": draw.near(1.5, 8), "low_freq_factor": low, "high_freq_factor": low + draw.near(0.5, 4),
               "original_max_position_embeddings": original}
    if kind == "longrope":
        own = {"original_max_position_embeddings": original, **draw.some(
            factor=draw.near(1, 4), attention_factor=draw.near(0.8, 1.3)),
            "short_factor": [draw.near(1, 2) for _ in range(pairs)],
            "long_factor": [draw.near(1, 8) for _ in range(pairs)]}
    theta = draw.some(0.7, rope_theta=draw.choice((100.0, 500.0, 1e4, 1e6)))
    share = {} if partial is None else {"partial_rotary_factor": partial}
    if draw.maybe():
        return {"rope_parameters": {"rope_type": kind, **own, **theta, **share}}
    if kind == "default":
        return {**theta, **share, **draw.some(rope_scaling=draw.choice((None, {"type": "default"}, {})))}
    return {"rope_scaling": {draw.choice(("type", "rope_type")): kind, **own}, **theta, **share}


def pairs_of(size: int, partial: float | None = None) -> int:
    return int(size * (partial or 1)) // 2


def sizes(draw: Draw) -> dict:
    """Of blocks; hidden_size is heads · head size here."""
    kv = draw.choice((1, 1, 2, 3))
    heads = kv * draw.choice((1, 2, 3))
    head = draw.choice((6, 8, 10, 12, 14))
    return {"hidden_size": heads * head, "num_hidden_layers": draw.choice((1, 2, 2, 3)), "num_attention_heads": heads,
            "num_key_value_heads": kv, "vocab_size": draw.randint(70, 101),
            "intermediate_size": draw.choice((18, 25, 36, 40, 54, 56))}


def decoder(draw: Draw, types: tuple[str, ...] = (), norm: str = "rms_norm_eps", explicit: bool = True,
            partial: bool = False, rotated: bool = True) -> dict:
    """What Llama's relatives share. @param explicit whether head_dim may be another than hidden_size / heads"""
    own = sizes(draw)
    heads = own["num_attention_heads"]
    head = own["hidden_size"] // heads
    if explicit and draw.maybe(0.6):
        head = own["head_dim"] = draw.choice((4, 6, 8, 10, 12, 18))
    longest = draw.choice((40, 64, 96, 128))
    share = draw.choice((None, 0.5, 1.0)) if partial else None
    if share is not None and int(head * share) % 2:
        share = None
    return {
        **TOKENS, **own, "max_position_embeddings": longest,
        **(rope(draw, pairs_of(head, share), longest, types, share) if rotated else {}),
        **draw.some(0.6, **{norm: draw.choice((1e-6, 1e-5, 1e-3, 0.02))}),
        **draw.some(0.6, hidden_act=draw.choice(ACTIVATIONS)), **draw.some(0.7, tie_word_embeddings=draw.maybe())}


def kinds(draw: Draw, config: dict, share: float = 0.5) -> dict:
    """A list of kinds of blocks, sometimes."""
    layers = range(config["num_hidden_layers"])
    return draw.some(share, layer_types=[draw.choice(("full_attention", "sliding_attention")) for _ in layers])


def window(draw: Draw) -> int:
    return draw.choice((2, 3, 7, 9, 16, 200))


def llama(draw: Draw) -> dict:
    return {**decoder(draw), **draw.some(attention_bias=draw.maybe(), mlp_bias=draw.maybe())}


def mistral(draw: Draw) -> dict:
    return {**decoder(draw), "sliding_window": draw.choice((None, window(draw)))}


def qwen_windows(draw: Draw, config: dict) -> dict:
    if draw.maybe(0.4):
        return {**config, **draw.some(use_sliding_window=False, sliding_window=window(draw))}
    slides = {"use_sliding_window": True, "sliding_window": window(draw), "max_window_layers": draw.randint(0, 2)}
    return {**config, **slides, **kinds(draw, config, 0.4)}


def qwen2(draw: Draw) -> dict:
    return qwen_windows(draw, decoder(draw))


def qwen3(draw: Draw) -> dict:
    config = decoder(draw)
    config.setdefault("head_dim", 8)
    # A list of factors fits the head that they were drawn for.
    return {**qwen_windows(draw, fitted(draw, config, config["head_dim"])), **draw.some(attention_bias=draw.maybe())}


def fitted(draw: Draw, config: dict, size: int) -> dict:
    for name in ("rope_scaling", "rope_parameters"):
        for factor in ("short_factor", "long_factor"):
            if factor in (config.get(name) or {}):
                config[name][factor] = [draw.near(1, 4) for _ in range(size // 2)]
    return config


def smollm3(draw: Draw) -> dict:
    config = decoder(draw)
    layers = config["num_hidden_layers"]
    return {**config, **draw.some(
        no_rope_layers=[draw.randint(0, 1) for _ in range(layers)], no_rope_layer_interval=draw.randint(1, 3),
        attention_bias=draw.maybe(), mlp_bias=draw.maybe()), **(
            {"use_sliding_window": draw.maybe(), "sliding_window": window(draw), **kinds(draw, config, 0.4)}
            if draw.maybe() else {})}


def granite(draw: Draw) -> dict:
    return {**llama(draw), **draw.some(0.7, embedding_multiplier=draw.near(0.5, 4), logits_scaling=draw.near(0.7, 4),
                                       residual_multiplier=draw.near(0.2, 1.2), attention_multiplier=draw.near(0.1, 0.6))}


def mixtral(draw: Draw) -> dict:
    experts = draw.randint(2, 6)
    return {**decoder(draw), "num_local_experts": experts, "num_experts_per_tok": draw.randint(1, min(experts, 3)),
            "sliding_window": draw.choice((None, window(draw)))}


def qwen_experts(draw: Draw, layers: int) -> dict:
    experts = draw.randint(2, 7)
    return {"num_experts": experts, "num_experts_per_tok": draw.randint(1, min(experts, 4)),
            "moe_intermediate_size": draw.choice((10, 12, 17, 24)), **draw.some(
                norm_topk_prob=draw.maybe(), decoder_sparse_step=draw.randint(1, 2),
                mlp_only_layers=draw.choice(([], [0], [layers - 1])))}


def qwen2_moe(draw: Draw) -> dict:
    config = qwen_windows(draw, decoder(draw))
    return {**config, **qwen_experts(draw, config["num_hidden_layers"]),
            "shared_expert_intermediate_size": draw.choice((12, 21, 36)), **draw.some(0.3, qkv_bias=draw.maybe())}


def qwen3_moe(draw: Draw) -> dict:
    config = qwen3(draw)
    config.pop("layer_types", None)
    return {**config, **qwen_experts(draw, config["num_hidden_layers"])}


def deepseek(draw: Draw, third: bool) -> dict:
    own = sizes(draw)
    own["num_key_value_heads"] = own["num_attention_heads"]
    rotated = draw.choice((4, 6, 8))
    longest = draw.choice((40, 64, 128))
    groups = draw.choice((1, 2, 3))
    count = groups * draw.choice((2, 3))
    chosen = draw.randint(1, groups)
    per_group = count // groups
    routing = {"n_routed_experts": count, "num_experts_per_tok": draw.randint(1, chosen * per_group), "n_group": groups,
               "topk_group": chosen, "n_shared_experts": draw.randint(1, 2),
               "moe_intermediate_size": draw.choice((10, 13, 16)), "routed_scaling_factor": draw.near(0.5, 2.5),
               "first_k_dense_replace": draw.randint(0, own["num_hidden_layers"])}
    config = {
        **TOKENS, **own, **routing, "max_position_embeddings": longest,
        **rope(draw, rotated // 2, longest, ("linear", "dynamic", "llama3", "yarn", "yarn", "yarn")),
        "kv_lora_rank": draw.choice((10, 16, 21 if third else 22)), "q_lora_rank": draw.choice((None, 14, 20)),
        "qk_nope_head_dim": draw.choice((4, 6, 7 if third else 8)), "qk_rope_head_dim": rotated,
        "v_head_dim": draw.choice((5, 8, 10)),
        **draw.some(attention_bias=draw.maybe(), rms_norm_eps=1e-3, tie_word_embeddings=draw.maybe(),
                    hidden_act=draw.choice(ACTIVATIONS), moe_layer_freq=draw.choice((1, 1, 2)))}
    if third:
        return {**config, **draw.some(norm_topk_prob=draw.maybe(), rope_interleave=draw.maybe())}
    if draw.maybe():
        config |= {"topk_method": "group_limited_greedy"}
    else:
        config |= {"n_group": None, "topk_group": None, **draw.some(topk_method="greedy")}
    return {**config, **draw.some(
        mlp_bias=draw.maybe(), norm_topk_prob=draw.maybe())}


def gpt_oss(draw: Draw) -> dict:
    config = decoder(draw, ("linear", "dynamic", "yarn", "yarn"))
    config.pop("hidden_act", None)
    config.setdefault("head_dim", 8)
    experts = draw.randint(2, 6)
    return {**config, "num_local_experts": experts, "num_experts_per_tok": draw.randint(1, min(experts, 4)),
            "sliding_window": window(draw), **kinds(draw, config), **draw.some(attention_bias=draw.maybe())}


def gpt2(draw: Draw) -> dict:
    own = sizes(draw)
    names = draw.choice((
        {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"},
        {"hidden_size": "hidden_size", "num_hidden_layers": "num_hidden_layers", "num_attention_heads": "num_attention_heads"}))
    return {**{new: own[old] for old, new in names.items()}, "vocab_size": own["vocab_size"],
            draw.choice(("n_positions", "max_position_embeddings")): 192, "bos_token_id": 0, "eos_token_id": 1, **draw.some(
                n_inner=draw.choice((None, 25, 56)), activation_function=draw.choice(ACTIVATIONS),
                layer_norm_epsilon=1e-3, scale_attn_weights=draw.maybe(), scale_attn_by_inverse_layer_idx=draw.maybe(),
                tie_word_embeddings=draw.maybe())}


def gptj(draw: Draw) -> dict:
    own = sizes(draw)
    head = own["hidden_size"] // own["num_attention_heads"]
    return {"n_embd": own["hidden_size"], "n_layer": own["num_hidden_layers"], "n_head": own["num_attention_heads"],
            "vocab_size": own["vocab_size"], "n_positions": 192, "rotary_dim": 2 * draw.randint(1, head // 2),
            "bos_token_id": 0, "eos_token_id": 1, **draw.some(
                n_inner=draw.choice((None, 25, 56)), activation_function=draw.choice(ACTIVATIONS),
                layer_norm_epsilon=1e-3, tie_word_embeddings=draw.maybe())}


def opt(draw: Draw) -> dict:
    own = sizes(draw)
    own.pop("num_key_value_heads")
    hidden = own["hidden_size"]
    return {**own, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 2, "ffn_dim": own.pop("intermediate_size"),
            "max_position_embeddings": 192, **draw.some(
                do_layer_norm_before=draw.maybe(), word_embed_proj_dim=draw.choice((hidden, max(hidden - 2, 1))),
                activation_function=draw.choice(ACTIVATIONS), enable_bias=draw.maybe(),
                layer_norm_elementwise_affine=draw.maybe(), _remove_final_layer_norm=draw.maybe(),
                tie_word_embeddings=draw.maybe())}


def gpt_neox(draw: Draw) -> dict:
    own = sizes(draw)
    own.pop("num_key_value_heads")
    head = own["hidden_size"] // own["num_attention_heads"]
    share = draw.choice([s for s in (0.25, 0.5, 1.0) if int(head * s) >= 2 and int(head * s) % 2 == 0])
    turned = rope(draw, pairs_of(head, share), 128, partial=share)
    renamed = {"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"}
    return {**own, "max_position_embeddings": 128, **{renamed.get(key, key): value for key, value in turned.items()},
            **draw.some(use_parallel_residual=draw.maybe(), attention_bias=draw.maybe(), layer_norm_eps=1e-3,
                        hidden_act=draw.choice(ACTIVATIONS), tie_word_embeddings=draw.maybe())}


def falcon(draw: Draw) -> dict:
    own = sizes(draw)
    kv = own.pop("num_key_value_heads")
    own.pop("intermediate_size")
    head = own["hidden_size"] // own["num_attention_heads"]
    is_new = draw.maybe()
    alibi = draw.maybe(0.3)
    return {**own, "max_position_embeddings": 128, "new_decoder_architecture": is_new, **draw.some(
        bias=draw.maybe(), layer_norm_epsilon=1e-3, ffn_hidden_size=draw.choice((25, 56)),
        activation=draw.choice(ACTIVATIONS), tie_word_embeddings=draw.maybe()), **(
            {"num_kv_heads": kv, **draw.some(num_ln_in_parallel_attn=draw.randint(1, 2))}
            if is_new else draw.some(multi_query=draw.maybe(), parallel_attn=draw.maybe())), **(
                {"alibi": True} if alibi else rope(draw, head // 2, 128))}


def bloom(draw: Draw) -> dict:
    own = sizes(draw)
    return {draw.choice(("hidden_size", "n_embed")): own["hidden_size"], "n_layer": own["num_hidden_layers"],
            draw.choice(("n_head", "num_attention_heads")): own["num_attention_heads"], "vocab_size": own["vocab_size"],
            **draw.some(seq_length=128, layer_norm_epsilon=1e-3, apply_residual_connection_post_layernorm=draw.maybe(),
                        tie_word_embeddings=draw.maybe())}


def stablelm(draw: Draw) -> dict:
    config = decoder(draw, ("linear", "dynamic", "yarn", "llama3"), norm="layer_norm_eps", explicit=False, partial=True)
    head = config["hidden_size"] // config["num_attention_heads"]
    named = "partial_rotary_factor" in config or "partial_rotary_factor" in (config.get("rope_parameters") or {})
    return {**config, **({} if named or head in (8, 10) else {"partial_rotary_factor": 1.0}), **draw.some(
        use_qkv_bias=draw.maybe(), qk_layernorm=draw.maybe(), use_parallel_residual=draw.maybe())}


def starcoder2(draw: Draw) -> dict:
    return {**decoder(draw, norm="norm_epsilon"), **draw.some(
        sliding_window=draw.choice((None, window(draw))), use_bias=draw.maybe())}


def phi3(draw: Draw) -> dict:
    config = decoder(draw, explicit=False, rotated=False)
    head = config["hidden_size"] // config["num_attention_heads"]
    share = draw.choice([s for s in (None, 0.5, 0.75, 1.0) if int(head * (s or 1)) % 2 == 0])
    pairs = pairs_of(head, share)
    original = draw.choice((16, 32, 64))
    scaled = {"short_factor": [draw.near(1, 2) for _ in range(pairs)], "long_factor": [draw.near(1, 8) for _ in range(pairs)]}
    partial = {} if share is None else {"partial_rotary_factor": share}
    turned = draw.choice(({}, {"rope_scaling": {
        draw.choice(("type", "rope_type")): draw.choice(("longrope", "su", "yarn")), **scaled,
        "original_max_position_embeddings": original}}, {
        "rope_parameters": {"rope_type": "longrope", "rope_theta": 500.0, "original_max_position_embeddings": original,
                            **scaled, **partial}}))
    return {**config, "original_max_position_embeddings": original, "max_position_embeddings": 128, **partial, **turned,
            **draw.some(rope_theta=500.0, sliding_window=draw.choice((None, window(draw))))}


def gemma(draw: Draw) -> dict:
    config = decoder(draw)
    config.setdefault("head_dim", config["hidden_size"] // config["num_attention_heads"])
    return {**config, **draw.some(attention_bias=draw.maybe())}


def gemma_later(draw: Draw, third: bool) -> dict:
    config = decoder(draw, rotated=not third)
    config.pop("hidden_act", None)
    config.setdefault("head_dim", config["hidden_size"] // config["num_attention_heads"])
    common = {**config, "sliding_window": window(draw), **kinds(draw, config), **draw.some(
        hidden_activation=draw.choice(ACTIVATIONS), attention_bias=draw.maybe(), final_logit_softcapping=draw.near(1, 4)),
        "query_pre_attn_scalar": draw.choice((4, 6, 16, 50))}
    if not third:
        return {**common, **draw.some(attn_logit_softcapping=draw.choice((None, draw.near(0.5, 4))))}
    return {**common, **draw.some(sliding_window_pattern=draw.randint(1, 3)), **by_kind(
        draw, config, {"rope_local_base_freq": 100.0, "rope_theta": 5000.0})}


def by_kind(draw: Draw, config: dict, theta: dict) -> dict:
    """RoPE of two kinds of blocks, in the older or the newer spelling."""
    if draw.maybe():
        return {**draw.some(**theta), **draw.some(rope_scaling={"rope_type": "linear", "factor": draw.near(1, 8)})}
    types = ({"rope_type": "default"}, {"rope_type": "linear", "factor": draw.near(1, 8)}, {
        "rope_type": "yarn", "factor": draw.near(1.5, 4), "original_max_position_embeddings": 16})
    return draw.some(rope_parameters={
        kind: {**draw.choice(types), **draw.some(rope_theta=draw.choice((100.0, 5000.0)))}
        for kind in ("full_attention", "sliding_attention")})


def cohere(draw: Draw) -> dict:
    return {**decoder(draw, norm="layer_norm_eps"), **draw.some(
        logit_scale=draw.near(0.1, 1), attention_bias=draw.maybe(), use_qk_norm=draw.maybe())}


def cohere2(draw: Draw) -> dict:
    config = decoder(draw, norm="layer_norm_eps", explicit=False)
    return {**config, "sliding_window": window(draw), **kinds(
        draw, config), **draw.some(
            logit_scale=draw.near(0.1, 1), attention_bias=draw.maybe(), sliding_window_pattern=draw.randint(1, 3))}


def olmo(draw: Draw) -> dict:
    config = decoder(draw)
    config.pop("rms_norm_eps", None)
    return {**config, **draw.some(attention_bias=draw.maybe(), clip_qkv=draw.choice((None, draw.near(0.5, 2))))}


def olmo2(draw: Draw) -> dict:
    return {**decoder(draw), **draw.some(attention_bias=draw.maybe())}


def olmo3(draw: Draw) -> dict:
    config = decoder(draw, rotated=False)
    return {**config, "sliding_window": window(draw), **kinds(draw, config), **draw.some(attention_bias=draw.maybe()),
            **by_kind(draw, config, {"rope_theta": 5000.0})}


CAUSAL = {
    "llama": ("LlamaForCausalLM", llama), "mistral": ("MistralForCausalLM", mistral), "qwen2": ("Qwen2ForCausalLM", qwen2),
    "qwen3": ("Qwen3ForCausalLM", qwen3), "smollm3": ("SmolLM3ForCausalLM", smollm3),
    "granite": ("GraniteForCausalLM", granite), "mixtral": ("MixtralForCausalLM", mixtral),
    "qwen2_moe": ("Qwen2MoeForCausalLM", qwen2_moe), "qwen3_moe": ("Qwen3MoeForCausalLM", qwen3_moe),
    "deepseek_v2": ("DeepseekV2ForCausalLM", lambda draw: deepseek(draw, False)),
    "deepseek_v3": ("DeepseekV3ForCausalLM", lambda draw: deepseek(draw, True)), "gpt_oss": ("GptOssForCausalLM", gpt_oss),
    "gpt2": ("GPT2LMHeadModel", gpt2), "opt": ("OPTForCausalLM", opt), "gpt_neox": ("GPTNeoXForCausalLM", gpt_neox),
    "gptj": ("GPTJForCausalLM", gptj), "falcon": ("FalconForCausalLM", falcon), "bloom": ("BloomForCausalLM", bloom),
    "stablelm": ("StableLmForCausalLM", stablelm), "starcoder2": ("Starcoder2ForCausalLM", starcoder2),
    "phi3": ("Phi3ForCausalLM", phi3), "gemma": ("GemmaForCausalLM", gemma),
    "gemma2": ("Gemma2ForCausalLM", lambda draw: gemma_later(draw, False)),
    "gemma3_text": ("Gemma3ForCausalLM", lambda draw: gemma_later(draw, True)), "olmo": ("OlmoForCausalLM", olmo),
    "olmo2": ("Olmo2ForCausalLM", olmo2), "olmo3": ("Olmo3ForCausalLM", olmo3), "cohere": ("CohereForCausalLM", cohere),
    "cohere2": ("Cohere2ForCausalLM", cohere2),
}

VIT = {
    "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "image_size": 28,
    "patch_size": 14}
SIGLIP = {**VIT, "model_type": "siglip_vision_model"}
CLIP = {**VIT, "model_type": "clip_vision_model", "projection_dim": 8}
QWEN = {"depth": 1, "hidden_size": 8, "embed_dim": 8, "intermediate_size": 8, "num_heads": 1, "fullatt_block_indexes": [0],
        "patch_size": 2, "deepstack_visual_indexes": [0], "num_position_embeddings": 4}
MARKS = {"image_token_id": 1, "video_token_id": 1, "vision_start_token_id": 1, "vision_end_token_id": 1}

# By model_type: the class, the types of text models that published ones have, and what else the config has.
VISION = {
    "gemma3": ("Gemma3", ("gemma3_text",), {
        "vision_config": SIGLIP, "boi_token_index": 1, "eoi_token_index": 1, "image_token_index": 1, "mm_tokens_per_image": 4}),
    "llava": ("Llava", ("llama", "mistral", "qwen2"), {
        "vision_config": CLIP, "image_token_index": 1, "vision_feature_layer": -1}),
    "llava_next": ("LlavaNext", ("llama", "mistral", "qwen2"), {
        "vision_config": CLIP, "image_token_index": 1, "vision_feature_layer": -1, "image_grid_pinpoints": [[28, 28]]}),
    "llava_onevision": ("LlavaOnevision", ("qwen2", "qwen3"), {
        "vision_config": SIGLIP, "image_token_index": 1, "video_token_index": 1, "image_grid_pinpoints": [[28, 28]]}),
    "vipllava": ("VipLlava", ("llama",), {"vision_config": CLIP, "image_token_index": 1, "vision_feature_layers": [-1, 0]}),
    "mistral3": ("Mistral3", ("mistral",), {
        "vision_config": {**VIT, "model_type": "pixtral"}, "image_token_index": 1, "spatial_merge_size": 1}),
    "aya_vision": ("AyaVision", ("cohere", "cohere2"), {"vision_config": SIGLIP, "image_token_index": 1}),
    "cohere2_vision": ("Cohere2Vision", ("cohere2",), {
        "vision_config": SIGLIP, "image_token_id": 1, "alignment_intermediate_size": 8}),
    "idefics3": ("Idefics3", ("llama",), {"vision_config": {**VIT, "model_type": "idefics3_vision"}, "image_token_id": 1}),
    "smolvlm": ("SmolVLM", ("llama",), {"vision_config": {**VIT, "model_type": "smolvlm_vision"}, "image_token_id": 1}),
    "internvl": ("InternVL", ("qwen2", "qwen3", "qwen3_moe", "gpt_oss", "llama"), {
        "vision_config": {**VIT, "model_type": "internvl_vision", "image_size": [28, 28], "patch_size": [14, 14]},
        "image_token_id": 1}),
    "qwen2_vl": ("Qwen2VL", ("qwen2_vl_text",), {**MARKS, "vision_config": QWEN}),
    "qwen2_5_vl": ("Qwen2_5_VL", ("qwen2_5_vl_text",), {**MARKS, "vision_config": QWEN}),
    "qwen3_vl": ("Qwen3VL", ("qwen3_vl_text",), {**MARKS, "vision_config": QWEN}),
}


def qwen_vision_text(draw: Draw, text_type: str) -> dict:
    is_third = text_type == "qwen3_vl_text"
    config = decoder(draw, explicit=is_third, rotated=False)
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    if is_third:
        config["head_dim"] = head
    pairs = head // 2
    sections = [pairs - 2 * (pairs // 3), pairs // 3, pairs // 3]
    turned = {"mrope_section": sections, **({"mrope_interleaved": True} if is_third else {})}
    if not is_third:
        config = qwen_windows(draw, config)
    kind = {"rope_type": "default"} if is_third else {"type": "mrope"}
    return {**config, "rope_scaling": {**kind, **turned}, **draw.some(rope_theta=500.0)}


def vision(draw: Draw, model_type: str) -> dict:
    name, text_types, rest = VISION[model_type]
    text_type = draw.choice(text_types)
    text = qwen_vision_text(draw, text_type) if "_vl_" in text_type else CAUSAL[text_type][1](draw)
    # transformers leaves out what becomes of the text model's logits.
    text.pop("final_logit_softcapping", None)
    if text_type.startswith("cohere"):
        text["logit_scale"] = 1.0
    tied = text.pop("tie_word_embeddings", None)
    own = {} if tied is None else {"tie_word_embeddings": tied}
    vision_config = dict(rest["vision_config"])
    if "_vl" in model_type:
        vision_config["hidden_size" if model_type == "qwen2_vl" else "out_hidden_size"] = text["hidden_size"]
    flat = model_type == "qwen2_vl" and draw.maybe()
    within = text if flat else {"text_config": {**text, "model_type": text_type, **own}}
    return {"auto": "AutoModelForImageTextToText", "config": {
        "architectures": [f"{name}ForConditionalGeneration"], "model_type": model_type, **rest,
        "vision_config": vision_config, **within, **own}}


# Where each head has a key and a value of its own if the config doesn't say how many there are.
MANY_HEADS = ("llama", "cohere", "cohere2", "granite", "olmo", "olmo2", "olmo3", "phi3")
# Before the names of a model without its head, where it isn't "model.".
PREFIXES = {
    "gpt2": "transformer.", "gptj": "transformer.", "bloom": "transformer.", "falcon": "transformer.", "gpt_neox": "gpt_neox."}
# Whose experts transformers has in tensors of three axes, and writes one by one.
FUSED = ("mixtral", "qwen2_moe", "qwen3_moe", "deepseek_v2", "deepseek_v3")
MODEL_TYPES = (*CAUSAL, *VISION)


def random_variant(model_type: str, seed: int) -> dict:
    """A variant as families/*.py has them."""
    draw = Draw(f"{model_type} {seed}")
    if model_type in VISION:
        variant = vision(draw, model_type)
    else:
        architecture, config = CAUSAL[model_type]
        variant = {"config": {"architectures": [architecture], "model_type": model_type, **config(draw)}}
    config = variant["config"]
    if model_type in MANY_HEADS and config["num_key_value_heads"] == config["num_attention_heads"] and draw.maybe():
        config["num_key_value_heads"] = None
    if model_type in ("llama", "mistral") and "head_dim" not in config and draw.maybe():
        config["head_dim"] = None
    is_bare = model_type not in VISION and config.get("tie_word_embeddings") and draw.maybe(0.4)
    variant |= {
        "seed": seed, "tokens": draw.choice((24, 45, 61, 90, 160)), "zero_gradients": True,
        "dtype": draw.choice(("bfloat16", "bfloat16", "float16", "float32")), **draw.some(0.3, shards=True, resaved=True)}
    if config.get("alibi"):
        # Its plain attention adds the biases twice.
        variant["attention"] = "sdpa"
    if is_bare:
        variant["drop_prefix"] = PREFIXES.get(model_type, "model.")
    if model_type in FUSED and draw.maybe(0.3):
        variant["fused"] = True
    if model_type == "deepseek_v3":
        variant["buffers"] = corrections(config, seed)
    return variant


def corrections(config: dict, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sparse = range(config["first_k_dense_replace"], config["num_hidden_layers"])
    return {f"model.layers.{i}.mlp.gate.e_score_correction_bias":
            0.15 * torch.randn(config["n_routed_experts"], generator=generator) for i in sparse}
