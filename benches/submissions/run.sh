#!/usr/bin/env bash
# Submissions per second. Each request has 20 figures of one unit and month, which are durable
# before the response. Measured with 1, 8 and 64 clients, with SQLite and PostgreSQL, and compared with
# two references measured in the same minutes: a log with group commit behind HTTP and JSON, and a
# 20-row upsert in PostgreSQL by pgbench.
#   PEERS=FOLDER benches/submissions/run.sh   FOLDER has the benchmark kit: peers/group.sh, and kit/,
#                                             which is built when needed
#   RUNS=3 SECONDS_A_RUN=4                    medians of RUNS runs; clients run on core 1, servers on
#                                             any core
# Needs wrk and PostgreSQL's server programs.
set -euo pipefail
cd "$(dirname "$0")/../.."
PEERS=${PEERS:?the folder of the benchmark kit}
RUNS=${RUNS:-3} EACH=${SECONDS_A_RUN:-4}
lua=benches/submissions/post.lua
cargo build --release --quiet
egov=target/release/egov-kpi
kit=${KIT:-$PEERS/kit/target/release/kit}
[ -x "$kit" ] || cargo build --release --quiet --manifest-path "$PEERS/kit/Cargo.toml"

work=$(mktemp -d); chmod 755 "$work"; pids=()
tests/postgres/cluster.py start "$work/pg" >"$work/pg.url"
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  tests/postgres/cluster.py remove "$work/pg" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
base=$(cat "$work/pg.url"); base=${base%/*}
bin=$(printf "%s\n" /usr/lib/postgresql/*/bin | sort -V | tail -1)

serve() { # NAME DATABASE: imports the units and starts a server; writes its address to $work/NAME
  "$egov" generate --size 10x180 --units "$work/units.json" >/dev/null
  "$egov" import "$work/units.json" --database "$2" --log error >/dev/null
  "$egov" serve --listen 127.0.0.1:0 --database "$2" --log error >"$work/$1" 2>"$work/$1.told" & pids+=($!)
  for _ in $(seq 100); do [ -s "$work/$1" ] && break; sleep 0.1; done
}
psql "$base/postgres" -qc "CREATE DATABASE service" -c "CREATE DATABASE upsert"
serve sqlite "sqlite://$work/ledger.db"
serve postgres "$base/service"
"$kit" group 7199 2 "$work" >/dev/null 2>&1 & pids+=($!)
psql "$base/upsert" -qc "CREATE TABLE obs(ind smallint, unit int, month smallint, value int, PRIMARY KEY (ind, unit, month))"
cat >"$work/upsert.sql" <<'Q'
\set u random(1, 180)
\set m random(0, 59)
\set v random(1, 100000)
INSERT INTO obs SELECT g, :u, :m, :v + g FROM generate_series(0, 19) g ON CONFLICT (ind, unit, month) DO UPDATE SET value = excluded.value;
Q

post() { taskset -c 1 wrk -t1 -c"$2" -d"${3}s" -s "$1" -H "Authorization: Bearer $5" "$4" 2>/dev/null | tail -1; } # LUA CLIENTS SECONDS URL TOKEN -> rps p50 p99 bad
log_lua() { # the reference log has its own request format
  (cd "$PEERS" && PEER=log SIZE=S ITEM=I1 CONNS=$1 PROV=1 UNITS=180 LUADIR=lua taskset -c 1 wrk -t1 -c"$1" -d"${2}s" -s lua/rest.lua http://127.0.0.1:7199 2>/dev/null) |
    sed -n 's/.*"rps":\([0-9.]*\),"p50_ms":\([0-9.]*\),"p99_ms":\([0-9.]*\),.*"bad":\([0-9]*\).*/\1 \2 \3 \4/p'
}
upsert() {
  taskset -c 1 "$bin/pgbench" -n -c "$1" -j 1 -T "$2" -M prepared -f "$work/upsert.sql" "$base/upsert" 2>/dev/null |
    awk '/latency average/ {l=$4} /tps/ {r=$3} END {print r, l, "-", 0}'
}
measure() { # WHO CLIENTS SECONDS
  case $1 in
    log) log_lua "$2" "$3" ;;
    upsert) upsert "$2" "$3" ;;
    *) post "$lua" "$2" "$3" "$(sed 's/^listening on //' "$work/$1")" "$(grep -o 'setup_[A-Za-z0-9_-]*' "$work/$1.told")" ;;
  esac
}

printf '%-10s %7s %10s %8s %8s %5s %10s %12s\n' what clients "a second" p50ms p99ms bad "of the log" "of upsert"
for clients in 1 8 64; do
  for run in $(seq "$RUNS"); do
    for who in log upsert sqlite postgres; do
      [ "$run" = 1 ] && measure "$who" "$clients" 2 >/dev/null # warm-up
      echo "$who $(measure "$who" "$clients" "$EACH")" >>"$work/$clients"
    done
  done
  python3 - "$work/$clients" "$clients" <<'P'
import sys
from statistics import median
rows = {}
for line in open(sys.argv[1]):
    who, rate, p50, p99, bad = line.split()
    rows.setdefault(who, []).append((float(rate), p50, p99, int(bad)))
rates = {who: median(row[0] for row in all) for who, all in rows.items()}
for who, all in rows.items():
    middle = sorted(all)[len(all) // 2]
    print(f"{who:10} {sys.argv[2]:>7} {rates[who]:10,.0f} {middle[1]:>8} {middle[2]:>8} {sum(row[3] for row in all):5} "
          f"{rates[who] / rates['log']:10.2f} {rates[who] / rates['upsert']:12.2f}")
P
done
