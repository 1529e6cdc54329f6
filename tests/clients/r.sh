#!/usr/bin/env bash
# Runs the program in R of docs/clients.md (tests/api/clients.rs). Installs R and its packages if
# they are missing (as root on Debian).
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! Rscript -e 'library(httr2)' >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    r-base-core r-cran-httr2 r-cran-jsonlite >/dev/null
fi
cargo test --test api -- --ignored the_r_client_records_a_month_once
