#!/usr/bin/env -S python3 -B
"""Draws the house: the top-level modules and crates, their folders and their imports.

    picture.py           writes docs/house.svg
    picture.py --check   fails when the committed picture differs from a fresh one

The picture is made from the same graph of imports as the measures of `measure.py`. A part lies
above all parts that it names. An arrow that follows from a chain of other arrows is left out;
arrows of an import circle are all drawn, in red.
"""

import argparse
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

from measure import ROOT, top_edges
from rust_source import House, circles

PICTURE = "docs/house.svg"
WIDTH, MARGIN = 1000, 20
ROW_GAP, BOX_GAP, DUMMY_WIDTH = 44, 24, 14
NAME_SIZE, FOLDER_SIZE = 15, 12
LINE_LETTERS = 30
SWEEPS = 40
COLOURS = {"module": ("#eaf2fb", "#5b87b8"), "crate": ("#eaf6ec", "#5f9c6b")}
CAPTION = (
    "An arrow leads from a part to a part that it imports. "
    "Arrows that follow from a chain of others are left out."
)


def folders(house):
    """The folders directly inside each top-level part, by the part's name."""
    found = {}
    for file in house.sources:
        name, (crate, module) = house.top(file), house.modules[file][0]
        inside = file.removeprefix(crate.sources + "/").split("/")
        if not crate.folder:
            inside = inside[1:]
        if name != "lib" or module:
            found.setdefault(name, set()).update(inside[:1] if len(inside) > 1 else [])
    return {name: sorted(inside) for name, inside in sorted(found.items())}


def split_circles(edges):
    """The edges without those that lead back in a circle, and all edges that are in a circle."""
    order = {}
    for members in circles(edges):
        order |= {name: (members[0], place) for place, name in enumerate(members)}
    in_circle = {
        (source, target)
        for source, targets in edges.items()
        for target in targets
        if source in order and target in order and order[source][0] == order[target][0]
    }
    back = {(s, t) for s, t in in_circle if order[s][1] > order[t][1]}
    forward = defaultdict(set)
    for source, targets in edges.items():
        forward[source] |= {target for target in targets if (source, target) not in back}
    return forward, in_circle


def reduced(edges, kept):
    """An acyclic graph without the edges that a longer way replaces, save those in `kept`."""
    below = {}

    def reach(node):
        if node not in below:
            below[node] = set()
            for target in edges.get(node, ()):
                below[node] |= {target} | reach(target)
        return below[node]

    found = set()
    for source, targets in edges.items():
        for target in targets:
            others = targets - {target}
            if (source, target) in kept or not any(target in reach(other) for other in others):
                found.add((source, target))
    return found


def floors(names, edges):
    """The floor of each part: one above the highest part that it names, the ground being 0."""
    found = {}

    def floor(name):
        if name not in found:
            found[name] = 1 + max((floor(target) for target in edges.get(name, ())), default=-1)
        return found[name]

    return {name: floor(name) for name in names}


def rows_of(floor, arrows):
    """Rows of nodes from the top floor down, and chains of nodes for the arrows.

    An arrow over several floors goes through a node of its own, a tuple, on each floor between.
    """
    rows = [[] for _ in range(max(floor.values()) + 1)]
    top = len(rows) - 1
    for name in sorted(floor):
        rows[top - floor[name]].append(name)
    chains = []
    for source, target in sorted(arrows):
        upper, lower = sorted((source, target), key=lambda name: -floor[name])
        chain = [upper]
        for level in range(floor[upper] - 1, floor[lower], -1):
            chain.append((source, target, level))
            rows[top - level].append(chain[-1])
        chains.append((source, target, [*chain, lower]))
    return rows, chains


def crossings(rows, links):
    """How many pairs of links between neighbouring rows cross."""
    place = {node: at for row in rows for at, node in enumerate(row)}
    count = 0
    for row in rows:
        ends = sorted((place[a], place[b]) for a in row for b in links[a])
        for at, (upper, lower) in enumerate(ends):
            count += sum(1 for u, low in ends[at + 1 :] if u > upper and low < lower)
    return count


