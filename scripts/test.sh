#!/usr/bin/env bash
# Installs what is needed, builds everything and runs all tests.
#
#   scripts/test.sh                                  in build/
#   scripts/test.sh --sanitize address,undefined     in build-address-undefined/
#   scripts/test.sh --sanitize thread                in build-thread/
#
# What follows `--` goes to ctest: scripts/test.sh -- -L mount
set -euo pipefail
cd "$(dirname "$0")/.."

sanitize=
ctest_arguments=()
while (($# > 0)); do
  case "$1" in
    --sanitize)
      sanitize=${2:?"--sanitize needs address,undefined or thread"}
      shift 2
      ;;
    --)
      shift
      ctest_arguments=("$@")
      break
      ;;
    *)
      echo "test.sh: unknown argument '$1'" >&2
      exit 2
      ;;
  esac
done

case "$sanitize" in
  "")
    build=build setup=()
    options=(-DCMAKE_BUILD_TYPE=None "-DCMAKE_CXX_FLAGS=-O2 -g1 -DNDEBUG")
    ;;
  address,undefined | thread)
    build=build-${sanitize//,/-} setup=(--clang)
    # With clang: in half of the time. The ordinary build has the warnings.
    options=(-DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=None "-DCMAKE_CXX_FLAGS=-O1 -g1 -w")
    ;;
  *)
    echo "test.sh: --sanitize '$sanitize': address,undefined or thread" >&2
    exit 2
    ;;
esac

# ThreadSanitizer cannot map its shadow where the kernel randomises addresses too widely.
if [[ "$sanitize" == thread && -z "${EPOCHFS_FIXED_ADDRESSES:-}" ]] &&
  (($(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28) > 28)); then
  EPOCHFS_FIXED_ADDRESSES=1 exec setarch -R bash scripts/test.sh --sanitize thread \
    -- "${ctest_arguments[@]}"
fi

scripts/setup.sh "${setup[@]}"
# The programs that were just installed, not what a version manager puts in their place.
export PATH=/usr/bin:$PATH
cmake -S . -B "$build" -G Ninja "${options[@]}" -DCMAKE_UNITY_BUILD=ON \
  -DEPOCHFS_SANITIZE="$sanitize" -DEPOCHFS_TESTS=ON
cmake --build "$build" --parallel 2
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
# The tests sync a great deal, which costs nothing in memory.
if [[ -z "${TMPDIR:-}" && -w /dev/shm ]]; then export TMPDIR=/dev/shm; fi
ctest --test-dir "$build" --output-on-failure --no-tests=error --parallel 2 \
  "${ctest_arguments[@]}"
