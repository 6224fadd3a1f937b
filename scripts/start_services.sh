#!/usr/bin/env bash
# Starts what the producer and the consumer need, in the background: a broker with
# the topic, and a lake.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib_services.sh"

START_SECONDS=20

usage() {
    cat <<'END'
usage: scripts/start_services.sh [--kafka [--version V]] [--topic NAME] [--partitions N]

Starts a Kafka broker with the topic mta-turnstile (2 partitions) and a lake, on loopback and in
the background, and says where they are. Then scripts/start_producer.sh and
scripts/start_consumer.sh find them without an argument; scripts/stop_services.sh stops them.

  (nothing)  the sandbox: an embedded broker and an HTTP lake. Needs nothing else. Every start
             is a fresh one, with an empty broker and an empty lake.
  --kafka    a real Apache Kafka (scripts/kafka.sh; needs Java and, the first time, Maven and
             the network) and a lake in a folder. Both keep what they have over a restart.

Everything is in build/services, or where TURNSTILE_SERVICES says.
Exit: 0 running; 1 failed; 2 wrong use; 77 no Java, Maven or network for --kafka.
END
}

start_sandbox() {
    local topic=$1 partitions=$2 pid i
    find_programs turnstile-sandbox
    RUN=$SERVICES/sandbox-$(date -u +%Y%m%d-%H%M%S)-$$
    mkdir -p "$RUN"
    : >"$RUN/sandbox.out" # the loop below may look before the process has made it
    setsid "$BIN/turnstile-sandbox" --dir "$RUN" --topic "$topic:$partitions" \
        >"$RUN/sandbox.out" 2>"$RUN/sandbox.log" </dev/null &
    pid=$!
    printf '%s\n' "$pid" >"$RUN/sandbox.pid"
    for ((i = 0; i < START_SECONDS * 10; i++)); do
        if grep -qx ready "$RUN/sandbox.out"; then
            grep '^bootstrap.servers=' "$RUN/sandbox.out" >"$RUN/kafka.properties"
            sed -n 's/^lake.url=//p' "$RUN/sandbox.out" >"$RUN/lake.url"
            return 0
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill "$pid" 2>/dev/null || true
    cat "$RUN/sandbox.log" >&2
    die "the sandbox did not start; see $RUN/sandbox.log"
}

start_kafka() {
    local topic=$1 partitions=$2 version=$3 made
    RUN=$SERVICES/kafka${version:+-$version}
    mkdir -p "$RUN"
    "$ROOT/scripts/kafka.sh" start --dir "$RUN" ${version:+--version "$version"} >/dev/null
    if ! made=$("$ROOT/scripts/kafka.sh" topic --dir "$RUN" create "$topic" \
        --partitions "$partitions" 2>&1) && [[ $made != *"already exists"* ]]; then
        "$ROOT/scripts/kafka.sh" stop --dir "$RUN"
        die "the topic $topic cannot be made: $made"
    fi
    mkdir -p "$RUN/lake"
    printf 'file://%s\n' "$RUN/lake" >"$RUN/lake.url"
}

main() {
    local wanted=sandbox version='' topic=$DEFAULT_TOPIC partitions=$DEFAULT_PARTITIONS
    while [ $# -gt 0 ]; do
        case $1 in
        --kafka) wanted=kafka ;;
        --version) version=${2:?--version needs a version} && shift ;;
        --topic) topic=${2:?--topic needs a name} && shift ;;
        --partitions) partitions=${2:?--partitions needs a number} && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && die 2 "unknown option $1" ;;
        esac
        shift
    done
    mkdir -p "$SERVICES"
    SERVICES=$(cd "$SERVICES" && pwd)
    if find_services; then
        warn "the $KIND runs already (scripts/stop_services.sh stops it)"
    else
        if [ $wanted = kafka ]; then
            start_kafka "$topic" "$partitions" "$version"
        else
            start_sandbox "$topic" "$partitions"
        fi
        printf '%s\n' "$wanted" >"$RUN/kind"
        printf '%s\n' "$topic" >"$RUN/topic"
        printf '%s\n' "$RUN" >"$SERVICES/current"
    fi
    cat "$RUN/kafka.properties"
    printf 'lake.url=%s\ndir=%s\n' "$(cat "$RUN/lake.url")" "$RUN"
}

main "$@"
