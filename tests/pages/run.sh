#!/usr/bin/env bash
# Opens the pages in a real browser that can reach only this machine: the landing page shows numbers, and
# the API page lists the endpoints. Installs Chromium when it is missing (as root on Debian).
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v chromium >/dev/null 2>&1 || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; }
cargo build --quiet
work=$(mktemp -d)
trap 'kill "${server:-0}" 2>/dev/null || true; rm -rf "$work"' EXIT
"${CARGO_TARGET_DIR:-target}/debug/egov-kpi" demo --lang en --listen 127.0.0.1:0 --log error >"$work/out" &
server=$!
for _ in $(seq 300); do grep -q '^listening on' "$work/out" && break; sleep 0.1; done
address=$(sed -n 's/^listening on //p' "$work/out")
passed=0
page() { # page PATH TEXT: checks that the rendered page contains the text
  chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update \
    --disable-sync --user-data-dir="$work/profile" --host-resolver-rules='MAP * ~NOTFOUND, EXCLUDE 127.0.0.1' \
    --virtual-time-budget=10000 --dump-dom "$address$1" >"$work/dom" 2>/dev/null
  grep -qF "$2" "$work/dom" || { echo "the page $1 does not show: $2"; exit 1; }
  passed=$((passed + 1))
}
page / 'Current figures'
page / '/docs/'
page /docs/ '/api/v1/observations'
page /docs/ 'Record figures.'
echo "$passed passed, 0 failed"
