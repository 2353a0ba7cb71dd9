#!/usr/bin/env python3
"""Python's safetensors (the Rust reader) on files from stdin, each as a little-endian u32 length and its bytes.

One line of JSON a file on stdout: null when the reader refuses it, else
{"tensors": {name: [dtype, shape, SHA-1 of the data]}, "metadata": {…} or null}.
"""

import hashlib
import json
import os
import struct
import sys

import safetensors


def describe(data: bytes, scratch: int) -> dict | None:
    try:
        tensors = safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return None
    os.ftruncate(scratch, 0)
    os.pwrite(scratch, data, 0)
    with safetensors.safe_open(f"/proc/self/fd/{scratch}", framework="numpy") as file:
        metadata = file.metadata()
        names = set(file.keys())
    # Equal names come twice here; what counts is the reader's own set.
    found = {name: [info["dtype"], list(info["shape"]), hashlib.sha1(info["data"]).hexdigest()] for name, info in tensors}
    if set(found) != names:
        raise SystemExit(f"deserialize and safe_open disagree: {sorted(found)} and {sorted(names)}")
    return {"tensors": found, "metadata": metadata}


def main() -> None:
    print(json.dumps({"version": safetensors.__version__}), flush=True)
    scratch = os.memfd_create("case")
    while length := sys.stdin.buffer.read(4):
        data = sys.stdin.buffer.read(struct.unpack("<I", length)[0])
        sys.stdout.write(json.dumps(describe(data, scratch)) + "\n")
    sys.stdout.flush()


main()
