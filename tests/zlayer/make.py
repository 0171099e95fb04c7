#!/usr/bin/env python3
"""Replicates a real SQLite database the way ZLayer does, and writes down what each commit was.

  make.py WHAT DIRECTORY SEED

WHAT        a name of SCENARIOS below
DIRECTORY/objects    the objects, as files below the prefix; LastModified is their mtime
DIRECTORY/live.db    the database; still there, and closed
DIRECTORY/truth.json
  commits   name of each commit ever made -> SHA-256 of the database after it, by SQLite itself
  expected  names that a reader has to offer: a stored copy has the commit, a snapshot is exactly
            what its log began on, and nothing of the log before that is missing
  assumed   those of them whose snapshot only its time speaks for: nobody knows the log before
  stored    names of all commits that a stored copy has
"""

import hashlib
import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def compressed(data):
    command = ["zstd", "-q", "-c", "--no-check", "-3"]  # from a pipe: no size either
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def as_big_endian(log):
    """The log as a machine of the other kind would have written it."""

    def summed(data, state):
        first, second = state
        words = struct.unpack(f">{len(data) // 4}I", data)
        for x, y in zip(words[::2], words[1::2]):
            first = (first + x + second) & 0xFFFFFFFF
            second = (second + y + first) & 0xFFFFFFFF
        return first, second

    frame_bytes = 24 + struct.unpack(">I", log[8:12])[0]
    header = struct.pack(">I", 0x377F0683) + log[4:24]
    state = summed(header, (0, 0))
    out = header + struct.pack(">2I", *state)
    for at in range(32, len(log) - frame_bytes + 1, frame_bytes):
        frame = log[at:at + frame_bytes]
        if frame[8:16] != log[16:24]:
            break
        state = summed(frame[24:], summed(frame[:8], state))
        out += frame[:16] + struct.pack(">2I", *state) + frame[24:]
    return out


class Generation:
    def __init__(self, salts, sequence, begins_on):
        self.salts, self.sequence, self.begins_on = salts, sequence, begins_on  # a SHA-256
        self.commits = {}  # frame -> name


