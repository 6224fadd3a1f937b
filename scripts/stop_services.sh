#!/usr/bin/env bash
# Stops what start_services.sh started, and nothing else.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib_services.sh"

STOP_SECONDS=20

usage() {
    cat <<'END'
usage: scripts/stop_services.sh

Stops the broker and the lake that scripts/start_services.sh started, and waits until they are
gone. Their files stay in build/services (or TURNSTILE_SERVICES). Nothing runs: exit 0 too.
END
}

stop_sandbox() {
    local pid i
    pid=$(sandbox_pid "$RUN") || return 0
    kill -TERM "$pid" 2>/dev/null || return 0
    for ((i = 0; i < STOP_SECONDS * 10; i++)); do
        sandbox_pid "$RUN" >/dev/null || return 0
        sleep 0.1
    done
    warn "the sandbox has not ended after $STOP_SECONDS s: killing it"
    kill -KILL "$pid" 2>/dev/null || true
}

case ${1:-} in
'') ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && die 2 "unknown option $1" ;;
esac
if ! find_services; then
    say "nothing runs"
elif [ "$KIND" = kafka ]; then
    "$ROOT/scripts/kafka.sh" stop --dir "$RUN"
    say "Kafka is stopped; what it has stays in $RUN"
else
    stop_sandbox
    say "the sandbox is stopped; the lake stays in $RUN/lake"
fi
rm -f "$SERVICES/current"
