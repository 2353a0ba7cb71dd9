#!/usr/bin/env python3
"""Makes golden data of quantized checkpoints, into test/golden/quantized of this project.

fp8-scales.safetensors: FP8 matrices with scales as the hub has them, `<kind>.weight` and `<kind>.weight_scale` or
`<kind>.weight_scale_inv`, and what they stand for: `<kind>.decoded` by PyTorch in float32, `<kind>.library` by compressed-tensors or
transformers.
encodings.safetensors: what PyTorch and transformers make of FP8 E4M3 and MXFP4.
qwen3-fp8/: a random tiny Qwen3 as the hub has them in FP8 with block scales, and expected.safetensors, what transformers computes
with the decoded weights in float32 (as make-families.py writes it).
gpt-oss-mxfp4/: the same of a random tiny gpt-oss whose experts are in MXFP4.
"""

import importlib
import json
import math
import pathlib
import shutil
import sys

import torch
from compressed_tensors.compressors.naive_quantized.base import FloatQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.integrations.finegrained_fp8 import Fp8Dequantize
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parents[1] / "test/golden/quantized"

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 96,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 384,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-06,
    "hidden_act": "silu",
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}
GPT_OSS = {
    "architectures": ["GptOssForCausalLM"],
    "model_type": "gpt_oss",
    "hidden_size": 64,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 384,
    "max_position_embeddings": 128,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "sliding_window": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "rope_scaling": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "beta_fast": 8.0, "beta_slow": 1.0,
        "truncate": False},
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
NOT_CONVERTED = ["lm_head", "model.layers.1.mlp.down_proj"]
BLOCK = [64, 64]
TOKENS = 12


def encodings() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    codes = torch.arange(256, dtype=torch.uint8)
    values = codes.view(torch.float8_e4m3fn).float()
    # Every value, every middle between two, and their neighbours; nothing that rounds beyond the largest.
    finite = values[values.isfinite()].unique()
    near = torch.cat([finite, (finite[1:] + finite[:-1]) / 2, torch.tensor([464.0, -464.0])])
    below, above = torch.nextafter(near, torch.tensor(-math.inf)), torch.nextafter(near, torch.tensor(math.inf))
    near = torch.cat([near, below, above, torch.randn(256, generator=generator) * 100])
    near = near[near.abs() <= 464]
    blocks = torch.randint(0, 256, (1, 255, 1, 16), generator=generator, dtype=torch.uint8)
    # All 256 pairs of codes, 16 a scale.
    blocks[0, :16, 0] = codes.reshape(16, 16)
    scales = torch.arange(255, dtype=torch.uint8).roll(135).reshape(1, 255, 1)
    experts = torch.randint(0, 256, (2, 6, 3, 16), generator=generator, dtype=torch.uint8)
    expert_scales = torch.randint(118, 130, (2, 6, 3), generator=generator, dtype=torch.uint8)
    return {
        "fp8.values": values,
        "fp8.rounded.values": near,
        "fp8.rounded.codes": near.to(torch.float8_e4m3fn).view(torch.uint8),
        "mxfp4.blocks": blocks,
        "mxfp4.scales": scales,
        "mxfp4.values": convert_moe_packed_tensors(blocks, scales, dtype=torch.float32),
        "experts.gate_up_proj_blocks": experts,
        "experts.gate_up_proj_scales": expert_scales,
        "experts.gate_up_proj": convert_moe_packed_tensors(experts, expert_scales, dtype=torch.float32),
    }


