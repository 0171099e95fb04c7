#!/usr/bin/env python3
"""Restores as the original replicator's restore does, knowing nothing but its layout.

  rule.py OBJECTS OUTPUT [PREFIX]

OBJECTS  the objects of one prefix as files; OUTPUT gets the database; PREFIX is what their keys begin
with in the bucket they are from. Exit 1: there is no backup, or the restore fails, or SQLite finds
the result unsound.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys


def decompressed(path):
    done = subprocess.run(["zstd", "-q", "-d", "-c", path], stdout=subprocess.PIPE, check=True)
    return done.stdout


def names(objects, directory, pattern):
    try:
        found = os.listdir(os.path.join(objects, directory))
    except FileNotFoundError:
        return []
    return sorted(name for name in found if re.fullmatch(pattern, name))


def main():
    objects, output = sys.argv[1:3]
    prefix = sys.argv[3] if len(sys.argv) > 3 else ""
    metadata = {}
    if os.path.exists(os.path.join(objects, "metadata.json")):
        with open(os.path.join(objects, "metadata.json")) as file:
            metadata = json.load(file)
    snapshots = names(objects, "snapshots", r"\d{8}_\d{6}\.sqlite\.zst")
    snapshot = metadata.get("latest_snapshot")
    if snapshot is None:
        if not snapshots:
            sys.exit("no backup")
        snapshot = prefix + "snapshots/" + snapshots[-1]
    if not snapshot.startswith(prefix):
        sys.exit(f"{snapshot} is elsewhere")
    begin = metadata.get("latest_wal_sequence") or 0
    copies = [(int(name.split(".")[0]), name) for name in names(objects, "wal", r"\d+\.wal\.zst")]
    copies = sorted(copy for copy in copies if copy[0] > begin)
    with open(output, "wb") as file:
        file.write(decompressed(os.path.join(objects, snapshot[len(prefix):])))
    logs = [decompressed(os.path.join(objects, "wal", name)) for _, name in copies]  # all of them
    if logs:
        with open(output + "-wal", "wb") as file:
            file.write(logs[-1])
    connection = sqlite3.connect(output)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    for side in ("-wal", "-shm"):
        if os.path.exists(output + side):
            os.remove(output + side)
    if verdict != "ok":
        sys.exit(f"integrity_check: {verdict}")


main()
