"""Runs the linears of a 2:4 checkpoint on the sparse tensor cores of an NVIDIA GPU, beside the same as dense matrices.

    pip install torch safetensors numpy
    python bench/semi-structured.py CHECKPOINT [--tokens 16,512,4096] [--backend cusparselt] [--json FILE]

Every matrix whose groups of four consecutive inputs have two zeros or more is compressed by PyTorch, and its outputs for
random inputs are compared with the dense product's: an error above --tolerance, relative to the largest output, ends
with status 1. Of each shape the first matrix is timed, captured as a CUDA graph: the table has microseconds of the dense
product, of the sparse one, and of the sparse one with the algorithm that cuSPARSELt's search finds for that many tokens.
Needs a GPU of compute capability 8.0 or more; the backend cutlass one of 8.x.
"""
import argparse
import json
import statistics
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from torch.sparse import SparseSemiStructuredTensor, to_sparse_semi_structured

GROUP, KEPT = 4, 2
WARM_UPS, CALLS, REPEATS = 3, 20, 7


def holds(matrix):
    """Whether no group of four neighbours in a row has more than two values."""
    if matrix.ndim != 2 or matrix.shape[1] % GROUP:
        return False
    return bool(((matrix.unflatten(1, (-1, GROUP)) != 0).sum(2) <= KEPT).all())


def sparse_matrices(folder, dtype):
    """Yields (name, matrix [outputs, inputs] on the GPU) of each 2:4 matrix; GPT-2's are stored transposed."""
    for shard in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(shard, framework="pt", device="cuda") as file:
            for name in file.keys():
                matrix = file.get_tensor(name)
                if matrix.ndim != 2 or not matrix.is_floating_point():
                    continue
                matrix = matrix.to(dtype)
                if holds(matrix):
                    yield name, matrix
                elif holds(matrix.T):
                    yield name, matrix.T.contiguous()


def microseconds(call):
    """Median time of a call, from CUDA graphs of several, so that starting kernels from Python doesn't count."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(CALLS):
            call()
    times = []
    for _ in range(REPEATS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) * 1000 / CALLS)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--tokens", default="16,512,4096", help="rows of the inputs")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16"])
    parser.add_argument("--backend", default="cusparselt", choices=["cusparselt", "cutlass"])
    parser.add_argument("--tolerance", type=float, default=0.01)
    parser.add_argument("--json")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no CUDA device: 2:4 is run by the tensor cores of NVIDIA GPUs")
    SparseSemiStructuredTensor._FORCE_CUTLASS = options.backend == "cutlass"
    tokens = [int(count) for count in options.tokens.split(",")]
    dtype = getattr(torch, options.dtype)
    torch.manual_seed(0)

    count, worst, rows, refused = 0, (0.0, ""), {}, []
    for name, matrix in sparse_matrices(options.checkpoint, dtype):
        try:
            compressed = to_sparse_semi_structured(matrix)
        except RuntimeError as error:
            refused.append(f"{name} {list(matrix.shape)}: {error}")
            continue
        count += 1
        for size in tokens:
            inputs = torch.randn(size, matrix.shape[1], device="cuda", dtype=dtype)
            dense = torch.nn.functional.linear(inputs, matrix)
            sparse = torch.nn.functional.linear(inputs, compressed)
            error = ((sparse - dense).abs().max() / dense.abs().max()).item()
            worst = max(worst, (error, name))
            key = (*matrix.shape, size)
            if key in rows:
                continue
            row = {"outputs": key[0], "inputs": key[1], "tokens": size}
            row["dense_us"] = microseconds(lambda: torch.nn.functional.linear(inputs, matrix))
            row["sparse_us"] = microseconds(lambda: torch.nn.functional.linear(inputs, compressed))
            if options.backend == "cusparselt":
                default = compressed.alg_id_cusparselt
                compressed.alg_id_cusparselt = torch._cslt_sparse_mm_search(compressed.packed, inputs.t())
                row["searched_us"] = microseconds(lambda: torch.nn.functional.linear(inputs, compressed))
                compressed.alg_id_cusparselt = default
            rows[key] = row

    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, {options.dtype}, {options.backend}")
    print("| outputs × inputs | tokens | dense, µs | 2:4, µs | searched, µs | times as fast |\n|---|---|---|---|---|---|")
    for row in rows.values():
        best = min(row["sparse_us"], row.get("searched_us", row["sparse_us"]))
        searched = f"{row['searched_us']:.1f}" if "searched_us" in row else ""
        print(
            f"| {row['outputs']} × {row['inputs']} | {row['tokens']} | {row['dense_us']:.1f} | {row['sparse_us']:.1f} "
            f"| {searched} | {row['dense_us'] / best:.2f} |"
        )
    print(f"{count} matrices are 2:4; the largest error is {worst[0]:.1e} of the largest output ({worst[1]})")
    for line in refused:
        print(f"not taken by PyTorch: {line}")
    if options.json:
        Path(options.json).write_text(json.dumps({"matrices": count, "error": worst[0], "rows": list(rows.values())}))
    if not count:
        sys.exit("no matrix of this checkpoint is 2:4")
    sys.exit(1 if worst[0] > options.tolerance or refused else 0)


if __name__ == "__main__":
    main()
