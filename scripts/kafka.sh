#!/usr/bin/env bash
# A real Apache Kafka on loopback for the tests: one broker in KRaft mode from its
# Maven artifacts, no ZooKeeper, no installation, no root.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Exact versions; the sums of all their jars are in scripts/kafka/<version>.sha256.
DEFAULT_VERSION=3.9.2
declare -A NEWEST=([3]=3.9.2 [4]=4.3.1)

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/turnstile
HERE=$ROOT/scripts/kafka
DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

CANNOT_HERE=77       # the exit code that tests count as skipped
FETCH_SECONDS=600    # for about 45 MB
START_SECONDS=60     # 4 to 10 s are usual; a busy machine gets more
STOP_SECONDS=30      # then the process is killed
START_ATTEMPTS=5     # another process may take a port between choice and use
FIRST_PORT=20000     # ports below the range that the kernel hands out to clients
PORT_COUNT=10000

usage() {
    cat <<'END'
usage: scripts/kafka.sh COMMAND [options]

  fetch   [--version V]               download Kafka (start does it too)
  start   --dir DIR [--version V] [--config KEY=VALUE]...
                                      start a broker that keeps all it has in DIR, wait until it
                                      is ready, print bootstrap.servers=...; a DIR that was
                                      started before keeps its topics and, where free, its ports
  stop    --dir DIR                   stop it and wait
  kill    --dir DIR                   kill -9 it, as a crash does
  status  --dir DIR                   exit 0 and print bootstrap.servers=... if it runs, else 3
  topic   --dir DIR create NAME [--partitions N] [--config KEY=VALUE]...
  topic   --dir DIR alter NAME --partitions N
  topic   --dir DIR delete NAME | describe [NAME] | list

V is 3 (default), 4 or an exact version that scripts/kafka knows; KAFKA_VERSION in the environment
sets the default. DIR then holds kafka.properties (for clients), server.properties, kafka.pid,
kafka.log and data/. The jars are kept in ${XDG_CACHE_HOME:-~/.cache}/turnstile/kafka-<version>,
their SHA-256 sums are checked once; after that no network is needed. Needs java 17 or newer, and
for the download mvn. KAFKA_HEAP sets the heap (default 512m).

Exit: 0 done; 1 failed; 2 wrong use; 3 not running; 77 this machine cannot (no java, no mvn or no
network: a test that needs Kafka is skipped).
END
}

# ---- the jars ----

resolve_version() {
    local version=${1:-${KAFKA_VERSION:-$DEFAULT_VERSION}}
    version=${NEWEST[$version]:-$version}
    [ -r "$HERE/$version.sha256" ] ||
        die 2 "Kafka $version is not known here: $(known_versions)are"
    printf '%s\n' "$version"
}

known_versions() {
    local file
    for file in "$HERE"/*.sha256; do
        file=${file##*/}
        printf '%s ' "${file%.sha256}"
    done
}

need_java() {
    have java || die $CANNOT_HERE "java is missing: scripts/setup.sh --kafka installs it"
    local version
    version=$(java -XshowSettings:properties -version 2>&1 |
        sed -n 's/^ *java.specification.version = //p')
    [ "${version%%.*}" -ge 17 ] 2>/dev/null ||
        die $CANNOT_HERE "Kafka needs java 17 or newer; this is ${version:-of unknown version}"
}

# Every jar that is listed, with the sum that is listed, and no other jar.
verify() {
    local version=$1 dir=$2
    (cd "$dir" && sha256sum --quiet --strict -c "$HERE/$version.sha256") >&2 ||
        die "Kafka $version: a jar is not what it was when it was listed (see above);" \
            "remove $dir and try again, and do not use it"
    local unlisted
    unlisted=$(comm -13 <(awk '{print $2}' "$HERE/$version.sha256" | sort) \
        <(cd "$dir" && printf '%s\n' *.jar | sort))
    [ -z "$unlisted" ] || die "Kafka $version: jars that are not listed: $unlisted"
}

download() {
    local version=$1 target=$2 partial=$2.partial log=$2.log
    have mvn || die $CANNOT_HERE "Kafka $version is not here yet, and mvn is missing:" \
        "scripts/setup.sh --kafka installs it"
    warn "fetching Kafka $version (once)"
    rm -rf "$partial"
    mkdir -p "$partial"
    if ! timeout "$FETCH_SECONDS" mvn -B -q -f "$HERE/pom.xml" "-Dkafka.version=$version" \
        "$DEPENDENCY_PLUGIN:copy-dependencies" -DincludeScope=runtime \
        "-DoutputDirectory=$partial" >"$log" 2>&1 </dev/null; then
        grep -m 3 ERROR "$log" >&2 || tail -n 3 "$log" >&2
        die $CANNOT_HERE "Kafka $version cannot be fetched, is there a network? (all of it: $log)"
    fi
    verify "$version" "$partial"
    mv "$partial" "$target"
    rm -f "$log"
}