def ordered(rows, chains):
    """The rows, each sorted so that few arrows cross: by the middle of the neighbours' places."""
    down, up = defaultdict(list), defaultdict(list)
    for *_, chain in chains:
        for upper, lower in pairwise(chain):
            down[upper].append(lower)
            up[lower].append(upper)
    best, fewest = [list(row) for row in rows], crossings(rows, down)
    rows = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        links = up if sweep % 2 == 0 else down
        for row in rows if sweep % 2 == 0 else reversed(rows):
            place = {n: at / max(len(r) - 1, 1) for r in rows for at, n in enumerate(r)}
            middle = {
                node: sum(place[other] for other in links[node]) / len(links[node])
                if links[node]
                else place[node]
                for node in row
            }
            row.sort(key=lambda node: middle[node])
        count = crossings(rows, down)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    return best


def wrapped(words):
    """Words, with commas, on lines of at most `LINE_LETTERS` letters."""
    lines = []
    for number, word in enumerate(words):
        word += "," if number + 1 < len(words) else ""
        if lines and len(lines[-1]) + len(word) < LINE_LETTERS:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def box_size(name, lines):
    """Width and height of a part's box."""
    width = max([len(name) * NAME_SIZE * 0.62, *(len(line) * FOLDER_SIZE * 0.56 for line in lines)])
    return round(max(width + 28, 96)), 32 + (len(lines) * 16 + 2 if lines else 0)


def places(rows, chains, widths):
    """The middle of each node, in pixels from the left."""
    near = defaultdict(list)
    for *_, chain in chains:
        for upper, lower in pairwise(chain):
            near[upper].append(lower)
            near[lower].append(upper)
    x = {}
    for row in rows:
        used = sum(widths[node] for node in row) + BOX_GAP * (len(row) - 1)
        left = (WIDTH - used) / 2
        for node in row:
            x[node] = left + widths[node] / 2
            left += widths[node] + BOX_GAP
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {
                n: sum(x[o] for o in near[n]) / len(near[n]) if near[n] else x[n] for n in row
            }
            settle(row, wanted, widths, x)
    first = min(value - widths[node] / 2 for node, value in x.items())
    last = max(value + widths[node] / 2 for node, value in x.items())
    shift = (WIDTH - first - last) / 2
    return {node: round(value + shift) for node, value in x.items()}


def settle(row, wanted, widths, x):
    """Puts the nodes of a row near their wanted places: without overlap, inside the margins."""
    from_left, from_right = {}, {}
    left, right = float("-inf"), float("inf")
    for node in row:
        from_left[node] = max(wanted[node], left + widths[node] / 2)
        left = from_left[node] + widths[node] / 2 + BOX_GAP
    for node in reversed(row):
        from_right[node] = min(wanted[node], right - widths[node] / 2)
        right = from_right[node] - widths[node] / 2 - BOX_GAP
    left, right = MARGIN, WIDTH - MARGIN
    for node in row:
        x[node] = max((from_left[node] + from_right[node]) / 2, left + widths[node] / 2)
        left = x[node] + widths[node] / 2 + BOX_GAP
    for node in reversed(row):
        x[node] = min(x[node], right - widths[node] / 2)
        right = x[node] - widths[node] / 2 - BOX_GAP


def ports(chains, x, widths):
    """Where each arrow leaves and meets its boxes, so that arrows do not lie on each other."""
    leaving, meeting = defaultdict(list), defaultdict(list)
    for number, (*_, chain) in enumerate(chains):
        leaving[chain[0]].append((x[chain[1]], number))
        meeting[chain[-1]].append((x[chain[-2]], number))
    found = {}
    for side, ends in (("from", leaving), ("to", meeting)):
        for node, arrows in ends.items():
            step = min(20, (widths[node] - 24) / len(arrows))
            for place, (_, number) in enumerate(sorted(arrows)):
                found[side, number] = round(x[node] + (place - (len(arrows) - 1) / 2) * step)
    return found


