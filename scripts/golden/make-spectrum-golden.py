#!/usr/bin/env python3
"""Eigenvalues of WᵀW and the exponent of their tail, by PyTorch in f64, for tests to compare with.

usage: make-spectrum-golden.py LAYER > spectra.json

LAYER is test/golden/smollm2-layer.safetensors, whose `weight` is a linear of SmolLM2. The other matrices are made of
integers, as the tests make them again.
"""

import json
import sys

import torch
from safetensors.torch import load_file

SHAPES = [[5, 5], [24, 70], [61, 33], [130, 131]]


def matrix(rows: int, columns: int) -> torch.Tensor:
    """Numbers between -1 and 1 that look random; every one is exact in f32."""
    i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return ((i * 7919 + j * 104729 + (i + 3) * (j + 5) * (i + 2 * j) * 31) % 2039 - 1019).double() / 1024


def spectrum(weight: torch.Tensor) -> torch.Tensor:
    """Ascending."""
    return torch.linalg.svdvals(weight.double()).square().flip(0)


def exponent(eigenvalues: torch.Tensor) -> float:
    """Hill's estimate over the larger half, as in the code of AlphaPruning."""
    first = len(eigenvalues) // 2
    logs = eigenvalues[first:].log()
    return float(1 + len(logs) / (logs.sum() - len(logs) * logs[0]))


layer = load_file(sys.argv[1])["weight"]
made = [spectrum(matrix(*shape)) for shape in SHAPES]
print(
    json.dumps(
        {
            "made": [
                {"shape": shape, "eigenvalues": values.tolist(), "exponent": exponent(values)}
                for shape, values in zip(SHAPES, made)
            ],
            "layer": {
                "largest": spectrum(layer)[-3:].tolist(),
                "median": float(spectrum(layer)[len(spectrum(layer)) // 2]),
                "exponent": exponent(spectrum(layer)),
            },
        }
    )
)
