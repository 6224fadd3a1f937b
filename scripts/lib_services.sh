# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are for those who source this
# What start_services.sh, start_producer.sh, start_consumer.sh and stop_services.sh
# share. Sourced after lib.sh, never run.
#
# SERVICES/current names the folder RUN of the services that run, which holds
#   kind             sandbox or kafka
#   kafka.properties for the clients' --config
#   lake.url         for the consumer's --lake
SERVICES=${TURNSTILE_SERVICES:-$ROOT/build/services}
DEFAULT_TOPIC=mta-turnstile
DEFAULT_PARTITIONS=2

# Sets BIN to the programs' folder: TURNSTILE_BIN, or the release build, made when it lacks one.
find_programs() {
    local program
    BIN=${TURNSTILE_BIN:-$ROOT/build/release/bin}
    for program in "$@"; do
        [ ! -x "$BIN/$program" ] || continue
        [ -z "${TURNSTILE_BIN:-}" ] || die "TURNSTILE_BIN=$BIN has no $program"
        warn "building $program (once)"
        if ! "$ROOT/scripts/setup.sh" >&2 || ! "$ROOT/scripts/build.sh" release "$program" >&2; then
            die "the build failed"
        fi
    done
}

# The sandbox of RUN, if its process is still that (a pid may be another's by now).
sandbox_pid() {
    local pid
    pid=$(cat "$1/sandbox.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$1" ||
        return 1
    printf '%s\n' "$pid"
}

# Sets RUN and KIND to what runs; 1 when nothing does.
find_services() {
    RUN=$(cat "$SERVICES/current" 2>/dev/null) && KIND=$(cat "$RUN/kind" 2>/dev/null) || return 1
    case $KIND in
    sandbox) sandbox_pid "$RUN" >/dev/null ;;
    kafka) "$ROOT/scripts/kafka.sh" status --dir "$RUN" >/dev/null ;;
    *) return 1 ;;
    esac
}

need_services() {
    find_services || die 69 "no services run: start them with scripts/start_services.sh"
}

# has OPTION ARGUMENT...: is the option among them, in either form?
has() {
    local option=$1 argument
    shift
    for argument in "$@"; do
        case $argument in
        "$option" | "$option="*) return 0 ;;
        esac
    done
    return 1
}
