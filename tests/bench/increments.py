#!/usr/bin/env python3
"""Backs up equally many changed pages of a small and of a large database, with epochfs and restic.

    increments.py --epochfs EPOCHFS [--sizes 100 2000] [--rounds 5]

The database is that of workload.py. epochfs finds every transaction in the write-ahead log; restic
gets a plain copy (making it is not counted). The programs take turns; a figure is the median.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from common import Application, run
from compare import Epochfs, Measurements, Restic

MEBIBYTES_CHANGED = 1


def measure(epochfs, work, mebibytes, rounds, measured):
    live, plain = work / "live.db", work / "plain.db"
    run(sys.executable, Path(__file__).with_name("workload.py"), "create", live,
        "--mb", str(mebibytes))
    programs = [Epochfs(epochfs, work), Restic(work)]
    application = Application(live, 100 * MEBIBYTES_CHANGED / mebibytes)
    for step in range(rounds + 1):
        said = application.ask(f"step {step}")
        for program in programs:
            what = f"{live.stat().st_size / 1e6:.0f} MB, backup of an increment, seconds"
            if step > 0:
                measured.timed(what, program.name, lambda p=program: p.backup(live, plain))
            else:
                program.backup(live, plain)
            if program is programs[0]:
                application.ask("checkpoint")
                shutil.copyfile(live, plain)
    print(f"{live.stat().st_size / 1e6:.0f} MB, {said}", flush=True)
    application.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochfs", required=True, help="the command to measure")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 2000], help="in MiB")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    measured = Measurements()
    for mebibytes in arguments.sizes:
        with tempfile.TemporaryDirectory(prefix="epochfs-bench.", dir="/dev/shm") as directory:
            work = Path(directory)
            os.environ.update(EPOCHFS_CACHE_DIR=str(work / "epochfs-cache"),
                              RESTIC_PASSWORD="bench", RESTIC_CACHE_DIR=str(work / "restic-cache"))
            measure(arguments.epochfs, work, mebibytes, arguments.rounds, measured)
    measured.print()


if __name__ == "__main__":
    main()
