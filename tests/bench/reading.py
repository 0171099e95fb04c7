#!/usr/bin/env python3
"""Reads one epoch in the middle of a history, and compares that with programs which do less.

The history is that of workload.py: a full and 100 increments that each change 1 % of the pages. What
is read is the state after half of them: with cp out of a fresh mount, with `epochfs restore`, and 4 KiB
at a time from places at random. It is compared with cp of a plain file, `zstd -d` of the full segment,
squashfuse_ll on an image of the same file (blocks of 128 KiB, for random reads of 16 KiB; zstd), and
restic, which has nothing but a snapshot of that one file. "young" is the same history after its first
increment.

Everything lies in memory and nothing waits for a disk. The programs take turns, so that whatever else
the machine does meets them all; a figure is the median of its rounds. CPU is user and system seconds
of all the processes that took part: the steadier figure on a machine that has other work to do.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import Application, mounted, peak_mb, run, same_or_exit, stored_bytes
from compare import QUERY

COLD_READS = 20_000
QUERIES = 8  # in each round: they are short
TICK = os.sysconf("SC_CLK_TCK")


def process_seconds(process):
    """User and system seconds of a running process, all its threads together."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def child_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Figures:
    def __init__(self):
        self.rows = {}

    def add(self, row, who, wall, cpu=None):
        self.rows.setdefault(row, {}).setdefault(who, []).append((wall, cpu))

    def timed(self, row, who, action, server=None):
        wall, cpu = time.monotonic(), child_seconds() + (process_seconds(server) if server else 0)
        action()
        self.add(row, who, time.monotonic() - wall,
                 child_seconds() + (process_seconds(server) if server else 0) - cpu)

    def print(self):
        for row, programs in self.rows.items():
            print(f"\n{row}")
            for who, figures in programs.items():
                walls = [wall for wall, _ in figures]
                line = f"  {who:44} {statistics.median(walls):11.3f}"
                if figures[0][1] is not None:
                    line += f"   cpu {statistics.median(cpu for _, cpu in figures):7.3f}"
                print(f"{line}   ({len(walls)} times, {min(walls):.3f} to {max(walls):.3f})")


def newest_epoch(arguments, work):
    log = run(arguments.epochfs, "log", work / "repo", "-n", "1", "--json")
    return str(json.loads(log.splitlines()[0])["epoch"])


def build(arguments, work):
    """The history, the state in its middle, and its images."""
    live, middle = work / "live.db", work / "middle" / "live.db"
    middle.parent.mkdir()
    run(sys.executable, Path(__file__).with_name("workload.py"), "create", live, "--mb",
        str(arguments.mb))
    run(arguments.epochfs, "backup", live, work / "repo")
    application = Application(live)
    for step in range(1, arguments.steps + 1):
        application.ask(f"step {step}")
        run(arguments.epochfs, "backup", live, work / "repo")
        application.ask("checkpoint")
        if step == 1:
            shutil.copytree(work / "repo", work / "young")
            (work / "young-epoch").write_text(newest_epoch(arguments, work))
        if step == arguments.steps // 2:
            shutil.copyfile(live, middle)
            (work / "middle-epoch").write_text(newest_epoch(arguments, work))
    application.close()
    run("restic", "init", "-q", "-r", work / "restic")
    run("restic", "backup", "-q", "-r", work / "restic", middle.name, cwd=middle.parent)
    for block in ("16K", "128K"):
        run("mksquashfs", middle.parent, work / f"image-{block}", "-comp", "zstd",
            "-Xcompression-level", "3", "-b", block, "-quiet", "-no-progress")


