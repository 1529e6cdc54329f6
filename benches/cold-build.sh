#!/usr/bin/env bash
# The first build of the program on a machine that has only the downloaded crates: seconds, CPU
# seconds, compiled units, size of the program, and the ten slowest units.
#   benches/cold-build.sh [CARGO_OPTION...]     for example --config profile.release.debug=true
# Run it while the machine is idle. The full report is target/cargo-timings/cold-build.html.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(mktemp -d)
trap 'rm -rf "$CARGO_TARGET_DIR"' EXIT

cargo fetch --locked --quiet
TIMEFORMAT='%R %U %S'
{ time cargo build --release --locked --timings "$@" 2>&3; } 3>&2 2>"$CARGO_TARGET_DIR/times"
read -r wall user system <"$CARGO_TARGET_DIR/times"
report=$CARGO_TARGET_DIR/cargo-timings/cargo-timing.html
program=$CARGO_TARGET_DIR/release/egov-kpi

awk -v wall="$wall" -v user="$user" -v kernel="$system" -v size="$(stat -c %s "$program")" '
  /Total units:/ { gsub(/[^0-9]/, ""); units = $0 }
  END {
    printf "%.0f s, %.0f CPU s, %d units, program %.1f MB\n", wall, user + kernel, units, size / 1e6
  }' "$report"
awk -F'"' '
  /^ *"name":/ { name = $4 }
  /^ *"target":/ { target = $4; gsub(/\\/, "", target) }
  /^ *"duration":/ { gsub(/[^0-9.]/, "", $3); printf "%7.1f s  %s%s\n", $3, name, target }
' "$report" | sort -rn | awk 'NR <= 10'

mkdir -p target/cargo-timings
cp "$report" target/cargo-timings/cold-build.html
