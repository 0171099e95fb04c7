#!/usr/bin/env python3
"""Restores any epoch of an epochfs repository without epochfs.

    restore.py REPO DATABASE --list          the epochs, one a line
    restore.py REPO DATABASE --sha256        restores all of them: epoch, size and SHA-256, one a line
    restore.py REPO DATABASE EPOCH OUT       writes that epoch's database to OUT
    restore.py REPO DATABASE --unpack DIR    of a database of Grafeo's: its own backup directory

Written from engine/formats/native/repository.md and segment.md alone: Python's standard library
and the `zstd` command. It shares no code with epochfs, so that it proves the documents. Everything
that the documents tell a reader to check is checked, page and state hashes included (XXH3 is at the
end of this file); the first thing that is wrong ends it with exit code 1.
"""

import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import cached_property

SIGNATURE, TABLE, FOOTER, RECORD = 0x184D2A50, 0x184D2A51, 0x184D2A52, 0x184D2A53
BLOCKS, RECORDS, EPOCHS = 1, 2, 3
KINDS = ["Full", "Incremental", "Log"]
FOOTER_BYTES = 8 + 128


class Damaged(Exception):
    """The repository is not what its specification says."""


def need(condition, text):
    if not condition:
        raise Damaged(text)


def sealed(path):
    """A JSON document that ends in its own SHA-256."""
    with open(path, "rb") as file:
        data = file.read()
    start = data.rfind(b',\n  "document_sha256": "')
    need(start >= 0, f"{path}: no seal")
    digest = hashlib.sha256(data[:start] + b"\n}\n").hexdigest()
    need(data[start:] == f',\n  "document_sha256": "{digest}"\n}}\n'.encode(), f"{path}: seal")
    return json.loads(data)