class Bench:
    def __init__(self, arguments, work):
        self.epochfs, self.work, self.figures = arguments.epochfs, work, Figures()
        self.epoch = (work / "middle-epoch").read_text()
        self.young = (work / "young-epoch").read_text()
        self.middle, self.output = work / "middle" / "live.db", work / "output"
        self.mountpoint = work / "mnt"
        self.mountpoint.mkdir(exist_ok=True)

    @contextlib.contextmanager
    def epochfs_mount(self, job, repository="repo", epoch=None):
        # The young repository is the same one, earlier, and has an index of its own.
        command = [self.epochfs, "mount", "-f", self.work / repository, self.mountpoint,
                   "--cache-dir", self.work / f"cache-{repository}"]
        with mounted(command, self.mountpoint, (self.epochfs, "umount")) as server:
            yield server, self.mountpoint / "live" / "epochs" / (epoch or self.epoch) / "live.db"
            self.figures.add("memory at most, MB", f"mount: {job}", peak_mb(server.pid))

    @contextlib.contextmanager
    def restic_mount(self):
        command = ["restic", "mount", "-q", "-r", self.work / "restic", self.mountpoint]
        with mounted(command, self.mountpoint, ("fusermount3", "-u")) as server:
            yield server, self.mountpoint / "snapshots" / "latest" / "live.db"

    @contextlib.contextmanager
    def squashfs_mount(self, block):
        command = ["squashfuse_ll", "-f", self.work / f"image-{block}", self.mountpoint]
        with mounted(command, self.mountpoint, ("fusermount3", "-u")) as server:
            yield server, self.mountpoint / "live.db"

    def checked(self):
        same_or_exit(self.output, self.middle)
        self.output.unlink()

    def whole(self):
        row = "all of the epoch, seconds"
        timed, output = self.figures.timed, self.output
        timed(row, "cp of a plain file", lambda: run("cp", self.middle, output))
        self.checked()
        with self.squashfs_mount("128K") as (server, database):
            timed(row, "cp, squashfuse_ll, blocks of 128 KiB",
                  lambda: run("cp", database, output), server)
        self.checked()
        with self.epochfs_mount("cp, twice") as (server, database):
            timed(row, "cp, epochfs", lambda: run("cp", database, output), server)
            self.checked()
            timed(row, "cp once more, epochfs", lambda: run("cp", database, output), server)
            self.checked()
        with self.restic_mount() as (server, database):
            timed(row, "cp, restic", lambda: run("cp", database, output), server)
        self.checked()
        timed(row, "epochfs restore", self.restore)
        self.checked()
        full = next((self.work / "repo" / "live").glob("full-1.*"))
        timed(row, "zstd -d of the full", lambda: run("zstd", "-dqf", full, "-o", output))
        output.unlink()
        target = self.work / "restic-output"
        timed(row, "restic restore", lambda: run("restic", "restore", "-q", "-r",
                                                 self.work / "restic", "latest", "--target", target))
        shutil.rmtree(target)

    def restore(self):
        command = [self.epochfs, "restore", f"{self.work / 'repo'}@{self.epoch}", self.output]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"reading.py: restore: exit {process.returncode}")
        self.figures.add("memory at most, MB", "restore", usage.ru_maxrss * 1024 / 1e6)

    def random_reads(self, jobs, seconds):
        # Cold is what is read for the first time, so there is not more of it than there are reads.
        cold, fewer = ((f"--number_ios={reads // jobs}",) for reads in (COLD_READS, COLD_READS // 10))
        warm = ("--time_based", f"--runtime={seconds}")

        def fio(file, server, who, length):
            row = f"random reads of 4 KiB, {jobs} at a time, a second"
            cpu = child_seconds() + process_seconds(server)
            told = json.loads(run(
                "fio", "--name=read", f"--filename={file}", "--rw=randread", "--bs=4k",
                "--ioengine=psync", "--thread", f"--numjobs={jobs}", "--group_reporting",
                *length, "--fadvise_hint=0", "--invalidate=0", "--readonly",
                "--randrepeat=1", "--norandommap=0", "--output-format=json"))
            read = told["jobs"][0]["read"]
            cpu = child_seconds() + process_seconds(server) - cpu
            self.figures.add(row, who, read["iops"])
            self.figures.add(f"{row.rpartition(',')[0]}, microseconds of CPU each", who,
                             cpu * 1e6 / read["total_ios"])

        with self.squashfs_mount("16K") as (server, database):
            fio(database, server, "cold, squashfuse_ll, blocks of 16 KiB", cold)
            run("cp", database, "/dev/null")
            fio(database, server, "in the kernel's cache, squashfuse_ll", warm)
        with self.restic_mount() as (server, database):
            fio(database, server, "cold, restic", fewer)
        with self.epochfs_mount(f"cold random reads, {jobs} at a time") as (server, database):
            fio(database, server, "cold, epochfs", cold)
        with self.epochfs_mount(f"warm random reads, {jobs} at a time") as (server, database):
            run("cp", database, "/dev/null")
            fio(database, server, "in the kernel's cache, epochfs", warm)

    def first_query(self):
        def query(mount):
            with mount as (_, database):
                if not run("sqlite3", f"file:{database}?mode=ro&immutable=1", QUERY).strip():
                    sys.exit("reading.py: the query found nothing")

        row, job, young = "mount, first query, unmount; seconds", "first query", self.young
        for _ in range(QUERIES):
            self.figures.timed(row, f"epochfs, epoch {self.epoch}",
                               lambda: query(self.epochfs_mount(job)))
            self.figures.timed(row, f"epochfs, epoch {young} of as many",
                               lambda: query(self.epochfs_mount(job, "young", young)))
        self.figures.timed(row, "restic", lambda: query(self.restic_mount()))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochfs", required=True, help="the command to measure")
    parser.add_argument("--mb", type=float, default=500)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of random reads of what is in the cache")
    parser.add_argument("--keep", help="a directory for the history, which is made only once")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="epochfs-bench.", dir="/dev/shm") as directory:
        work = Path(arguments.keep or directory)
        work.mkdir(exist_ok=True)
        os.environ.update(EPOCHFS_CACHE_DIR=str(work / "cache-repo"), RESTIC_PASSWORD="bench",
                          RESTIC_CACHE_DIR=str(work / "restic-cache"))
        if not (work / "middle-epoch").exists():
            build(arguments, work)
        bench = Bench(arguments, work)
        print(f"{newest_epoch(arguments, work)} epochs in {stored_bytes(work / 'repo') / 1e6:.1f} MB,"
              f" of a database of {(work / 'live.db').stat().st_size / 1e6:.1f} MB", flush=True)
        run(arguments.epochfs, "log", work / "young", "-n", "1", "--cache-dir", work / "cache-young")
        for _ in range(arguments.rounds):
            bench.whole()
            bench.random_reads(1, arguments.seconds)
            bench.random_reads(4, arguments.seconds)
            bench.first_query()
        bench.figures.print()


if __name__ == "__main__":
    main()
