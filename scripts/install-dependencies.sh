#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes sure that this machine has what a make target needs, installs with apt what is missing, and says what and why.
#
#   scripts/install-dependencies.sh run    to build and run: Swift, git, C headers
#   scripts/install-dependencies.sh stack  that, and the servers of the distributed stack as local processes
#   scripts/install-dependencies.sh test   that, and a Python environment in var/venv for the process tests and checks
#
# Safe to run again: when everything is there it changes nothing and says nothing. Servers that it installs are not
# started, neither now nor at the next boot: Stint's tools start private ones.
set -euo pipefail
cd "$(dirname "$0")/.."

# Debian keeps servers out of the PATH of users who are not root.
PATH=$PATH:/usr/sbin:/sbin
readonly swift_required=6.2
packages=()
reasons=()

fail() {
    printf 'stint: %s\n' "$*" >&2
    exit 1
}

# need PACKAGE REASON CHECK...: remembers the Debian package when the check fails.
need() {
    local package=$1 reason=$2
    shift 2
    "$@" >/dev/null 2>&1 && return
    packages+=("$package")
    reasons+=("$reason")
}

# has_header HEADER [PACKAGE]: whether the compiler finds it, with the flags that pkg-config knows for the package.
has_header() {
    local compiler flags=()
    [ -z "${2:-}" ] || read -ra flags <<<"$(pkg-config --cflags "$2" 2>/dev/null)"
    for compiler in clang cc gcc; do
        command -v "$compiler" >/dev/null 2>&1 || continue
        printf '#include <%s>\n' "$1" | "$compiler" "${flags[@]}" -E -x c - && return
        return 1
    done
    return 1
}

# Debian keeps PostgreSQL's programs out of the PATH, one directory for each version.
has_postgresql() {
    command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb'
}

check_swift() {
    local where='https://www.swift.org/install/linux/ has it for Debian and Ubuntu'
    command -v swift >/dev/null 2>&1 ||
        fail "Swift $swift_required or newer is needed to build Stint, and there is no swift on the PATH. $where."
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | head -n 1)
    [ -n "$version" ] || fail "swift --version does not name a version; Swift $swift_required or newer is needed. $where."
    local major=${version%%.*} minor=${version#*.}
    if ((major < ${swift_required%%.*} || (major == ${swift_required%%.*} && minor < ${swift_required#*.}))); then
        fail "Swift $swift_required or newer is needed to build Stint, and this is Swift $version. $where."
    fi
}

install_packages() {
    ((${#packages[@]} > 0)) || return 0
    echo 'Stint needs Debian packages that are not installed here:'
    local index
    for index in "${!packages[@]}"; do
        printf '  %-16s %s\n' "${packages[$index]}" "${reasons[$index]}"
    done
    command -v apt-get >/dev/null 2>&1 ||
        fail "there is no apt-get on this machine: install what these packages hold by its own means, then run this again."

    local privileged=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            fail "installing needs root, and there is no sudo. As root: apt-get install ${packages[*]}"
        privileged=(sudo)
        # Nobody is there to type a password.
        [ "${CI:-}" = true ] && privileged=(sudo -n)
        echo 'Installing them with apt-get through sudo, which may ask for your password.'
    else
        echo 'Installing them with apt-get.'
    fi
    "${privileged[@]}" apt-get update -qq || fail "apt-get update failed; the lines above say why."
    "${privileged[@]}" bash -euo pipefail -c "$(declare -f install_quietly restore)"$'\n''install_quietly "$@"' \
        install-dependencies "${packages[@]}" </dev/null ||
        fail "apt-get could not install ${packages[*]}; the lines above say why."
}

# install_quietly PACKAGE...: installs as root and leaves no server running. For the time of the installation a policy
# forbids starting services, as Debian's packages do by themselves, and PostgreSQL is told to make no cluster; what
# was there before is put back, also after a failure. Runs in a shell of its own, which knows this function and the next.
install_quietly() {
    policy=/usr/sbin/policy-rc.d
    cluster=/etc/postgresql-common/createcluster.d/zz-stint.conf
    cluster_directory=
    trap restore EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        # A copy left by an installation that was killed is older, and the one to keep.
        [ -e "$policy.before-stint" ] || cp -a "$policy" "$policy.before-stint"
        rm -f "$policy"
    fi
    printf '#!/bin/sh\n# Made by Stint while it installs packages.\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
    [ -d "${cluster%/*}" ] || cluster_directory=made
    mkdir -p "${cluster%/*}"
    printf 'create_main_cluster = false\n' >"$cluster"

    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    # What systemd would start at the next boot. Works on unit files, so systemd need not be running.
    command -v systemctl >/dev/null 2>&1 || return 0
    local package
    for package in "$@"; do
        case "$package" in
        postgresql | redis-server | prometheus | pgbouncer) systemctl disable --quiet "$package" || true ;;
        esac
    done
}

# shellcheck disable=SC2329 # called by the trap of install_quietly
restore() {
    rm -f "$cluster" "$policy"
    [ -z "$cluster_directory" ] || rmdir --ignore-fail-on-non-empty "${cluster%/*}" 2>/dev/null || true
    [ ! -e "$policy.before-stint" ] || mv "$policy.before-stint" "$policy"
}

# The environment is made anew when the checkout was moved, and filled anew when the requirements changed.
prepare_python() {
    local requirements=(Tests/Process/requirements.txt scripts/requirements.txt)
    if ! var/venv/bin/python -c 'import sys; sys.exit(sys.prefix == sys.base_prefix)' >/dev/null 2>&1; then
        rm -rf var/venv
        mkdir -p var
        echo 'Making a Python environment in var/venv for the process tests.'
        python3 -m venv var/venv || fail "python3 could not make an environment in var/venv."
    fi
    cat "${requirements[@]}" | cmp -s - var/venv/requirements.installed && return
    var/venv/bin/python -m pip install --quiet --disable-pip-version-check "${requirements[@]/#/--requirement=}" ||
        fail "pip could not install what ${requirements[*]} name."
    cat "${requirements[@]}" >var/venv/requirements.installed
}

need_servers() {
    need postgresql 'the record of the distributed mode' has_postgresql
    need redis-server 'its queue' command -v redis-server
    need prometheus 'its metrics; promtool checks their configuration' command -v prometheus
}

purpose=${1:-}
case "$purpose" in
run | stack | test) ;;
*) fail "usage: $0 run|stack|test" ;;
esac

check_swift
need git 'fetches the Swift packages that Stint is built on' command -v git
need pkg-config 'tells the compiler where the C libraries are' command -v pkg-config
need libsqlite3-dev 'the embedded record: SQLite and its headers' has_header sqlite3.h
need libpq-dev 'the distributed record: the client of PostgreSQL' has_header libpq-fe.h libpq
need libhiredis-dev 'the distributed queue: the client of Redis' has_header hiredis/hiredis.h
need zlib1g-dev 'compressed HTTP bodies: zlib and its headers' has_header zlib.h
if [ "$purpose" != run ]; then
    need_servers
    need python3 'starts the stack, and drives the real binary in the process tests' command -v python3
fi
if [ "$purpose" = test ]; then
    need pgbouncer 'the tests of pooled connections' command -v pgbouncer
    need curl 'the scripts that send sample jobs, which are tested too' command -v curl
    need shellcheck 'checks the scripts' command -v shellcheck
    need python3-venv 'keeps the packages of the process tests apart' python3 -c 'import ensurepip, venv'
fi
install_packages
[ "$purpose" != test ] || prepare_python
