"""Opens a checkpoint with Python's safetensors and checks that it is what other loaders expect.

    pip install safetensors numpy
    python scripts/checkpoint-interop.py FOLDER [--expected FILE] [--source FOLDER]

Checked: every shard opens, its metadata is {"format": "pt"}, every tensor begins at a multiple of its element's size,
nothing temporary is left, and the index names exactly the shards' tensors and their total size. With --expected, also
every tensor's dtype, shape and bytes; with --source, that names, dtypes and shapes are those of another checkpoint.
Ends with status 1 and a line per difference when anything is not as it should be.
"""
import argparse
import hashlib
import json
import re
import struct
import sys
from pathlib import Path

import safetensors

INDEX = "model.safetensors.index.json"


def element_bytes(dtype):
    bits = 8 if dtype == "BOOL" else int(re.search(r"\d+", dtype).group())
    return max(bits // 8, 1)


def header_of(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return 8 + length, json.loads(file.read(length))


def check_shard(path, problems):
    """Opens a shard with the library; returns {name: (dtype, shape, absolute begin, end)} of its header."""
    with safetensors.safe_open(path, framework="numpy") as file:
        names = set(file.keys())
        if file.metadata() != {"format": "pt"}:
            problems.append(f"{path.name}: metadata is {file.metadata()}")
    start, header = header_of(path)
    header.pop("__metadata__", None)
    if names != set(header):
        problems.append(f"{path.name}: the library finds other tensors than the header has")
    if start % 8 != 0:
        problems.append(f"{path.name}: data begins at byte {start}, not a multiple of 8")
    tensors = {}
    for name, info in header.items():
        begin, end = (start + offset for offset in info["data_offsets"])
        if begin % element_bytes(info["dtype"]) != 0:
            problems.append(f"{path.name}: {name!r} ({info['dtype']}) begins at byte {begin}")
        tensors[name] = (info["dtype"], info["shape"], begin, end)
    return tensors


def check_index(folder, shards, problems):
    if not (folder / INDEX).exists():
        if len(shards) != 1 or "model.safetensors" not in shards:
            problems.append(f"no {INDEX}, and the shards are {sorted(shards)}")
        return
    index = json.loads((folder / INDEX).read_text())
    expected = {name: shard for shard, tensors in shards.items() for name in tensors}
    if index["weight_map"] != expected:
        problems.append(f"{INDEX} does not name the tensors that the shards hold")
    if list(index["weight_map"]) != sorted(index["weight_map"]):
        problems.append(f"{INDEX} is not sorted")
    total = sum(end - begin for tensors in shards.values() for _, _, begin, end in tensors.values())
    if index["metadata"]["total_size"] != total:
        problems.append(f"{INDEX}: total_size is {index['metadata']['total_size']}, the tensors have {total} bytes")


def read_shards(folder, problems):
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        problems.append(f"{folder} holds no *.safetensors")
    return {path.name: check_shard(path, problems) for path in paths}


def compare_names(found, other, label, problems):
    for name in sorted(set(found) | set(other)):
        if name not in found:
            problems.append(f"{name!r} is missing ({label} has it)")
        elif name not in other:
            problems.append(f"{name!r} is not in {label}")
        elif found[name] != other[name]:
            problems.append(f"{name!r}: {found[name]}, but {label} says {other[name]}")


def check_expected(folder, shards, path, problems):
    """Compares tensors, bytes included, as the library itself hands them out."""
    found = {}
    for shard in shards:
        for name, info in safetensors.deserialize((folder / shard).read_bytes()):
            digest = hashlib.sha256(bytes(info["data"])).hexdigest()
            found[name] = {"dtype": info["dtype"], "shape": list(info["shape"]), "sha256": digest}
    compare_names(found, json.loads(path.read_text()), path.name, problems)


def check_source(shards, source, problems):
    def describe(shards):
        return {name: (dtype, shape) for tensors in shards.values() for name, (dtype, shape, _, _) in tensors.items()}

    other = {}
    for path in sorted(source.glob("*.safetensors")):
        _, header = header_of(path)
        header.pop("__metadata__", None)
        other[path.name] = {name: (info["dtype"], info["shape"], 0, 0) for name, info in header.items()}
    compare_names(describe(shards), describe(other), str(source), problems)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the checkpoint to check")
    parser.add_argument("--expected", type=Path, help='JSON: {"name": {"dtype": …, "shape": […], "sha256": …}}')
    parser.add_argument("--source", type=Path, help="a checkpoint with the same tensors")
    arguments = parser.parse_args()
    folder, problems = arguments.folder, []
    if not (folder / "config.json").is_file():
        problems.append("config.json is missing")
    for pattern in ("*.partial", "*.tmp"):
        problems += [f"{path.name} was left behind" for path in sorted(folder.rglob(pattern))]
    try:
        shards = read_shards(folder, problems)
        check_index(folder, shards, problems)
        if arguments.expected:
            check_expected(folder, shards, arguments.expected, problems)
        if arguments.source:
            check_source(shards, arguments.source, problems)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, struct.error) as error:
        problems.append(f"{type(error).__name__}: {error}")
        shards = {}
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"{folder}: {sum(map(len, shards.values()))} tensors in {len(shards)} files, as expected")


if __name__ == "__main__":
    main()
