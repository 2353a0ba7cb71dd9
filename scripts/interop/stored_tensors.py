"""The tensors of a checkpoint folder as they are stored, without a loader between."""

import dataclasses
import json
import pathlib
import struct

import numpy


@dataclasses.dataclass(frozen=True)
class StoredTensor:
    dtype: str
    shape: tuple[int, ...]
    file: pathlib.Path
    begin: int
    end: int

    def bits(self) -> numpy.ndarray:
        """The elements' bits, flat, as unsigned integers."""
        size = self.end - self.begin
        count = int(numpy.prod(self.shape, dtype=numpy.int64))
        dtype = numpy.dtype(f"u{size // count}") if count else numpy.dtype("u1")
        return numpy.fromfile(self.file, dtype=dtype, count=count, offset=self.begin)


def stored_tensors(folder: pathlib.Path) -> dict[str, StoredTensor]:
    """By name, of all safetensors files in the folder."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for name, info in header.items():
            begin, end = (8 + length + offset for offset in info["data_offsets"])
            found[name] = StoredTensor(info["dtype"], tuple(info["shape"]), path, begin, end)
    return found


def layout(folder: pathlib.Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """name → (dtype, shape)"""
    return {name: (tensor.dtype, tensor.shape) for name, tensor in stored_tensors(folder).items()}
