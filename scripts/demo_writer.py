#!/usr/bin/env python3
"""A small shop: creates its database, then commits sale after sale until it is told to stop.

  demo_writer.py DATABASE create      the tables and 20,000 articles, in WAL mode
  demo_writer.py DATABASE sell        one transaction about every 20 ms, until SIGTERM
"""

import random
import signal
import sqlite3
import sys
import time

ARTICLES = 20_000


def create(database):
    database.execute("PRAGMA journal_mode = WAL")
    with database:
        database.execute("CREATE TABLE articles(id INTEGER PRIMARY KEY, name TEXT, stock INTEGER)")
        database.execute("CREATE TABLE sales(id INTEGER PRIMARY KEY, article INTEGER, pieces INTEGER,"
                         " customer TEXT)")
        database.execute("CREATE INDEX sales_by_customer ON sales(customer)")
        database.executemany(
            "INSERT INTO articles VALUES (?, ?, ?)",
            ((number, f"article {number:06} " + "fine " * (number % 12), 1000)
             for number in range(1, ARTICLES + 1)))


def sell_once(database, dice):
    """One sale of one to four articles: all of it or nothing."""
    customer = f"customer {dice.randrange(5000):04}"
    with database:
        for _ in range(dice.randint(1, 4)):
            article, pieces = dice.randint(1, ARTICLES), dice.randint(1, 5)
            database.execute("UPDATE articles SET stock = stock - ? WHERE id = ?", (pieces, article))
            database.execute("INSERT INTO sales(article, pieces, customer) VALUES (?, ?, ?)",
                             (article, pieces, customer))


def sell(database):
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    dice = random.Random(1)
    while not stopped:
        sell_once(database, dice)
        time.sleep(0.02)


def main():
    _, path, action = sys.argv
    database = sqlite3.connect(path, timeout=30)
    try:
        {"create": create, "sell": sell}[action](database)
    finally:
        database.close()


if __name__ == "__main__":
    main()
