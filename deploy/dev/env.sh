# Sourced by the scripts beside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# What is built lies in a cache outside the checkout, so that a clean clone builds only what has changed.
export CARGO_TARGET_DIR="${RUNINK_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/runink/target}"
export PATH="$HOME/.cargo/bin:$PATH"

say() { printf '\n== %s\n' "$*"; }
