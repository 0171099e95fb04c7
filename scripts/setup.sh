#!/usr/bin/env bash
# Installs the Debian 12 packages that epochfs needs. Asks dpkg first, so it takes no time, no
# network and no root when everything is there.
#
#   scripts/setup.sh            to build, test and run
#   scripts/setup.sh --check    also what .ci/run checks the sources with
#   scripts/setup.sh --bench    also the programs that scripts/bench.sh compares with
set -euo pipefail

packages=(
  # build
  g++ cmake ninja-build pkg-config ccache
  libfuse3-dev liblmdb-dev libzstd-dev libsqlite3-dev libssl-dev zlib1g-dev libxxhash-dev
  libexpected-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev
  # run: fusermount3
  fuse3
  # test, and the demonstration
  libgtest-dev sqlite3 zstd python3 attr
)
check_packages=(clang-format clang-tidy)
bench_packages=(restic borgbackup)

for argument in "$@"; do
  case "$argument" in
    --check) packages+=("${check_packages[@]}") ;;
    --bench) packages+=("${bench_packages[@]}") ;;
    *)
      echo "setup.sh: unknown argument '$argument' (--check and --bench are known)" >&2
      exit 2
      ;;
  esac
done

is_installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

missing=()
for package in "${packages[@]}"; do
  is_installed "$package" || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi

echo "setup: installing ${missing[*]}"
as_root=()
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
