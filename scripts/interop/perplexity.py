"""Perplexity as secateur defines it, computed by PyTorch."""

import math

import torch
from torch.nn.functional import cross_entropy


@torch.no_grad()
def perplexity(
    model, tokenizer, text: str, context: int, windows: int | None, bos: bool = False
) -> tuple[float, int]:
    """exp of the mean cross-entropy over non-overlapping windows from the start, and the windows.

    No special tokens are added but, if it is asked for, BOS as the first token of each window, whatever the text begins with.
    """
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    first = [tokenizer.bos_token_id] if bos else []
    step = context - len(first)
    count = len(ids) // step
    count = min(count, windows) if windows else count
    if count == 0:
        raise SystemExit(f"the text has {len(ids)} tokens, fewer than one window of {context}")
    total = 0.0
    for i in range(count):
        window = torch.tensor(first + ids[i * step : (i + 1) * step])
        logits = model(window[None], use_cache=False).logits[0, :-1]
        total += cross_entropy(logits.double(), window[1:]).item()
    return math.exp(total / count), count
