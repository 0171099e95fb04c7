#!/usr/bin/env python3
"""Compares what epochfs offers of a replicated database with what really was committed.

  check.py TRUTH REPOSITORY MOUNTPOINT [OPTION ...]

TRUTH        truth.json of make.py
REPOSITORY   where its objects are: a directory, or s3://bucket/prefix
MOUNTPOINT   an empty directory; the command is $EPOCHFS_COMMAND
  --times-are-new  LastModified is not that of make.py: what only times speak for is not expected
"""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys

COMMAND = os.environ["EPOCHFS_COMMAND"]
complaints = []


def expect(condition, text):
    if not condition:
        complaints.append(text)


def epochfs(*words):
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True)
    expect(done.returncode == 0, f"{words}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def check_epoch(directory, offered, truth):
    with open(os.path.join(directory, "epoch.json")) as file:
        told = json.load(file)
    where = f"epoch {offered['epoch']}, {offered['name']} ({offered['base_is']})"
    expect(told["name"] == offered["name"], f"{where}: called {told['name']}")
    expect(told["base_is"] == offered["base_is"], f"{where}: {told['base_is']}")
    path = os.path.join(directory, told["file"])
    with open(path, "rb") as file:
        image = file.read()
    digest = hashlib.sha256(image).hexdigest()
    if offered["name"].startswith("s"):
        expect(digest in truth["commits"].values(), f"{where}: never was a state of the database")
    else:
        expect(offered["name"] in truth["commits"], f"{where}: never was committed")
        expect(truth["commits"].get(offered["name"]) == digest, f"{where}: other bytes")
    # As a user would: neither read-only nor immutable is asked for.
    connection = sqlite3.connect(path)
    verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    expect(verdict == "ok", f"{where}: {verdict}")


def main():
    truth_path, repository, mountpoint, *options = sys.argv[1:]
    with open(truth_path) as file:
        truth = json.load(file)
    lines = epochfs("log", repository, "--json").splitlines()
    offered = sorted((json.loads(line) for line in lines), key=lambda epoch: epoch["epoch"])
    names = [epoch["name"] for epoch in offered]
    numbers = [epoch["epoch"] for epoch in offered]
    expect(numbers == list(range(1, len(numbers) + 1)), f"numbers {numbers}")
    expect(len(set(names)) == len(names), "an epoch is offered twice")
    for name in () if "--times-are-new" in options else truth["expected"]:
        base_is = next((epoch["base_is"] for epoch in offered if epoch["name"] == name), "missing")
        wanted = "assumed" if name in truth["assumed"] else "shown"
        expect(base_is == wanted, f"{name} is {base_is}, not {wanted}")
    order = list(truth["commits"])
    commits = [name for name in names if name in order]
    expect(commits == sorted(commits, key=order.index), "commits are not in their order")

    epochfs("mount", repository, mountpoint)
    try:
        [database] = [entry for entry in os.listdir(mountpoint)]
        for epoch in offered:
            check_epoch(os.path.join(mountpoint, database, "epochs", f"{epoch['epoch']:010}"),
                        epoch, truth)
    finally:
        epochfs("umount", mountpoint)
    for complaint in complaints[:20]:
        print(complaint)
    print(f"{len(offered)} epochs offered, {len(complaints)} complaints")
    sys.exit(1 if complaints else 0)


main()
