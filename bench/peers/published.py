"""One pruning run with the code that came with the papers: SparseGPT or Wanda, f32 on the CPU.

The statistics and SparseGPT's solver are the papers' own classes, imported from checkouts of their repositories. The
loop over the layers does what their main programs do for Llama: the inputs of the first layer are caught, then for each
layer every window goes through once with a hook on each linear, all linears of the layer are pruned, and every window
goes through again. Wanda's mask is not in a class there and is stated here, without that code's loop over groups.
"""

import importlib.util
import pathlib
import sys

from peer_job import Clock, calibration_windows, parse_job, write_result

job = parse_job("Prunes a checkpoint with the papers' published classes.", repositories="folder with sparsegpt/ and wanda/")
clock = Clock()
with clock.part("import"):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

torch.set_num_threads(job.threads)
torch.set_grad_enabled(False)
torch.cuda.synchronize = lambda *_: None

BLOCK_SIZE, DAMPING = 128, 0.01


def published_class(repository: str, file: str, name: str) -> type:
    path = pathlib.Path(job.repositories) / repository / file
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(f"published_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


class FirstLayerReached(Exception):
    pass


def first_layer_inputs(model: torch.nn.Module, windows: list[list[int]]) -> tuple[torch.Tensor, dict]:
    """The hidden states that enter the first layer, [windows, tokens, hidden], and the other arguments it gets."""
    inputs = torch.zeros(len(windows), len(windows[0]), model.config.hidden_size)
    caught: dict = {}

    def catch(_layer: torch.nn.Module, args: tuple, kwargs: dict) -> None:
        caught.update(kwargs, hidden_states=args[0] if args else kwargs["hidden_states"])
        raise FirstLayerReached

    hook = model.model.layers[0].register_forward_pre_hook(catch, with_kwargs=True)
    for index, window in enumerate(windows):
        try:
            model(torch.tensor([window]), use_cache=False)
        except FirstLayerReached:
            inputs[index] = caught.pop("hidden_states")
    hook.remove()
    return inputs, caught


def wanda_prune(linear: torch.nn.Linear, mean_squares: torch.Tensor, n: int, m: int) -> None:
    """Zeroes the smallest |w|·‖x‖ of each row: half of it, or `n` of each `m` neighbours."""
    score = linear.weight.abs() * mean_squares.sqrt()
    mask = torch.zeros_like(score, dtype=torch.bool)
    if n:
        groups = score.reshape(score.shape[0], -1, m)
        smallest = groups.topk(n, dim=2, largest=False).indices
        mask.view(groups.shape).scatter_(2, smallest, True)
    else:
        order = score.sort(dim=1, stable=True).indices
        mask.scatter_(1, order[:, : score.shape[1] // 2], True)
    linear.weight[mask] = 0


with clock.part("tokenise"):
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    windows = calibration_windows(tokenizer, job.calibration, job.windows)

with clock.part("load"):
    model = AutoModelForCausalLM.from_pretrained(job.model, dtype=torch.float32).eval()
    stored_dtype = model.config.__class__.from_pretrained(job.model).dtype or torch.float32

if job.method == "sparsegpt":
    Statistics = published_class("sparsegpt", "sparsegpt.py", "SparseGPT")
else:
    Statistics = published_class("wanda", "lib/layerwrapper.py", "WrappedGPT")
keep, m = (int(part) for part in job.pattern.split(":")) if job.pattern else (0, 0)
n = m - keep


def forward(layer: torch.nn.Module, inputs: torch.Tensor, outputs: torch.Tensor, kwargs: dict) -> None:
    for index in range(len(inputs)):
        result = layer(inputs[index].unsqueeze(0), **kwargs)
        outputs[index] = result[0] if isinstance(result, tuple) else result[0, :]


with clock.part("prune"):
    inputs, kwargs = first_layer_inputs(model, windows)
    outputs = torch.zeros_like(inputs)
    for number, layer in enumerate(model.model.layers):
        linears = {name: module for name, module in layer.named_modules() if isinstance(module, torch.nn.Linear)}
        statistics = {name: Statistics(linear) for name, linear in linears.items()}
        hooks = [
            linear.register_forward_hook(
                lambda _module, args, output, of=statistics[name]: of.add_batch(args[0].data, output.data)
            )
            for name, linear in linears.items()
        ]
        forward(layer, inputs, outputs, kwargs)
        for hook in hooks:
            hook.remove()
        for name, linear in linears.items():
            print(f"layer {number} {name}", flush=True)
            if job.method == "sparsegpt":
                statistics[name].fasterprune(0.0 if n else 0.5, prunen=n, prunem=m, percdamp=DAMPING, blocksize=BLOCK_SIZE)
                statistics[name].free()
            else:
                wanda_prune(linear, statistics[name].scaler_row, n, m)
        forward(layer, inputs, outputs, kwargs)
        inputs, outputs = outputs, inputs

with clock.part("write"):
    model.to(stored_dtype).save_pretrained(job.output)
    tokenizer.save_pretrained(job.output)

write_result(job.result, clock, attention=model.config._attn_implementation, threads=torch.get_num_threads())
