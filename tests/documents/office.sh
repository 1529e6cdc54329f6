#!/usr/bin/env bash
# Converts reports in Markdown to DOCX and PDF with LibreOffice, and compares the text that the service
# reads with the source and with the text that poppler extracts.
#   tests/documents/office.sh [FOLDER]    FOLDER for the files; without it they are removed
# Installs LibreOffice and poppler when they are missing (as root on Debian).
set -euo pipefail
cd "$(dirname "$0")/../.."
# LibreOffice may be installed without its Writer.
if ! command -v soffice >/dev/null || ! compgen -G '/usr/lib/libreoffice/program/libswlo*' >/dev/null || ! command -v pdftotext >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libreoffice-writer-nogui poppler-utils fonts-liberation >/dev/null
fi
work=${1:-$(mktemp -d /tmp/egov-kpi-office-XXXXXX)}
mkdir -p "$work"
[ $# -gt 0 ] || trap 'rm -rf "$work"' EXIT
cp tests/documents/reports/*.md "$work"
tests/documents/to_html.sh "$work"/*.md
office() { # office FORMAT FILE...: converts files; prints the log after a failure
  local format=$1; shift
  HOME="$work" soffice --headless "-env:UserInstallation=file://$work/profile" "${filter[@]}" --convert-to "$format" --outdir "$work" "$@" >"$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
}
filter=("--infilter=HTML (StarWriter)") && office "docx:MS Word 2007 XML" "$work"/*.html
filter=() && office pdf "$work"/*.docx
for pdf in "$work"/*.pdf; do pdftotext -layout "$pdf" "${pdf%.pdf}.poppler"; done
EGOV_KPI_DOCUMENTS="$work" cargo test --quiet --test documents office_files -- --ignored --nocapture
