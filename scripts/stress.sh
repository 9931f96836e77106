#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sends 200 jobs of all kinds in four waves, with a pause between them (STINT_WAVE_PAUSE, seconds).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/submitting.sh"

readonly waves=4 jobs_per_wave=50
readonly names=(cpu_intensive io_intensive mixed_workload network_task quick_task)
readonly pause="${STINT_WAVE_PAUSE:-1}"

# wave NUMBER: its jobs, one a line.
wave() {
    local number
    for ((number = 1; number <= jobs_per_wave; number++)); do
        printf '{"name":"%s","payload":"wave %d, job %d"}\n' "${names[number % ${#names[@]}]}" "$1" "$number"
    done
}

for ((number = 1; number <= waves; number++)); do
    printf 'wave %d of %d: ' "$number" "$waves"
    wave "$number" | submit_lines
    ((number == waves)) || sleep "$pause"
done
say_where_to_look
