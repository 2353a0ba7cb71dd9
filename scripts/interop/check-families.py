#!/usr/bin/env python3
"""Checks pruned checkpoints of many families in PyTorch; check-families.mjs makes them and the list that is read here.

usage: check-families.py CASES.json RESULTS.json

Of a case's dense checkpoint: its perplexity in transformers is ours. Of each pruned one: transformers loads it without a
missing, unexpected or mismatched key; names, dtypes and shapes are those of the source; whatever isn't part of a pruned
linear has the source's bytes; every linear has its number of zeros, all of them +0.0, and keeps its pattern along its inputs,
also as the weight of transformers' own module where there is one; the perplexity is ours.
"""

import json
import pathlib
import runpy
import sys

import numpy
import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging

from perplexity import perplexity
from stored_tensors import StoredTensor, layout, stored_tensors

TOLERANCE = 1e-3
"""Relative, of perplexities."""

MAKER = runpy.run_path(str(pathlib.Path(__file__).resolve().parents[1] / "golden/make-families.py"))
VARIANTS = MAKER["variants"]()


def load(case: dict, folder: str) -> tuple[torch.nn.Module, list[str]]:
    """The model, and what is wrong with the checkpoint's keys."""
    variant = VARIANTS[case["name"]] if case["variant"] is None else case["variant"]
    model, info = MAKER["load"](variant, folder, torch.float32)
    wrong = [f"{key}: {sorted(map(str, info[key]))}"
             for key in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[key]]
    return model.eval(), wrong


def places(linear: dict) -> numpy.ndarray:
    """[out, in]: which element of the stored tensor each weight is."""
    out, columns = linear["shape"]
    stored = linear.get("stored")
    rows = numpy.arange(out)[:, None]
    column = numpy.arange(columns)[None]
    if not stored:
        return rows * columns + column
    run = stored["run"]
    return (stored["offset"] + rows // run * stored["runStride"] + rows % run * stored["rowStride"]
            + column * stored["columnStride"])


def keeps_pattern(zero: numpy.ndarray, pattern: str) -> bool:
    """Whether rows [out, in] of N:M have at least M − N zeros in every M consecutive inputs."""
    if ":" not in pattern:
        return True
    keep, of = map(int, pattern.split(":"))
    return bool((zero.reshape(zero.shape[0], -1, of).sum(axis=2) >= of - keep).all())


def zeros_of(bits: numpy.ndarray) -> numpy.ndarray:
    """Where the stored value is 0 or −0."""
    return (bits << 1) == 0


def check_stored(source: dict[str, StoredTensor], pruned: dict[str, StoredTensor], linears: list[dict]) -> list[str]:
    problems = []
    may_differ = {}
    bits = {name: tensor.bits() for name, tensor in pruned.items()}
    for linear in linears:
        if linear["pattern"] == "dense":
            continue
        name, out, columns = linear["name"], *linear["shape"]
        place = places(linear)
        changed = may_differ.setdefault(linear["tensor"], numpy.zeros(bits[linear["tensor"]].size, bool))
        if changed[place].any():
            problems.append(f"{name} shares weights with another linear")
        changed[place] = True
        own = bits[linear["tensor"]][place]
        zero = zeros_of(own)
        wanted = out * columns // 2
        # What SparseGPT keeps it moves, in steps of 2^-28 or so: one of some fifty million ends at zero.
        if zero.sum() != linear["zeros"] or not wanted <= linear["zeros"] <= wanted + 1:
            problems.append(f"{name} has {zero.sum()} zeros, the report says {linear['zeros']}, the run file {wanted}")
        if (own[zero] != 0).any():
            problems.append(f"{name} has zeros that are −0.0")
        if not keeps_pattern(zero, linear["pattern"]):
            problems.append(f"{name} breaks {linear['pattern']}")
    for name, tensor in source.items():
        same = tensor.bits() == bits[name]
        if name in may_differ:
            same |= may_differ[name]
        if not same.all():
            problems.append(f"{name} has other bytes than the source where nothing was pruned")
    return problems


def check_modules(model: torch.nn.Module, output: pathlib.Path, linears: list[dict]) -> tuple[int, list[str]]:
    """Of modules whose weight is a stored tensor with one pattern throughout, since transformers knows their input axis."""
    patterns: dict[str, set[str]] = {}
    for linear in linears:
        patterns.setdefault(linear["tensor"], set()).add(linear["pattern"])
    # Modules may have other names than tensors, so that values tell which is which.
    stored = {tensor.float().numpy().tobytes(): name
              for path in output.glob("*.safetensors") for name, tensor in load_file(path).items() if name in patterns}
    checked, problems = 0, []
    for module in model.modules():
        is_transposed = type(module).__name__ == "Conv1D"
        if not is_transposed and not isinstance(module, torch.nn.Linear):
            continue
        weight = module.weight.detach().numpy()
        name = stored.get(weight.tobytes())
        if name is None or len(patterns[name]) != 1:
            continue
        checked += 1
        if not keeps_pattern((weight.T if is_transposed else weight) == 0, *patterns[name]):
            problems.append(f"{name} breaks its pattern along the inputs of transformers' {type(module).__name__}")
    return checked, problems


def check_perplexity(model, case: dict, ours: float) -> tuple[float, list[str]]:
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{case['source']}/tokenizer.json")
    text = pathlib.Path(case["text"]).read_text(encoding="utf-8")
    theirs, windows = perplexity(model, tokenizer, text, case["context"], case["windows"])
    problems = [] if windows == case["windows"] else [f"{windows} windows instead of {case['windows']}"]
    if not abs(theirs / ours - 1) <= TOLERANCE:
        problems.append(f"perplexity {ours}, transformers {theirs}")
    return theirs, problems


def check_dense(case: dict) -> dict:
    model, problems = load(case, case["source"])
    theirs, more = check_perplexity(model, case, case["perplexity"])
    return {"perplexity": theirs, "problems": problems + more}


def check_pruned(case: dict, run: dict) -> dict:
    source, output = pathlib.Path(case["source"]), pathlib.Path(run["output"])
    if layout(source) != layout(output):
        return {"problems": ["names, dtypes or shapes are not those of the source"]}
    problems = check_stored(stored_tensors(source), stored_tensors(output), run["linears"])
    model, wrong = load(case, run["output"])
    modules, unkept = check_modules(model, output, run["linears"])
    theirs, more = check_perplexity(model, case, run["perplexity"])
    return {"perplexity": theirs, "modules": modules, "problems": problems + wrong + unkept + more}


def guarded(check, *arguments) -> dict:
    try:
        return check(*arguments)
    except Exception as error:  # What a loader says of a checkpoint is a result.
        return {"problems": [f"{type(error).__name__}: {error}"]}


def main() -> None:
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    cases = json.loads(pathlib.Path(sys.argv[1]).read_text())
    results = {
        case["name"]: {
            "dense": guarded(check_dense, case),
            **{run["goal"]: guarded(check_pruned, case, run) for run in case["runs"]},
        }
        for case in cases
    }
    pathlib.Path(sys.argv[2]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