# Prints the folder of the jars. Whoever comes second waits for the first.
fetch() {
    local version=$1 target=$CACHE/kafka-$1
    if [ ! -d "$target" ]; then
        mkdir -p "$CACHE"
        exec 9>"$target.lock"
        flock 9
        [ -d "$target" ] || download "$version" "$target"
        exec 9>&-
    fi
    printf '%s\n' "$target"
}

# ---- the broker ----

# The process in DIR/kafka.pid, if it is still this broker (a pid may be another's by now).
running_pid() {
    local dir=$1 pid
    pid=$(cat "$dir/kafka.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null |
        grep -qxF "$dir/server.properties" || return 1
    printf '%s\n' "$pid"
}

is_free() {
    ! (exec 8<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

pick_port() {
    local port
    while :; do
        port=$((FIRST_PORT + (RANDOM * 32768 + RANDOM) % PORT_COUNT))
        [ "$port" = "${1:-}" ] || ! is_free "$port" || break
    done
    printf '%s\n' "$port"
}

# choose_ports DIR: those of the last time where they are free.
choose_ports() {
    local dir=$1
    PORT='' CONTROLLER_PORT=''
    [ ! -r "$dir/ports" ] || read -r PORT CONTROLLER_PORT <"$dir/ports" || true
    if [ -z "$CONTROLLER_PORT" ] || ! is_free "$PORT" || ! is_free "$CONTROLLER_PORT"; then
        PORT=$(pick_port)
        CONTROLLER_PORT=$(pick_port "$PORT")
    fi
}

# Small and quick: one partition for the internal topics, no wait for further group members.
# group.min.session.timeout.ms: the tests use 3.5 s, below Kafka's default of 6 s.
# broker.session.timeout.ms: after a kill, the restarted broker waits until the old one's session
# is over (9 s by default).
# auto.create.topics.enable: a mistyped topic is to be seen.
write_properties() {
    local dir=$1
    shift
    cat >"$dir/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$CONTROLLER_PORT
listeners=PLAINTEXT://127.0.0.1:$PORT,CONTROLLER://127.0.0.1:$CONTROLLER_PORT
advertised.listeners=PLAINTEXT://127.0.0.1:$PORT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/data
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=2
END
    if [ $# -gt 0 ]; then
        printf '%s\n' "$@" >>"$dir/server.properties"
    fi
    printf '%s %s\n' "$PORT" "$CONTROLLER_PORT" >"$dir/ports"
}

# Sets JAVA to the command up to the class. Quick to start rather than quick for long: one
# core's worth of compiler and collector.
set_java() {
    local heap=$1 lib=$2 log_level=$3
    JAVA=(java -Xms64m "-Xmx$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=$log_level"
        -Dorg.slf4j.simpleLogger.showDateTime=true
        -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS
        -Dorg.slf4j.simpleLogger.showShortLogName=true -cp "$lib/*")
}

format_storage() {
    local dir=$1 lib=$2 id
    [ ! -e "$dir/data/meta.properties" ] || return 0
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=') # a UUID as Kafka writes it
    set_java 256m "$lib" warn
    "${JAVA[@]}" kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" \
        >"$dir/format.log" 2>&1 </dev/null ||
        die "Kafka cannot format $dir/data: $(tail -n 3 "$dir/format.log")"
}

# wait_until_ready DIR PID: 0 ready, 1 ended, 2 too slow.
wait_until_ready() {
    local dir=$1 pid=$2 deadline=$((SECONDS + START_SECONDS))
    while [ $SECONDS -lt $deadline ]; do
        kill -0 "$pid" 2>/dev/null || return 1
        if grep -q 'Kafka Server started' "$dir/kafka.log" && ! is_free "$PORT"; then
            return 0
        fi
        sleep 0.1
    done
    return 2
}

# One attempt. 0: it runs. 1: a port was taken meanwhile. All else ends here, with the reason.
try_start() {
    local dir=$1 lib=$2 pid rc=0
    shift 2
    choose_ports "$dir"
    write_properties "$dir" "$@"
    format_storage "$dir" "$lib"
    set_java "${KAFKA_HEAP:-512m}" "$lib" info
    : >"$dir/kafka.log"
    # A session of its own: Ctrl-C at the terminal is not meant for it.
    setsid "${JAVA[@]}" kafka.Kafka "$dir/server.properties" >"$dir/kafka.log" 2>&1 </dev/null &
    pid=$!
    printf '%s\n' "$pid" >"$dir/kafka.pid"
    wait_until_ready "$dir" "$pid" || rc=$?
    case $rc in
    0) return 0 ;;
    2)
        kill -KILL "$pid" 2>/dev/null || true
        rm -f "$dir/kafka.pid"
        die "Kafka is not ready after $START_SECONDS s; see $dir/kafka.log"
        ;;
    esac
    rm -f "$dir/kafka.pid"
    if grep -qE 'BindException|Address already in use' "$dir/kafka.log"; then
        rm -f "$dir/ports"
        return 1
    fi
    tail -n 20 "$dir/kafka.log" >&2
    die "Kafka ended while starting; see $dir/kafka.log"
}

start() {
    local dir=$1 version=$2 lib attempt
    shift 2
    need_java
    version=$(resolve_version "$version")
    lib=$(fetch "$version")
    mkdir -p "$dir"
    ! running_pid "$dir" >/dev/null || die "Kafka runs in $dir already"
    for ((attempt = 1; attempt <= START_ATTEMPTS; attempt++)); do
        if try_start "$dir" "$lib" "$@"; then
            printf '%s\n' "$version" >"$dir/version"
            printf 'bootstrap.servers=127.0.0.1:%s\n' "$PORT" | tee "$dir/kafka.properties"
            return 0
        fi
    done
    die "Kafka found no free port in $START_ATTEMPTS attempts; see $dir/kafka.log"
}

wait_for_end() {
    local pid=$1 deadline=$((SECONDS + $2))
    while [ -d "/proc/$pid" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

stop() {
    local dir=$1 signal=$2 pid
    if pid=$(running_pid "$dir"); then
        kill "-$signal" "$pid" 2>/dev/null || true
        if ! wait_for_end "$pid" "$STOP_SECONDS"; then
            warn "Kafka has not ended after $STOP_SECONDS s: killing it"
            kill -KILL "$pid" 2>/dev/null || true
            wait_for_end "$pid" "$STOP_SECONDS" || die "process $pid does not end"
        fi
    fi
    rm -f "$dir/kafka.pid"
}

status() {
    local dir=$1
    if ! running_pid "$dir" >/dev/null; then
        say "not running"
        return 3
    fi
    cat "$dir/kafka.properties"
}

# topic DIR COMMAND [NAME] [options of Kafka's own tool]
topic() {
    local dir=$1 command=${2:-} arguments=()
    shift
    [ $# -eq 0 ] || shift
    case $command in
    alter | create | delete)
        [ $# -gt 0 ] || die 2 "topic $command needs a name"
        arguments=(--topic "$1") && shift
        ;;
    describe)
        if [ $# -gt 0 ]; then
            arguments=(--topic "$1") && shift
        fi
        ;;
    list) ;;
    *) die 2 "topic: alter, create, delete, describe or list" ;;
    esac
    running_pid "$dir" >/dev/null || die 3 "no Kafka runs in $dir"
    set_java 128m "$(fetch "$(cat "$dir/version")")" error
    "${JAVA[@]}" org.apache.kafka.tools.TopicCommand \
        --bootstrap-server "$(sed -n 's/^bootstrap.servers=//p' "$dir/kafka.properties")" \
        "--$command" "${arguments[@]}" "$@" </dev/null
}

# ---- the command line ----

main() {
    local command=${1:-} dir='' version='' configs=() rest=()
    case $command in
    fetch | start | stop | kill | status | topic) shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    while [ $# -gt 0 ]; do
        case $1 in
        --dir) dir=${2:?--dir needs a directory} && shift ;;
        --version) version=${2:?--version needs a version} && shift ;;
        --config) configs+=("${2:?--config needs KEY=VALUE}") && shift ;;
        --partitions) rest+=("$1" "${2:?--partitions needs a number}") && shift ;;
        -h | --help) usage && exit 0 ;;
        -*) usage >&2 && die 2 "unknown option $1" ;;
        *) rest+=("$1") ;;
        esac
        shift
    done
    [ "$command" = fetch ] || [ -n "$dir" ] || die 2 "$command needs --dir DIR"
    [ -z "$dir" ] || dir=$(realpath -m "$dir")
    [ "$command" = topic ] || [ ${#rest[@]} = 0 ] || die 2 "$command: what is ${rest[0]}?"
    case $command in
    fetch)
        version=$(resolve_version "$version")
        fetch "$version"
        ;;
    start) start "$dir" "$version" "${configs[@]}" ;;
    stop) stop "$dir" TERM ;;
    kill) stop "$dir" KILL ;;
    status) status "$dir" ;;
    topic)
        local config
        for config in "${configs[@]}"; do
            rest+=(--config "$config")
        done
        topic "$dir" "${rest[@]}"
        ;;
    esac
}

main "$@"
