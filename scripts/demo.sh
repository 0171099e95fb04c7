#!/usr/bin/env bash
# The whole of epochfs once round, on this machine and in a private temporary directory: a database
# that is being written to, backups of it, a mount of all its states, and proof that they are right.
# Everything is gone again at the end. Fails at the first thing that is not as it says.
set -euo pipefail
cd "$(dirname "$0")/.."
source_directory=$PWD

scripts/setup.sh
cmake -S . -B build-demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=ON \
  -DEPOCHFS_TESTS=OFF >/dev/null
cmake --build build-demo --parallel 2 --target epochfs
PATH=$source_directory/build-demo:$PATH

work=$(mktemp -d "${TMPDIR:-/tmp}/epochfs-demo.XXXXXX")
export EPOCHFS_CACHE_DIR=$work/cache
writer=

clean_up() {
  if [[ -n "$writer" ]]; then
    kill "$writer" 2>/dev/null && wait "$writer" || true
  fi
  if mountpoint -q "$work/mnt"; then
    epochfs umount "$work/mnt" || fusermount3 -u -z "$work/mnt"
  fi
  cd /
  rm -rf "$work"
}
trap clean_up EXIT

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
# Shows a command line, then runs it.
run() {
  printf '$ %s\n' "$1"
  eval "$1"
}
fail() {
  printf 'demo.sh: %s\n' "$*" >&2
  exit 1
}
hash_of() { sha256sum "$1" | cut -d' ' -f1; }

cd "$work"
mkdir mnt

say "A database in WAL mode, and a program that commits a sale about every 20 ms"
run "python3 $source_directory/scripts/demo_writer.py shop.db create"
run "python3 $source_directory/scripts/demo_writer.py shop.db sell &"
writer=$!
run "ls -l shop.db"

say "The first backup is a full; later ones keep every transaction that was committed since"
run "epochfs backup shop.db repo"
for _ in 1 2 3; do
  sleep 2
  run "epochfs backup shop.db repo"
done
kill -0 "$writer" || fail "the writer did not survive the backups"
run "ls -l repo repo/shop"

say "Mounted, every epoch is a directory with the restored database in it"
run "epochfs mount repo mnt"
run "ls mnt mnt/shop"
mapfile -t epochs < <(find mnt/shop/epochs -mindepth 1 -maxdepth 1 -printf '%f\n' | sort)
first=${epochs[0]}
middle=${epochs[${#epochs[@]} / 2]}
last=$(readlink mnt/shop/latest | sed 's|.*/||')
[[ "$first" < "$last" ]] || fail "there is only one epoch"
run "ls mnt/shop/epochs | wc -l"
run "ls -l mnt/shop/epochs/$last"
run "ls -l mnt/shop/recent | tail -n 5"
run "cat mnt/shop/epochs/$last/epoch.json"

say "Any program can ask any epoch; here how many sales there were at the first and at the last"
run "sqlite3 mnt/shop/epochs/$first/shop.db 'SELECT count(*) FROM sales' | tee sales-first"
run "sqlite3 mnt/shop/epochs/$last/shop.db 'SELECT count(*) FROM sales' | tee sales-last"
(($(<sales-first) < $(<sales-last))) || fail "the last epoch does not hold more sales than the first"
run "sqlite3 mnt/shop/latest/shop.db 'PRAGMA integrity_check' | tee integrity"
[[ "$(<integrity)" == ok ]] || fail "the integrity check failed"

say "Nothing can be changed through the mount"
run "touch mnt/shop/latest/shop.db || true"
touch mnt/shop/latest/shop.db 2>/dev/null && fail "the mount let itself be written to"

say "cp is the restore tool; epochfs restore gives the same bytes"
run "cp mnt/shop/epochs/$middle/shop.db copied.db"
run "epochfs restore repo@$((10#$middle)) restored.db"
run "sha256sum copied.db restored.db"
[[ "$(hash_of copied.db)" == "$(hash_of restored.db)" ]] || fail "copy and restore differ"

say "A full needs no epochfs at all: it is a plain zstd file"
full=$(find repo/shop -name 'full-*' | sort | head -n 1)
run "zstd -q -d $full -o by-zstd.db"
run "sha256sum by-zstd.db mnt/shop/epochs/$first/shop.db"
[[ "$(hash_of by-zstd.db)" == "$(hash_of "mnt/shop/epochs/$first/shop.db")" ]] ||
  fail "zstd and the mount differ"

say "The writer goes on; a new backup appears in the running mount"
run "epochfs backup shop.db repo | tee newest"
newest=$(tail -n 1 newest | sed 's/^epoch //')
for _ in 1 2 3 4 5 6 7 8 9 10; do
  [[ "$(readlink mnt/shop/latest)" == */"$(printf '%010d' "$newest")" ]] && break
  sleep 0.1
done
run "readlink mnt/shop/latest"
[[ "$(readlink mnt/shop/latest)" == */"$(printf '%010d' "$newest")" ]] ||
  fail "epoch $newest did not appear"

say "History, and whether all of it is sound"
run "epochfs log repo > log && head -n 5 log"
run "epochfs verify repo"

say "Done"
run "epochfs umount mnt"
mountpoint -q mnt && fail "still mounted"
kill -0 "$writer" || fail "the writer did not survive"
echo "All of the above was as it should be."
