#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sends three jobs that write and read a temporary file.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/submitting.sh"

for task in 1 2 3; do
    submit "{\"name\":\"io_intensive\",\"payload\":\"file $task\"}"
done
say_where_to_look
