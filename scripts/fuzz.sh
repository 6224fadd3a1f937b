#!/usr/bin/env bash
# Builds the libFuzzer targets (preset fuzz, clang) and runs each for a while.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: scripts/fuzz.sh [SECONDS [TARGET...]]

Runs every fuzz target of tests/fuzz (or those named) for SECONDS each (default 60),
from its corpus in the tree and what earlier runs found (build/fuzz/found). Prints
the executions of each; exit code 1 when there is a finding, whose input is kept.
END
}

# run_target name seconds: its log in build/fuzz/log/name.txt
run_target() {
    local name=$1 seconds=$2 found="build/fuzz/found/$1" log="build/fuzz/log/$1.txt" runs
    mkdir -p "$found" build/fuzz/log build/fuzz/crashes
    local ok=0
    "build/fuzz/bin/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -max_len=8192 -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" \
        "$found" "tests/fuzz/corpus/$name" >"$log" 2>&1 || ok=1
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ $ok = 0 ]; then
        printf '%-16s %12s executions in %s s, no finding\n' "$name" "${runs:-0}" "$seconds"
    else
        printf '%-16s FINDING; see %s and build/fuzz/crashes\n' "$name" "$log"
        tail -n 20 "$log" >&2
    fi
    return $ok
}

main() {
    case ${1:-} in
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && die 2 "unknown option $1" ;;
    esac
    local seconds=${1:-60} failed=0 name source
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || die 2 "SECONDS is '$seconds': say a whole number"
    [ $# = 0 ] || shift
    cd "$ROOT"
    have clang-14 || die "clang-14 is missing; run scripts/setup.sh"
    if [ $# = 0 ]; then
        for source in tests/fuzz/fuzz_*.c; do
            name=${source##*/fuzz_}
            set -- "$@" "${name%.c}"
        done
    fi
    scripts/build.sh fuzz "${@/#/fuzz_}"
    for name in "$@"; do
        run_target "$name" "$seconds" || failed=1
    done
    return $failed
}

main "$@"
