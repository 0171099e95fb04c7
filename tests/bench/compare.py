#!/usr/bin/env python3
"""Backs up one SQLite history with epochfs, restic and borg, reads it back, and prints ratios.

The database is that of workload.py. epochfs backs up the live database while its connection is open
and every transaction of the step is in the write-ahead log, so it keeps each as an epoch; the
others back up a consistent plain copy made after each step (making it is not counted). The programs take turns, so that
whatever else the machine does meets them all; a figure is the median of its runs. Everything is in
the page cache; "cold" means a fresh mount.
"""

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import Application, run, same_or_exit, stored_bytes

NO_LOG = "backup of an increment whose log is gone (pages are compared), seconds"
QUERY = ("SELECT remark FROM purchase WHERE token = (SELECT token FROM purchase WHERE id = 1000);"
         "SELECT count(*) FROM purchase WHERE at BETWEEN 1600001000 AND 1600002000")


class Epochfs:
    name = "epochfs"

    def __init__(self, command, work):
        self.command, self.repository, self.mountpoint = command, work / "epochfs", work / "mnt"
        self.cache = work / "epochfs-cache"
        self.mountpoint.mkdir()

    def backup(self, live, _):
        run(self.command, "backup", live, self.repository)

    def restore(self, output):
        run(self.command, "restore", self.repository, output)

    def mount(self):
        run(self.command, "mount", self.repository, self.mountpoint)
        return self.mountpoint / "live" / "latest" / "live.db"

    def unmount(self):
        run(self.command, "umount", self.mountpoint)

    def forget_index(self):
        shutil.rmtree(self.cache)


