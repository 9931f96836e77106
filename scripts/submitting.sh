# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts beside it, which source it: how to talk to a Stint server with nothing but curl.
#
#   STINT_API_URL   where the server listens (http://127.0.0.1:8000)
#   STINT_TOKEN     the token it wants to see, if any

STINT_API_URL="${STINT_API_URL:-http://127.0.0.1:8000}"

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

# The headers of every request, one per line. curl reads them from a file descriptor, so that no token stands in a
# command line.
request_headers() {
    printf 'Content-Type: %s\n' "$1"
    if [[ -n "${STINT_TOKEN:-}" ]]; then
        printf 'Authorization: Bearer %s\n' "$STINT_TOKEN"
    fi
}

# post PATH CONTENT_TYPE BODY: prints the body of a 2xx answer; ends the script with a sentence on anything else.
post() {
    local path="$1" content_type="$2" body="$3" answer status
    answer="$(
        curl --silent --show-error --max-time 30 --write-out '\n%{http_code}' \
            --header @<(request_headers "$content_type") --data-binary @- "$STINT_API_URL$path" <<<"$body"
    )" || fail "no server answers at $STINT_API_URL: start one with 'make run', or say where it is with STINT_API_URL"
    status="${answer##*$'\n'}"
    answer="${answer%$'\n'*}"
    [[ "$status" == 2* ]] || fail "$STINT_API_URL$path answered $status: $answer"
    printf '%s\n' "$answer"
}

# submit JOB: submits one job, given as JSON, and tells its id.
submit() {
    local answer
    answer="$(post /v1/jobs application/json "$1")" || exit 1
    printf 'submitted %s\n' "$(first_id <<<"$answer") $1"
}

# submit_lines: submits the jobs on standard input, one JSON object a line, in one request that stores all or none.
submit_lines() {
    local lines count
    lines="$(cat)"
    count="$(wc -l <<<"$lines")"
    post /v1/jobs/batch application/x-ndjson "$lines" >/dev/null || exit 1
    printf 'submitted %d jobs in one request\n' "$count"
}

# The id of the job in an answer; curl is all that a reader needs to have, so no JSON tool is asked for.
first_id() {
    sed -n 's/^{[^{]*"id" *: *"\([0-9a-f-]*\)".*/\1/p'
}

say_where_to_look() {
    printf 'see them: curl -s %s/v1/jobs\n' "$STINT_API_URL"
}
