#!/usr/bin/env python3
"""Reads a SQLite database out of a repository in a bucket, at once, when every request takes 20 ms
longer, and when no more than 1 Gbit/s comes through besides, and compares that with parallel downloads by curl: of the stored bytes, and of the
database as it is. Then opens a repository of 1000 segments there.

The store is the one of the tests (Ceph's gateway, in memory); a proxy on this machine holds each
request back before it passes it on. "cold" means a fresh mount and no cache but the index. All of
it, store and proxy included, shares the cores of this machine, so what counts are the ratios: to
the downloads, which neither decompress nor check anything, and between the two delays.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from common import mounted, peak_mb, run, same_or_exit

ROOT = Path(__file__).resolve().parents[2]
SEGMENTS = 1000
METHODS = (b"GET ", b"HEAD", b"PUT ", b"POST", b"DELE")
BUCKET = "bench"
PIECE = 8 * 1024 * 1024
PIECES_AT_ONCE = 16


class SlowWay:
    """A port that leads to another one, takes its time for each request, and lets only so much through."""

    def __init__(self, port, seconds, bytes_per_second=None):
        self.target, self.seconds, self.rate = port, seconds, bytes_per_second
        self.lock, self.free_at = threading.Lock(), 0.0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.target))
            for one, other, delay in ((client, server, self.seconds), (server, client, 0)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.pump, args=(one, other, delay), daemon=True).start()

    def wait_for_turn(self, count):
        with self.lock:
            self.free_at = max(self.free_at, time.monotonic()) + count / self.rate
            turn = self.free_at
        time.sleep(max(0.0, turn - time.monotonic()))

    def pump(self, source, target, delay):
        room = memoryview(bytearray(256 * 1024))
        try:
            while count := source.recv_into(room):
                if delay and bytes(room[:4]) in METHODS:
                    time.sleep(delay)
                if self.rate:
                    self.wait_for_turn(count)
                target.sendall(room[:count])
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def download(endpoint, key, size):
    """All of an object, PIECES_AT_ONCE ranges at a time, thrown away."""
    lines = []
    for begin in range(0, size, PIECE):
        lines += [f'url = "{endpoint}/{BUCKET}/{key}"', 'aws-sigv4 = "aws:amz:us-east-1:s3"',
                  'user = "me:secret"', 'header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"',
                  f'range = "{begin}-{min(begin + PIECE, size) - 1}"', 'output = "/dev/null"',
                  "fail", "silent", "show-error", "next"]
    with tempfile.NamedTemporaryFile("w", suffix=".curl") as config:
        config.write("\n".join(lines[:-1]) + "\n")
        config.flush()
        run("curl", "--parallel", "--parallel-immediate", "--parallel-max", PIECES_AT_ONCE,
            "--config", config.name)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochfs", required=True, help="the command to measure")
    parser.add_argument("--make-history", help="the program that writes a long history")
    parser.add_argument("--mb", type=float, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay-ms", type=float, default=20)
    parser.add_argument("--mbit", type=int, default=1000, help="a second, the slowest way of three")
    arguments = parser.parse_args()
    epochfs = arguments.epochfs

    server = subprocess.Popen([ROOT / "tests/s3/server.sh", "me", "secret"], text=True,
                              stdout=subprocess.PIPE)
    port = int(server.stdout.readline().split()[1])
    try:
        with tempfile.TemporaryDirectory(prefix="epochfs-bench.", dir="/dev/shm") as directory:
            measure(arguments, epochfs, port, Path(directory))
    finally:
        server.terminate()
        server.wait()


def curl(*words):
    return run("curl", "--fail", "--silent", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
               "me:secret", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *words)


def measure(arguments, epochfs, port, work):
    direct = f"http://127.0.0.1:{port}"
    os.environ.update(AWS_ENDPOINT_URL=direct, AWS_ACCESS_KEY_ID="me", AWS_REGION="us-east-1",
                      AWS_SECRET_ACCESS_KEY="secret", EPOCHFS_CACHE_DIR=str(work / "cache"))
    curl("-X", "PUT", f"{direct}/{BUCKET}")
    live, output, mountpoint = work / "live.db", work / "output", work / "mnt"
    mountpoint.mkdir()
    run(sys.executable, Path(__file__).with_name("workload.py"), "create", live,
        "--mb", arguments.mb)
    place = f"s3://{BUCKET}/repo"
    run(epochfs, "backup", live, place)
    curl("-T", live, f"{direct}/{BUCKET}/live.db")
    manifest = json.loads(curl(f"{direct}/{BUCKET}/repo/live/manifest.json"))
    segment = manifest["segments"][0]
    objects = {f"repo/live/{segment['filename']}": segment["size_bytes"],
               "live.db": live.stat().st_size}
    for key, size in objects.items():
        print(f"{key}: {size / 1e6:.1f} MB", flush=True)
    delay = arguments.delay_ms / 1000
    ways = {"without delay": SlowWay(port, 0),
            f"{arguments.delay_ms:g} ms more for each request": SlowWay(port, delay),
            f"{arguments.delay_ms:g} ms more, {arguments.mbit} Mbit/s":
                SlowWay(port, delay, arguments.mbit * 1e6 / 8)}
    for name, way in ways.items():
        slow = f"http://127.0.0.1:{way.port}"
        os.environ["AWS_ENDPOINT_URL"] = slow
        run(epochfs, "log", place)
        print(name, flush=True)
        figures = {}

        def timed(what, action, into=figures):
            start = time.monotonic()
            action()
            into.setdefault(what, []).append(time.monotonic() - start)

        for _ in range(arguments.rounds):
            for what, (key, size) in zip(("stored bytes", "database"), objects.items()):
                timed(f"parallel download of the {what}",
                      lambda way=slow, key=key, size=size: download(way, key, size))
            status = copy_out(epochfs, place, mountpoint, live, output, timed)
            timed("restore", lambda: run(epochfs, "restore", place, output))
            taken_away(output, live)
            timed("verify", lambda: run(epochfs, "verify", place))
        tell(figures, live.stat().st_size)
        tell_mount(status)
    if arguments.make_history:
        open_long_history(arguments, mountpoint)


def mount(epochfs, place, mountpoint, look):
    """Looks around in a mount; what that asked of the store, with the memory it took."""
    command = [epochfs, "mount", "-f", place, mountpoint]
    with mounted(command, mountpoint, (epochfs, "umount")) as server:
        database = look()
        status = json.loads((mountpoint / database / ".epochfs/status.json").read_text())["store"]
        return status | {"memory": f"{peak_mb(server.pid):.1f} MB at most"}


def copy_out(epochfs, place, mountpoint, live, output, timed):
    """The newest state out of a fresh mount."""
    def look():
        timed("cp out of a cold mount",
              lambda: run("cp", mountpoint / "live/latest/live.db", output))
        taken_away(output, live)
        return "live"
    return mount(epochfs, place, mountpoint, look)


def open_long_history(arguments, mountpoint):
    place = f"s3://{BUCKET}/long"
    run(arguments.make_history, place, 10_000, SEGMENTS, 10, 2)
    seconds = []
    start = time.monotonic()

    def look():
        os.stat(mountpoint / "bench/latest/bench.db")
        seconds.append(time.monotonic() - start)
        return "bench"
    status = mount(arguments.epochfs, place, mountpoint, look)
    print(f"{SEGMENTS} segments, mounted for the first time, {arguments.delay_ms:g} ms more for each"
          f" request: {seconds[0]:.2f} s")
    tell_mount(status)


def tell_mount(status):
    print(f"  requests of the mount: {status['gets']} GET, {status['heads']} HEAD,"
          f" {status['lists']} LIST, {status['bytes_received'] / 1e6:.1f} MB;"
          f" its memory: {status['memory']}", flush=True)


def tell(figures, size):
    medians = {what: statistics.median(seconds) for what, seconds in figures.items()}
    stored, whole = list(medians.values())[:2]
    for what, median in medians.items():
        print(f"  {what:40} {median:7.3f} s  {size / 1e6 / median:7.1f} MB/s of the database"
              f"  {stored / median:5.2f} and {whole / median:5.2f} of the downloads")


def taken_away(output, live):
    same_or_exit(output, live)
    output.unlink()


if __name__ == "__main__":
    main()
