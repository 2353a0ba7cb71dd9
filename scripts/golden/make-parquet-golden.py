#!/usr/bin/env python3
"""The same documents as JSON lines and as Parquet by Arrow, in the forms that datasets come in.

usage: make-parquet-golden.py OUTPUT

Needs pyarrow (26.0.1). Writes documents.jsonl and conversations.jsonl, and for each of them some .parquet whose names say
what is particular about them.
"""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

output = Path(sys.argv[1])

WORDS = "pear quince branch knife frost graft sap ladder orchard moss – été 木 🌳 wall".split()


def sentence(i: int, length: int) -> str:
    return " ".join(WORDS[(i * 7 + j * j * 3 + j) % len(WORDS)] for j in range(length))


def text(i: int):
    if i % 11 == 4:
        return None
    if i == 7:
        return ""
    if i == 20:
        return "\ufeffa first line\r\nand \"another\"\n\n\ta third \u2028 \u0001"
    if 24 <= i < 29:
        return "the same again"
    return sentence(i, 3 + i % 9)


def messages(i: int):
    if i % 9 == 5:
        return None
    turns = 1 + (i * 5) % 4 if i != 12 else 40
    roles = ["user", "assistant"]
    return [{"role": roles[t % 2], "content": sentence(i + t, t % 5)} for t in range(turns)]


texts = [text(i) for i in range(60)]
conversations = [messages(i) for i in range(25)]


def write_lines(name: str, key: str, values: list) -> None:
    lines = [json.dumps({key: value}, ensure_ascii=False) + "\n" for value in values]
    (output / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8", newline="")


write_lines("documents", "text", texts)
write_lines("conversations", "messages", conversations)

# Columns before and after, so that the right one has to be found.
documents = pa.table({"id": list(range(len(texts))), "text": texts, "url": [f"u{i % 3}" for i in range(len(texts))]})
message = pa.struct([("content", pa.string()), ("weight", pa.float32()), ("role", pa.string())])
chats = pa.table(
    {
        "prompt": ["p"] * len(conversations),
        "messages": pa.array(
            [None if c is None else [{**m, "weight": 1.0} for m in c] for c in conversations], pa.list_(message)
        ),
    }
)
# As machine learning datasets often have it: nothing may be null.
required = pa.schema(
    [
        pa.field(
            "messages",
            pa.list_(
                pa.field(
                    "element",
                    pa.struct([pa.field("role", pa.string(), False), pa.field("content", pa.string(), False)]),
                    False,
                )
            ),
            False,
        )
    ]
)
whole = [c for c in conversations if c is not None]
strict = pa.table({"messages": pa.array(whole, required.field(0).type)}, schema=required)

SMALL = {"data_page_size": 200, "write_batch_size": 4}


def write(name: str, table: pa.Table, **options) -> None:
    pq.write_table(table, output / f"{name}.parquet", store_schema=False, **options)


write("documents-snappy-dictionary", documents, row_group_size=17, **SMALL)
write("documents-zstd-plain-v2", documents, compression="zstd", use_dictionary=False, data_page_version="2.0", row_group_size=23, **SMALL)
write("documents-gzip-v2", documents, compression="gzip", data_page_version="2.0", write_statistics=False)
write("documents-brotli-plain", documents, compression="brotli", use_dictionary=False)
write("documents-none-dictionary-overflow", documents, compression="none", dictionary_pagesize_limit=300, **SMALL)
write(
    "documents-delta-length",
    documents.rename_columns(["id", "content", "url"]),
    use_dictionary=["id"],
    column_encoding={"content": "DELTA_LENGTH_BYTE_ARRAY"},
    **SMALL,
)
write("documents-large-string", documents.select(["text"]).cast(pa.schema([("text", pa.large_string())])), row_group_size=31)
write("conversations-snappy", chats, row_group_size=11, **SMALL)
write("conversations-zstd-v2", chats, compression="zstd", data_page_version="2.0", use_dictionary=False, **SMALL)
write("conversations-required", strict, compression="none", **SMALL)
