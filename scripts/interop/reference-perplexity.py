#!/usr/bin/env python3
"""The perplexity of a checkpoint folder on a text, by transformers in float32: what `secateur eval` is compared with.

usage: reference-perplexity.py CHECKPOINT TEXT [--context C] [--windows N] [--bos] [--attention NAME] [--threads T]
"""

import argparse
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from perplexity import perplexity


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--windows", type=int, help="all when left out")
    parser.add_argument("--bos", action="store_true", help="each window begins with BOS")
    parser.add_argument("--attention", help="of transformers; for Gemma 2 eager, since the others leave out its cap")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    model = AutoModelForCausalLM.from_pretrained(
        args.checkpoint, dtype=torch.float32, attn_implementation=args.attention
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint)
    text = args.text.read_text(encoding="utf-8")
    value, windows = perplexity(model, tokenizer, text, args.context, args.windows, args.bos)
    print(f"perplexity {value:.4f} over {windows} windows of {args.context} tokens")


if __name__ == "__main__":
    main()
