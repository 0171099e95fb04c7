#!/usr/bin/env python3
"""Takes backup directories of Grafeo's into a repository and back, and prints sizes and rates.

    grafeo.py --epochfs EPOCHFS [--mb 256] [--rounds 3]

Each directory has one full and one incremental of format 2, most of it the log: transactions of about
100 bytes, or of about 10 KB. Text and numbers in it repeat as those of a small shop do, so the sizes
say something about such a shop only. Everything is in the page cache; a figure is the median of its
rounds, and rates are bytes of unpacked files per second, and per second of processor time. "index" is the first look at a history with
an empty cache directory: all of the log is read, every checksum compared.
"""

import argparse
import json
import random
import resource
import shutil
import statistics
import struct
import subprocess
import tempfile
import time
import zlib
from pathlib import Path

DATABASE_ID = bytes(range(16))
WORDS = "amber birch cedar delta ember fjord grove heath islet jetty knoll larch marsh".split()


def number(value):
    """bincode's varint."""
    for limit, mark, kind in ((251, b"", "B"), (1 << 16, b"\xfb", "H"), (1 << 32, b"\xfc", "I")):
        if value < limit:
            return mark + struct.pack("<" + kind, value)
    return b"\xfd" + struct.pack("<Q", value)


def with_crc(data):
    return data + struct.pack("<I", zlib.crc32(data))


def image(epoch, payload):
    """Container 3: three pages of headers and one block."""
    pages = with_crc(struct.pack("<4sIII16sQ32s", b"GRAF", 3, 4096, 0, DATABASE_ID, 0, b"bench"))
    slot = with_crc(struct.pack("<4sIQQQQQIIQQQ", b"GDBH", 0, 1, 0, epoch, 0, 3 * 4096,
                                len(payload), zlib.crc32(payload), 0, 0, 0))
    return b"".join((pages.ljust(4096, b"\0"), bytes(4096), slot.ljust(4096, b"\0"), payload))


def record(kind, content):
    return struct.pack("<BBI", kind, 1, len(content)) + content


def log(megabytes, text_bytes, first_epoch):
    """A segment of groups, one epoch each; and the last epoch."""
    dice = random.Random(20261121)
    header = struct.pack("<8sHHI16sQQ", b"GRAFWAL", 2, 128, 0, DATABASE_ID, 0, 0)
    parts, lsn, epoch = [with_crc(header.ljust(124, b"\0"))], 0, first_epoch - 1
    while lsn < megabytes * 1_000_000:
        epoch += 1
        text = " ".join(dice.choices(WORDS, k=text_bytes // 6)).encode()
        begin = number(epoch) + number(1_795_000_000_000 + 40 * epoch) + number(0)
        payload = b"".join((struct.pack("<Q", lsn), record(1, begin),
                            record(16, number(dice.randrange(1 << 20)) + text)))
        head = struct.pack("<I", len(payload))
        tail = struct.pack("<QQB", lsn, epoch, 3)
        crc = zlib.crc32(payload, zlib.crc32(tail, zlib.crc32(head)))
        parts += (head, struct.pack("<I", crc), tail, payload)
        lsn += 25 + len(payload)
    return b"".join(parts), epoch


def make(directory, megabytes, text_bytes):
    directory.mkdir(parents=True)
    segment, last = log(megabytes, text_bytes, 2)
    incremental = struct.pack("<4sIQQQQ", b"GBAK", 2, 2, last, last - 1, len(segment)) + segment
    segments = []
    for name, kind, start, end, content in (
            ("backup_full_0000.grafeo", "Full", 0, 1, image(1, b" ".join(
                word.encode() for word in random.Random(7).choices(WORDS, k=200_000)))),
            ("backup_incr_0001.wal", "Incremental", 2, last, incremental)):
        (directory / name).write_bytes(content)
        segments.append({"kind": kind, "filename": name, "start_epoch": start, "end_epoch": end,
                         "checksum": zlib.crc32(content), "size_bytes": len(content),
                         "created_at_ms": 1_795_900_000_000})
    (directory / "backup_manifest.json").write_text(json.dumps({"version": 2,
                                                                "segments": segments}))


def size_of(directory):
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seconds(*command):
    """What a command took: of time, and of the processors'."""
    begin, processor = time.monotonic(), processor_seconds()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin, processor_seconds() - processor


def measure(epochfs, work, name, rounds):
    own, packed, out, cache = (work / part for part in (name, "packed", "out", "cache"))
    took = {what: [] for what in ("import", "export", "index of the directory",
                                  "index of the repository")}
    for _ in range(rounds):
        for old in (packed, out):
            shutil.rmtree(old, ignore_errors=True)
        for what, *words in (("import", "import", own, packed), ("export", "export", packed, out),
                             ("index of the directory", "log", own, "-n", "1"),
                             ("index of the repository", "log", packed, "-n", "1")):
            shutil.rmtree(cache, ignore_errors=True)
            took[what].append(seconds(epochfs, *words, "--cache-dir", cache))
    size = size_of(own)
    print(f"{name}: {size / 1e6:.0f} MB, packed {size_of(packed) / 1e6:.0f} MB "
          f"({size_of(packed) / size:.1%})")
    for what, times in took.items():
        rates = [size / 1e6 / statistics.median(seconds) for seconds in zip(*times)]
        print(f"{name}: {what} {rates[0]:.0f} MB/s, {rates[1]:.0f} MB/s of processor time")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochfs", required=True)
    parser.add_argument("--mb", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for name, text_bytes in (("transactions of 100 B", 60), ("transactions of 10 KB", 10_000)):
            make(Path(directory, name), words.mb, text_bytes)
            measure(words.epochfs, Path(directory), name, words.rounds)


if __name__ == "__main__":
    main()
