# shellcheck shell=bash
# shellcheck disable=SC2034 # ROOT is for those who source this
# What the scripts share. Sourced, never run. Sets ROOT to the top of the tree.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() {
    printf '%s\n' "$*"
}

warn() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# die [exit code] text
die() {
    local code=1
    if [[ $1 =~ ^[0-9]+$ ]]; then
        code=$1
        shift
    fi
    warn "$*"
    exit "$code"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

jobs_here() {
    nproc 2>/dev/null || echo 2
}
