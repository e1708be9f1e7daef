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

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace
else
    # No benches: `--all-targets` would run them.
    cargo test --workspace --lib --bins --tests --examples
fi
cargo test --workspace --doc
python3 scripts/check_content_hash.py
