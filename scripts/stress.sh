#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Sends 200 sample jobs in 10 waves of 20, all of a wave at once, then shows the totals. For figures use `make bench`.
#
#   scripts/stress.sh
#
# STINT_API_URL names the server, STINT_BINARY the stint to use.
set -euo pipefail
stint=${STINT_BINARY:-"$(dirname "$0")/../.build/release/stint"}
names=(cpu_intensive io_intensive network_task mixed_workload)

refused=0
for wave in {1..10}; do
    pids=()
    for job in {1..20}; do
        "$stint" submit "${names[job % ${#names[@]}]}" "{\"wave\":$wave,\"job\":$job}" >/dev/null &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || refused=$((refused + 1))
    done
    printf 'wave %2d of 10 sent\n' "$wave"
    sleep 0.5
done
"$stint" stats
if ((refused > 0)); then
    printf 'stint: %d of 200 jobs were not taken\n' "$refused" >&2
    exit 1
fi
