"""Perplexity as secateur defines it, computed by PyTorch."""

import math

import torch
from torch.nn.functional import cross_entropy


@torch.no_grad()
def perplexity(model, tokenizer, text: str, context: int, windows: int | None) -> tuple[float, int]:
    """exp of the mean cross-entropy over non-overlapping windows from the start, no special tokens added; and the windows."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    count = len(ids) // context
    count = min(count, windows) if windows else count
    if count == 0:
        raise SystemExit(f"the text has {len(ids)} tokens, fewer than one window of {context}")
    total = 0.0
    for i in range(count):
        window = torch.tensor(ids[i * context : (i + 1) * context])
        logits = model(window[None], use_cache=False).logits[0, :-1]
        total += cross_entropy(logits.double(), window[1:]).item()
    return math.exp(total / count), count
