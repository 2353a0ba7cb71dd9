#!/usr/bin/env python3
"""What transformers takes where the config of a model leaves a field out, by model_type.

usage: make-config-defaults.py      writes test/golden/config-defaults.json of this project

Fields have the names of config.json, and the names that transformers maps to them as well; rope_theta and
partial_rotary_factor are those of the config without any field, by kind of attention where they differ.
"""

import dataclasses
import json
import pathlib

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

MODEL_TYPES = """
bloom cohere cohere2 deepseek_v2 deepseek_v3 falcon gemma gemma2 gemma3_text gpt2 gpt_neox gpt_oss gptj granite llama
mistral mixtral olmo olmo2 olmo3 opt phi3 qwen2 qwen2_5_vl_text qwen2_moe qwen2_vl_text qwen3 qwen3_moe qwen3_vl_text
smollm3 stablelm starcoder2
""".split()

OUT = pathlib.Path(__file__).resolve().parents[2] / "test/golden/config-defaults.json"
PLAIN = (bool, int, float, str, type(None))


def config_class(model_type: str) -> type:
    if model_type in CONFIG_MAPPING:
        return CONFIG_MAPPING[model_type]
    outer = CONFIG_MAPPING[model_type.removesuffix("_text")]
    return outer.sub_configs["text_config"]


def defaults(cls: type) -> dict[str, object]:
    base = {field.name for field in dataclasses.fields(transformers.PreTrainedConfig)} - {"tie_word_embeddings"}
    found = {f.name: f.default for f in dataclasses.fields(cls)
             if f.name not in base and isinstance(f.default, PLAIN)}
    for other, own in cls.attribute_map.items():
        if own in found:
            found[other] = found[own]
    del_keys = [name for name in found if name.startswith("rope_") and name != "rope_interleave"]
    for name in del_keys:
        del found[name]
    rope = getattr(cls(), "rope_parameters", None) or {}
    for name in ("rope_theta", "partial_rotary_factor"):
        by_kind = {kind: value[name] for kind, value in rope.items() if isinstance(value, dict) and name in value}
        if by_kind:
            found[name] = by_kind
        elif name in rope:
            found[name] = rope[name]
    return dict(sorted(found.items()))


def main() -> None:
    table = {model_type: defaults(config_class(model_type)) for model_type in MODEL_TYPES}
    OUT.write_text(json.dumps({"transformers": transformers.__version__, "defaults": table}, indent=1) + "\n")
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
