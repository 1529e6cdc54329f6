#!/usr/bin/env bash
# Converts reports in Markdown to HTML for LibreOffice, each beside its source, with markdown-it
# (CommonMark with tables; line breaks are kept).
#   tests/documents/to_html.sh FILE...
set -euo pipefail
venv=${CARGO_TARGET_DIR:-$(dirname "$0")/../../target}/markdown
[ -e "$venv/ready" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'markdown-it-py>=3,<5' && touch "$venv/ready"; }
exec "$venv/bin/python" - "$@" <<'PROGRAM'
import pathlib
import sys

from markdown_it import MarkdownIt

markdown = MarkdownIt("commonmark", {"breaks": True}).enable("table")
for path in map(pathlib.Path, sys.argv[1:]):
    body = markdown.render(path.read_text()).replace("<table>", '<table border="1">')
    path.with_suffix(".html").write_text('<html><head><meta charset="utf-8"></head><body>' + body + "</body></html>")
PROGRAM
