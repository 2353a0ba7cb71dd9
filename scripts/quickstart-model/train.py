"""Trains the quickstart model and writes its checkpoint folder. README.md beside this file says how to run it."""

import argparse
import copy
import json
import math
import pathlib
import time

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from checkpoint import END_OF_TEXT_ID, train_tokenizer, write_checkpoint
from corpus import split

VOCABULARY = 2048
CONTEXT = 512
TOKENS_PER_STEP = 2048
# Most steps see short windows (attention is cheaper); the last ones the whole context.
SHORT_CONTEXT = 256
LONG_CONTEXT_SHARE = 0.2
WARM_UP_SHARE = 0.04
FINAL_LEARNING_RATE_SHARE = 0.02
WEIGHT_DECAY = 0.1
# The usual 0.02 starts a model this narrow too close to zero: it learns visibly slower.
INITIAL_RANGE = 0.06
EVALUATE_EVERY = 250
QUICK_EVALUATION_WINDOWS = 32


def build_model() -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=192, intermediate_size=512, num_hidden_layers=6,
            num_attention_heads=6, num_key_value_heads=2, head_dim=32, max_position_embeddings=CONTEXT,
            rms_norm_eps=1e-5, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
            tie_word_embeddings=True, use_cache=False, initializer_range=INITIAL_RANGE,
            bos_token_id=END_OF_TEXT_ID, eos_token_id=END_OF_TEXT_ID,
        )
    )


def batches(stream: torch.Tensor, generator: torch.Generator, lengths: list[int]):
    """One batch a step: windows of the stream in shuffled order, each epoch from another offset."""
    queue: list[int] = []
    length = 0
    for step_length in lengths:
        rows = TOKENS_PER_STEP // step_length
        if len(queue) < rows or step_length != length:
            length = step_length
            offset = int(torch.randint(length, (1,), generator=generator))
            starts = torch.arange(offset, len(stream) - length - 1, length)
            queue = starts[torch.randperm(len(starts), generator=generator)].tolist()
        yield torch.stack([stream[s : s + length + 1] for s in (queue.pop() for _ in range(rows))])


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up, then a cosine down to a small share of the peak."""
    warm_up = max(1, int(steps * WARM_UP_SHARE))
    if step < warm_up:
        return peak * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    floor = peak * FINAL_LEARNING_RATE_SHARE
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def mean_loss(model: LlamaForCausalLM, tokens: torch.Tensor, windows: int | None = None) -> float:
    """Mean cross-entropy of the shifted positions over non-overlapping windows of the whole context."""
    count = len(tokens) // CONTEXT
    if windows is not None:
        count = min(count, windows)
    total = 0.0
    for i in range(count):
        ids = tokens[i * CONTEXT : (i + 1) * CONTEXT].unsqueeze(0)
        logits = model(ids).logits[0, :-1]
        total += cross_entropy(logits, ids[0, 1:], reduction="sum").item()
    return total / (count * (CONTEXT - 1))


def rounded_to_bf16(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """A float32 copy whose weights are those that the checkpoint holds."""
    return copy.deepcopy(model).to(torch.bfloat16).to(torch.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=pathlib.Path, help="the checkpoint folder to write")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="a folder for the packages and the held-out text")
    parser.add_argument("--steps", type=int, default=3200)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20260101)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    started = time.monotonic()

    train_documents, held_out_documents = split(args.work)
    tokenizer = train_tokenizer(train_documents, VOCABULARY)
    ids: list[int] = []
    for encoding in tokenizer.encode_batch(train_documents):
        ids += [*encoding.ids, END_OF_TEXT_ID]
    stream = torch.tensor(ids)
    held_out_text = "\n\n".join(held_out_documents)
    (args.work / "heldout.txt").write_text(held_out_text, encoding="utf-8")
    held_out = torch.tensor(tokenizer.encode(held_out_text).ids)

    model = build_model()
    parameters = sum(p.numel() for p in model.parameters())
    train_bytes = sum(len(d.encode()) for d in train_documents)
    print(f"{parameters} parameters; {len(stream)} training tokens ({train_bytes} bytes, {len(train_documents)} documents); "
          f"{len(held_out)} held-out tokens ({len(held_out_text.encode())} bytes, {len(held_out_documents)} documents)", flush=True)

    decayed = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
        lr=args.learning_rate, betas=(0.9, 0.95), fused=True,
    )
    long_from = args.steps - int(args.steps * LONG_CONTEXT_SHARE)
    lengths = [SHORT_CONTEXT if step < long_from else CONTEXT for step in range(args.steps)]
    recent = 0.0
    for step, batch in enumerate(batches(stream, torch.Generator().manual_seed(args.seed), lengths)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.learning_rate)
        logits = model(batch[:, :-1]).logits
        loss = cross_entropy(logits.reshape(-1, VOCABULARY), batch[:, 1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        recent = loss.item() if step == 0 else 0.98 * recent + 0.02 * loss.item()
        if not math.isfinite(recent):
            raise SystemExit(f"the loss is {loss.item()} at step {step}")
        if (step + 1) % EVALUATE_EVERY == 0:
            write_checkpoint(args.output, model, tokenizer)
            held = mean_loss(rounded_to_bf16(model), held_out, QUICK_EVALUATION_WINDOWS)
            print(f"step {step + 1}/{args.steps}  train {recent:.4f}  held-out (first {QUICK_EVALUATION_WINDOWS} windows) {held:.4f}"
                  f"  {time.monotonic() - started:.0f} s", flush=True)

    size = write_checkpoint(args.output, model, tokenizer)
    held = mean_loss(rounded_to_bf16(model), held_out)
    print(json.dumps({
        "parameters": parameters, "weight_bytes": size, "steps": args.steps, "tokens_seen": args.steps * TOKENS_PER_STEP,
        "epochs": round(args.steps * TOKENS_PER_STEP / len(stream), 2), "learning_rate": args.learning_rate, "seed": args.seed,
        "minutes": round((time.monotonic() - started) / 60, 1), "train_loss": round(recent, 4),
        "held_out_loss": round(held, 4), "held_out_perplexity": round(math.exp(held), 3),
    }, indent=2))


if __name__ == "__main__":
    main()
