#!/usr/bin/env python3
"""Uses the hub's cache as huggingface_hub does; the settings come from the environment (HF_ENDPOINT, HF_HUB_CACHE, ...).

usage: hub-cache.py find ID       prints the folder of a model that is in the cache; the model loads, and the cache is sound
       hub-cache.py download ID   downloads a model, and prints its folder
"""

import sys

from huggingface_hub import scan_cache_dir, snapshot_download


def main() -> None:
    mode, name = sys.argv[1:]
    if mode == "download":
        print(snapshot_download(name))
        return
    folder = snapshot_download(name, local_files_only=True)
    cache = scan_cache_dir()
    if cache.warnings:
        raise SystemExit(f"the cache has errors: {cache.warnings}")
    [repository] = [each for each in cache.repos if each.repo_id == name]
    [revision] = repository.revisions
    if "main" not in revision.refs:
        raise SystemExit(f"main is not known: {revision}")

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(name)("The hub", return_tensors="pt").input_ids
    if not torch.isfinite(model(ids).logits).all():
        raise SystemExit("the model loads, and computes nothing finite")
    print(folder)


if __name__ == "__main__":
    main()
