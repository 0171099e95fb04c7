#!/usr/bin/env python3
"""Checks that includes point down only, and that each library is included in its room alone.

  scripts/check_includes.py               checks fs/, engine/ and tools/ of this tree
  scripts/check_includes.py --self-test   checks that the check sees what it is there for
"""

import re
import sys
import tempfile
from pathlib import Path

BELOW_EVERYTHING = {"engine/core", "engine/formats"}

# Room -> the rooms it may include besides itself.
ROOMS = {
    "engine/core": set(),
    "engine/formats": {"engine/core"},
    "engine/storage": BELOW_EVERYTHING,
    "engine/cache": BELOW_EVERYTHING | {"engine/storage"},
    "engine/segment": BELOW_EVERYTHING | {"engine/storage"},
    "engine/index": BELOW_EVERYTHING | {"engine/storage"},
}
ROOMS["engine/source"] = BELOW_EVERYTHING | {
    "engine/storage", "engine/cache", "engine/segment", "engine/index"}
ROOMS["engine/view"] = ROOMS["engine/source"] | {"engine/source"}
ROOMS["engine/capture"] = BELOW_EVERYTHING | {"engine/storage", "engine/segment", "engine/index"}
ROOMS["engine/repo"] = ROOMS["engine/view"] | {"engine/view", "engine/capture"}
# From here up a repository is the one door, and what comes out of it are views.
ROOMS["fs"] = BELOW_EVERYTHING | {"engine/repo", "engine/view"}
ROOMS["tools"] = BELOW_EVERYTHING | {"engine/repo", "engine/view", "fs"}

EVERYWHERE = set(ROOMS)

# Start of a header's name -> the rooms that may include it.
LIBRARIES = {
    "fmt/": EVERYWHERE,
    "tl/": {"engine/core"},
    "xxhash.h": {"engine/core"},
    "openssl/": {"engine/core"},
    "libdeflate.h": {"engine/core"},
    "nlohmann/": {"engine/formats"},
    "curl/": {"engine/storage"},
    "pugixml.hpp": {"engine/storage"},
    "zstd": {"engine/segment"},
    "lz4": {"engine/segment"},
    "lmdb.h": {"engine/index"},
    "sqlite3.h": {"engine/capture"},
    "spdlog/": {"engine/repo", "fs", "tools"},
    "fuse": {"fs"},
    "malloc.h": {"fs"},
    "CLI/": {"tools"},
}

STANDARD = re.compile(r"[a-z_0-9]+$")  # <vector>, <cstdint>
SYSTEM = re.compile(
    r"(sys|linux)/\w+\.h$"
    r"|(dirent|endian|errno|fcntl|grp|limits|mntent|poll|pthread|pwd|sched|signal|spawn|stdio|stdlib"
    r"|string|termios|time|unistd)\.h$")
INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>)?')


def room_of(path):
    """The room that a path relative to the root lies in, or None."""
    parts = Path(path).parts
    for length in (2, 1):
        room = "/".join(parts[:length])
        if len(parts) > length and room in ROOMS:
            return room
    return None


def complaint_about_quoted(root, room, name):
    if not (root / name).is_file():
        return "no such file below the root of the tree"
    target = room_of(name)
    if target is None:
        return "not in a room"
    if target != room and target not in ROOMS[room]:
        return f"{room} may not include {target}"
    return None


def complaint_about_angled(room, name):
    for start, rooms in LIBRARIES.items():
        if name.startswith(start):
            return None if room in rooms else f"only {', '.join(sorted(rooms))} may include <{name}>"
    if STANDARD.match(name) or SYSTEM.match(name):
        return None
    return "a library that scripts/check_includes.py gives to no room"


def complaints_about(root, path):
    """Yields (line number, text) for each include of the file that breaks a rule."""
    room = room_of(path)
    if room is None:
        yield 1, "a source that lies in no room"
        return
    for number, line in enumerate((root / path).read_text().splitlines(), start=1):
        include = INCLUDE.match(line)
        if not include:
            continue
        quoted, angled = include.groups()
        if quoted is not None:
            complaint = complaint_about_quoted(root, room, quoted)
        elif angled is not None:
            complaint = complaint_about_angled(room, angled)
        else:
            complaint = "an include that is computed"
        if complaint:
            yield number, f"{line.strip()}: {complaint}"


def check(root):
    """Returns (number of files seen, complaints as text)."""
    files = sorted(path.relative_to(root) for top in ("engine", "fs", "tools")
                   for path in (root / top).rglob("*") if path.suffix in (".h", ".cc"))
    return len(files), [f"{path}:{number}: {text}" for path in files
                        for number, text in complaints_about(root, path)]


# File -> its one line, and a part of the complaint that it must give (None: it is fine).
SELF_TEST = {
    "engine/core/units.h": ("#include <compare>", None),
    "engine/core/hash.cc": ("#include <openssl/evp.h>", None),
    "engine/core/up.cc": ('#include "engine/formats/layout.h"', "engine/core may not include"),
    "engine/formats/layout.h": ('#include "engine/core/units.h"', None),
    "engine/formats/deep/json.cc": ("#include <nlohmann/json.hpp>", None),
    "engine/storage/storage.h": ("#include <sys/stat.h>", None),
    "engine/storage/up.h": ('#include "engine/segment/codec.h"', "engine/storage may not include"),
    "engine/segment/codec.h": ("#include <zstd.h>", None),
    "engine/segment/sideways.cc": ('#include "engine/index/page_index.h"', "engine/segment may not"),
    "engine/index/page_index.h": ("#include <lmdb.h>", None),
    "engine/view/lmdb.cc": ("  #  include <lmdb.h>", "only engine/index may include"),
    "engine/repo/door.h": ('#include "engine/segment/codec.h"', None),
    "engine/repo/back.cc": ('#include "fs/mount.h"', "engine/repo may not include fs"),
    "fs/mount.h": ('#include "engine/repo/door.h"', None),
    "fs/segment.cc": ('#include "engine/segment/codec.h"', "fs may not include engine/segment"),
    "fs/relative.cc": ('#include "mount.h"', "no such file"),
    "fs/computed.cc": ("#include HEADER", "computed"),
    "tools/main.cc": ("#include <CLI/CLI.hpp>", None),
    "tools/fuse.cc": ("#include <fuse_lowlevel.h>", "only fs may include"),
    "tools/unknown.cc": ("#include <boost/asio.hpp>", "to no room"),
    "engine/attic/lost.cc": ("#include <vector>", "in no room"),
}


def self_test():
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name, (line, _) in SELF_TEST.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(f"// a comment\n{line}\n")
        _, complaints = check(root)
    for name, (_, expected) in SELF_TEST.items():
        found = [text for text in complaints if text.startswith(name + ":")]
        if expected is None:
            assert not found, f"{name} is fine, but: {found}"
        else:
            assert len(found) == 1 and expected in found[0], f"{name}: '{expected}' not in {found}"
    print(f"check_includes: the check itself answers {len(SELF_TEST)} cases as it must")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    count, complaints = check(Path(__file__).resolve().parent.parent)
    for text in complaints:
        print(text)
    print(f"check_includes: {count} files, {len(complaints)} complaints")
    return 1 if complaints or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
