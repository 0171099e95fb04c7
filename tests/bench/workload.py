#!/usr/bin/env python3
"""A SQLite database that lives like an application's, the same at every run.

  workload.py create DATABASE [--mb 500]     a database of about so many MiB, 4 KiB pages
  workload.py serve DATABASE [--percent 1]   reads commands from stdin, one a line:
      step N       commits small transactions until so many percent of the pages have changed;
                   all of them stay in the write-ahead log
      checkpoint   moves the log into the database; until the next step the database's file alone
                   is then all of it. The log itself goes on, as with an application that always
                   has some reader.
      restart      the same, and the log begins anew
    and answers each with one line on stdout. The connection stays open in between.

The same arguments make the same bytes with the same versions of Python and SQLite. The content is
a shop: words as people use them (few of them often), JSON documents, integers, random keys with a
unique index, attachments of which half are random bytes. Updates prefer what is new.
"""

import argparse
import itertools
import json
import os
import random
import sqlite3
import struct
import sys

PAGE_SIZE = 4096
WAL_HEADER = 32
FRAME_HEADER = 24

SCHEMA = """
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT, mail TEXT, since INTEGER, about TEXT);
CREATE TABLE purchase(id INTEGER PRIMARY KEY, customer INTEGER, at INTEGER, state TEXT,
                      cents INTEGER, token TEXT, remark TEXT);
CREATE TABLE activity(id INTEGER PRIMARY KEY, at INTEGER, kind TEXT, customer INTEGER, detail TEXT);
CREATE TABLE document(id INTEGER PRIMARY KEY, purchase INTEGER, type TEXT, content BLOB);
"""
INDEXES = """
CREATE UNIQUE INDEX customer_mail ON customer(mail);
CREATE INDEX purchase_customer ON purchase(customer);
CREATE INDEX purchase_at ON purchase(at);
CREATE UNIQUE INDEX purchase_token ON purchase(token);
CREATE INDEX activity_customer_at ON activity(customer, at);
CREATE INDEX activity_kind ON activity(kind);
CREATE INDEX document_purchase ON document(purchase);
"""
# Rows for each MiB of the database, in the order of the tables above.
ROWS_PER_MIB = {"customer": 265, "purchase": 1840, "activity": 1730, "document": 47}

STATES = ("open", "paid", "packed", "sent", "arrived", "returned", "void")
KINDS = ("enter", "leave", "look", "press", "order", "refund", "find", "failure", "join", "send",
         "fetch", "share")
TYPES = ("image/jpeg", "application/zip", "text/markdown", "application/json")


def make_words():
    """6000 words and their cumulated frequencies: the n-th is used 1/(n+3) as often as the first."""
    dice = random.Random("words")
    parts = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]
    words = ["".join(dice.choices(parts, k=dice.randint(1, 4))) for _ in range(6000)]
    return words, list(itertools.accumulate(1 / (rank + 3) for rank in range(len(words))))


