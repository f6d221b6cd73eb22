# Sourced by the scripts beside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# What is built lies in a cache outside the checkout, so that a clean clone builds only what has changed.
export CARGO_TARGET_DIR="${RUNINK_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/runink/target}"

# Cargo trusts the times of files, so two checkouts that share the cache could run each other's code. Who built last is written down; another
# checkout builds Runink's own crates anew. The dependencies are the same for all.
builder="$CARGO_TARGET_DIR/built-from"
if [ "$(cat "$builder" 2>/dev/null)" != "$PWD" ]; then
    rm -rf "$CARGO_TARGET_DIR"/release/.fingerprint/runi{,nk}-*
    mkdir -p "$CARGO_TARGET_DIR"
    echo "$PWD" >"$builder"
fi
export PATH="$HOME/.cargo/bin:$PATH"

say() { printf '\n== %s\n' "$*"; }
