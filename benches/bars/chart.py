"""A chart of lines over a number of provinces, both axes logarithmic, as SVG without scripts and
fonts of its own. Light and dark follow the reader's setting."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 60, 48, 52
COLOURS = ["#0b5cad", "#b3261e", "#2e7d32", "#8e5a00"]
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #d0d7de; stroke-width: 1 }
.back { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .grid { stroke: #3d444d }
  .back { fill: #0d1117 }
}
"""


def _steps(least, most):
    """1, 2 and 5 times powers of ten from below `least` to above `most`."""
    powers = range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 2)
    all_steps = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    first = max(step for step in all_steps if step <= least)
    last = min(step for step in all_steps if step >= most)
    return [step for step in all_steps if first <= step <= last]


def picture(lines, title):
    """Draws `lines`: name -> {number of provinces -> requests a second}."""
    sizes = sorted({size for points in lines.values() for size in points})
    rates = [rate for points in lines.values() for rate in points.values()]
    steps = _steps(min(rates), max(rates))

    def x(size):
        across = math.log(sizes[-1] / sizes[0]) or 1
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(size / sizes[0]) / across

    def y(rate):
        share = math.log(rate / steps[0]) / math.log(steps[-1] / steps[0])
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>',
    ]
    for step in steps:
        at = y(step)
        out += [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>',
            f'<text x="{LEFT - 10}" y="{at + 4:.1f}" text-anchor="end">{step:,.0f}</text>',
        ]
    for size in sizes:
        at = x(size)
        out.append(
            f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{size}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">provinces</text>')
    for (name, points), colour in zip(lines.items(), COLOURS, strict=False):
        places = [(x(size), y(rate)) for size, rate in sorted(points.items())]
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        for (across, down), (size, rate) in zip(places, sorted(points.items()), strict=True):
            out.append(
                f'<circle cx="{across:.1f}" cy="{down:.1f}" r="4" fill="{colour}">'
                f"<title>{name}, {size} provinces: {rate:,.0f} requests a second</title></circle>"
            )
        last = places[-1]
        out.append(
            f'<text x="{last[0] + 10:.1f}" y="{last[1] + 4:.1f}" style="fill: {colour}">'
            f"{escape(name)}</text>"
        )
    return "\n".join([*out, "</svg>"]) + "\n"
