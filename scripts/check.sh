#!/usr/bin/env bash
# The gates that every change passes. Each is a function, and each has been seen
# to fail: --self-test proves it again.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# From cheap to dear; the first nine take seconds.
GATES_QUICK=(format layers sizes banned words docs shellcheck headers symbols)
GATES_SLOW=(cppcheck tidy)

usage() {
    cat <<END
usage: scripts/check.sh [GATE...] | --quick | --self-test

Runs the gates named, or all; exits 1 if one fails. --quick: without the slow ones.

  format      C is formatted (.clang-format)
  layers      includes go strictly downward: programs, io, core, base
  sizes       no file and no function is too long
  banned      no function that cannot be used safely
  words       no path of a machine, registry's host, left-over marker or key
  docs        links and commands in the documentation lead somewhere
  shellcheck  the scripts are clean
  headers     every header compiles alone
  symbols     the core's archive asks for nothing impure and holds no variables
  cppcheck    no finding
  tidy        no finding of clang-tidy (.clang-tidy)

--self-test plants a violation for every gate in a copy of the tree and proves that
the gate passes without it and fails with it.
END
}

# All files of the tree, NUL between them; also in a copy that is no git repository.
tree_files() {
    if [ -e .git ] && have git; then
        git ls-files -coz --exclude-standard
    else
        find . -type f -not -path './build*/*' -not -path './.git/*' -printf '%P\0'
    fi | sort -z
}

# The files whose name fits the pattern (an extended regular expression) and exist.
files_like() {
    tree_files | { grep -zE "$1" || true; } | while IFS= read -rd '' file; do
        if [ -f "$file" ]; then printf '%s\0' "$file"; fi
    done
}

need() {
    local tool
    for tool in "$@"; do
        have "$tool" || die "$tool is missing; run scripts/setup.sh --check"
    done
}

tree_gate() {
    need python3
    tree_files | python3 scripts/check/tree.py "$1" -
}

gate_layers() { tree_gate layers; }
gate_sizes() { tree_gate sizes; }
gate_banned() { tree_gate banned; }
gate_words() { tree_gate words; }
gate_docs() { tree_gate docs; }

gate_format() {
    need clang-format-14
    files_like '\.[ch]$' | xargs -0r clang-format-14 --dry-run -Werror
}

gate_shellcheck() {
    need shellcheck
    files_like '\.sh$|^\.ci/run$' | xargs -0r shellcheck
}

flags_of_libraries() {
    pkg-config --cflags rdkafka libuv jansson libcurl zlib libxxhash libcrypto cmocka
}

gate_headers() {
    local cflags
    need cc pkg-config
    read -ra cflags < <(flags_of_libraries)
    files_like '^(src|tests)/.*\.h$' | xargs -0r -P "$(jobs_here)" -I{} \
        cc -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Wall -Wextra -Werror -Isrc -Itests \
        -fsyntax-only "${cflags[@]}" -include {} -xc /dev/null
}

gate_symbols() {
    need nm objdump python3
    scripts/build.sh dev turnstile_core turnstile_base >/dev/null
    python3 scripts/check/tree.py symbols build/dev/src/core/libturnstile_core.a \
        build/dev/src/base/libturnstile_base.a scripts/check/core-symbols.allow
}

# The C files that the slow gates read: all, or those that fit CHECK_ONLY.
slow_files() {
    files_like "${CHECK_ONLY:-^(src|bench|tests)/.*\.c\$}"
}

gate_cppcheck() {
    need cppcheck
    slow_files | tr '\0' '\n' | grep '^src/' |
        cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
            --library=posix --suppress=missingIncludeSystem --suppress=readdirCalled \
            --error-exitcode=1 -j "$(jobs_here)" \
            -D_POSIX_C_SOURCE=200809L -DTURNSTILE_VERSION='"check"' -Isrc --file-list=-
}

# Only what the build compiles: tidy takes the flags from it.
gate_tidy() {
    need clang-tidy-14 cmake python3
    cmake --preset dev >/dev/null
    slow_files | python3 -c '
import json, os, sys
built = {os.path.relpath(entry["file"]) for entry in json.load(open("build/dev/compile_commands.json"))}
names = [name for name in sys.stdin.read().split("\0") if name in built]
sys.stdout.write("".join(name + "\0" for name in names))' |
        xargs -0r -n 4 -P "$(jobs_here)" clang-tidy-14 --quiet -p build/dev 2>&1 |
        { grep -vE '^[0-9]+ warnings? generated\.$' || true; }
}

run_gates() {
    local gate log failed=() began result
    log=$(mktemp)
    for gate in "$@"; do
        began=$SECONDS
        # Not inside `if`: there -e would be off in the gate, and only its last command count.
        set +e
        (set -e && "gate_$gate") >"$log" 2>&1 </dev/null
        result=$?
        set -e
        if [ $result = 0 ]; then
            printf 'pass  %-10s %3d s\n' "$gate" $((SECONDS - began))
        else
            printf 'FAIL  %-10s %3d s\n' "$gate" $((SECONDS - began))
            sed 's/^/      /' "$log" | head -n 200
            failed+=("$gate")
        fi
    done
    rm -f "$log"
    [ ${#failed[@]} = 0 ] || die "failed: ${failed[*]}"
}

main() {
    local gates=() gate
    cd "$ROOT"
    case ${1:-} in
    -h | --help) usage && exit 0 ;;
    --self-test) exec scripts/check/self_test.sh ;;
    --quick) gates=("${GATES_QUICK[@]}") && shift ;;
    esac
    for gate in "$@"; do
        [[ " ${GATES_QUICK[*]} ${GATES_SLOW[*]} " = *" $gate "* ]] || die 2 "there is no gate '$gate'"
        gates+=("$gate")
    done
    [ ${#gates[@]} -gt 0 ] || gates=("${GATES_QUICK[@]}" "${GATES_SLOW[@]}")
    run_gates "${gates[@]}"
}

main "$@"
