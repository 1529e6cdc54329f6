"""The plot of tests/faults/soak.py as SVG, without scripts and fonts of its own: memory, open
files, size of the ledger and latency of reads over the time, with what happened meanwhile."""

from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 120
LEFT, RIGHT, TOP, GAP = 70, 20, 60, 44
COLOURS = ["#0b5cad", "#b3261e"]
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #d0d7de; stroke-width: 1 }
.event { stroke: #8c959f; stroke-width: 1; stroke-dasharray: 2 3 }
.back { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .grid { stroke: #3d444d }
  .back { fill: #0d1117 }
}
"""
MIB = 1 << 20


def _panels(sampler):
    """Name -> the lines of a panel: each a list of (second, value or None)."""
    samples = sampler.samples
    instances = range(len(samples[0].memory) if samples else 0)

    def of(value):
        return [(sample.second, value(sample)) for sample in samples]

    def mib(size):
        return None if size is None else size / MIB

    return {
        "resident memory of each instance, MiB": [
            of(lambda sample, n=n: mib(sample.memory[n])) for n in instances
        ],
        "open files of each instance": [of(lambda sample, n=n: sample.files[n]) for n in instances],
        "size of the ledger, MiB": [of(lambda sample: mib(sample.ledger))],
        "reads, median and 99th percentile, ms": [
            of(lambda sample: sample.p50),
            of(lambda sample: sample.p99),
        ],
    }


def _panel(title, lines, top, end, events):
    values = [value for line in lines for _, value in line if value is not None]
    most = max(values, default=1) * 1.05 or 1
    wide = WIDTH - LEFT - RIGHT

    def x(second):
        return LEFT + wide * second / end

    def y(value):
        return top + HEIGHT * (1 - value / most)

    out = [f'<text x="{LEFT}" y="{top - 8}">{escape(title)}</text>']
    for share in (0, 0.5, 1):
        at = y(most * share)
        out += [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>',
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{most * share:,.0f}</text>',
        ]
    for second, event in events:
        out.append(
            f'<line class="event" x1="{x(second):.1f}" x2="{x(second):.1f}" y1="{top}" '
            f'y2="{top + HEIGHT}"><title>{escape(event)}</title></line>'
        )
    for line, colour in zip(lines, COLOURS, strict=False):
        part, parts = [], []
        for second, value in [*line, (end, None)]:
            if value is None:  # the instance was down
                parts.append(part)
                part = []
            else:
                part.append(f"{x(second):.1f},{y(value):.1f}")
        style = f'fill="none" stroke="{colour}" stroke-width="1.5"'
        out += [f'<polyline points="{" ".join(part)}" {style}/>' for part in parts if part]
    return out


def picture(runs):
    """Draws the runs: name of the ledger -> its sampler."""
    blocks, top = [], TOP
    for name, sampler in runs.items():
        end = max((sample.second for sample in sampler.samples), default=1) or 1
        title = f"{name}: {end / 60:.0f} minutes, {len(sampler.events)} disturbances (dotted)"
        blocks.append(f'<text class="title" x="{LEFT}" y="{top - 34}">{escape(title)}</text>')
        for panel, lines in _panels(sampler).items():
            blocks += _panel(panel, lines, top, end, sampler.events)
            top += HEIGHT + GAP
        top += GAP
    high = top - GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high}" role="img" '
            'aria-label="A soak test">',
            f"<style>{STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{high}"/>',
            *blocks,
            "</svg>\n",
        ]
    )
