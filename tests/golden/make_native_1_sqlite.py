#!/usr/bin/env python3
"""How native-1-sqlite was made: a history of real SQLite, backed up by `epochfs backup`.

  make_native_1_sqlite.py EPOCHFS OUTPUT

EPOCHFS is the command, OUTPUT a directory. Two things are made in it, neither of which may be there
already: the repository native-1-sqlite/, and native-1-sqlite.txt with a line `epoch size sha256` for
each of its epochs. What these lines say was seen by SQLite: after each commit a read transaction
of a connection of its own takes all pages of the database. epochfs is never asked what it stored,
only how many epochs it made.

The history is the same each time. The repository is not: it holds the times of its commits. Needs
Python 3.11, for serialize().
"""

import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = "amber birch cedar delta ember fjord grove heath islet jetty knoll larch marsh".split()


class Ledger:
    """A live database, what readers saw after each commit, and the epochs that were made of it."""

    def __init__(self, epochfs, directory, repository):
        self.path = Path(directory, "ledger.db")
        self.command = [epochfs, "backup", str(self.path), str(repository), "--json",
                        "--cache-dir", str(Path(directory, "cache"))]
        self.database = sqlite3.connect(self.path, isolation_level=None)
        self.dice = random.Random(20261121)
        self.seen = []  # since the last backup
        self.epochs = []

    def set(self, *settings):
        for setting in settings:
            self.database.executescript(f"PRAGMA {setting}")

    def run(self, *statements):
        """One transaction."""
        self.database.executescript("; ".join(["BEGIN IMMEDIATE", *statements, "COMMIT"]))
        self.look()

    def vacuum(self):
        self.database.executescript("VACUUM")
        self.look()

    def look(self):
        reader = sqlite3.connect(self.path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        self.seen.append(reader.serialize())
        reader.close()

    def is_alone_in_its_file(self):
        """Without a log the file itself is what readers see: the two ways to look agree."""
        log = Path(f"{self.path}-wal")
        assert not log.exists() or log.stat().st_size == 0
        assert self.path.read_bytes() == self.seen[-1]

    def back_up(self, each, *options):
        """Makes an epoch of each commit since the last backup, or one of the last commit."""
        done = subprocess.run(self.command + list(options), check=True, stdout=subprocess.PIPE)
        report = json.loads(done.stdout)
        new = self.seen if each else self.seen[-1:]
        assert report["epochs_added"] == len(new), report
        self.epochs += [(len(image), hashlib.sha256(image).hexdigest()) for image in new]
        assert report["epoch"] == len(self.epochs), report
        self.seen = []
        return report

    def text(self):
        return " ".join(self.dice.choices(WORDS, k=self.dice.randint(1, 14)))

    def additions(self, count):
        return [f"INSERT INTO entries(account, text) VALUES ({self.dice.randrange(40)}, '{self.text()}')"
                for _ in range(count)]

    def small_transaction(self):
        """Adds one entry, changes one, and counts: the page of the counter changes each time."""
        entry = self.dice.randint(1, 200)
        self.run("UPDATE counter SET transactions = transactions + 1", *self.additions(1),
                 f"UPDATE entries SET text = '{self.text()}' WHERE id = {entry}")


def make_first_chain(ledger):
    """Pages of 1 KiB in WAL mode: many versions of one page, growth, shrinking, a log cut off."""
    ledger.set("page_size = 1024", "auto_vacuum = INCREMENTAL", "journal_mode = WAL",
               "wal_autocheckpoint = 0")
    ledger.run("CREATE TABLE entries(id INTEGER PRIMARY KEY, account INTEGER, text TEXT)",
               "CREATE INDEX entries_by_account ON entries(account, text)",
               "CREATE TABLE counter(transactions INTEGER)", "INSERT INTO counter VALUES (0)",
               *ledger.additions(300))
    assert ledger.back_up(True)["kind"] == "full"

    for _ in range(70):  # more versions of the counter's page than one record of 64 KiB holds
        ledger.small_transaction()
    ledger.back_up(True)

    ledger.small_transaction()
    ledger.set("wal_checkpoint(RESTART)")
    ledger.small_transaction()  # at the start of the log, which still has the other at its end
    ledger.back_up(True)

    ledger.run(*ledger.additions(150))
    ledger.run("DELETE FROM entries WHERE id BETWEEN 200 AND 400")
    ledger.run("PRAGMA incremental_vacuum(60)")
    ledger.small_transaction()
    ledger.run(*ledger.additions(40))  # grows over what was cut off
    ledger.back_up(True)

    ledger.small_transaction()
    ledger.set("wal_checkpoint(TRUNCATE)")  # that transaction is in no log any more
    ledger.is_alone_in_its_file()
    ledger.small_transaction()
    assert ledger.back_up(False)["reason"]


def make_second_chain(ledger):
    """A new full of the newest epoch, made out of the repository, and incrementals on it."""
    assert ledger.back_up(True, "--full")["wrote_full"]
    for _ in range(5):
        ledger.small_transaction()
    ledger.back_up(True)
    ledger.run("CREATE TABLE documents(id INTEGER PRIMARY KEY, body TEXT)",
               *(f"INSERT INTO documents(body) VALUES ('{' '.join(ledger.text() for _ in range(40))}')"
                 for _ in range(3)))
    ledger.run("DELETE FROM entries WHERE id % 2 = 0", "DELETE FROM documents WHERE id = 2")
    ledger.vacuum()
    ledger.small_transaction()
    ledger.back_up(True)


def make_third_chain(ledger):
    """Pages of 4 KiB: a full in a rollback-journal mode, pages compared, then WAL mode once more."""
    ledger.set("journal_mode = DELETE", "page_size = 4096")
    ledger.vacuum()
    ledger.is_alone_in_its_file()
    assert ledger.back_up(True)["kind"] == "full"
    for _ in range(2):
        ledger.small_transaction()
    ledger.is_alone_in_its_file()
    ledger.back_up(False)
    ledger.set("journal_mode = WAL", "wal_autocheckpoint = 0")
    ledger.small_transaction()
    ledger.back_up(False)
    ledger.small_transaction()
    ledger.run(*ledger.additions(100))
    ledger.back_up(True)


def main():
    _, epochfs, output = sys.argv
    repository = Path(output, "native-1-sqlite")
    lines = Path(output, "native-1-sqlite.txt")
    for path in (repository, lines):
        assert not path.exists(), f"{path} is there already, and a golden repository never changes"
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger(os.path.abspath(epochfs), directory, repository)
        for make in (make_first_chain, make_second_chain, make_third_chain):
            make(ledger)
        ledger.database.close()
    for name in ("cursor.json", ".lock"):  # of the next backup here; no part of the history
        Path(repository, "ledger", name).unlink()
    lines.write_text("".join(f"{number} {size} {sha256}\n"
                             for number, (size, sha256) in enumerate(ledger.epochs, start=1)))


if __name__ == "__main__":
    main()
