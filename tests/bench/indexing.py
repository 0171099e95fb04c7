#!/usr/bin/env python3
"""Takes long histories into the index, mounts the longest one, and prints rates and times.

    indexing.py --epochfs EPOCHFS --make-history MAKE_HISTORY [--rounds 3]

The histories have no database behind them (make_history.cc): one of a few epochs that change much, one of
1,000,000 epochs. Everything lies in memory. Rates are page versions for each second of processor
time and of waiting; a figure is the median of its rounds.
"""

import argparse
import random
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from common import mounted, peak_mb

HISTORIES = {"100 segments of 40 epochs, 1000 pages each": (250_000, 100, 40, 1000),
             "1000 segments of 1000 epochs, 2 pages each": (250_000, 1000, 1000, 2)}


def child_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def take_in(epochfs, repository, cache, versions, rounds):
    """Indexes the history anew, several times; leaves the last index there."""
    walls, cpus = [], []
    for _ in range(rounds):
        shutil.rmtree(cache, ignore_errors=True)
        wall, cpu = time.monotonic(), child_seconds()
        subprocess.run([epochfs, "log", repository, "-n", "1", "--cache-dir", cache], check=True,
                       stdout=subprocess.DEVNULL)
        walls.append(time.monotonic() - wall)
        cpus.append(child_seconds() - cpu)
    size = sum(file.stat().st_size for file in cache.rglob("index.lmdb"))
    print(f"  {versions:,} page versions: {versions / statistics.median(cpus) / 1e6:.2f} million/s of CPU,"
          f" {versions / statistics.median(walls) / 1e6:.2f} million/s; index {size / 1e6:.1f} MB,"
          f" {size / versions:.1f} bytes each", flush=True)


def median_ms(actions):
    times = []
    for action in actions:
        start = time.monotonic()
        action()
        times.append(time.monotonic() - start)
    return statistics.median(times) * 1000


def look_around(epochfs, repository, cache, mountpoint, rounds):
    command = [epochfs, "mount", "-f", repository, mountpoint, "--cache-dir", cache]
    start = time.monotonic()
    with mounted(command, mountpoint, (epochfs, "umount")) as server:
        epochs = mountpoint / "bench" / "epochs"
        epochs.stat()
        print(f"  mount {(time.monotonic() - start) * 1000:.0f} ms", flush=True)
        listing = median_ms([lambda: subprocess.run(f"ls -f {epochs} | wc -l", shell=True, check=True,
                                                    stdout=subprocess.DEVNULL)] * rounds)
        print(f"  ls -f | wc -l {listing:.0f} ms", flush=True)
        dice = random.Random(20261121)
        names = [epochs / f"{dice.randrange(1, 1_000_001):010}" for _ in range(3000)]
        print(f"  stat of an epoch {median_ms([name.stat for name in names]):.3f} ms", flush=True)
        print(f"  memory of the server: {peak_mb(server.pid):.1f} MB at most", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochfs", required=True)
    parser.add_argument("--make-history", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="epochfs-bench.", dir="/dev/shm") as directory:
        repository, cache, mountpoint = (Path(directory, part) for part in ("repo", "cache", "mnt"))
        mountpoint.mkdir()
        for what, shape in HISTORIES.items():
            shutil.rmtree(repository, ignore_errors=True)
            versions = int(subprocess.run(
                [words.make_history, repository, *map(str, shape)], check=True, text=True,
                stdout=subprocess.PIPE).stdout)
            print(what, flush=True)
            take_in(words.epochfs, repository, cache, versions, words.rounds)
        look_around(words.epochfs, repository, cache, mountpoint, words.rounds)


if __name__ == "__main__":
    main()
