"""What the Python peers share: their arguments, a clock for the parts of a run, the calibration windows."""

import argparse
import json
import pathlib
import time
from collections.abc import Iterator
from contextlib import contextmanager


def parse_job(description: str, **extra: str) -> argparse.Namespace:
    """The arguments of one pruning run; `extra` names further required ones with their help."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", required=True, help="a model folder")
    parser.add_argument("--method", required=True, choices=["sparsegpt", "wanda"])
    parser.add_argument("--pattern", help="N:M; without it half of the weights, anywhere")
    parser.add_argument("--calibration", required=True, help="a .txt or .jsonl file")
    parser.add_argument("--windows", required=True, help="JSON with the token windows that the run must end up with")
    parser.add_argument("--output", required=True, help="the folder to write")
    parser.add_argument("--threads", required=True, type=int)
    parser.add_argument("--result", required=True, help="JSON file for the seconds of each part")
    for name, words in extra.items():
        parser.add_argument(f"--{name.replace('_', '-')}", required=True, help=words)
    return parser.parse_args()


class Clock:
    """Seconds of each part of a run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def read_documents(path: pathlib.Path) -> Iterator[str | list[dict[str, str]]]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".txt":
        yield text
        return
    for line in text.split("\n"):
        if line.strip():
            document = json.loads(line)
            yield document["text"] if "text" in document else document["messages"]


def calibration_windows(tokenizer, calibration: str, expected_file: str) -> list[list[int]]:
    """Tokenises the text without special tokens, cuts it from the start into windows, and compares every id.

    Ends the process when an id differs from the windows in `expected_file`.
    """
    expected = json.loads(pathlib.Path(expected_file).read_text(encoding="utf-8"))
    samples, length, wanted = expected["samples"], expected["sequence_length"], expected["tokens"]
    ids: list[int] = []
    for document in read_documents(pathlib.Path(calibration)):
        if isinstance(document, str):
            ids += tokenizer(document, add_special_tokens=False, verbose=False)["input_ids"]
        else:
            text = tokenizer.apply_chat_template(document, tokenize=False)
            ids += tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if len(ids) >= samples * length:
            break
    ids = ids[: samples * length]
    if ids != wanted:
        at = next((i for i, (ours, theirs) in enumerate(zip(ids, wanted)) if ours != theirs), min(len(ids), len(wanted)))
        raise SystemExit(
            f"{calibration}: the token ids differ from secateur's at window {at // length + 1}, token {at % length + 1}: "
            f"{ids[at : at + 5]} here, {wanted[at : at + 5]} there; the runs would not be comparable"
        )
    return [ids[start : start + length] for start in range(0, len(ids), length)]


def write_result(path: str, clock: Clock, **details: object) -> None:
    pathlib.Path(path).write_text(json.dumps({"seconds": clock.seconds, **details}), encoding="utf-8")
