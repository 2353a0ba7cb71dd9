"""One pruning run of llm-compressor: SparseGPT or Wanda, f32 on the CPU, written as a dense checkpoint.

Settings: the pipeline is `sequential`, the one that llm-compressor picks for these modifiers: decoder layer by decoder
layer, one pass to calibrate and one to propagate. Only `input_ids` are given: an attention mask would cost time and
change nothing. Windows go in one at a time, its default.
"""

from peer_job import Clock, calibration_windows, parse_job, write_result

job = parse_job("Prunes a checkpoint with llm-compressor.", batch_size="windows a batch")
clock = Clock()
with clock.part("import"):
    import torch
    from datasets import Dataset
    from llmcompressor import oneshot
    from llmcompressor.modifiers.pruning import SparseGPTModifier, WandaPruningModifier
    from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_num_threads(job.threads)

with clock.part("tokenise"):
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    windows = calibration_windows(tokenizer, job.calibration, job.windows)
    dataset = Dataset.from_dict({"input_ids": windows})

with clock.part("load"):
    model = AutoModelForCausalLM.from_pretrained(job.model, dtype=torch.float32)
    stored_dtype = model.config.__class__.from_pretrained(job.model).dtype or torch.float32

# llm-compressor's N of N:M counts what goes; of the patterns used here as much goes as stays.
common = {"sparsity": 0.5, "mask_structure": job.pattern or "0:0", "targets": ["Linear"], "ignore": ["re:.*lm_head"]}
if job.method == "sparsegpt":
    modifier = SparseGPTModifier(block_size=128, dampening_frac=0.01, **common)
else:
    modifier = WandaPruningModifier(**common)

with clock.part("prune"):
    oneshot(
        model=model,
        processor=tokenizer,
        recipe=modifier,
        dataset=dataset,
        pipeline="sequential",
        batch_size=int(job.batch_size),
        num_calibration_samples=len(windows),
        max_seq_length=len(windows[0]),
        shuffle_calibration_samples=False,
    )

with clock.part("write"):
    model.to(stored_dtype).save_pretrained(job.output, save_compressed=False)
    tokenizer.save_pretrained(job.output)

write_result(job.result, clock, attention=model.config._attn_implementation, threads=torch.get_num_threads())