class Restic:
    name = "restic"

    def __init__(self, work):
        self.repository, self.mountpoint = work / "restic", work / "mnt-restic"
        self.mountpoint.mkdir()
        self.process = None
        run("restic", "init", "-q", "-r", self.repository)

    def backup(self, _, plain):
        run("restic", "backup", "-q", "-r", self.repository, plain.name, cwd=plain.parent)

    def restore(self, output):
        output.mkdir()
        run("restic", "restore", "-q", "-r", self.repository, "latest", "--target", output)

    def mount(self):
        self.process = subprocess.Popen(
            ["restic", "mount", "-q", "-r", self.repository, self.mountpoint],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        latest = self.mountpoint / "snapshots" / "latest" / "plain.db"
        while not latest.exists():
            if self.process.poll() is not None:
                sys.exit("compare.py: restic mount ended")
            time.sleep(0.01)
        return latest

    def unmount(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


class Borg:
    def __init__(self, name, work, chunker):
        self.name, self.repository, self.chunker = name, work / name.replace(" ", "-"), chunker
        self.count = 0
        run("borg", "init", "-e", "none", self.repository)

    def backup(self, _, plain):
        self.count += 1
        run("borg", "create", "-C", "zstd,3", *self.chunker, f"{self.repository}::{self.count}",
            plain.name, cwd=plain.parent)

    def restore(self, output):
        output.mkdir()
        run("borg", "extract", f"{self.repository}::{self.count}", cwd=output)


@contextlib.contextmanager
def mounted(program):
    """The newest state of the database in a fresh mount."""
    try:
        yield program.mount()
    finally:
        program.unmount()


class Measurements:
    """Figures by what was measured and for whom; the first one of a row is what it is compared to."""

    def __init__(self):
        self.rows = {}

    def add(self, what, who, figure):
        self.rows.setdefault(what, {}).setdefault(who, []).append(figure)

    def timed(self, what, who, action):
        start = time.monotonic()
        result = action()
        self.add(what, who, time.monotonic() - start)
        return result

    def print(self):
        for what, row in self.rows.items():
            print(f"\n{what}")
            first = statistics.median(next(iter(row.values())))
            for who, figures in row.items():
                median = statistics.median(figures)
                print(f"  {who:34} {median:10.3f}   {median / first:7.2f} x"
                      f"   ({len(figures)} runs, {min(figures):.3f} to {max(figures):.3f})")


def back_up_history(arguments, work, programs, measured):
    live, plain = work / "live.db", work / "plain.db"
    run(sys.executable, Path(__file__).with_name("workload.py"), "create", live,
        "--mb", str(arguments.mb))
    print(f"database: {live.stat().st_size / 1e6:.1f} MB", flush=True)
    application = Application(live)
    for step in range(arguments.steps + 1):
        if step > 0:
            print(application.ask(f"step {step}"), flush=True)
        what = "backup of an increment, seconds" if step > 0 else "first backup, seconds"
        measured.timed(what, programs[0].name, lambda: programs[0].backup(live, plain))
        application.ask("checkpoint")
        shutil.copyfile(live, plain)
        for program in programs[1:]:
            measured.timed(what, program.name, lambda p=program: p.backup(live, plain))
        if step in (0, arguments.steps):
            for program in programs:
                measured.add(f"repository after {step} increments, MB", program.name,
                             stored_bytes(program.repository) / 1e6)
    return application, plain


def back_up_without_log(application, work, epochfs, measured):
    """One more increment; the log that held it is gone when the backup looks."""
    number = len(measured.rows.get(NO_LOG, {}).get(epochfs.name, []))
    application.ask(f"step {1000 + number}")
    application.ask("restart")
    measured.timed(NO_LOG, epochfs.name, lambda: epochfs.backup(work / "live.db", None))


def copy_with_cp(source, target):
    run("cp", source, target)


def read_whole(measured, programs, plain, work):
    """One round of getting the newest state out, each program in its ways."""
    what = "the newest state as a file, seconds"
    output = work / "output"

    def timed(who, action, result):
        measured.timed(what, who, action)
        same_or_exit(result, plain)
        shutil.rmtree(output) if output.is_dir() else output.unlink()

    timed("cp of a plain file", lambda: copy_with_cp(plain, output), output)
    for program in programs:
        name = output if program.name == "epochfs" else output / plain.name
        timed(f"{program.name} restore", lambda p=program: p.restore(output), name)
    for program in programs[:2]:
        with mounted(program) as database:
            timed(f"cp out of a cold {program.name} mount",
                  lambda d=database: copy_with_cp(d, output), output)
            timed(f"cp out of it again, {program.name}",
                  lambda d=database: copy_with_cp(d, output), output)


def first_query(measured, program, who):
    start = time.monotonic()
    with mounted(program) as database:
        answer = run("sqlite3", f"file:{database}?mode=ro&immutable=1", QUERY)
        measured.add("mount and first query, seconds", who, time.monotonic() - start)
    if not answer.strip():
        sys.exit("compare.py: the query found nothing")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochfs", required=True, help="the command to measure")
    parser.add_argument("--mb", type=float, default=500)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5, help="of each reading measurement")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="epochfs-bench.") as directory:
        work = Path(directory)
        os.environ.update(EPOCHFS_CACHE_DIR=str(work / "epochfs-cache"), RESTIC_PASSWORD="bench",
                          RESTIC_CACHE_DIR=str(work / "restic-cache"),
                          BORG_BASE_DIR=str(work / "borg-home"),
                          BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes")
        epochfs, restic = Epochfs(arguments.epochfs, work), Restic(work)
        programs = [epochfs, restic,
                    Borg("borg fixed 4096", work, ["--chunker-params", "fixed,4096"]),
                    Borg("borg default", work, [])]
        measured = Measurements()
        application, plain = back_up_history(arguments, work, programs, measured)
        for _ in range(arguments.rounds):
            read_whole(measured, programs, plain, work)
            first_query(measured, epochfs, "epochfs")
            epochfs.forget_index()
            first_query(measured, epochfs, "epochfs, index built anew")
            first_query(measured, restic, "restic")
        for _ in range(arguments.rounds):
            back_up_without_log(application, work, epochfs, measured)
        application.close()
        measured.print()


if __name__ == "__main__":
    main()
