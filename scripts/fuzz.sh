#!/usr/bin/env bash
# Builds the targets in tests/fuzz with clang's fuzzer in build-fuzz/, and runs each for a time.
#
#   scripts/fuzz.sh                            all of them, 60 seconds each
#   scripts/fuzz.sh 600 segment sqlite_files   these two, ten minutes each
#
# Ends with the first target that fails; the input that did it is in build-fuzz/found.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
if ! [[ "$seconds" =~ ^[0-9]+$ ]]; then
  echo "fuzz.sh: '$seconds' is no number of seconds" >&2
  exit 2
fi
targets=("$@")
if ((${#targets[@]} == 0)); then
  for source in tests/fuzz/*_fuzz.cc; do
    targets+=("$(basename "$source" _fuzz.cc)")
  done
fi

scripts/setup.sh --clang
# Warnings are the business of the ordinary builds.
cmake -S . -B build-fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=None \
  -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=10 "-DCMAKE_CXX_FLAGS=-O1 -g1 -w" \
  -DEPOCHFS_SANITIZE=fuzzer-no-link,address,undefined -DEPOCHFS_TESTS=ON
cmake --build build-fuzz --parallel 2 --target "${targets[@]/%/_fuzz}"

mkdir -p build-fuzz/found
for target in "${targets[@]}"; do
  echo "== $target, $seconds s"
  mkdir -p "build-fuzz/corpus/$target"
  "build-fuzz/tests/${target}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -verbosity=1 -artifact_prefix="build-fuzz/found/$target-" \
    "build-fuzz/corpus/$target" "tests/fuzz/corpus/$target" >"build-fuzz/$target.log" 2>&1 || {
    tail -n 40 "build-fuzz/$target.log"
    exit 1
  }
  grep -E '^(stat::number_of_executed_units|stat::peak_rss_mb)' "build-fuzz/$target.log"
done
echo "nothing found"
