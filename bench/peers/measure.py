"""Runs one command and says what it cost, by the kernel's account.

usage: measure.py RESULT.json COMMAND [ARGUMENT...]

Writes RESULT.json with seconds of wall, user and system time, peak resident memory and the exit code; ends with that
code. Only the standard library is loaded: a process inherits the peak of the process that forked it, so this one must
be smaller than anything it measures.
"""

import json
import os
import resource
import signal
import sys
import threading
import time

SAMPLE_SECONDS = 0.5


def descendants(root: int) -> list[int]:
    """The process and everything below it; only itself where the system doesn't tell."""
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                    queue.extend(int(child) for child in file.read().split())
        except OSError:
            continue
    return found


def resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


class TreeSampler(threading.Thread):
    """Adds up the resident memory of a process tree from time to time: `wait4` gives the largest process only."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak, self.processes, self.done = root, 0, 1, threading.Event()

    def run(self) -> None:
        while not self.done.wait(SAMPLE_SECONDS):
            tree = descendants(self.root)
            self.processes = max(self.processes, len(tree))
            self.peak = max(self.peak, sum(map(resident_bytes, tree)))


def main() -> int:
    result_file, command = sys.argv[1], sys.argv[2:]
    started = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    sampler = TreeSampler(child)
    sampler.start()
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - started
    sampler.done.set()
    sampler.join()

    largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    code = os.waitstatus_to_exitcode(status)
    result = {
        "exit_code": code,
        "wall_seconds": wall,
        "user_seconds": usage.ru_utime,
        "system_seconds": usage.ru_stime,
        "peak_rss_bytes": max(largest, sampler.peak),
        "largest_process_rss_bytes": largest,
        "sampled_tree_rss_bytes": sampler.peak,
        "processes": sampler.processes,
    }
    with open(result_file, "w", encoding="utf-8") as file:
        json.dump(result, file)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
