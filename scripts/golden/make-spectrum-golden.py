#!/usr/bin/env python3
"""Eigenvalues of WᵀW and the exponents of their tails, by PyTorch and NumPy in f64, for tests to compare with.

usage: make-spectrum-golden.py LAYER > spectra.json

LAYER is test/golden/smollm2-layer.safetensors, whose `weight` is a linear of SmolLM2. The other matrices are made of
integers, as the tests make them again.
"""

import json
import sys

import numpy
import torch
from safetensors.torch import load_file

SHAPES = [[5, 5], [24, 70], [61, 33], [130, 131]]
# Eigenvalues in the tail, its exponent, and eigenvalues below.
LAWS = [(400, 2.5, 0), (300, 3.0, 300), (50, 4.0, 150), (7, 2.0, 3)]


def matrix(rows: int, columns: int) -> torch.Tensor:
    """Numbers between -1 and 1 that look random; every one is exact in f32."""
    i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return ((i * 7919 + j * 104729 + (i + 3) * (j + 5) * (i + 2 * j) * 31) % 2039 - 1019).double() / 1024


def spectrum(weight: torch.Tensor) -> torch.Tensor:
    """Ascending."""
    return torch.linalg.svdvals(weight.double()).square().flip(0)


def middle_exponent(eigenvalues: torch.Tensor) -> float:
    """Hill's estimate over the larger half, as in the code of AlphaPruning."""
    first = len(eigenvalues) // 2
    logs = eigenvalues[first:].log()
    return float(1 + len(logs) / (logs.sum() - len(logs) * logs[0]))


def peak_exponent(eigenvalues: torch.Tensor) -> float:
    """Hill's estimate from that eigenvalue near the peak of the histogram of their logarithms where its law fits best.

    Lower bound as in WeightWatcher, upper bound and distance as in the code of AlphaPruning. Rounding's eigenvalues go.
    """
    values = eigenvalues.numpy()
    values = values[values > values.max() * 2.0**-20]
    counts, edges = numpy.histogram(numpy.log10(values), bins=100)
    peak = 10 ** edges[counts.argmax()]
    fits = []
    for least in numpy.unique(values[(values >= 0.95 * peak) & (values <= 1.5 * peak) & (values < values.max())]):
        tail = values[values >= least]
        alpha = 1 + 1 / numpy.log(tail / least).mean()
        empirical = numpy.arange(len(tail)) / len(tail)
        fits.append((numpy.abs(1 - (tail / least) ** (1 - alpha) - empirical).max(), alpha))
    return float(min(fits)[1])


def exponents(eigenvalues: torch.Tensor) -> dict[str, float]:
    return {"middle": middle_exponent(eigenvalues), "peak": peak_exponent(eigenvalues)}


def pareto(count: int, alpha: float, bulk: int) -> torch.Tensor:
    """Quantiles of a power law from 1 on, below them bulk numbers from 0.05 to 1, as the tests make them again."""
    tail = (1 - (torch.arange(count).double() + 0.5) / count) ** (-1 / (alpha - 1))
    return torch.cat([torch.linspace(0.05, 1, bulk + 1, dtype=torch.float64)[:-1], tail])


layer = load_file(sys.argv[1])["weight"]
made = [spectrum(matrix(*shape)) for shape in SHAPES]
print(
    json.dumps(
        {
            "made": [
                {"shape": shape, "eigenvalues": values.tolist(), "exponents": exponents(values)}
                for shape, values in zip(SHAPES, made)
            ],
            "laws": [
                {"count": count, "alpha": alpha, "bulk": bulk, "exponents": exponents(pareto(count, alpha, bulk))}
                for count, alpha, bulk in LAWS
            ],
            "layer": {
                "largest": spectrum(layer)[-3:].tolist(),
                "median": float(spectrum(layer)[len(spectrum(layer)) // 2]),
                "exponents": exponents(spectrum(layer)),
            },
        }
    )
)
