#!/usr/bin/env bash
# Runs the consumer against the services of start_services.sh, until Ctrl-C.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib_services.sh"

usage() {
    cat <<'END'
usage: scripts/start_consumer.sh [--topic T] [--duration D] [--slide S] [option of
       turnstile-consumer]...

Aggregates the topic of scripts/start_services.sh into its lake: windows of 5 minutes, or as
--duration and --slide (minutes) say; other options go to turnstile-consumer as they are (see its
--help). --topic, --group (mta), --client (appTurnstile), --config and --lake may be given; what
is not comes from the services.
END
}

case ${1:-} in
-h | --help) usage && exit 0 ;;
esac
need_services
find_programs turnstile-consumer
arguments=()
has --topic "$@" || arguments+=(--topic "$(cat "$RUN/topic")")
has --group "$@" || has --groupid "$@" || arguments+=(--group mta)
has --client "$@" || has --clientid "$@" || arguments+=(--client appTurnstile)
has --config "$@" || arguments+=(--config "$RUN/kafka.properties")
has --lake "$@" || arguments+=(--lake "$(cat "$RUN/lake.url")")
# The embedded broker takes no less than 3 s; a restart then waits less for the old member.
[ "$KIND" != sandbox ] || arguments+=(-X session.timeout.ms=3500)
exec "$BIN/turnstile-consumer" "${arguments[@]}" "$@"
