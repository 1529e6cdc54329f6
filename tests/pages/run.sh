#!/usr/bin/env bash
# Opens the pages in a real browser that can reach only this machine, and works with them as an
# officer, a leader and a steward do. Installs Chromium and Node when they are missing (as root on
# Debian), and the packages of package.json into the target folder.
#   tests/pages/run.sh            runs the tests; keeps pictures of the pages in the target folder, or
#                                 in EGOV_KPI_SCREENSHOTS=DIR
#   tests/pages/run.sh outlines   accepts the outlines of the pages as they are now
#   tests/pages/run.sh country sqlite://FILE    times of the pages over a large ledger
#   tests/pages/run.sh picture    makes the pictures of the README anew
set -euo pipefail
cd "$(dirname "$0")/../.."
need() { # need COMMAND PACKAGE...: installs the Debian packages if the command is missing
  command -v "$1" >/dev/null 2>&1 && return
  shift
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
need chromium chromium fonts-noto-core
need node nodejs
need npm npm
[ -n "${EGOV_KPI:-}" ] || cargo build --quiet
programs=$(realpath -m "${CARGO_TARGET_DIR:-target}")
packages=$programs/pages
mkdir -p "$packages"
cp tests/pages/package.json tests/pages/*.mjs "$packages"
npm install --prefix "$packages" --no-audit --no-fund --silent
export EGOV_KPI="${EGOV_KPI:-$programs/debug/egov-kpi}" EGOV_KPI_PROJECT="$PWD"
export EGOV_KPI_SCREENSHOTS="${EGOV_KPI_SCREENSHOTS:-$packages/pictures}"
mkdir -p "$EGOV_KPI_SCREENSHOTS"
if [ "${1:-}" = picture ]; then
  node "$packages/picture.mjs"
elif [ "${1:-}" = country ]; then
  node "$packages/country.mjs" "${2:-}"
elif [ "${1:-}" = outlines ]; then
  EGOV_KPI_OUTLINES=accept node --test --test-name-pattern="every page" "$packages/pages.test.mjs"
else
  # After a failed test its browser and its service keep node from ending.
  timeout 1200 node --test --test-concurrency=1 --test-force-exit --test-reporter=spec "$packages"/*.test.mjs
fi
