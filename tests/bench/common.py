"""What the measuring programs share. A program that fails ends them, with what it said."""

import contextlib
import filecmp
import os
import subprocess
import sys
import time
from pathlib import Path

NAME = Path(sys.argv[0]).name


def run(*command, cwd=None):
    """Runs a program that must succeed; returns its stdout."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{NAME}: {' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def stored_bytes(directory):
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())


def same_or_exit(output, original):
    if not filecmp.cmp(output, original, shallow=False):
        sys.exit(f"{NAME}: {output} is not what was backed up")


def peak_mb(pid):
    """The most memory that a running process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


@contextlib.contextmanager
def mounted(command, mountpoint, unmount):
    """A mount whose server is a child of this process; gives the server."""
    server = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    while not os.path.ismount(mountpoint):
        if server.poll() is not None:
            sys.exit(f"{NAME}: {command[0]} ended")
        time.sleep(0.001)
    try:
        yield server
    finally:
        run(*unmount, mountpoint)
        server.wait()


class Application:
    """The process that keeps the live database open."""

    def __init__(self, database, percent=1.0):
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("workload.py"), "serve", database,
             "--percent", str(percent)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            sys.exit(f"{NAME}: the workload ended at '{command}'")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()
