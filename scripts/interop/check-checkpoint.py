#!/usr/bin/env python3
"""Checks a pruned checkpoint in PyTorch: it loads, its tensors are those of its source, its perplexity is the one expected.

usage: check-checkpoint.py PRUNED SOURCE [--text FILE --context C --windows N --bos --expect-perplexity X --tolerance T]

Prints a table and `N passed, N failed`; the exit status is 1 when something failed.
"""

import argparse
import collections
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from perplexity import perplexity
from stored_tensors import layout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pruned", type=pathlib.Path)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--text", type=pathlib.Path)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--windows", type=int)
    parser.add_argument("--bos", action="store_true", help="each window begins with BOS")
    parser.add_argument("--expect-perplexity", type=float)
    parser.add_argument("--tolerance", type=float, default=0.01, help="relative")
    args = parser.parse_args()

    outcomes: list[bool] = []

    def check(name: str, good: bool, detail: object = "") -> None:
        outcomes.append(good)
        print(f"{'ok  ' if good else 'FAIL'}  {name}  {detail}")

    ours, theirs = layout(args.pruned), layout(args.source)
    check("same tensors, dtypes and shapes as the source", ours == theirs, f"{len(ours)} tensors")

    model, info = AutoModelForCausalLM.from_pretrained(args.pruned, dtype=torch.float32, output_loading_info=True)
    wrong = {key: sorted(map(str, info[key])) for key in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[key]}
    check("transformers loads it without missing or unexpected keys", not wrong, wrong or type(model).__name__)
    model.eval()

    zeros: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
    negative_zeros = 0
    for name, module in model.model.named_modules():
        if isinstance(module, torch.nn.Linear):
            weight = module.weight.data
            zeros[name.rsplit(".", 1)[-1]][0] += int((weight == 0).sum())
            zeros[name.rsplit(".", 1)[-1]][1] += weight.numel()
            negative_zeros += int(((weight == 0) & torch.signbit(weight)).sum())
    for kind, (count, total) in zeros.items():
        print(f"      {kind}: {count} of {total} zero ({count / total:.4f})")
    check("its linears hold zeros", all(count > 0 for count, _ in zeros.values()))
    check("zeros are +0.0", negative_zeros == 0, negative_zeros or "")

    if args.text:
        tokenizer = AutoTokenizer.from_pretrained(args.pruned)
        text = args.text.read_text(encoding="utf-8")
        value, count = perplexity(model, tokenizer, text, args.context, args.windows, args.bos)
        if args.expect_perplexity is None:
            print(f"      perplexity {value:.4f} over {count} windows")
        else:
            difference = abs(value / args.expect_perplexity - 1)
            check(
                f"perplexity within {args.tolerance:.3%}",
                difference <= args.tolerance,
                f"{value:.4f}, expected {args.expect_perplexity:.4f}, {count} windows",
            )

    failed = outcomes.count(False)
    print(f"{len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
