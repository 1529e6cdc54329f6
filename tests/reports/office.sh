#!/usr/bin/env bash
# Converts the reports with known figures to DOCX and PDF with LibreOffice; the results are read and
# scored like the originals.
#   tests/reports/office.sh [FOLDER]    FOLDER for the files; without it they are removed
# Installs LibreOffice when it is missing (as root on Debian).
set -euo pipefail
cd "$(dirname "$0")/../.."
dejavu=/usr/share/fonts/truetype/dejavu
# LibreOffice may be installed without its Writer.
if ! command -v soffice >/dev/null || ! compgen -G '/usr/lib/libreoffice/program/libswlo*' >/dev/null || ! [ -d "$dejavu" ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libreoffice-writer-nogui fonts-dejavu-core >/dev/null
fi
work=${1:-$(mktemp -d /tmp/egov-kpi-reports-XXXXXX)}
mkdir -p "$work/source" "$work/docx" "$work/pdf"
[ $# -gt 0 ] || trap 'rm -rf "$work"' EXIT
cp tests/reports/cases/*.md tests/reports/cases/*.txt "$work/source"
for kind in docx pdf; do cp tests/reports/cases/*.csv "$work/$kind"; done
tests/documents/to_html.sh "$work"/source/*.md
# Fonts with all Vietnamese letters. With other fonts LibreOffice takes single letters from a second
# font, which splits words in the PDF.
printf '<fontconfig><dir>%s</dir><cachedir>%s</cachedir></fontconfig>' "$dejavu" "$work/fonts" >"$work/fonts.conf"
export FONTCONFIG_FILE="$work/fonts.conf"
office() { # office FOLDER FORMAT OPTION... -- FILE...
  HOME="$work" soffice --headless "-env:UserInstallation=file://$work/profile" "${@:3}" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}
office docx docx "--infilter=HTML (StarWriter)" --convert-to "docx:MS Word 2007 XML" --outdir "$work/docx" "$work"/source/*.html
office docx docx "--infilter=Text (encoded):UTF8" --convert-to "docx:MS Word 2007 XML" --outdir "$work/docx" "$work"/source/*.txt
office pdf pdf --convert-to pdf --outdir "$work/pdf" "$work"/docx/*.docx
read_as() { # read_as FOLDER RECALL PRECISION: the required shares in percent
  echo "-- $1"
  EGOV_KPI_REPORTS="$work/$1" EGOV_KPI_RECALL=$2 EGOV_KPI_PRECISION=$3 cargo test --quiet --test reports reports_are -- --nocapture
}
read_as docx 95 99.5
# Recall is lower for PDF: columns separated only by tab stops or spaces are too close on the page, and
# such rows are reported as not read.
read_as pdf 90 99.5
