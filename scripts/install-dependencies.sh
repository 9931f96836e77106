#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes sure that this machine has what a make target needs, installs with apt what is missing, and says what and why.
#
#   scripts/install-dependencies.sh run    to build and run: Swift, git, C headers
#   scripts/install-dependencies.sh test   that, and a Python environment in var/venv for the process tests and checks
#
# Safe to run again: when everything is there it changes nothing and says nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

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

has_header() {
    local compiler
    for compiler in clang cc gcc; do
        command -v "$compiler" >/dev/null 2>&1 || continue
        printf '#include <%s>\n' "$1" | "$compiler" -E -x c - && return
        return 1
    done
    return 1
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
    "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null ||
        fail "apt-get could not install ${packages[*]}; the lines above say why."
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

purpose=${1:-}
case "$purpose" in
run | test) ;;
*) fail "usage: $0 run|test" ;;
esac

check_swift
need git 'fetches the Swift packages that Stint is built on' command -v git
need libsqlite3-dev 'the embedded record: SQLite and its headers' has_header sqlite3.h
need zlib1g-dev 'compressed HTTP bodies: zlib and its headers' has_header zlib.h
if [ "$purpose" = test ]; then
    need curl 'the scripts that send sample jobs, which are tested too' command -v curl
    need python3 'the process tests drive the real binary from outside' command -v python3
    need python3-venv 'keeps the packages of the process tests apart' python3 -c 'import ensurepip, venv'
fi
install_packages
[ "$purpose" != test ] || prepare_python
