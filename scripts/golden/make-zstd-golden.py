#!/usr/bin/env python3
"""The same lines plain and compressed by Zstandard, in the forms that text datasets come in.

usage: make-zstd-golden.py OUTPUT

Needs zstandard (0.25.0), whose library is the reference implementation. Writes lines.jsonl and .jsonl.zst whose names say what is
particular about them.
"""

import io
import json
import random
import struct
import sys
from pathlib import Path

import zstandard as zstd

output = Path(sys.argv[1])
random.seed(5)

WORDS = "pear quince branch knife frost graft sap ladder orchard moss – été 木 🌳 wall".split()


def text(i: int) -> str:
    if i % 50 == 7:
        return "the same again " * 500
    return " ".join(random.choice(WORDS) for _ in range(3 + (i * i) % 60))


# More than a block of 128 KiB, so that blocks refer to those before.
data = "".join(json.dumps({"text": text(i)}, ensure_ascii=False) + "\n" for i in range(500)).encode()
(output / "lines.jsonl").write_bytes(data)


def write(name: str, compressed: bytes) -> None:
    (output / f"lines-{name}.jsonl.zst").write_bytes(compressed)


def streamed(compressor: zstd.ZstdCompressor, piece: int) -> bytes:
    """Of unknown size, flushed now and then, as programs write that add document after document."""
    target = io.BytesIO()
    with compressor.stream_writer(target, closefd=False) as writer:
        for start in range(0, len(data), piece):
            writer.write(data[start:start + piece])
            writer.flush(zstd.FLUSH_BLOCK)
    return target.getvalue()


def skippable(content: bytes) -> bytes:
    return struct.pack("<II", 0x184D2A57, len(content)) + content


write("level-3-checksum", zstd.ZstdCompressor(level=3, write_checksum=True).compress(data))
write("level-19-streamed", streamed(zstd.ZstdCompressor(level=19, write_checksum=True), 50_000))
write("fast-streamed", streamed(zstd.ZstdCompressor(level=-5), 7_000))
long = zstd.ZstdCompressionParameters.from_level(3, window_log=27, enable_ldm=True)
write("window-27", streamed(zstd.ZstdCompressor(compression_params=long), len(data)))
longer = zstd.ZstdCompressionParameters.from_level(3, window_log=28, enable_ldm=True)
some = zstd.ZstdCompressor(compression_params=longer).compressobj()
write("window-28", some.compress(data[:1000]) + some.flush())
# Frames end within lines and within letters.
frames = zstd.ZstdCompressor(level=12, write_checksum=True)
pieces = [frames.compress(data[start:start + 20_011]) for start in range(0, len(data), 20_011)]
write("frames", skippable(b"an index") + b"".join(pieces[:3]) + skippable(b"") + b"".join(pieces[3:]) + frames.compress(b""))
dictionary = zstd.train_dictionary(2_000, [line for line in data.split(b"\n") if line])
write("dictionary", zstd.ZstdCompressor(dict_data=dictionary).compress(data[:1000]))
