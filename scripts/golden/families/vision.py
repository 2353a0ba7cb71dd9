"""Models of images and text, which read tokens only: the text model is within another, and its tensors have prefixes."""

SIGLIP = {
    "model_type": "siglip_vision_model", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
    "num_attention_heads": 1, "image_size": 28, "patch_size": 14,
}
CLIP = {**SIGLIP, "model_type": "clip_vision_model", "projection_dim": 8}
PIXTRAL = {**SIGLIP, "model_type": "pixtral"}
QWEN = {"depth": 1, "hidden_size": 8, "embed_dim": 8, "intermediate_size": 8, "num_heads": 1, "out_hidden_size": 32,
        "fullatt_block_indexes": [0], "patch_size": 2}
TEXT = {
    "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 96, "max_position_embeddings": 128,
}


def vision(seed: int, architecture: str, **config) -> dict:
    return {"seed": seed, "tokens": 40, "auto": "AutoModelForImageTextToText",
            "config": {"architectures": [architecture], **config}}


VARIANTS = {
    # Of the text model's config what isn't the default, as the hub has it: no heads, and RoPE in the old spelling.
    "gemma3-vision": vision(
        81, "Gemma3ForConditionalGeneration", model_type="gemma3", boi_token_index=1, eoi_token_index=1, image_token_index=1,
        mm_tokens_per_image=4, vision_config=SIGLIP,
        text_config={
            "model_type": "gemma3_text", "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2, "head_dim": 8,
            "vocab_size": 96, "sliding_window": 7, "sliding_window_pattern": 2, "query_pre_attn_scalar": 6,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    # Without the name of the text model's family.
    "llava": vision(
        82, "LlavaForConditionalGeneration", model_type="llava", image_token_index=1, vision_config=CLIP,
        vision_feature_layer=-1, text_config={**TEXT, "rms_norm_eps": 1e-5}),
    "mistral3": vision(
        83, "Mistral3ForConditionalGeneration", model_type="mistral3", image_token_index=1, vision_config=PIXTRAL,
        spatial_merge_size=1,
        text_config={**TEXT, "model_type": "mistral", "head_dim": 12, "rope_theta": 500.0, "sliding_window": 9}),
    # With everything of the text model beside the rest.
    "qwen2-vl": vision(
        84, "Qwen2VLForConditionalGeneration", model_type="qwen2_vl", vision_config=QWEN, rms_norm_eps=0.02,
        rope_theta=500.0, rope_scaling={"type": "mrope", "mrope_section": [2, 1, 1]}, tie_word_embeddings=True,
        image_token_id=1, video_token_id=1, vision_start_token_id=1, vision_end_token_id=1, **TEXT),
    "qwen3-vl": vision(
        85, "Qwen3VLForConditionalGeneration", model_type="qwen3_vl",
        vision_config={**QWEN, "deepstack_visual_indexes": [0], "num_position_embeddings": 4},
        image_token_id=1, video_token_id=1, vision_start_token_id=1, vision_end_token_id=1,
        text_config={**TEXT, "model_type": "qwen3_vl_text", "head_dim": 10, "rope_theta": 500.0, "attention_bias": True,
                     "rope_scaling": {"rope_type": "default", "mrope_section": [2, 2, 1], "mrope_interleaved": True}}),
}
