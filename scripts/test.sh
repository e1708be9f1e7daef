#!/usr/bin/env bash
# Runs every test of the workspace: the command of the README, and what CI runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

missing=()
command -v cargo >/dev/null || missing+=("cargo: install Rust 1.95 or later")
command -v cc >/dev/null || missing+=("cc: install a C compiler, which builds the bundled SQLite")
command -v python3 >/dev/null || missing+=("python3: it checks the hashes with a second implementation")
if ((${#missing[@]})); then
    echo "The tests need what is missing here:" >&2
    printf '  %s\n' "${missing[@]}" >&2
    exit 1
fi

# Also where PROMPTOPS_TEST_POSTGRES_URL names a server for the tests: some start servers of their own, to crash them.
cargo build --quiet --package private-postgres
private_postgres=(cargo run --quiet --package private-postgres --)
if ! found="$("${private_postgres[@]}" find 2>&1)"; then
    as_root=(env)
    ((EUID == 0)) || as_root=(sudo -n env)
    # A directory that was named is for its namer to mend.
    if [[ -n "${PROMPTOPS_POSTGRES_BIN:-}" ]] || ! command -v apt-get >/dev/null ||
        ! "${as_root[@]}" true 2>/dev/null; then
        echo "$found" >&2
        exit 1
    fi
    echo "The tests need PostgreSQL, which is not there. Installing it: apt-get install postgresql"
    "${as_root[@]}" apt-get update
    "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
    "${private_postgres[@]}" find >/dev/null
fi

if cargo nextest --version >/dev/null 2>&1; then
    "${private_postgres[@]}" run -- cargo nextest run --workspace
else
    # No benches: `--all-targets` would run them.
    "${private_postgres[@]}" run -- cargo test --workspace --lib --bins --tests --examples
fi
cargo test --workspace --doc
python3 scripts/check_content_hash.py
