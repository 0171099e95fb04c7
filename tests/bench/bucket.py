#!/usr/bin/env python3
"""Reads a SQLite database out of a repository in a bucket, at once and when every request takes
20 ms longer, and compares that with a parallel download of the same stored bytes by curl.

The store is the one of the tests (Ceph's gateway, in memory); a proxy on this machine holds each
request back before it passes it on. "cold" means a fresh mount and no cache but the index. All of
it, store and proxy included, shares the cores of this machine, so what counts are the ratios: to
the download, which neither decompresses nor checks anything, and between the two delays.
"""

import argparse
import filecmp
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

ROOT = Path(__file__).resolve().parents[2]
METHODS = (b"GET ", b"HEAD", b"PUT ", b"POST", b"DELE")
BUCKET = "bench"
PIECE = 8 * 1024 * 1024
PIECES_AT_ONCE = 16


def run(*command):
    """Runs a program that must succeed; returns its stdout."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bucket.py: {command[0]} {command[1]}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


class SlowWay:
    """A port that leads to another one, and takes its time for each request."""

    def __init__(self, port, seconds):
        self.target, self.seconds = port, seconds
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

    @staticmethod
    def pump(source, target, delay):
        room = memoryview(bytearray(1024 * 1024))
        try:
            while count := source.recv_into(room):
                if delay and bytes(room[:4]) in METHODS:
                    time.sleep(delay)
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
    parser.add_argument("--mb", type=float, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay-ms", type=float, default=20)
    arguments = parser.parse_args()
    epochfs = arguments.epochfs

    server = subprocess.Popen([ROOT / "tests/s3/server.sh", "me", "secret"], text=True,
                              stdout=subprocess.PIPE)
    port = int(server.stdout.readline().split()[1])
    try:
        with tempfile.TemporaryDirectory(prefix="epochfs-bench.") as directory:
            measure(arguments, epochfs, port, Path(directory))
    finally:
        server.terminate()
        server.wait()


def measure(arguments, epochfs, port, work):
    direct = f"http://127.0.0.1:{port}"
    os.environ.update(AWS_ENDPOINT_URL=direct, AWS_ACCESS_KEY_ID="me", AWS_REGION="us-east-1",
                      AWS_SECRET_ACCESS_KEY="secret", EPOCHFS_CACHE_DIR=str(work / "cache"))
    run("curl", "--fail", "--silent", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", "me:secret",
        "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-X", "PUT", f"{direct}/{BUCKET}")
    live, output, mountpoint = work / "live.db", work / "output", work / "mnt"
    mountpoint.mkdir()
    run(sys.executable, Path(__file__).with_name("workload.py"), "create", live,
        "--mb", arguments.mb)
    place = f"s3://{BUCKET}/repo"
    run(epochfs, "backup", live, place)
    segment = json.loads(download_manifest(direct))["segments"][0]
    key, size = f"repo/live/{segment['filename']}", segment["size_bytes"]
    print(f"database {live.stat().st_size / 1e6:.1f} MB, stored as {size / 1e6:.1f} MB", flush=True)
    for delay_ms in (0, arguments.delay_ms):
        slow = f"http://127.0.0.1:{SlowWay(port, delay_ms / 1000).port}"
        os.environ["AWS_ENDPOINT_URL"] = slow
        run(epochfs, "log", place)
        print(f"{delay_ms:g} ms more for each request", flush=True)
        figures = {}

        def timed(what, action, into=figures):
            start = time.monotonic()
            action()
            into.setdefault(what, []).append(time.monotonic() - start)

        for _ in range(arguments.rounds):
            timed(f"parallel download, {PIECES_AT_ONCE} ranges at a time",
                  lambda way=slow: download(way, key, size))
            store = copy_out(epochfs, place, mountpoint, live, output, timed)
            timed("restore", lambda: run(epochfs, "restore", place, output))
            same_or_exit(output, live)
            timed("verify", lambda: run(epochfs, "verify", place))
        tell(figures, size)
        print(f"  requests of the mount: {store['gets']} GET, {store['heads']} HEAD,"
              f" {store['bytes_received'] / 1e6:.1f} MB", flush=True)


def copy_out(epochfs, place, mountpoint, live, output, timed):
    """The newest state out of a fresh mount; what that asked of the store."""
    run(epochfs, "mount", place, mountpoint)
    try:
        timed("cp out of a cold mount",
              lambda: run("cp", mountpoint / "live/latest/live.db", output))
        same_or_exit(output, live)
        return json.loads((mountpoint / "live/.epochfs/status.json").read_text())["store"]
    finally:
        run(epochfs, "umount", mountpoint)


def tell(figures, size):
    first = statistics.median(next(iter(figures.values())))
    for what, seconds in figures.items():
        median = statistics.median(seconds)
        print(f"  {what:44} {median:8.3f} s  {size / 1e6 / median:7.1f} MB/s stored"
              f"  {first / median:6.2f} of the download")


def download_manifest(endpoint):
    return run("curl", "--fail", "--silent", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
               "me:secret", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
               f"{endpoint}/{BUCKET}/repo/live/manifest.json")


def same_or_exit(output, original):
    if not filecmp.cmp(output, original, shallow=False):
        sys.exit(f"bucket.py: {output} is not what was backed up")
    output.unlink()


if __name__ == "__main__":
    main()