def unpack(frames, page=None):
    """What zstd frames, one behind the other, hold; `page` is what they were compressed against."""
    if not frames:
        return b""
    command = ["zstd", "-q", "-d", "-c"]
    if page is not None:
        command.append(f"--patch-from={page}")
    done = subprocess.run(command, input=frames, capture_output=True, check=False)
    need(done.returncode == 0, f"zstd: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class Columns:
    """Arrays of little-endian numbers, one behind the other."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, kind, count):
        size = struct.calcsize(f"<{kind}")
        end = self.at + size * count
        need(end <= len(self.data), "table too short")
        values = list(struct.unpack(f"<{count}{kind}", self.data[self.at:end]))
        self.at = end
        return values

    def take_deltas(self, kind, count):
        mask = (1 << (8 * struct.calcsize(f"<{kind}"))) - 1
        values, value = [], 0
        for delta in self.take(kind, count):
            value = (value + delta) & mask
            values.append(value)
        return values

    def end(self):
        need(self.at == len(self.data), "table too long")


class Segment:
    """One segment object: its footer, its tables, its units."""

    def __init__(self, directory, entry):
        self.entry = entry
        self.path = os.path.join(directory, entry["filename"])
        with open(self.path, "rb") as file:
            self.data = file.read()
        need(len(self.data) == entry["size_bytes"], f"{self.path}: size")
        need(zlib.crc32(self.data) == entry["checksum"], f"{self.path}: checksum")
        need(hashlib.sha256(self.data).hexdigest() == entry["sha256"], f"{self.path}: sha256")
        need(self.data[:16] == struct.pack("<II", SIGNATURE, 8) + b"EPOCHFS\x01",
             f"{self.path}: signature")
        self.read_footer()
        need(KINDS[self.kind] == entry["kind"], f"{self.path}: kind")
        need((self.start_epoch, self.end_epoch) == (entry["start_epoch"], entry["end_epoch"]),
             f"{self.path}: epochs")
        need(self.page_size == entry["page_size"], f"{self.path}: page size")
        tail = self.data[self.tables_offset:]
        need(hashlib.sha256(tail).hexdigest() == entry["tables_sha256"], f"{self.path}: tables")
        self.blocks, self.records, self.epochs = [], [], []
        self.read_tables()

    def read_footer(self):
        frame = self.data[-FOOTER_BYTES:]
        need(frame[:8] == struct.pack("<II", FOOTER, 128), f"{self.path}: footer frame")
        content = frame[8:]
        need(struct.unpack("<Q", content[120:])[0] == xxh3_64(content[:120]),
             f"{self.path}: footer hash")
        (magic, version, flags, self.kind, self.page_size, self.block_size, self.epoch_count,
         self.start_epoch, self.end_epoch, self.base_epoch, self.image_bytes, self.unit_count,
         self.version_count, self.tables_offset, self.tables_bytes,
         self.tables_hash) = struct.unpack("<8sIIIIIIQQQQQQQQQ", content[:104])
        need(magic == b"EPFSFOOT", f"{self.path}: footer")
        need(version in (1, 2) and flags & 0xFFFF == 0, f"{self.path}: written by a newer version")
        need(self.kind < len(KINDS), f"{self.path}: footer")
        needs_2 = self.kind == 2 or (self.kind == 0 and self.end_epoch == 0)
        need(version == (2 if needs_2 else 1), f"{self.path}: version")
        self.has_blocks = self.kind != 1
        need(self.tables_offset + self.tables_bytes + FOOTER_BYTES == len(self.data),
             f"{self.path}: places")

    def read_tables(self):
        tables = self.data[self.tables_offset:self.tables_offset + self.tables_bytes]
        need(xxh3_64(tables) == self.tables_hash, f"{self.path}: tables hash")
        chunks, frames, at = [], [], 0
        while at < len(tables):
            magic, length, kind, rows, raw_bytes = struct.unpack("<IIIII", tables[at:at + 20])
            need(magic == TABLE, f"{self.path}: table frame")
            frames.append(tables[at + 20:at + 8 + length])
            chunks.append((kind, rows, raw_bytes))
            at += 8 + length
        columns, at = unpack(b"".join(frames)), 0  # one call for all chunks
        offset = 16
        for kind, rows, raw_bytes in chunks:
            chunk = Columns(columns[at:at + raw_bytes])
            at += raw_bytes
            if kind == EPOCHS:
                self.take_epochs(chunk, rows)
            else:
                need(kind == (BLOCKS if self.has_blocks else RECORDS), f"{self.path}: table kind")
                take = self.take_blocks if self.has_blocks else self.take_records
                offset = take(chunk, rows, offset)
            chunk.end()
        need(at == len(columns) and offset == self.tables_offset, f"{self.path}: units")
        need(len(self.epochs) == self.epoch_count, f"{self.path}: epoch count")
        need(len(self.blocks) + len(self.records) == self.unit_count, f"{self.path}: unit count")

    def take_blocks(self, chunk, rows, offset):
        pages_left = -(-self.image_bytes // self.page_size)
        pages_left -= sum(len(hashes) for _, _, hashes in self.blocks)
        for stored in chunk.take("I", rows):
            pages = min(self.block_size // self.page_size, pages_left)
            pages_left -= pages
            self.blocks.append((offset, stored, chunk.take("Q", pages)))
            offset += stored
        return offset

    def take_records(self, chunk, rows, offset):
        pages = chunk.take_deltas("I", rows)
        stored = chunk.take("I", rows)
        counts = chunk.take("H", rows)
        for row in range(rows):
            epochs = [self.start_epoch + epoch for epoch in chunk.take("I", counts[row])]
            self.records.append((pages[row], offset, stored[row], epochs))
            offset += stored[row]
        return offset

    def take_epochs(self, chunk, rows):
        names = ["epoch", "committed_ns", "captured_ns", "size_bytes"]
        columns = {name: chunk.take_deltas("Q", rows) for name in names}
        for name in ["state_high", "state_low"]:
            columns[name] = chunk.take("Q", rows)
        for name in ["salt1", "salt2", "checkpoint_sequence", "frame", "pages_changed",
                     "commits_folded"]:
            columns[name] = chunk.take("I", rows)
        for name in ["how", "flags"]:
            columns[name] = chunk.take("B", rows)
        self.epochs += [{name: values[row] for name, values in columns.items()}
                        for row in range(rows)]

    @cached_property
    def image(self):
        """The whole image of a full, or file in a log, every page checked, and zeros behind it."""
        image = unpack(self.data)
        need(len(image) == self.image_bytes, f"{self.path}: image size")
        padded = image + bytes(-len(image) % self.page_size)
        hashes = [one for _, _, hashes in self.blocks for one in hashes]
        for number, expected in enumerate(hashes):
            page = padded[number * self.page_size:(number + 1) * self.page_size]
            need(xxh3_64(page) == expected, f"{self.path}: page {number + 1}")
        return padded

    def record(self, row):
        """Splits a record: (has prefix, hashes of the versions, zstd frame)."""
        page, offset, stored, epochs = row
        unit = self.data[offset:offset + stored]
        magic, length = struct.unpack("<II", unit[:8])
        need(magic == RECORD, f"{self.path}: record at {offset}")
        header = unit[8:8 + length]
        found_page, count, flags, epoch = struct.unpack("<IHHQ", header[:16])
        need(flags & ~1 == 0 and found_page == page, f"{self.path}: record at {offset}")
        found, at = [epoch], 16
        while len(found) < count:
            delta, shift = 0, 0
            while True:
                byte = header[at]
                at += 1
                delta |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            found.append(found[-1] + delta)
        need(found == epochs and len(header) == at + 8 * count, f"{self.path}: record at {offset}")
        return flags & 1 == 1, struct.unpack(f"<{count}Q", header[at:]), unit[8 + length:]


class Database:
    def __init__(self, repository, name):
        root = sealed(os.path.join(repository, "epochfs.json"))
        need(root["format"] == "epochfs-repository" and root["format_version"] == 1,
             "not a repository of version 1")
        self.directory = os.path.join(repository, name)
        manifest = sealed(os.path.join(self.directory, "manifest.json"))
        need(manifest["format"] == "epochfs-manifest" and manifest["format_version"] in (1, 2),
             "not a manifest of version 1 or 2")
        self.is_grafeo = manifest["format_version"] == 2
        need(self.is_grafeo == (manifest["engine"] == "grafeo"), "engine of another version")
        self.generation = manifest.get("generation")
        need(manifest["database"] == name, "manifest of another database")
        self.entries = manifest["segments"]
        for entry in self.entries:
            for file_name in filter(None, [entry["filename"], entry["base"]]):
                need("/" not in file_name and file_name not in (".", ".."), f"name {file_name!r}")

        self.segments = {}

    def open(self, entry):
        name = entry["filename"]
        if name not in self.segments:
            self.segments[name] = Segment(self.directory, entry)
        return self.segments[name]

    def epochs(self):
        """Facts of every epoch; a full may repeat the one before it."""
        known = {}
        for entry in self.entries:
            for facts in self.open(entry).epochs:
                known.setdefault(facts["epoch"], facts)
        return [known[epoch] for epoch in sorted(known)]

    def unpack(self, directory):
        """Grafeo's own files, and the manifest that it would have written last."""
        need(self.is_grafeo, "not a database of Grafeo's")
        need(self.generation == 2, "its manifest would be bincode, which this does not write")
        os.mkdir(directory)
        segments = []
        for entry in self.entries:
            segment = self.open(entry)
            need(segment.kind != 1, f"{segment.path}: kind")
            content = segment.image[:segment.image_bytes]
            need(len(content) == entry["unpacked_bytes"], f"{segment.path}: unpacked size")
            need(zlib.crc32(content) == entry["unpacked_checksum"], f"{segment.path}: unpacked")
            is_full = segment.kind == 0
            name = "backup_full_%04d.grafeo" if is_full else "backup_incr_%04d.wal"
            name %= len(segments)
            with open(os.path.join(directory, name), "xb") as file:
                file.write(content)
            segments.append({"kind": "Full" if is_full else "Incremental", "filename": name,
                             "start_epoch": entry["start_epoch"], "end_epoch": entry["end_epoch"],
                             "checksum": entry["unpacked_checksum"], "size_bytes": len(content),
                             "created_at_ms": entry["created_at_ms"]})
        with open(os.path.join(directory, "backup_manifest.json"), "x", encoding="utf-8") as file:
            json.dump({"version": 2, "segments": segments}, file, indent=1)

    def chain(self, epoch):
        """The full below an epoch, and the incrementals above it that reach up to the epoch."""
        for entry in self.entries:
            if entry["kind"] == "Full" and entry["end_epoch"] == epoch:
                return self.open(entry), []
        holds = [entry for entry in self.entries if entry["kind"] == "Incremental"
                 and entry["start_epoch"] <= epoch <= entry["end_epoch"]]
        need(holds, f"no epoch {epoch}")
        base = holds[0]["base"]
        full = next(entry for entry in self.entries if entry["filename"] == base)
        above = [entry for entry in self.entries
                 if entry["base"] == base and entry["start_epoch"] <= epoch]
        reached = full["end_epoch"]
        for entry in above:
            need(entry["start_epoch"] == reached + 1, f"hole below {entry['filename']}")
            reached = entry["end_epoch"]
        return self.open(full), [self.open(entry) for entry in above]

    def restore(self, epoch):
        need(not self.is_grafeo, "epochs of Grafeo's are files of Grafeo's: --unpack")
        full, above = self.chain(epoch)
        page_size = full.page_size
        image = full.image
        for segment in above:
            need(segment.page_size == page_size and segment.base_epoch == full.end_epoch and
                 segment.image_bytes == full.image_bytes, f"{segment.path}: made for another full")
        facts = next(facts for segment in [full] + above for facts in segment.epochs
                     if facts["epoch"] == epoch)

        newest = {}  # page -> the record with its newest version not after the epoch, and which
        for segment in above:
            for row in segment.records:
                reached = [number for number in row[3] if number <= epoch]
                if reached:
                    newest[row[0]] = (segment, row, len(reached) - 1)
        page_count = -(-facts["size_bytes"] // page_size)
        for page in range(len(image) // page_size + 1, page_count + 1):
            need(page in newest, f"no version of page {page}")

        pages = self.versions({page: place for page, place in newest.items()
                               if page <= page_count}, image, page_size)
        result = bytearray(image[:page_count * page_size])
        result.extend(bytes(page_count * page_size - len(result)))
        for page, content in pages.items():
            result[(page - 1) * page_size:page * page_size] = content
        state = state_hash(result, page_size, facts["size_bytes"])
        need(state == (facts["state_high"] << 64 | facts["state_low"]), f"state of epoch {epoch}")
        return bytes(result[:facts["size_bytes"]])

    @staticmethod
    def versions(places, image, page_size):
        """page -> its bytes. Records without a prefix go through one call of zstd."""
        split = {page: segment.record(row) for page, (segment, row, _) in places.items()}
        sizes = {page: len(places[page][1][3]) * page_size for page in places}
        plain = {}
        alone = [page for page in split if not split[page][0]]
        together = unpack(b"".join(split[page][2] for page in alone))
        for page in alone:
            plain[page], together = together[:sizes[page]], together[sizes[page]:]
        need(not together, "records of another size")

        with tempfile.TemporaryDirectory() as directory:
            def unpack_page(page):
                prefix = os.path.join(directory, str(page))
                with open(prefix, "wb") as file:
                    file.write(image[(page - 1) * page_size:page * page_size])
                return unpack(split[page][2], prefix)

            patched = [page for page in split if split[page][0]]
            for page in patched:
                need(page * page_size <= len(image), f"the full has no page {page}")
            with ThreadPoolExecutor(max_workers=4) as workers:
                plain.update(zip(patched, workers.map(unpack_page, patched)))

        result = {}
        for page, (_, _, version) in places.items():
            need(len(plain[page]) == sizes[page], f"record of page {page}: size")
            result[page] = plain[page][version * page_size:(version + 1) * page_size]
            need(xxh3_64(result[page]) == split[page][1][version], f"page {page}: hash")
        return result


def state_hash(image, page_size, size_bytes):
    total = xxh3_128_of_12(struct.pack("<IQ", 0, size_bytes))
    for number in range(len(image) // page_size):
        page = bytes(image[number * page_size:(number + 1) * page_size])
        total += xxh3_128_of_12(struct.pack("<IQ", number + 1, xxh3_64(page)))
    return total % (1 << 128)


# --- XXH3 with seed 0 and the default secret, for the lengths that occur here ---

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")
M32, M64 = (1 << 32) - 1, (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
SECRET_WORDS = {at: struct.unpack("<8Q", SECRET[at:at + 64])
                for at in list(range(0, 129, 8)) + [121]}


def u64(data, at):
    return int.from_bytes(data[at:at + 8], "little")


def fold(left, right):
    product = left * right
    return (product ^ (product >> 64)) & M64


def avalanche(value):
    value ^= value >> 37
    value = value * 0x165667919E3779F9 & M64
    return value ^ (value >> 32)


def mix16(data, at, secret_at):
    return fold(u64(data, at) ^ u64(SECRET, secret_at), u64(data, at + 8) ^ u64(SECRET, secret_at + 8))


def xxh3_64(data):
    data = bytes(data)
    length = len(data)
    if length > 240:
        return xxh3_64_long(data)
    need(length > 16, "XXH3 of a length that does not occur")
    total = length * P64_1
    if length <= 128:
        for step in range((length - 1) // 32, -1, -1):
            total += mix16(data, 16 * step, 32 * step)
            total += mix16(data, length - 16 * (step + 1), 32 * step + 16)
        return avalanche(total & M64)
    for step in range(8):
        total += mix16(data, 16 * step, 16 * step)
    total = avalanche(total & M64)
    for step in range(8, length // 16):
        total += mix16(data, 16 * step, 16 * (step - 8) + 3)
    total += mix16(data, length - 16, 136 - 17)
    return avalanche(total & M64)


def accumulate(lanes, words, secret):
    for lane in range(8):
        word = words[lane]
        key = word ^ secret[lane]
        lanes[lane ^ 1] += word
        lanes[lane] += (key & M32) * (key >> 32)


def xxh3_64_long(data):
    lanes = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
    length = len(data)
    stripes_per_block = (len(SECRET) - 64) // 8
    stripes = (length - 1) // 64
    words = struct.unpack(f"<{stripes * 8}Q", data[:stripes * 64])
    scramble = SECRET_WORDS[len(SECRET) - 64]
    for stripe in range(stripes):
        in_block = stripe % stripes_per_block
        accumulate(lanes, words[8 * stripe:8 * stripe + 8], SECRET_WORDS[8 * in_block])
        if in_block == stripes_per_block - 1:
            for lane in range(8):
                value = lanes[lane] & M64
                lanes[lane] = ((value ^ (value >> 47)) ^ scramble[lane]) * P32_1 & M64
    accumulate(lanes, struct.unpack("<8Q", data[length - 64:]), SECRET_WORDS[len(SECRET) - 64 - 7])
    lanes = [lane & M64 for lane in lanes]
    total = length * P64_1
    for pair in range(4):
        total += fold(lanes[2 * pair] ^ u64(SECRET, 11 + 16 * pair),
                      lanes[2 * pair + 1] ^ u64(SECRET, 19 + 16 * pair))
    return avalanche(total & M64)


def swap64(value):
    return int.from_bytes(value.to_bytes(8, "little"), "big")


def xxh3_128_of_12(data):
    """XXH3-128 of 9 to 16 bytes; twelve are what a term of the state hash has."""
    length = len(data)
    flip_low = u64(SECRET, 32) ^ u64(SECRET, 40)
    flip_high = u64(SECRET, 48) ^ u64(SECRET, 56)
    low, high = u64(data, 0), u64(data, length - 8)
    product = (low ^ high ^ flip_low) * P64_1
    product_low, product_high = product & M64, product >> 64
    product_low = (product_low + ((length - 1) << 54)) & M64
    high ^= flip_high
    product_high = (product_high + high + (high & M32) * (P32_2 - 1)) & M64
    product_low ^= swap64(product_high)
    result = product_low * P64_2
    result_low = result & M64
    result_high = ((result >> 64) + product_high * P64_2) & M64
    return avalanche(result_high) << 64 | avalanche(result_low)


def main():
    arguments = sys.argv[1:]
    try:
        if len(arguments) == 3 and arguments[2] == "--list":
            for facts in Database(*arguments[:2]).epochs():
                moment = datetime.fromtimestamp(facts["committed_ns"] // 10**9, timezone.utc)
                print(f"{facts['epoch']} {moment:%Y-%m-%dT%H:%M:%SZ} {facts['size_bytes']} "
                      f"{facts['state_high']:016x}{facts['state_low']:016x}")
        elif len(arguments) == 3 and arguments[2] == "--sha256":
            database = Database(*arguments[:2])
            for facts in database.epochs():
                content = database.restore(facts["epoch"])
                print(facts["epoch"], len(content), hashlib.sha256(content).hexdigest())
        elif len(arguments) == 4 and arguments[2] == "--unpack":
            Database(*arguments[:2]).unpack(arguments[3])
        elif len(arguments) == 4 and arguments[2].isdecimal():
            content = Database(*arguments[:2]).restore(int(arguments[2]))
            with open(arguments[3], "xb") as file:
                file.write(content)
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (Damaged, OSError, KeyError, ValueError, struct.error, IndexError) as error:
        print(f"restore.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
