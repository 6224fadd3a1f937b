#!/usr/bin/env bash
# Installs what is missing to build Turnstile on Debian 12, and nothing else.
# When all is there it is quiet, changes nothing and needs no network.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Packages of Debian 12, by what they are for.
PACKAGES_BUILD=(
    ca-certificates
    ccache
    cmake
    gcc
    libc6-dev
    libcsv-dev
    libcurl4-openssl-dev
    libjansson-dev
    libmicrohttpd-dev
    librdkafka-dev
    libssl-dev
    libuv1-dev
    libxxhash-dev
    ninja-build
    pkg-config
    zlib1g-dev
)
PACKAGES_TEST=(
    kcat
    libcmocka-dev
    python3
    python3-venv
    valgrind
)
PACKAGES_CHECK=(
    binutils
    clang-14
    clang-format-14
    clang-tidy-14
    cppcheck
    libclang-rt-14-dev
    python3
    shellcheck
)
# A real Apache Kafka for scripts/kafka.sh.
PACKAGES_KAFKA=(
    maven
    openjdk-17-jre-headless
)

usage() {
    cat <<'END'
usage: scripts/setup.sh [--test] [--check] [--kafka] [--all] [--list]

Installs the packages that are missing on Debian 12 (as root, or through sudo).

  (nothing)  what the build needs
  --test     and what the tests need
  --check    and what scripts/check.sh and the fuzzers need
  --kafka    and what a real Kafka (scripts/kafka.sh) needs: Java and Maven
  --all      all of these
  --list     prints the packages, installs nothing
END
}

# Of the packages named, those that are not installed, one a line.
missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            printf '%s\n' "$package"
    done
}

# Elsewhere than on Debian 12 packages have other names: look for the things themselves.
missing_things() {
    local command module header
    for command in cc cmake ninja pkg-config; do
        have "$command" || printf '%s\n' "$command"
    done
    if have pkg-config; then
        for module in rdkafka libuv jansson libcurl zlib libxxhash libcrypto libmicrohttpd; do
            pkg-config --exists "$module" || printf '%s\n' "$module"
        done
    fi
    header=$(printf '#include <stdio.h>\n#include <csv.h>\n')
    if have cc && ! cc -fsyntax-only -xc - <<<"$header" 2>/dev/null; then
        printf 'libcsv\n'
    fi
}

is_debian_12() {
    have apt-get && have dpkg-query && [ -r /etc/os-release ] &&
        grep -qx 'ID=debian' /etc/os-release && grep -qx 'VERSION_ID="12"' /etc/os-release
}

# Runs a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        env "$@"
    elif [ -t 0 ]; then
        sudo env "$@"
    else
        sudo -n env "$@"
    fi
}

apt_get() {
    as_root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

install_packages() {
    local log
    if [ "$(id -u)" != 0 ] && ! have sudo; then
        die "needs root to install packages; as root run: apt-get install --no-install-recommends $*"
    fi
    say "setup: installing $*"
    log=$(mktemp)
    if ! apt_get -o APT::Update::Error-Mode=any update >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        warn "apt-get update failed; trying with the package lists that are here"
    fi
    if ! apt_get install --no-install-recommends "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "could not install: $* (all of apt's output: $log)"
    fi
    rm -f "$log"
}

main() {
    local packages=("${PACKAGES_BUILD[@]}") list=false missing missing_list=()
    while [ $# -gt 0 ]; do
        case $1 in
        --test) packages+=("${PACKAGES_TEST[@]}") ;;
        --check) packages+=("${PACKAGES_CHECK[@]}") ;;
        --kafka) packages+=("${PACKAGES_KAFKA[@]}") ;;
        --all) packages+=("${PACKAGES_TEST[@]}" "${PACKAGES_CHECK[@]}" "${PACKAGES_KAFKA[@]}") ;;
        --list) list=true ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && die 2 "unknown option $1" ;;
        esac
        shift
    done
    # No process substitution in this script: a bare chroot may have no /dev/fd.
    mapfile -t packages <<<"$(printf '%s\n' "${packages[@]}" | sort -u)"
    if $list; then
        printf '%s\n' "${packages[@]}"
    elif is_debian_12; then
        missing=$(missing_packages "${packages[@]}")
        [ -z "$missing" ] || mapfile -t missing_list <<<"$missing"
        [ -z "$missing" ] || install_packages "${missing_list[@]}"
    else
        missing=$(missing_things | paste -sd ' ')
        [ -z "$missing" ] ||
            die "this is not Debian 12, and the build lacks: $missing." \
                "The packages' names in Debian 12 are: ${packages[*]}"
        warn "this is not Debian 12: nothing installed; the build's needs are met"
    fi
}

main "$@"
