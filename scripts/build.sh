#!/usr/bin/env bash
# Configures and builds a preset of CMakePresets.json into build/<preset>.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: scripts/build.sh [PRESET] [TARGET...]

Configures and builds a preset (default: release; see CMakePresets.json) into
build/PRESET; the programs are then in build/PRESET/bin. Uses ccache if it is there.
END
}

main() {
    case ${1:-} in
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && die 2 "unknown option $1" ;;
    esac
    local preset=${1:-release} configure=() build=() log
    [ $# = 0 ] || shift
    cd "$ROOT"
    if ! have cmake || ! have ninja; then
        die "cmake or ninja is missing; run scripts/setup.sh"
    fi
    configure=(--preset "$preset")
    have ccache && configure+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
    if have python3 && pkg-config --exists cmocka; then
        configure+=(-DTURNSTILE_TESTS=ON)
    else
        warn "building without the tests, which need cmocka and python3 (scripts/setup.sh --test)"
        configure+=(-DTURNSTILE_TESTS=OFF)
    fi
    build=(--build "build/$preset" --parallel "$(jobs_here)")
    [ $# = 0 ] || build+=(--target "$@")
    log=$(mktemp)
    if ! cmake "${configure[@]}" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "cmake could not configure the preset '$preset'; scripts/setup.sh installs what is missing"
    fi
    rm -f "$log"
    exec cmake "${build[@]}"
}

main "$@"
