#!/usr/bin/env bash
# Installs the Debian 12 packages that epochfs needs, and Grafeo's engine for its tests. Asks dpkg
# first, so it takes no time, no network and no root when everything is there.
#
#   scripts/setup.sh            to build, test and run; tests that lack Grafeo's engine are skipped
#   scripts/setup.sh --check    also what .ci/run checks the sources with; Grafeo's engine must be
#                               there
#   scripts/setup.sh --bench    also the programs that scripts/bench.sh compares with
#   scripts/setup.sh --clang    also the compiler of the fuzzers and of the sanitizers
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  # build
  g++ cmake ninja-build pkg-config ccache
  libfuse3-dev liblmdb-dev libzstd-dev libsqlite3-dev libssl-dev libdeflate-dev libxxhash-dev
  libexpected-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev
  libcurl4-openssl-dev libpugixml-dev
  # run: fusermount3
  fuse3
  # test, and the demonstration
  libgtest-dev sqlite3 zstd python3 attr strace
  # an S3 server for the tests
  radosgw ceph-mon ceph-osd
)
check_packages=(clang-format clang-tidy clang libclang-rt-14-dev)
bench_packages=(restic borgbackup fio squashfuse squashfs-tools)
clang_packages=(clang libclang-rt-14-dev)
engine_is_required=false

for argument in "$@"; do
  case "$argument" in
    --check)
      packages+=("${check_packages[@]}")
      engine_is_required=true
      ;;
    --bench) packages+=("${bench_packages[@]}") ;;
    --clang) packages+=("${clang_packages[@]}") ;;
    *)
      echo "setup.sh: unknown argument '$argument' (--check, --bench and --clang are known)" >&2
      exit 2
      ;;
  esac
done

# Node may be another one than Debian's.
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)

is_installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

install_packages() {
  local missing=() as_root=()
  for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    echo "setup: all ${#packages[@]} packages are installed"
    return
  fi
  echo "setup: installing ${missing[*]}"
  if ((EUID != 0)); then
    command -v sudo >/dev/null || {
      echo "setup.sh: run it as root, or install these packages: ${missing[*]}" >&2
      exit 1
    }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# Into tests/grafeo/node_modules, in the version that tests/grafeo/package-lock.json pins.
install_grafeo() {
  local installed=tests/grafeo/node_modules/.installed
  cmp -s tests/grafeo/package-lock.json "$installed" && return
  echo "setup: installing Grafeo's engine"
  npm install --prefix tests/grafeo --no-save --no-audit --no-fund --ignore-scripts \
    --loglevel=error --fetch-retries=5 --prefer-offline && cp tests/grafeo/package-lock.json "$installed"
}

install_packages
install_grafeo || {
  echo "setup.sh: npm could not install Grafeo's engine: its tests will be skipped" >&2
  if "$engine_is_required"; then exit 1; fi
}
