#!/usr/bin/env python3
"""Writes reports in Markdown as HTML for LibreOffice: headings, paragraphs, entries, pipe tables."""
import html
import pathlib
import re
import sys


def cells(line, tag):
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell.strip())}</{tag}>" for cell in line.strip().strip("|").split("|")) + "</tr>"


for name in sys.argv[1:]:
    path = pathlib.Path(name)
    out = []
    for block in re.split(r"\n\s*\n", path.read_text()):
        lines = block.strip().split("\n")
        heading = re.match(r"(#+)\s+(.*)", lines[0])
        if not lines[0]:
            continue
        if heading:
            out.append(f"<h{len(heading[1])}>{html.escape(heading[2].replace('**', ''))}</h{len(heading[1])}>")
        elif lines[0].startswith("|"):
            out.append("<table border=1>" + cells(lines[0], "th") + "".join(cells(line, "td") for line in lines[2:]) + "</table>")
        else:
            out.extend(f"<p>{html.escape(line)}</p>" for line in lines)
    path.with_suffix(".html").write_text('<html><head><meta charset="utf-8"></head><body>' + "\n".join(out) + "</body></html>")