class Content:
    """Rows for the four tables, from one seed."""

    WORDS, FREQUENCIES = make_words()

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def words(self, count):
        return self.dice.choices(self.WORDS, cum_weights=self.FREQUENCIES, k=count)

    def text(self, least, most):
        return " ".join(self.words(self.dice.randint(least, most)))

    def customer(self, number):
        first, last = self.words(2)
        return (number, f"{first} {last}".title(), f"{first}.{last}{number}@example.net",
                1_500_000_000 + number * 37, self.text(4, 29))

    def purchase(self, number, customers):
        return (number, self.dice.randrange(customers), 1_600_000_000 + number * 11,
                self.dice.choice(STATES), int(self.dice.lognormvariate(8, 1)),
                f"{self.dice.getrandbits(128):032x}", self.text(2, 17))

    def activity(self, number, customers):
        detail = {"session": f"{self.dice.getrandbits(64):016x}",
                  "path": "/" + "/".join(self.words(self.dice.randint(1, 3))),
                  "milliseconds": self.dice.randrange(5000), "ok": self.dice.random() < 0.97,
                  "agent": f"Mozilla/5.0 (X11; Linux x86_64) rv:{self.dice.randint(90, 120)}.0",
                  "from": self.words(1)[0]}
        return (number, 1_600_000_000 + number * 7, self.dice.choice(KINDS),
                self.dice.randrange(customers), json.dumps(detail))

    def document(self, number, purchases):
        size, kind = self.dice.randint(500, 9000), self.dice.choice(TYPES)
        random_content = kind in TYPES[:2]
        content = self.dice.randbytes(size) if random_content else self.text(size // 7, size // 7)
        return (number, self.dice.randrange(purchases), kind,
                content if random_content else content.encode())


def insert(table, row):
    return f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row


def create(path, mebibytes):
    """Tables grow side by side, as they do in a live application; indexes come last."""
    content = Content("create")
    rows = {table: int(count * mebibytes) for table, count in ROWS_PER_MIB.items()}
    make = {"customer": content.customer,
            "purchase": lambda number: content.purchase(number, rows["customer"]),
            "activity": lambda number: content.activity(number, rows["customer"]),
            "document": lambda number: content.document(number, rows["purchase"])}
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(
        f"PRAGMA page_size = {PAGE_SIZE}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
        + SCHEMA)
    database.execute("BEGIN")
    rounds = max(1, rows["purchase"] // 2000)
    for step in range(rounds):
        for table, total in rows.items():
            for number in range(total * step // rounds, total * (step + 1) // rounds):
                database.execute(*insert(table, make[table](number)))
    database.execute("COMMIT")
    database.executescript(INDEXES + "PRAGMA journal_mode = WAL")
    database.close()


class Application:
    """A long-lived connection whose transactions stay in the log, and a reader beside it."""

    def __init__(self, path):
        self.log = path + "-wal"
        self.reader = sqlite3.connect(path, isolation_level=None)
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0")

    def ask(self, statement):
        return self.database.execute(statement).fetchone()[0]

    def next_id(self, table):
        return self.ask(f"SELECT max(id) + 1 FROM {table}")

    def statement(self, content):
        """One statement of an ordinary day."""
        dice = content.dice
        kind = dice.random()
        if kind < 0.45:  # the newer a purchase, the likelier it changes
            newest_first = int(self.next_id("purchase") * (1 - dice.random() ** 2))
            return ("UPDATE purchase SET state = ?, cents = cents + ?, remark = ? WHERE id = ?",
                    (dice.choice(STATES), dice.randrange(100), content.text(2, 17), newest_first))
        if kind < 0.60:
            return ("UPDATE customer SET about = ? WHERE id = ?",
                    (content.text(4, 29), dice.randrange(self.next_id("customer"))))
        if kind < 0.80:
            return insert("activity",
                          content.activity(self.next_id("activity"), self.next_id("customer")))
        if kind < 0.92:
            return insert("purchase",
                          content.purchase(self.next_id("purchase"), self.next_id("customer")))
        if kind < 0.96:
            return insert("document",
                          content.document(self.next_id("document"), self.next_id("purchase")))
        return ("DELETE FROM activity WHERE id = ?", (dice.randrange(self.next_id("activity")),))

    def step(self, number, percent):
        content = Content(f"step {number}")
        pages = self.ask("PRAGMA page_count")
        wanted = max(1, int(pages * percent / 100))
        changed, offset, transactions = set(), self.log_end(), 0
        while len(changed) < wanted:
            self.database.execute("BEGIN")
            for _ in range(content.dice.randint(1, 4)):
                self.database.execute(*self.statement(content))
            self.database.execute("COMMIT")
            transactions += 1
            offset = self.collect_changed(changed, offset)
        return f"step {number}: {transactions} transactions, {len(changed)} of {pages} pages"

    def log_end(self):
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def collect_changed(self, changed, offset):
        """Adds the pages of the frames from `offset` of the log on; returns where they end."""
        end = self.log_end()
        with open(self.log, "rb") as log:
            offset = max(offset, WAL_HEADER)
            while offset + FRAME_HEADER + PAGE_SIZE <= end:
                log.seek(offset)
                changed.add(struct.unpack(">I", log.read(4))[0])
                offset += FRAME_HEADER + PAGE_SIZE
        return offset

    def checkpoint(self):
        # A reader of what is still in the log keeps the log from starting anew.
        self.stop_reading()
        self.reader.execute("BEGIN")
        self.reader.execute("SELECT max(id) FROM customer").fetchone()
        busy, frames, moved = self.database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if busy or frames != moved:
            raise RuntimeError("somebody still reads what was there before: it cannot be moved")
        return f"checkpoint: the log has {frames} frames"

    def restart(self):
        self.stop_reading()
        if self.ask("PRAGMA wal_checkpoint(TRUNCATE)"):
            raise RuntimeError("somebody still reads the log: it cannot be emptied")
        return "restart: the log is empty"

    def stop_reading(self):
        if self.reader.in_transaction:
            self.reader.execute("ROLLBACK")


def serve(path, percent):
    application = Application(path)
    for line in sys.stdin:
        command, *argument = line.rstrip("\n").split(" ", 1)
        if command == "step":
            answer = application.step(int(argument[0]), percent)
        elif command == "checkpoint":
            answer = application.checkpoint()
        elif command == "restart":
            answer = application.restart()
        else:
            raise ValueError(f"unknown command: {line!r}")
        print(answer, flush=True)
    application.database.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    action = actions.add_parser("create")
    action.add_argument("database")
    action.add_argument("--mb", type=float, default=500)
    action = actions.add_parser("serve")
    action.add_argument("database")
    action.add_argument("--percent", type=float, default=1)
    arguments = parser.parse_args()
    if arguments.action == "create":
        create(arguments.database, arguments.mb)
    else:
        serve(arguments.database, arguments.percent)


if __name__ == "__main__":
    main()
