#!/usr/bin/env bash
# Sets up, builds and tests. The last run's summary is ctest's own, then one line
# counts over all runs.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: scripts/test.sh [--quick] [--preset P]... [--fuzz-seconds N] [-R REGEX]

Installs what is missing, builds, and runs every test:
  the gates of scripts/check.sh, the fuzzers (60 s each), a build with clang, the demo, the
  unit tests and the demo under valgrind, all tests under AddressSanitizer+UBSan and under
  ThreadSanitizer, and all tests in release.

  --quick           dev build, the quick gates, the tests labelled quick; under 3 minutes
  --preset P        only the tests, in this preset (repeatable)
  --fuzz-seconds N  for each fuzz target (0: only their corpora)
  -R REGEX          only the tests whose name fits

Every test that does not run is named with its reason. With CI=true in the environment
such a skip is a failure, unless this machine cannot run the test (see
scripts/check/results.py). Weekly files for the tests that use real data are looked for
in $TURNSTILE_DATA, default ../shared/data. Results are kept in build/test-results.
END
}

# What the sanitized presets leave out because it proves nothing more under them: the
# whole-tree gates, and the mutants, which build their own core.
declare -A EXCLUDED=(
    [asan]='^(check_self_test|simulation_mutants)$'
    [tsan]='^(check_self_test|simulation_mutants)$'
)

RESULTS=
FAILED=()

# phase NAME COMMAND...: runs it into a log; on failure shows its end and goes on.
phase() {
    local name=$1 log="$RESULTS/$1.log" began=$SECONDS result
    shift
    set +e
    (set -e && "$@") >"$log" 2>&1 </dev/null
    result=$?
    set -e
    if [ $result = 0 ]; then
        printf 'pass  %-14s %4d s\n' "$name" $((SECONDS - began))
    else
        printf 'FAIL  %-14s %4d s  (all of it: %s)\n' "$name" $((SECONDS - began)) "$log"
        tail -n 60 "$log" | sed 's/^/      /'
        touch "$RESULTS/$name.failed"
    fi
}

# run_ctest PRESET [ctest options]: leaves its results as JUnit XML.
run_ctest() {
    local preset=$1 excluded=()
    shift
    [ -z "${EXCLUDED[$preset]:-}" ] || excluded=(-E "${EXCLUDED[$preset]}")
    # Most tests wait for a broker more than they work.
    ctest --test-dir "build/$preset" --parallel $((2 * $(jobs_here))) --output-on-failure \
        --no-tests=error --output-junit "$RESULTS/$preset.xml" "${excluded[@]}" "$@"
}

build_and_test() {
    local preset=$1
    shift
    scripts/build.sh "$preset" && run_ctest "$preset" "$@"
}

# The unit tests' own commands, each under valgrind.
run_valgrind() {
    scripts/build.sh dev
    ctest --test-dir build/dev --show-only=json-v1 -R '^unit_' |
        python3 scripts/check/valgrind.py "$(jobs_here)"
}

# The consumer from start to end under valgrind.
run_valgrind_demo() {
    local wrapper=(valgrind --quiet --error-exitcode=99 --leak-check=full
        --errors-for-leak-kinds=definite)
    TURNSTILE_DEMO_WRAPPER="${wrapper[*]}" scripts/demo.sh
}

# Everything compiles with clang as with gcc, without a warning.
build_with_clang() {
    cmake -S . -B build/clang -G Ninja -DCMAKE_C_COMPILER=clang-14 -DCMAKE_BUILD_TYPE=Release \
        -DTURNSTILE_WERROR=ON
    cmake --build build/clang --parallel "$(jobs_here)"
}

# What the tests on a real Kafka start; they find it in the cache. Without a network they skip.
fetch_kafka() {
    { scripts/kafka.sh fetch --version 3 && scripts/kafka.sh fetch --version 4; } ||
        [ "${CI:-}" != true ]
}

run_fuzzers() {
    if [ "$1" = 0 ] || [ ! -x scripts/fuzz.sh ]; then
        say "fuzzers not run; their corpora are tests"
    else
        scripts/fuzz.sh "$1"
    fi
}

full() {
    local fuzz_seconds=$1
    shift
    phase kafka fetch_kafka
    phase build scripts/build.sh release
    phase fuzz run_fuzzers "$fuzz_seconds" & # one core, for minutes: the other works on
    phase check scripts/check.sh
    phase clang build_with_clang
    phase demo scripts/demo.sh
    phase valgrind run_valgrind
    phase valgrind_demo run_valgrind_demo
    wait
    phase asan build_and_test asan "$@"
    phase tsan build_and_test tsan "$@"
    say "every test, in release:"
    run_ctest release "$@" </dev/null || touch "$RESULTS/release.failed"
}

quick() {
    phase build scripts/build.sh dev
    phase check scripts/check.sh --quick
    say "the quick tests, in dev:"
    run_ctest dev -L quick "$@" </dev/null || touch "$RESULTS/dev.failed"
}

main() {
    local mode=full presets=() fuzz_seconds=60 options=() setup=(--test --check) preset
    while [ $# -gt 0 ]; do
        case $1 in
        --quick) mode=quick ;;
        --preset) presets+=("${2:?--preset needs a name}") && shift ;;
        --fuzz-seconds) fuzz_seconds=${2:?--fuzz-seconds needs a number} && shift ;;
        -R) options+=(-R "${2:?-R needs a regular expression}") && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && die 2 "unknown option $1" ;;
        esac
        shift
    done
    cd "$ROOT"
    [ $mode = quick ] || setup+=(--kafka)
    scripts/setup.sh "${setup[@]}"
    : "${TURNSTILE_DATA:=$(cd .. && pwd)/shared/data}"
    export TURNSTILE_DATA
    RESULTS=$ROOT/build/test-results
    rm -rf "$RESULTS"
    mkdir -p "$RESULTS"
    if [ ${#presets[@]} -gt 0 ]; then
        for preset in "${presets[@]}"; do
            phase "$preset" build_and_test "$preset" "${options[@]}"
        done
    elif [ $mode = quick ]; then
        quick "${options[@]}"
    else
        full "$fuzz_seconds" "${options[@]}"
    fi
    finish
}

# One line over all runs; the exit code.
finish() {
    local name
    for name in "$RESULTS"/*.failed; do
        [ -e "$name" ] || continue
        name=${name##*/}
        FAILED+=("${name%.failed}")
    done
    python3 scripts/check/results.py "$RESULTS"/*.xml || FAILED+=(results)
    [ ${#FAILED[@]} = 0 ] || die "failed: ${FAILED[*]}"
}

main "$@"
