#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sends three jobs that keep a processor busy: hashing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/submitting.sh"

for task in 1 2 3; do
    submit "{\"name\":\"cpu_intensive\",\"payload\":\"hash $task\"}"
done
say_where_to_look
