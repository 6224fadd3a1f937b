#!/usr/bin/env bash
# Proves that every gate of scripts/check.sh can fail: in a copy of the tree the gate
# passes, then a violation is planted and the gate fails, naming it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

TEMP=$(mktemp -d)
COPY=$TEMP/tree
LOG=$TEMP/log
mkdir "$COPY"
trap 'rm -rf "$TEMP"' EXIT
FAILURES=0

# The slow gates read these alone here; whole-tree runs are check.sh's business.
export CHECK_ONLY='^src/base/(buf|planted)\.c$'

copy_tree() {
    cd "$ROOT"
    if [ -e .git ] && have git; then
        git ls-files -coz --exclude-standard
    else
        find . -type f -not -path './build*/*' -not -path './.git/*' -printf '%P\0'
    fi | tar -c --null --verbatim-files-from -T - --ignore-failed-read -f - 2>/dev/null |
        tar -x -C "$COPY" -f -
    cd "$COPY"
}

gate() {
    scripts/check.sh "$1" >"$LOG" 2>&1
}

# planted GATE WORD: the gate must fail now and its words must hold WORD.
planted() {
    if gate "$1"; then
        say "NOT CAUGHT  $1: $2"
        FAILURES=$((FAILURES + 1))
    elif ! grep -qF -- "$2" "$LOG"; then
        say "NOT NAMED   $1: failed, but not because of $2"
        sed 's/^/      /' "$LOG" | head -n 20
        FAILURES=$((FAILURES + 1))
    else
        say "caught      $1: $2"
    fi
    rm -f "$LOG"
}

# plant GATE WORD FILE: the text on stdin becomes FILE for one run of the gate.
plant() {
    mkdir -p "$(dirname "$3")"
    [ ! -e "$3" ] || cp -p "$3" "$TEMP/saved"
    cat >"$3"
    planted "$1" "$2"
    if [ -e "$TEMP/saved" ]; then mv "$TEMP/saved" "$3"; else rm -f "$3"; fi
}

passes_untouched() {
    local one
    for one in format layers sizes banned words docs shellcheck headers symbols cppcheck tidy; do
        if gate "$one"; then
            say "passes      $one"
        else
            say "FAILS       $one, in the tree as it is"
            sed 's/^/      /' "$LOG" | head -n 20
            FAILURES=$((FAILURES + 1))
        fi
        done
}

lines() {
    local i
    for ((i = 0; i < $1; i++)); do printf '%s\n' "$2"; done
}

plant_in_sources() {
    plant format planted.c src/base/planted.c <<<'int   planted ( void );'
    plant layers 'base must not include "core/record.h"' src/base/planted.c <<<'#include "core/record.h"'
    plant layers 'core must not include <time.h>' src/core/planted.c <<<'#include <time.h>'
    plant layers 'core must not include "io/lake.h"' src/core/planted.c <<<'#include "io/lake.h"'
    plant layers 'consumer must not include "producer/planted.h"' src/consumer/planted.c \
        <<<'#include "producer/planted.h"'
    plant layers 'does not say its layer' src/core/planted.c <<<'#include "record.h"'
    lines 601 '/* long */' | plant sizes '601 lines' src/base/planted.c
    { printf 'void planted(void)\n{\n' && lines 81 '    planted();' && printf '}\n'; } |
        plant sizes 'function of 81 lines' src/base/planted.c
    plant banned 'strcpy() is banned' src/base/planted.c <<<'void f(char *a) { strcpy(a, "b"); }'
    plant banned 'localtime() is banned' tests/unit/planted.c <<<'void f(void) { localtime(0); }'
    plant banned 'no include guard' src/base/planted.h <<<'int planted(void);'
    printf '#ifndef TURNSTILE_PLANTED_H\n#define TURNSTILE_PLANTED_H\nint f(struct nobody n, size_t x);\n#endif\n' |
        plant headers planted.h src/base/planted.h
    plant cppcheck planted.c src/base/planted.c <<<'int f(void) { int a[2] = {0}; return a[2]; }'
}

# A file of the build, with more at its end.
plant_at_end() {
    local more
    more=$(cat)
    { cat "$3" && printf '%s\n' "$more"; } >"$TEMP/more"
    plant "$1" "$2" "$3" <"$TEMP/more"
    rm -f "$TEMP/more"
}

plant_in_builds() {
    plant_at_end symbols 'getenv()' src/core/record.c \
        <<<'#include <stdlib.h>
char *planted(void);
char *planted(void) { return getenv("HOME"); }'
    plant_at_end symbols 'base/log.c.o:0: asks for' src/core/record.c \
        <<<'#include "base/log.h"
bool planted(void);
bool planted(void) { enum log_level l; return log_level_parse("x", &l); }'
    plant_at_end symbols 'a variable outside' src/core/record.c \
        <<<'int planted(void);
int planted(void) { static int calls; return ++calls; }'
    plant_at_end tidy clang-analyzer-core.NullDereference src/base/buf.c \
        <<<'int planted(void);
int planted(void) { int *p = NULL; return *p; }'
}

plant_in_texts() {
    plant words "somebody's home" planted.txt <<<'see /home/somebody/notes'
    plant words "registry's host" planted.txt <<<'https://mirror.example.org/simple'
    plant words 'unfinished note' src/base/planted.c <<<'/* FIXME */'
    plant docs 'leads nowhere' planted.md <<<'[see](nowhere.md)'
    plant docs 'no heading' planted.md <<<$'# One\n[see](#two)'
    plant docs 'scripts/nothing.sh does not exist' planted.md <<<'run scripts/nothing.sh'
    plant shellcheck SC2086 scripts/planted.sh <<<$'#!/bin/sh\nrm $1'
}

# A test of one suite, as ctest writes it: STATUS, and what it printed.
junit() {
    printf '<testsuite><testcase name="planted" status="%s">' "$1"
    case $1 in
    fail) printf '<failure/>' ;;
    notrun) printf '<skipped/>' ;;
    esac
    printf '<system-out>%s</system-out></testcase></testsuite>\n' "$2"
}

# counted CI RESULT STATUS OUTPUT: what results.py must say of such a test.
counted() {
    local result=0 log=$TEMP/results
    junit "$3" "$4" >"$TEMP/dev.xml"
    CI=$1 python3 scripts/check/results.py "$TEMP/dev.xml" >"$log" || result=$?
    if [ $result != "$2" ] || { [ "$3" = notrun ] && ! grep -qF "dev/planted: $4" "$log"; }; then
        say "NOT COUNTED a test that ends with $3, CI=$1: $4"
        FAILURES=$((FAILURES + 1))
    fi
}

results_are_counted() {
    counted true 0 run 'all is well'
    counted true 1 fail 'all is lost'
    counted '' 0 notrun 'skip: not today'
    counted true 1 notrun 'skip: not today'
    counted true 0 notrun 'skip: TURNSTILE_DATA holds no weekly files'
    counted true 1 run '[  SKIPPED ] half_of_it'
    counted true 1 run 'test_x ... skipped &quot;needs Java&quot;'
    counted '' 0 run 'test_x ... skipped &quot;needs Java&quot;'
}

copy_tree
results_are_counted
passes_untouched
plant_in_sources
plant_in_builds
plant_in_texts
[ $FAILURES = 0 ] || die "$FAILURES of the gates cannot be trusted"
say "every gate passes on the tree and fails on what is planted"
