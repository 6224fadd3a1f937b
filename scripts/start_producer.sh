#!/usr/bin/env bash
# Runs the producer against the services of start_services.sh, until Ctrl-C.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/lib_services.sh"

usage() {
    cat <<'END'
usage: scripts/start_producer.sh [--topic T] [option of turnstile-producer]...

Sends the dummy feed to the broker of scripts/start_services.sh: a message each 10 s, or as the
options say (--rate 100, --replay FILE..., see turnstile-producer --help). --topic and --config
may be given; what is not comes from the services.
END
}

case ${1:-} in
-h | --help) usage && exit 0 ;;
esac
need_services
find_programs turnstile-producer
arguments=()
has --topic "$@" || arguments+=(--topic "$(cat "$RUN/topic")")
has --config "$@" || arguments+=(--config "$RUN/kafka.properties")
exec "$BIN/turnstile-producer" "${arguments[@]}" "$@"
