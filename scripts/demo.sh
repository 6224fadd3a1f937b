#!/usr/bin/env bash
# The whole of Turnstile in one go, on this machine, without Kafka, Java or a cloud.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: scripts/demo.sh [--keep]

Sets up and builds, starts the sandbox (a Kafka broker and an HTTP lake on loopback),
produces a feed of turnstile readings with duplicates, disorder and malformed rows,
aggregates it into half-hour mini-batches, shows the lake and the accounts, and stops
everything. Under a minute once the packages are there. Exit 0 when all went well.
TURNSTILE_DEMO_WRAPPER in the environment is a command to run the consumer under.

  --keep   leave the folder with the lake and the logs, and say where it is
END
}

ROWS=4000        # about 37,000 fit a partition of the sandbox
PARTITIONS=4
TOPIC=mta-turnstile
START_LIMIT_S=20 # for the sandbox
BUILD_LIMIT_S=900
RUN_LIMIT_S=90   # for the producer, and for the consumer

KEEP=false
DIR=
STEP="starting"
SANDBOX_PID=
CHILD_PID=
FINISHED=false

step() {
    STEP=$1
    printf '\n== %s\n' "$1"
}

# Ends a process that we started: kindly, and after 10 s not.
stop_process() {
    local pid=$1 i
    [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null || return 0
    for ((i = 0; i < 100; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

cleanup() {
    local code=$?
    trap - EXIT
    stop_process "$CHILD_PID"
    stop_process "$SANDBOX_PID"
    if ! $FINISHED && [ "$code" != 130 ] && [ "$code" != 143 ] && [ -n "$DIR" ]; then
        warn "failed while: $STEP (exit $code). The logs are in $DIR:"
        tail -n 5 "$DIR"/*.log >&2 2>/dev/null || true
    elif [ -n "$DIR" ] && ! $KEEP; then
        rm -rf "$DIR"
    fi
    exit "$code"
}

# run LOG LIMIT_S COMMAND...: runs it to its end; its output goes to the log.
# In the background, so that Ctrl-C is heard at once.
run() {
    local log=$1 limit_s=$2 result=0
    shift 2
    timeout --foreground -k 5 "$limit_s" "$@" >"$DIR/$log" 2>&1 </dev/null &
    CHILD_PID=$!
    wait "$CHILD_PID" || result=$?
    CHILD_PID=
    [ $result != 124 ] || warn "not done after $limit_s s: ${1##*/}"
    return $result
}

start_sandbox() {
    local i
    build/release/bin/turnstile-sandbox --dir "$DIR/sandbox" --topic "$TOPIC:$PARTITIONS" \
        >"$DIR/sandbox.out" 2>"$DIR/sandbox.log" </dev/null &
    SANDBOX_PID=$!
    for ((i = 0; i < START_LIMIT_S * 10; i++)); do
        if grep -qx ready "$DIR/sandbox.out"; then
            grep '^bootstrap.servers=' "$DIR/sandbox.out" >"$DIR/kafka.properties"
            return 0
        fi
        kill -0 "$SANDBOX_PID" 2>/dev/null || return 1
        sleep 0.1
    done
    warn "the sandbox was not ready after $START_LIMIT_S s"
    return 1
}

produce() {
    run producer.log "$RUN_LIMIT_S" build/release/bin/turnstile-producer --topic "$TOPIC" \
        --config "$DIR/kafka.properties" --rate 0 --count "$ROWS" --seed 1 --turnstiles 60 \
        --start '2026-11-02 06:00:00' --step 3s \
        --duplicates 5% --malformed 1% --disorder 120
    grep '^produced' "$DIR/producer.log"
}

consume() {
    local url wrapper
    read -ra wrapper <<<"${TURNSTILE_DEMO_WRAPPER:-}"
    url=$(sed -n 's/^lake.url=//p' "$DIR/sandbox.out")
    run consumer.log "$RUN_LIMIT_S" "${wrapper[@]}" build/release/bin/turnstile-consumer \
        --topic "$TOPIC" --group demo --client demo-1 --config "$DIR/kafka.properties" \
        -X session.timeout.ms=3500 --duration 30 --lake "$url" --once --flush
    say "done after $(grep -c 'event=stored' "$DIR/consumer.log" || true) objects were stored"
}

show_lake() {
    local lake=$DIR/sandbox/lake file shown=0 files
    mapfile -t files < <(cd "$lake" && find turnstile -name '*.csv.gz' | sort)
    [ ${#files[@]} -gt 0 ] || die "there are no mini-batches in the lake"
    for file in "${files[@]}"; do
        printf '%s  (%d rows)\n' "$file" $(($(gzip -dc "$lake/$file" | wc -l) - 1))
    done
    for file in "${files[@]}"; do
        printf '\n%s begins:\n' "$file"
        gzip -dc "$lake/$file" | sed -n '1,4p'
        shown=$((shown + 1))
        [ $shown -lt 2 ] || break
    done
}

# The sum of a count over lines of key=value on stdin.
sum_of() {
    { grep -o " $1=[0-9]*" || true; } | cut -d= -f2 | paste -sd+ | { IFS= read -r terms && echo $((terms)); }
}

show_accounts() {
    local files name counted=() produced
    grep 'event=totals' "$DIR/consumer.log" >"$DIR/totals" || die "the consumer printed no totals"
    sed 's/.* partition=/partition=/' "$DIR/totals"
    for name in rows windowed duplicate late rejected suppressed; do
        counted+=("$(sum_of $name <"$DIR/totals")")
    done
    printf 'together: %d rows = %d windowed + %d duplicate + %d late + %d rejected + %d suppressed\n' \
        "${counted[@]}"
    produced=$(grep '^produced' "$DIR/producer.log" | sum_of acknowledged)
    [ "${counted[0]}" = "$produced" ] || die "$produced messages were produced, ${counted[0]} rows counted"
    [ "${counted[1]}" = "$ROWS" ] || die "$ROWS rows are unique and good, ${counted[1]} went into windows"
    mapfile -t files < <(cd "$DIR/sandbox/lake" && find rejected -name '*.gz' 2>/dev/null | sort)
    if [ ${#files[@]} -gt 0 ]; then
        printf '\nlate and rejected rows are in rejected/, %d objects; %s begins:\n' "${#files[@]}" "${files[0]}"
        gzip -dc "$DIR/sandbox/lake/${files[0]}" | sed -n '1,2p'
    fi
}

main() {
    while [ $# -gt 0 ]; do
        case $1 in
        --keep) KEEP=true ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && die 2 "unknown option $1" ;;
        esac
        shift
    done
    cd "$ROOT"
    trap cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/turnstile-demo.XXXXXX")
    step "1/6 set up: install what is missing, build the release"
    scripts/setup.sh
    run build.log "$BUILD_LIMIT_S" scripts/build.sh release turnstile-consumer \
        turnstile-producer turnstile-sandbox
    say "the programs are in build/release/bin"
    step "2/6 start the sandbox: a Kafka broker and a lake, on loopback"
    start_sandbox
    grep "=" "$DIR/sandbox.out"
    step "3/6 produce $ROWS readings over some hours, 5 % twice, 1 % malformed, out of order"
    produce
    step "4/6 consume them once, into windows of 30 minutes (the first of a group waits 3 s)"
    consume
    step "5/6 the lake"
    show_lake
    step "6/6 the accounts: rows = windowed + duplicate + late + rejected + suppressed"
    show_accounts
    FINISHED=true
    if $KEEP; then
        printf '\nDone. The lake and the logs stay in %s\n' "$DIR"
    else
        printf '\nDone. Everything is stopped; --keep leaves the lake to look at.\n'
    fi
}

main "$@"
