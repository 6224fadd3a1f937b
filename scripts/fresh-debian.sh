#!/usr/bin/env bash
# Proves that a fresh clone works on a machine with nothing but base Debian 12.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    cat <<'END'
usage: scripts/fresh-debian.sh [--dir DIR] [--keep] [COMMAND...]

Makes a minimal Debian 12 in a folder (debootstrap, about 200 MB), clones what is
committed here into it, and runs each COMMAND there, in turn, timed. Default:
'scripts/demo.sh' 'scripts/test.sh --quick'. Needs root, debootstrap and git here, and
Debian's package archive.

  --dir DIR   make it there, or use the one that is there
  --keep      do not remove it at the end
END
}

MIRROR=${DEBIAN_MIRROR:-} # empty: debootstrap's own
DIR=
KEEP=false

mounted() {
    mountpoint -q "$1"
}

cleanup() {
    local code=$?
    trap - EXIT
    if [ -n "$DIR" ] && mounted "$DIR/proc"; then
        umount "$DIR/proc" || umount -l "$DIR/proc"
    fi
    if [ -n "$DIR" ] && ! $KEEP; then
        if mounted "$DIR/proc"; then
            warn "$DIR/proc is still mounted; $DIR stays"
        else
            rm -rf --one-file-system "$DIR"
        fi
    fi
    exit "$code"
}

make_base() {
    local began=$SECONDS
    [ ! -x "$DIR/bin/bash" ] || return 0
    debootstrap --variant=minbase bookworm "$DIR" ${MIRROR:+"$MIRROR"} >"$DIR.log" 2>&1 ||
        die "debootstrap failed; its output is in $DIR.log"
    rm -f "$DIR.log"
    say "fresh: base Debian 12 made in $((SECONDS - began)) s"
}

inside() {
    chroot "$DIR" /usr/bin/env -i HOME=/root LANG=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        ${CI:+CI="$CI"} bash -c "cd /src/turnstile && $1" </dev/null
}

main() {
    local commands=() command began
    while [ $# -gt 0 ]; do
        case $1 in
        --dir) DIR=${2:?--dir needs a folder} && shift ;;
        --keep) KEEP=true ;;
        -h | --help) usage && exit 0 ;;
        -*) usage >&2 && die 2 "unknown option $1" ;;
        *) commands+=("$1") ;;
        esac
        shift
    done
    [ ${#commands[@]} -gt 0 ] || commands=('scripts/demo.sh' 'scripts/test.sh --quick')
    [ "$(id -u)" = 0 ] || die 77 "needs root, for debootstrap and chroot"
    have debootstrap || die 77 "debootstrap is missing: apt-get install debootstrap"
    trap cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    [ -n "$DIR" ] || DIR=$(mktemp -d)
    make_base
    cp -L /etc/resolv.conf "$DIR/etc/resolv.conf"
    mounted "$DIR/proc" || mount -t proc proc "$DIR/proc"
    rm -rf "$DIR/src/turnstile"
    git clone -q --no-hardlinks "$ROOT" "$DIR/src/turnstile"
    say "fresh: cloned $(git -C "$DIR/src/turnstile" log -1 --format='%h %s')"
    for command in "${commands[@]}"; do
        began=$SECONDS
        say "fresh: $command"
        inside "$command" || die "'$command' failed in the fresh Debian after $((SECONDS - began)) s"
        say "fresh: $command: $((SECONDS - began)) s"
    done
}

main "$@"
