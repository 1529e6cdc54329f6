#!/usr/bin/env bash
# Tests the running service with schemathesis: no server errors, and all responses match the OpenAPI
# document.
#   tests/schema/run.sh [EXAMPLES]   examples for each operation (default 60)
set -euo pipefail
cd "$(dirname "$0")/../.."
programs=${CARGO_TARGET_DIR:-target}
venv=$programs/schemathesis
[ -x "$venv/bin/st" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'schemathesis>=4,<5'; }
cargo build --quiet
work=$(mktemp -d)
trap 'kill "${server:-0}" 2>/dev/null || true; rm -rf "$work"' EXIT
# With the key of an admin, because one of the examples creates the first key and then every request
# needs one. Paths that revoke or rotate keys are excluded, because they would hit this key.
key=$("$programs/debug/egov-kpi" keys add --name schema --role admin --database "sqlite://$work/schema.db" --log error 2>/dev/null)
"$programs/debug/egov-kpi" serve --listen 127.0.0.1:0 --database "sqlite://$work/schema.db" --log error >"$work/out" &
server=$!
for _ in $(seq 100); do grep -q '^listening on' "$work/out" && break; sleep 0.1; done
address=$(sed -n 's/^listening on //p' "$work/out")
curl -sf -X POST -H "authorization: Bearer $key" -H 'content-type: text/csv' --data-binary @catalogue/travinh-2021-10.csv "$address/api/v1/observations" >/dev/null
SCHEMATHESIS_HOOKS=tests/schema/hooks.py "$venv/bin/st" --config-file tests/schema/schemathesis.toml run openapi/openapi.json --url "$address" --max-examples "${1:-60}" --seed 1 --workers 1 -H "Authorization: Bearer $key" \
  --exclude-path-regex "/keys/" --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance
