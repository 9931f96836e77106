#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Sends sample jobs to a running server; `stint worker --sample` runs them.
#
#   scripts/send-samples.sh [all|cpu|io|network|mixed|random|failing] [COUNT, default 4]
#
# STINT_API_URL names the server, STINT_BINARY the stint to use.
set -euo pipefail
stint=${STINT_BINARY:-"$(dirname "$0")/../.build/release/stint"}

send() {
    local name=$1 count=$2 payload=$3 index
    shift 3
    for ((index = 1; index <= count; index++)); do
        "$stint" submit "$name" "{\"$payload\":$index}" "$@" >/dev/null
    done
    printf 'sent %3d × %s\n' "$count" "$name${*:+ ($*, payload with invalid_job)}"
}

kind=${1:-all}
count=${2:-4}
if ! [[ $count =~ ^[0-9]+$ ]]; then
    echo "stint: the count is not a number: $count" >&2
    exit 2
fi

case "$kind" in
cpu) send cpu_intensive "$count" sample ;;
io) send io_intensive "$count" sample ;;
network) send network_task "$count" sample ;;
mixed) send mixed_workload "$count" sample ;;
# Any name that the sample worker does not know sleeps for a random time.
random) send nap "$count" sample ;;
# The sample worker fails what contains this word; two attempts make a dead letter within seconds.
failing) send mixed_workload "$count" invalid_job --max-attempts 2 ;;
all)
    for one in cpu io network mixed failing; do
        "$0" "$one" "$count"
    done
    ;;
*)
    echo "usage: $0 [all|cpu|io|network|mixed|random|failing] [COUNT]" >&2
    exit 2
    ;;
esac