def fp8_scales() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(8)
    shape = (12, 20)
    tensors = {}

    def add(kind: str, name: str, scale: torch.Tensor, library) -> None:
        codes = torch.randint(0, 254, shape, generator=generator, dtype=torch.uint8)
        # 127 and 255 are NaN.
        codes = torch.where(codes >= 127, codes + 1, codes).view(torch.float8_e4m3fn)
        tall = scale.float()
        if scale.numel() > 1:
            tall = tall.repeat_interleave(shape[0] // scale.shape[0], 0).repeat_interleave(shape[1] // scale.shape[1], 1)
        tensors.update({
            f"{kind}.weight": codes, f"{kind}.{name}": scale, f"{kind}.decoded": codes.float() * tall,
            f"{kind}.library": library(codes, scale).reshape(shape).float()})

    def compressed_tensors(**weights):
        arguments = QuantizationArgs(num_bits=8, type="float", symmetric=True, **weights)
        scheme = QuantizationScheme(targets=["Linear"], weights=arguments)
        return lambda codes, scale: FloatQuantizationCompressor.decompress(
            {"weight": codes, "weight_scale": scale}, scheme)["weight"]

    def transformers(codes, scale):
        return Fp8Dequantize(None)._dequantize_one(codes, scale, torch.float32)

    def random(*size: int) -> torch.Tensor:
        return torch.rand(size, generator=generator) * 0.01 + 0.001

    add("tensor", "weight_scale", random(1), compressed_tensors(strategy="tensor"))
    add("channel", "weight_scale", random(12, 1).bfloat16(), compressed_tensors(strategy="channel"))
    add("block", "weight_scale", random(3, 4), compressed_tensors(strategy="block", block_structure=[4, 5]))
    add("inverse", "weight_scale_inv", random(1).squeeze(), transformers)
    add("half", "weight_scale", random(12, 1).half(), transformers)
    return tensors


def over_blocks(scales: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    tall = scales.repeat_interleave(BLOCK[0], 0).repeat_interleave(BLOCK[1], 1)
    return tall[: shape[0], : shape[1]]


def quantize(weight: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = (math.ceil(size / block) for size, block in zip(weight.shape, BLOCK))
    scales = torch.tensor([[
        weight[r * BLOCK[0]:(r + 1) * BLOCK[0], c * BLOCK[1]:(c + 1) * BLOCK[1]].abs().max() / 448
        for c in range(columns)] for r in range(rows)]).to(dtype)
    return (weight / over_blocks(scales.float(), weight.shape)).to(torch.float8_e4m3fn), scales


def begin(folder: pathlib.Path, config: dict, quantization: dict, seed: int) -> tuple[torch.nn.Module, torch.Generator]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": quantization}, indent=2) + "\n")
    generator = torch.Generator().manual_seed(seed)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(**config), attn_implementation="eager", experts_implementation="eager",
        dtype=torch.float32).eval()
    families().randomise(model, generator, {})
    return model, generator


def finish(
        folder: pathlib.Path, model: torch.nn.Module, tensors: dict[str, torch.Tensor], generator: torch.Generator) -> None:
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    ids = torch.randint(2, model.config.vocab_size, (1, TOKENS), generator=generator)
    values = families().expected(model, ids)
    save_file(values, folder / "expected.safetensors", metadata={"made_with": f"torch {torch.__version__}"})


def families():
    return importlib.import_module("make-families")


@torch.no_grad()
def make_qwen3(folder: pathlib.Path) -> None:
    quantization = {
        "activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": BLOCK,
        "modules_to_not_convert": NOT_CONVERTED}
    model, generator = begin(folder, CONFIG, quantization, 11)
    tensors = {}
    for name, parameter in model.named_parameters():
        module = name.removesuffix(".weight")
        if not module.endswith("_proj") or module in NOT_CONVERTED:
            tensors[name] = parameter.bfloat16()
            continue
        # Both dtypes of scales are on the hub.
        codes, scales = quantize(parameter, torch.float32 if ".0." in name else torch.bfloat16)
        tensors |= {name: codes, f"{name}_scale_inv": scales}
        parameter.copy_(codes.float() * over_blocks(scales.float(), codes.shape))
    finish(folder, model, tensors, generator)


@torch.no_grad()
def make_gpt_oss(folder: pathlib.Path) -> None:
    quantization = {
        "quant_method": "mxfp4",
        "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}
    model, generator = begin(folder, GPT_OSS, quantization, 12)
    tensors = {}
    for name, parameter in model.named_parameters():
        if not name.endswith(("gate_up_proj", "down_proj")):
            tensors[name] = parameter.bfloat16()
            continue
        experts, inputs, outputs = parameter.shape
        shape = (experts, outputs, inputs // 32, 16)
        blocks = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        scales = torch.randint(122, 125, shape[:3], generator=generator, dtype=torch.uint8)
        tensors |= {f"{name}_blocks": blocks, f"{name}_scales": scales}
        parameter.copy_(convert_moe_packed_tensors(blocks, scales, dtype=torch.float32))
    finish(folder, model, tensors, generator)


def main() -> None:
    torch.set_num_threads(1)
    sys.path.insert(0, str(HERE))
    OUT.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in encodings().items()}, OUT / "encodings.safetensors")
    save_file(fp8_scales(), OUT / "fp8-scales.safetensors")
    make_qwen3(OUT / "qwen3-fp8")
    make_gpt_oss(OUT / "gpt-oss-mxfp4")
    for file in OUT.rglob("*.*"):
        if file.is_file():
            file.chmod(0o644)
            print(f"{file.relative_to(OUT)} {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
