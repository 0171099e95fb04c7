#!/usr/bin/env bash
# Measures epochfs beside restic and borg on one SQLite history, and prints a table of ratios; then what an increment of a small
# and of a large database costs, how an epoch in the middle of a long history is read, how long histories are indexed, what
# import, export and indexing make of histories of Grafeo's, and how fast a repository in a bucket is read.
#
#   scripts/bench.sh                            500 MB, 20 steps of 1 %
#   scripts/bench.sh --mb 50 --steps 3 --rounds 1
#
# Nothing is asserted: figures of one machine are compared with each other, never with a limit.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh --bench
cmake -S . -B build-demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=ON \
  -DEPOCHFS_TESTS=OFF >/dev/null
cmake --build build-demo --parallel 2 --target epochfs make_history
python3 tests/bench/compare.py --epochfs "$PWD/build-demo/epochfs" "$@"
python3 tests/bench/increments.py --epochfs "$PWD/build-demo/epochfs"
python3 tests/bench/reading.py --epochfs "$PWD/build-demo/epochfs"
python3 tests/bench/indexing.py --epochfs "$PWD/build-demo/epochfs" \
  --make-history "$PWD/build-demo/make_history"
python3 tests/bench/grafeo.py --epochfs "$PWD/build-demo/epochfs"
python3 tests/bench/bucket.py --epochfs "$PWD/build-demo/epochfs" \
  --make-history "$PWD/build-demo/make_history"
