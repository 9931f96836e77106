#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The tour of `make demo`: a private server and sample worker on free ports and a temporary directory, the sample
# workloads, what became of them. Leaves nothing behind.
#
# STINT_BINARY names the stint to use.
set -euo pipefail
cd "$(dirname "$0")/.."
export STINT_BINARY=${STINT_BINARY:-"$PWD/.build/release/stint"}
# What is configured on this machine is none of the demo's business.
unset STINT_CONFIG STINT_TOKEN STINT_DATABASE_URL STINT_REDIS_URL STINT_API_URL STINT_COORDINATOR_URLS

readonly each=6 start_seconds=30 finish_seconds=180 stop_seconds=30
directory=$(mktemp -d "${TMPDIR:-/tmp}/stint-demo.XXXXXX")
log=$directory/server.log
server=

# shellcheck disable=SC2329 # called by the trap
clean_up() {
    local waited=0
    if [ -n "$server" ] && kill -TERM "$server" 2>/dev/null; then
        while kill -0 "$server" 2>/dev/null && ((waited < stop_seconds * 10)); do
            sleep 0.1
            waited=$((waited + 1))
        done
        kill -KILL "$server" 2>/dev/null || true
    fi
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    rm -rf "$directory"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

give_up() {
    printf 'stint: %s The end of the server log:\n' "$*" >&2
    tail -n 20 "$log" >&2
    exit 1
}

# submit NAME WORD [FLAG...]: as many jobs as each workload gets, with the word in their payloads.
submit() {
    local name=$1 word=$2 index
    shift 2
    for ((index = 1; index <= each; index++)); do
        "$STINT_BINARY" submit "$name" "{\"$word\":$index}" "$@" >/dev/null || give_up "stint submit $name failed."
    done
    printf '%d × stint submit %s %s\n' "$each" "$name" "'{\"$word\":…}'${*:+ $*}"
}

address() {
    sed -n "s/^listening $1=//p" "$log" | head -n 1
}

count() {
    local value
    value=$(sed -n "s/.*\"$1\" *: *\([0-9][0-9]*\).*/\1/p" <<<"$stats" | head -n 1)
    echo "${value:-0}"
}

progress() {
    local line
    line=$(printf '%3d s   scheduled %3d   available %3d   running %3d   completed %3d   dead %3d' "$SECONDS" \
        "$(count scheduled)" "$(count available)" "$(count running)" "$(count completed)" "$(count dead)")
    if [ -t 1 ]; then
        printf '\r\033[K%s' "$line"
    else
        printf '%s\n' "$line"
    fi
}

echo '== A server and a sample worker, on free ports and a temporary directory'
"$STINT_BINARY" serve --worker --sample-time-scale 0.05 --data-dir "$directory/data" --api-port 0 --coordinator-port 0 \
    >"$log" 2>&1 &
server=$!
SECONDS=0
until grep -q '^ready' "$log"; do
    kill -0 "$server" 2>/dev/null || give_up 'the server ended while starting.'
    ((SECONDS < start_seconds)) || give_up "the server was not ready within $start_seconds s."
    sleep 0.1
done
STINT_API_URL=$(address api)
export STINT_API_URL
printf 'api %s, coordinator %s\n\n' "$STINT_API_URL" "$(address coordinator)"

echo '== The sample workloads: CPU, I/O, network, mixed, and failing ones'
for name in cpu_intensive io_intensive network_task mixed_workload; do
    submit "$name" sample
done
# The sample worker fails what contains this word; two attempts make a dead letter within seconds.
submit mixed_workload invalid_job --max-attempts 2
total=$((each * 5))
echo

echo '== They run; the failing ones are tried twice, with a delay between'
SECONDS=0
while :; do
    kill -0 "$server" 2>/dev/null || give_up 'the server ended.'
    stats=$("$STINT_BINARY" stats --output json) || give_up 'stint stats failed.'
    progress
    (($(count completed) + $(count dead) < total)) || break
    ((SECONDS < finish_seconds)) || give_up "not all of $total jobs had ended after $finish_seconds s."
    sleep 0.5
done
[ ! -t 1 ] || echo
echo

echo '== What happened: stint stats'
"$STINT_BINARY" stats
echo
echo '== What died, and can be sent back with stint dead-letters redrive: stint dead-letters list'
"$STINT_BINARY" dead-letters list
echo
[ "$(count completed)" -eq $((each * 4)) ] || give_up "$(count completed) jobs completed, not $((each * 4))."
echo "All $total jobs ended as they should: $(count completed) completed, $(count dead) dead. make run starts it for good."