def draw(house):
    """The picture as SVG text."""
    inside = folders(house)
    edges = {source: set(targets) for source, targets in top_edges(house).items()}
    forward, in_circle = split_circles(edges)
    arrows = reduced(forward, in_circle) | in_circle
    floor = floors(inside, forward)
    rows, chains = rows_of(floor, arrows)
    rows = ordered(rows, chains)
    lines = {name: wrapped(names) for name, names in inside.items()}
    sizes = {name: box_size(name, lines[name]) for name in inside}
    widths = {n: sizes[n][0] if isinstance(n, str) else DUMMY_WIDTH for row in rows for n in row}
    x = places(rows, chains, widths)
    y, tops, heights = MARGIN, {}, {}
    for row in rows:
        height = max(sizes[node][1] for node in row if isinstance(node, str))
        for node in row:
            own = sizes[node][1] if isinstance(node, str) else height
            tops[node], heights[node] = y + (height - own) // 2, own
        y += height + ROW_GAP
    total = y + 4
    crates = {crate.name for crate in house.crates if crate.folder}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{total}"'
        f' viewBox="0 0 {WIDTH} {total}" font-family="system-ui, sans-serif" role="img">',
        "<title>The parts of the program and their imports</title>",
        f"<desc>{CAPTION}</desc>",
        "<defs>",
        *(marker(name, colour) for name, colour in (("plain", "#6b7280"), ("circle", "#c62828"))),
        "</defs>",
        f'<rect width="{WIDTH}" height="{total}" fill="#ffffff"/>',
    ]
    ends = ports(chains, x, widths)
    for number, (source, target, chain) in enumerate(chains):
        points = []
        for node in chain:
            at = ends["from", number] if node == chain[0] else x[node]
            at = ends["to", number] if node == chain[-1] else at
            points.append((at, tops[node], tops[node] + heights[node]))
        circle = (source, target) in in_circle
        parts.append(arrow(source, target, points, circle, upward=chain[0] == target))
    for name in inside:
        kind = "crate" if name in crates else "module"
        parts.append(box(name, lines[name], kind, x[name], tops[name], sizes[name]))
    parts.append(
        f'<text x="{WIDTH // 2}" y="{total - 14}" font-size="{FOLDER_SIZE}" fill="#4b5563"'
        f' text-anchor="middle">{CAPTION}</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def marker(name, colour):
    """The head of an arrow."""
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
        f' markerHeight="7" orient="auto-start-reverse"><path d="M0,0 L8,4 L0,8 z"'
        f' fill="{colour}"/></marker>'
    )


def arrow(source, target, points, circle, upward):
    """An arrow through points of (x, top, bottom), from the upper box to the lower one."""
    path = f"M{points[0][0]},{points[0][2]}"
    for (x1, _, bottom), (x2, top, end) in pairwise(points):
        half = (bottom + top) // 2
        path += f" C{x1},{half} {x2},{half} {x2},{top}"
        if (x2, top, end) != points[-1]:
            path += f" L{x2},{end}"
    name, colour = ("circle", "#c62828") if circle else ("plain", "#6b7280")
    side = "start" if upward else "end"
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.4"'
        f' marker-{side}="url(#{name})"><title>{escape(source)} imports {escape(target)}</title>'
        "</path>"
    )


def box(name, lines, kind, middle, top, size):
    """A part: its name and, below it, its folders."""
    fill, stroke = COLOURS[kind]
    width, height = size
    parts = [
        f'<rect x="{middle - width // 2}" y="{top}" width="{width}" height="{height}" rx="6"'
        f' fill="{fill}" stroke="{stroke}"/>',
        f'<text x="{middle}" y="{top + 21}" font-size="{NAME_SIZE}" font-weight="600"'
        f' fill="#111827" text-anchor="middle">{escape(name)}</text>',
    ]
    for number, line in enumerate(lines):
        parts.append(
            f'<text x="{middle}" y="{top + 40 + number * 16}" font-size="{FOLDER_SIZE}"'
            f' fill="#4b5563" text-anchor="middle">{escape(line)}</text>'
        )
    return "\n".join(parts)


def main(arguments=None):
    """Writes or checks the picture; returns the exit code."""
    parser = argparse.ArgumentParser(description="Draws the parts of the program as SVG.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to draw")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    options = parser.parse_args(arguments)
    fresh, path = draw(House(options.root)), options.root / PICTURE
    if not options.check:
        path.write_text(fresh, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == fresh:
        return 0
    print(f"picture: {PICTURE} is not up to date; run tests/house/picture.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
