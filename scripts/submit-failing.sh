#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sends three jobs that always fail: two attempts each, then they are dead letters.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/submitting.sh"

retry='{"base_seconds":0.5,"factor":1,"cap_seconds":0.5}'
for task in 1 2 3; do
    submit "{\"name\":\"cpu_intensive\",\"payload\":\"invalid_job $task\",\"max_attempts\":2,\"retry\":$retry}"
done
printf 'see what they died of: curl -s %s/v1/dead-letters\n' "$STINT_API_URL"