class Replicated:
    """A database and its replicator. Times are made up; every step takes a few seconds."""

    def __init__(self, directory, dice, page_size=4096, auto_vacuum=0, big_endian=False):
        self.directory, self.dice, self.big_endian = directory, dice, big_endian
        self.path = os.path.join(directory, "live.db")
        self.now = 1_767_225_600
        self.seen_size = self.seen_frames = 0
        self.generations, self.commits = [], {}
        self.copies, self.snapshots = {}, {}  # name -> (salts, frame, time), (SHA-256, time)
        self.next_id = self.counter = 0
        self.open()
        self.sql(f"PRAGMA page_size={page_size}")
        self.sql(f"PRAGMA auto_vacuum={auto_vacuum}")
        self.sql("PRAGMA journal_mode=WAL")
        self.commit("CREATE TABLE item(id INTEGER PRIMARY KEY, stamp INTEGER, filler BLOB)")

    def open(self):
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.sql("PRAGMA wal_autocheckpoint=0")

    def sql(self, text, *values):
        return self.connection.execute(text, values).fetchall()

    # --- what the application does ---

    def commit(self, *statements):
        self.now += 3
        self.sql("BEGIN")
        for statement in statements:
            self.sql(*statement) if isinstance(statement, tuple) else self.sql(statement)
        self.sql("COMMIT")
        self.note()

    def insertion(self, size):
        self.next_id += 1
        self.counter += 1  # no page ever looks again as it did
        filler = self.dice.randbytes(self.dice.randint(size // 2, size))
        return ("INSERT INTO item VALUES(?, ?, ?)", self.next_id, self.counter, filler)

    def update(self):
        self.counter += 1
        some = self.dice.randint(1, max(1, self.next_id))
        return ("UPDATE item SET stamp = ? WHERE id = (SELECT min(id) FROM item WHERE id >= ?)",
                self.counter, some)

    def add(self, count=3, size=600):
        self.commit(*[self.insertion(size) for _ in range(count)])

    def change(self, count=3):
        # The first row, too, so that something changes in any case.
        self.counter += 1
        first = ("UPDATE item SET stamp = ? WHERE id = (SELECT min(id) FROM item)", self.counter)
        self.commit(self.insertion(50), first, *[self.update() for _ in range(count)])

    def remove(self):
        begin = self.dice.randint(1, max(1, self.next_id))
        self.commit(self.insertion(50),
                    ("DELETE FROM item WHERE id BETWEEN ? AND ?", begin, begin + 10))

    def vacuum(self):
        self.change()  # so that no page is merely written again as it was
        self.now += 3
        self.sql("VACUUM")
        self.note()

    def spill_and_roll_back(self):
        self.sql("PRAGMA cache_size=4")
        self.sql("BEGIN")
        for _ in range(30):
            self.sql(*self.insertion(900))
        self.now += 2
        self.poll()
        self.sql("ROLLBACK")
        self.sql("PRAGMA cache_size=2000")

    def checkpoint(self, mode):
        self.now += 1
        self.sql(f"PRAGMA wal_checkpoint({mode})")

    def reopen(self):
        self.connection.close()
        self.now += 1
        self.poll()
        self.open()

    def note(self):
        """Asks SQLite for the state that was just committed."""
        log, main = content(self.path + "-wal"), content(self.path)
        salts = struct.unpack(">2I", log[16:24])
        sequence = struct.unpack(">I", log[12:16])[0]
        frame = struct.unpack("=I", content(self.path + "-shm")[16:20])[0]
        if not self.generations or self.generations[-1].salts != salts:
            self.generations.append(Generation(salts, sequence, sha256(main)))
        with tempfile.TemporaryDirectory() as work:
            copy = os.path.join(work, "copy.db")
            for suffix, data in (("", main), ("-wal", log)):
                with open(copy + suffix, "wb") as file:
                    file.write(data)
            reader = sqlite3.connect(copy, isolation_level=None)
            reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            reader.close()
            name = f"{(salts[0] - sequence) & 0xFFFFFFFF:08x}-{sequence}-{frame}"
            self.commits[name] = sha256(content(copy))
        self.generations[-1].commits[frame] = name

    # --- what the replicator does ---

    def put(self, name, data):
        path = os.path.join(self.directory, "objects", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        os.utime(path, (self.now, self.now))

    def poll(self):
        """Stores the log when its size changed: that is all that it looks at."""
        log = content(self.path + "-wal")
        if not os.path.exists(self.path + "-wal"):
            self.seen_size = self.seen_frames = 0
            return
        frames = (len(log) - 32) // (24 + struct.unpack(">I", log[8:12])[0]) if len(log) >= 32 else 0
        is_news = frames != self.seen_frames or len(log) < self.seen_size
        if len(log) == self.seen_size or not is_news:
            return
        self.seen_size, self.seen_frames = len(log), frames
        self.now += 1
        name = f"wal/{frames:020}.wal.zst"
        self.put(name, compressed(as_big_endian(log) if self.big_endian and log else log))
        committed = struct.unpack("=I", content(self.path + "-shm")[16:20])[0]
        salts = struct.unpack(">2I", log[16:24]) if log else None
        self.copies[name] = (salts, committed, self.now)

    def snapshot(self):
        self.now += 1
        name = time.strftime("snapshots/%Y%m%d_%H%M%S.sqlite.zst", time.gmtime(self.now))
        main = content(self.path)
        self.put(name, compressed(main))
        self.snapshots[name] = (sha256(main), self.now)
        newest = max(self.snapshots)
        text = {"latest_snapshot": newest, "latest_wal_sequence": None,
                "snapshot_count": len(self.snapshots), "db_identifier": None}
        self.put("metadata.json", json.dumps(text, indent=2).encode())

    # --- what came of it ---

    def reach(self, generation):
        """The last frame of it that a stored copy has, and when the last copy was stored."""
        held = [(frame, at) for salts, frame, at in self.copies.values()
                if salts == generation.salts]
        return max((f for f, _ in held), default=0), max((at for _, at in held), default=0)

    def save(self):
        expected, assumed, stored = [], [], []
        is_known, before_is_whole = False, True
        for generation in self.generations:
            reach, last_seen = self.reach(generation)
            names = [name for frame, name in generation.commits.items() if frame <= reach]
            stored += names
            images = [image for image, at in self.snapshots.values() if at <= last_seen]
            # Of the first log that is known, nothing but the time tells what it began on.
            is_shown = generation.begins_on in (images if is_known else images[-1:])
            if is_shown and before_is_whole:
                expected += names
                if not is_known and generation.sequence > 0:
                    assumed += names
            if names:
                is_known = True
            before_is_whole = not is_known or reach >= max(generation.commits)
        truth = {"commits": self.commits, "expected": expected, "assumed": assumed,
                 "stored": stored}
        with open(os.path.join(self.directory, "truth.json"), "w") as file:
            json.dump(truth, file, indent=1)
        self.connection.close()
        print(f"{len(self.commits)} commits, {len(stored)} of them stored, {len(expected)} to offer")


# ------------------------------------------------------------------------------------ scenarios


def begin(directory, dice, **options):
    database = Replicated(directory, dice, **options)
    database.checkpoint("TRUNCATE")
    database.snapshot()
    return database


def plain(directory, dice):
    """one snapshot, one generation"""
    database = begin(directory, dice)
    for _ in range(12):
        database.change()
        database.poll()
    return database


def restarted(directory, dice):
    """the log is restarted and keeps its size: old frames lie behind the new ones"""
    database = begin(directory, dice, page_size=1024)
    for rounds in (6, 11, 16):
        for _ in range(rounds):
            database.add()
            database.poll()
        database.checkpoint("PASSIVE")
        database.snapshot()
    for _ in range(40):
        database.add()
        database.poll()
    return database


def outranked(directory, dice):
    """an old copy has more frames than any new one"""
    database = begin(directory, dice)
    for rounds in (20, 9, 4):
        for _ in range(rounds):
            database.change()
            database.poll()
        if rounds != 4:
            database.checkpoint("TRUNCATE")
            database.poll()
            database.snapshot()
    return database


def replaced(directory, dice):
    """generations reach the same numbers of frames, and take each other's names"""
    database = begin(directory, dice)
    for rounds in (5, 7, 3):
        for _ in range(rounds):
            database.commit(database.insertion(20))
            database.poll()
        database.checkpoint("TRUNCATE")
        database.snapshot()
    database.change()
    database.poll()
    return database


def rolled_back(directory, dice):
    """a copy taken inside a transaction that is rolled back"""
    database = begin(directory, dice, page_size=1024)
    database.add()
    database.poll()
    database.spill_and_roll_back()
    for _ in range(12):
        database.add(20)
        database.poll()
    return database


def shrinking(directory, dice):
    """automatic and other vacuums"""
    database = begin(directory, dice, page_size=1024, auto_vacuum=1)
    for _ in range(8):
        database.add(20)
        database.poll()
    for _ in range(4):
        database.remove()
        database.poll()
    database.vacuum()
    database.poll()
    database.add()
    database.poll()
    return database


def reopened(directory, dice):
    """the last connection closes: the log is removed, and another lineage begins"""
    database = begin(directory, dice)
    for rounds in (4, 6, 8):
        for _ in range(rounds):
            database.change()
            database.poll()
        database.reopen()
        database.snapshot()
    for _ in range(12):
        database.change()
        database.poll()
    return database


def without_base(directory, dice):
    """no snapshot between two generations"""
    database = begin(directory, dice)
    for _ in range(3):
        database.add(40, 900)
        database.poll()
    database.checkpoint("TRUNCATE")
    for _ in range(5):
        database.change()
        database.poll()
    return database


def other_machine(directory, dice):
    """checksums in the other order of bytes"""
    database = begin(directory, dice, page_size=2048, big_endian=True)
    for _ in range(6):
        database.add()
        database.poll()
    return database


def small_pages(directory, dice):
    database = begin(directory, dice, page_size=512)
    for _ in range(10):
        database.add(2, 300)
        database.poll()
    return database


def large_pages(directory, dice):
    database = begin(directory, dice, page_size=65536)
    for _ in range(6):
        database.add(2, 30000)
        database.poll()
    return database


SCENARIOS = {
    "plain": plain, "restarted": restarted, "outranked": outranked, "replaced": replaced,
    "rolled-back": rolled_back, "shrinking": shrinking, "reopened": reopened,
    "without-base": without_base, "other-machine": other_machine, "small-pages": small_pages,
    "large-pages": large_pages,
}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in SCENARIOS or not sys.argv[3].isdigit():
        sys.exit(f"usage: make.py {'|'.join(SCENARIOS)} DIRECTORY SEED")
    what, directory, seed = sys.argv[1:]
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    SCENARIOS[what](directory, random.Random(int(seed))).save()


main()
