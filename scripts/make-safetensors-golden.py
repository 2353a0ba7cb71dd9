"""Writes the golden files test/golden/python-{dtypes,f6,shards}.*: what Python's own
libraries make of every dtype and of sharding.

    pip install safetensors==0.8.0 huggingface_hub==2.4.0
    python scripts/make-safetensors-golden.py

Every dtype that Python's safetensors can write goes through its writer. It can't write the 6-bit floats, so that file
is put together here and then read back with safetensors.deserialize, which knows them.
"""
import argparse
import ctypes
import hashlib
import json
import random
import struct
from pathlib import Path

import safetensors
from huggingface_hub import split_state_dict_into_shards_factory

# dtype as the writer's argument: (dtype in the file, bits)
DTYPES = {
    "bool": ("BOOL", 8),
    "float4_e2m1fn_x2": ("F4", 4),
    "uint8": ("U8", 8),
    "int8": ("I8", 8),
    "float8_e5m2": ("F8_E5M2", 8),
    "float8_e4m3fn": ("F8_E4M3", 8),
    "float8_e8m0fnu": ("F8_E8M0", 8),
    "float8_e4m3fnuz": ("F8_E4M3FNUZ", 8),
    "float8_e5m2fnuz": ("F8_E5M2FNUZ", 8),
    "int16": ("I16", 16),
    "uint16": ("U16", 16),
    "float16": ("F16", 16),
    "bfloat16": ("BF16", 16),
    "int32": ("I32", 32),
    "uint32": ("U32", 32),
    "float32": ("F32", 32),
    "complex64": ("C64", 64),
    "float64": ("F64", 64),
    "int64": ("I64", 64),
    "uint64": ("U64", 64),
}


def described(content):
    """What safetensors.deserialize finds in a file's content."""
    return {
        name: {
            "dtype": info["dtype"],
            "shape": list(info["shape"]),
            "bytes": len(info["data"]),
            "sha256": hashlib.sha256(bytes(info["data"])).hexdigest(),
        }
        for name, info in safetensors.deserialize(content)
    }


def every_dtype(rng):
    specs, buffers = {}, []
    for number, (argument, (code, bits)) in enumerate(DTYPES.items()):
        # Odd sizes, so that the 1-byte tensors at the end begin at odd offsets.
        for label, shape in (("matrix", [3, 5 + number % 3]), ("scalar", []), ("empty", [0, 4])):
            if label == "scalar" and bits < 8:
                continue
            count = 1
            for dimension in shape:
                count *= dimension
            # F4's shape is given in bytes; the writer doubles its last dimension.
            data = rng.randbytes(count * bits // 8 if bits >= 8 else count)
            buffer = ctypes.create_string_buffer(data, max(len(data), 1))
            buffers.append(buffer)
            specs[f"{code.lower()}.{label}"] = safetensors.TensorSpec(
                dtype=argument, shape=shape, data_ptr=ctypes.addressof(buffer), data_len=len(data)
            )
    for name in ("__proto__", "constructor", "ключ/\"quoted\"\\\n\u0001😀"):
        buffer = ctypes.create_string_buffer(rng.randbytes(6), 6)
        buffers.append(buffer)
        specs[name] = safetensors.TensorSpec(dtype="int16", shape=[3], data_ptr=ctypes.addressof(buffer), data_len=6)
    return safetensors.serialize(specs, {"format": "pt", "note": "every dtype, naïve ☃"})


def six_bit_floats(rng):
    header = {
        "a": {"dtype": "F6_E2M3", "shape": [2, 4], "data_offsets": [0, 6]},
        "b": {"dtype": "F6_E3M2", "shape": [4], "data_offsets": [6, 9]},
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rng.randbytes(9)


def shardings(rng):
    """Sizes, limits and what the hub's library makes of them."""
    cases = []
    for _ in range(40):
        sizes = {f"t{i}": rng.choice([0, 1, 2, 3, 5, 8, 13, 30]) for i in range(rng.randint(1, 12))}
        limit = rng.choice([1, 4, 10, 16, 100])
        split = split_state_dict_into_shards_factory(
            sizes, get_storage_size=lambda size: size, filename_pattern="model{suffix}.safetensors", max_shard_size=limit
        )
        cases.append(
            {
                "sizes": sizes,
                "limit": limit,
                "total_size": split.metadata["total_size"],
                "files": split.filename_to_tensors,
            }
        )
    return cases


def main():
    root = Path(__file__).resolve().parent.parent / "test" / "golden"
    parser = argparse.ArgumentParser(description="Makes the golden files of the safetensors tests.")
    parser.add_argument("--output", type=Path, default=root, help="folder to write to (default: %(default)s)")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    rng = random.Random(20260101)
    expected = {}
    for name, content in (("python-dtypes.safetensors", every_dtype(rng)), ("python-f6.safetensors", six_bit_floats(rng))):
        (output / name).write_bytes(content)
        expected[name] = described(content)
    (output / "python-dtypes.json").write_text(json.dumps(expected, sort_keys=True) + "\n")
    (output / "python-shards.json").write_text(json.dumps(shardings(rng)) + "\n")


if __name__ == "__main__":
    main()
