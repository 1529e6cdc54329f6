#!/usr/bin/env -S python3 -B
"""Prints the measures of names, prose and layout of this repository's sources.

    measure.py                    a table of all measures, and how each is defined
    measure.py --list [MEASURE]   also the places that each measure (or the one named) counts
    measure.py --json             the same as JSON
    measure.py --check FILE       exit code 1 when a measure is beyond its limit in this TOML or
                                  JSON file
    measure.py --limits           the values of now as such a file (TOML)
    measure.py --baseline REV     a second column: the same measures of another git revision

Works for a single crate and for a workspace with `crates/*/src`. "Sources" are the Rust files below
`src` and `crates/*/src` without `#[cfg(test)]`; the file lists that other measures read are named
in their definitions. `tests/house` itself is never read for wordings.

Definitions, also printed below the table:

"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from rust_source import TYPES, House, circles, tokens

ROOT = Path(__file__).resolve().parents[2]
HERE = "tests/house/"
COLUMNS = 100
# Most places that `--check` prints for a measure beyond its limit.
MOST_PLACES = 20

# What each top-level module may name besides itself, and the files that may name a path past their
# layer. A crate may name what its Cargo.toml names; a module without a row is an error.
LAYERS = tomllib.loads((ROOT / HERE / "layers.toml").read_text(encoding="utf-8"))
MAY_NAME = LAYERS["may_name"]
EXCEPTIONS = LAYERS["exceptions"]

# Words in the name of an identifier, and the last words that make a name a count or a limit.
ID_WORDS = set("unit position measure revision micros month number index".split())
COUNT_WORDS = set("count counts len length size limit max min capacity total".split())

# Wordings that are not used any more. A space matches any white space, also over the end of a
# comment's line. `USER_WORDINGS` are looked for in Markdown and in the OpenAPI texts alone.
WORDINGS = [
    r"so many",
    r"(?:is|are|was|were) none",
    r"what stands",
    r"told",
    r"(?:held|holds?|holding) (?:\w+ ){0,2}against",
    r"whose",
    r"of ours",
    r"goes on",
    r"(?:may|can|must) (?:what|nothing|anything|everything|all|the ones)",
    r"(?:may|can|must)(?=[.;:)])",
    r"figures that stand",
    r"faults?",
    r"(?<!out\sof\s)bounds",
    r"none of ours",
    r"carr(?:y|ies|ied|ying) out",
    r"what anybody may cost",
    r"neutral of how",
    r"fits no key",
    r"on a body has a turn",
    r"under way any more",
    r"why not\.",
    r"as you have it",
    r"what it brought is readable",
    r"is no (?:cursor|period)",
    r"others are being answered",
    r"nothing fetched from anywhere",
    r"the reason why it is none",
    r"an empty value says nothing",
    r"the answer as it was",
    r"one to come is now",
    r"somebody was faster",
    r"is every row as it was written",
    r"the surroundings",
    r"word counts for",
    r"always there",
    r"(?:was|is) first there",
    r"withdrawals of nothing",
    r"all the same",
    r"a client follows along",
    r"mended",
    r"speaks? for",
    r"(?:leaf|leaves|those|unit|units) of (?:then|now)",
    r"in the place of",
    r"says? nothing of",
    r"at its start",
    r"owes?",
    r"(?:is|are) no part",
]
USER_WORDINGS = [r"workbooks?"]

OLD_TYPES = set(
    "Moment Look Wanted Keyed Given KeyRow Ring Desk Lookout Looked Verdict Effect Stead There"
    " Piece Gathered Companion Beside Written Shown What Whose When Frame News Declared"
    " Surroundings Above Against".split()
)
OLD_FUNCTIONS = set(
    "look told each_alone still show lay_over stead stands speakers take_in reframe judge_anew"
    " declare forget_keys who admitted tell admit".split()
)
OLD_CONSTANTS = set("LAST_ANSWERS FAREWELL UNREAD PATIENCE".split())
OLD_FILES = re.compile(
    r"(?:^|/)(?:keyed|moment|keys/ring|keys/watch|tokens/keys|reports/kept"
    r"|report/(?:resolve|settle|matches|sequence|tokens|when|tabled))\.rs$"
)
OLD_SCHEMAS = set("Row Rows Nested Trends Me Issued Name Reason".split())

TEXT_FILES = {".rs", ".md", ".json", ".toml", ".pest", ".py", ".sql", ".yml", ".yaml", ".ini", ""}
FENCE = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1[^\n]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\s*\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
MENTION = re.compile(r"(?<![\w/.-])((?:\.{1,2}/)*(?:[\w.-]+/)*[\w-]+\.md)(#[\w-]+)?")


@dataclass
class Result:
    """The value of a measure and the places it counts; `of` is the whole of a share."""

    value: float
    places: list[str]
    of: int | None = None


MEASURES = {}


def measure(title, definition, unit=""):
    """Enters a function from a `House` to places, or to a `Result`, into the measures."""

    def enter(function):
        def run(house):
            result = function(house)
            return result if isinstance(result, Result) else Result(len(result), result)

        MEASURES[function.__name__] = (title, definition, unit, run)
        return function

    return enter


def is_one_word(name):
    """Whether a CamelCase name is one word: no capital begins a second part.

    `Row`, `HTTP` and `Decimal64` are one word; `RuleBook`, `TlsKey` and `TLSKey` are two.
    """
    return len(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9_]+", re.sub(r"\d", "", name))) <= 1


def type_definitions(house):
    """The (file, item) of all definitions of types; associated types do not count."""
    found = []
    for file, source in house.sources.items():
        for item in source.items:
            associated = item.kind == "type" and item.within[-1:] in (("impl",), ("trait",))
            if item.kind in TYPES and not associated:
                found.append((file, item))
    return found


@measure(
    "type names of one word",
    "Definitions of struct, enum, union, trait and type (no associated types; any visibility) in"
    " the sources with a name of one CamelCase word, that is without a second part that begins"
    " with a capital (Row, HTTP, Decimal64: one; RuleBook, TLSKey: two), in percent of all such"
    " definitions.",
    " %",
)
def one_word_types(house):
    """Share of type names of one word."""
    types = type_definitions(house)
    places = [f"{file}:{item.line}: {item.name}" for file, item in types if is_one_word(item.name)]
    share = round(100 * len(places) / len(types), 1) if types else 0.0
    return Result(share, places, len(types))


@measure(
    "types that share their name",
    "The same definitions of types, over the whole workspace, that have the name of another one;"
    " three definitions of one name count three.",
)
def shared_names(house):
    """Type definitions that share their name with another one."""
    by_name = defaultdict(list)
    for file, item in type_definitions(house):
        by_name[item.name].append(f"{file}:{item.line}")
    ordered = sorted(by_name.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [
        f"{place}: {name} ({len(places)} definitions)"
        for name, places in ordered
        if len(places) > 1
        for place in places
    ]


@measure(
    f"lines beyond {COLUMNS} columns",
    f"Lines of all *.rs of the repository with more than {COLUMNS} characters; combining marks do"
    " not count.",
)
def long_lines(house):
    """Lines of Rust files that are too long."""
    found = []
    for file in house.files:
        if file.endswith(".rs"):
            for number, line in enumerate(read(house, file).splitlines(), 1):
                if len(line) > COLUMNS and columns(line) > COLUMNS:
                    found.append(f"{file}:{number}: {columns(line)} columns")
    return found


def columns(line):
    """The columns of a line."""
    return sum(unicodedata.combining(letter) == 0 for letter in line)


def file_edges(house, downward):
    """File to files that it names; `downward`: also children through `self::` or their name."""
    edges = defaultdict(set)
    for reference in house.references:
        if downward or not reference.downward:
            edges[reference.file].add(reference.target)
    return edges


def show_circles(found):
    """A line for each circle."""
    return [f"{len(members)}: {', '.join(members)}" for members in found]


@measure(
    "import circles of files",
    "Strongly connected components of two or more source files, by `crate::`, `super::` and names"
    " of other crates of the workspace. A path belongs to the deepest file that its modules lead"
    " to. A module's references to its own children do not count.",
)
def file_circles(house):
    """Circles of files."""
    return show_circles(circles(file_edges(house, False)))


@measure(
    "files in import circles",
    "The source files that are members of these circles.",
)
def files_in_circles(house):
    """Files that are members of circles."""
    return [file for members in circles(file_edges(house, False)) for file in members]


@measure(
    "files in circles with parents",
    "As before, with a module's references to its own children (`self::` or the child's name):"
    " a child that names its parent's items is then in a circle with it.",
)
def files_in_circles_with_parents(house):
    """Files in circles when references to children count."""
    return [file for members in circles(file_edges(house, True)) for file in members]


def top_edges(house):
    """Top-level module or crate to those that it names, `lib` left out."""
    edges = defaultdict(set)
    for reference in house.references:
        source, target = house.top(reference.file), house.top(reference.target)
        if source != target and "lib" not in (source, target):
            edges[source].add(target)
    return edges


@measure(
    "import circles of top-level folders",
    "The same between the top-level modules of the root package and the crates.",
)
def top_circles(house):
    """Circles of top-level modules and crates."""
    return show_circles(circles(top_edges(house)))


@measure(
    "upward arrows between layers",
    "Distinct pairs of a source file and a path that it names in a top-level module or crate that"
    " its own module may not name (tests/house/layers.toml).",
)
def upward_arrows(house):
    """Imports from a lower layer to a higher one."""
    crates = {crate.name for crate in house.crates if crate.folder}
    found = set()
    for file in house.sources:
        if house.top(file) not in MAY_NAME and house.top(file) not in crates:
            found.add(f"{file}: {house.top(file)} has no row in MAY_NAME")
    for reference in house.references:
        source, target = house.top(reference.file), house.top(reference.target)
        path = "::".join(reference.path if target not in crates else (target, *reference.path))
        excused = reference.file in EXCEPTIONS and path.startswith(EXCEPTIONS[reference.file])
        known = target in crates or (target in MAY_NAME and target != "lib")
        may = MAY_NAME.get(source)
        if may is None or source == target or not known or excused:
            continue
        if target not in may.split():
            found.add(f"{reference.file} names {path}")
    return sorted(found)


def hub_references(house):
    """The distinct (file, parent file, item) of children that name items of a parent."""
    found = set()
    for reference in house.references:
        target_modules = house.modules[reference.target]
        below = any(
            crate.name == parent_crate.name and module[: len(parent)] == parent != module
            for crate, module in house.modules[reference.file]
            for parent_crate, parent in target_modules
        )
        if not below or not reference.rest:
            continue
        parent = house.sources[reference.target]
        defined = {item.name for item in parent.items if not item.within and item.kind != "mod"}
        defined |= parent.inline_modules
        if reference.rest[0] in defined or (reference.rest[0] == "*" and defined):
            found.add((reference.file, reference.target, reference.rest[0]))
    return sorted(found)


@measure(
    "files that name their parent's items",
    "Source files below a folder f/ that name, through `super::` or `crate::`, an item that is"
    " defined in f.rs or f/mod.rs itself (not re-exported there); pairs of file and parent.",
)
def upward_children(house):
    """Children that name items of their parent module."""
    pairs = defaultdict(list)
    for file, parent, name in hub_references(house):
        pairs[file, parent].append(name)
    return [f"{file} names {parent}: {', '.join(names)}" for (file, parent), names in pairs.items()]


def is_naked_id(name, kind):
    """Whether a parameter or field is an id of a plain integer type."""
    kind = kind.replace("std::ops::", "")
    many = re.compile(r"&?(?:mut)?(?:Vec<|\[|Range(?:Inclusive)?<)(?:usize|i64)[>\]]")
    one = re.compile(r"&?(?:mut)?(?:Option<&?)?(?:usize|i64)>?")
    parts = name.split("_")
    if parts[-1] in COUNT_WORDS:
        return False
    if one.fullmatch(kind):
        return bool(ID_WORDS & set(parts))
    singular = {part.removesuffix("s").replace("indice", "index") for part in parts}
    return many.fullmatch(kind) is not None and bool(ID_WORDS & (singular | set(parts)))


@measure(
    "naked ids",
    "Parameters of functions with `pub` or `pub(...)` or in traits, and named fields of structs"
    " and variants, of type usize or i64 (also behind &, in Option, Vec, slice or Range), with"
    f" one of these words in the name: {' '.join(sorted(ID_WORDS))}. Names that end in"
    " count, len, limit, max and the like are not ids.",
)
def naked_ids(house):
    """Ids that cross an edge as plain integers."""
    found = []
    for file, source in house.sources.items():
        for item in source.items:
            shown = item.visibility or item.within[-1:] == ("trait",)
            if item.kind in ("struct", "enum") or (item.kind == "fn" and shown):
                for name, kind, line in item.parameters:
                    if is_naked_id(name, kind):
                        found.append(f"{file}:{line}: {item.name}({name}: {kind})")
    return found


def slugs(text):
    """The anchors of the headings of a Markdown text, as GitHub makes them."""
    found, counts = set(), Counter()
    for line in FENCE.sub("", text).splitlines():
        heading = re.match(r" {0,3}#{1,6}\s+(.*?)\s*#*\s*$", line)
        if heading:
            title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1)).lower()
            slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
            found.add(f"{slug}-{counts[slug]}" if counts[slug] else slug)
            counts[slug] += 1
    return found | set(re.findall(r"<a\s+(?:id|name)=\"([^\"]+)\"", text))


def without_code(text):
    """Markdown with spaces in place of blocks and spans of code; lines stay where they are."""
    text = FENCE.sub(blank, text)
    return CODE.sub(blank, text)


def blank(match):
    """A match with all but its line ends made spaces."""
    return re.sub(r"[^\n]", " ", match.group())


def text_files(house):
    """The files that are read for references: sources, documents, scripts and settings."""
    for file in house.files:
        if Path(file).suffix in TEXT_FILES and not file.startswith(HERE):
            yield file


def missing(house, file, target, anchor, anchors):
    """What is missing of a reference to `target`: a sentence, or None."""
    candidates = [house.root / folder / target for folder in Path(file).parents]
    path = next((c for c in candidates if c.exists()), None)
    if path is None:
        return f"{target} does not exist"
    if anchor and path.suffix == ".md":
        if path not in anchors:
            anchors[path] = slugs(path.read_text(encoding="utf-8"))
        if anchor not in anchors[path]:
            return f"{target} has no heading #{anchor}"
    return None


@measure(
    "references to absent documents",
    'Lines with the word "contract" in source, document, script and setting files; relative'
    " links in *.md to a file or heading that does not exist; and in all these files mentions of"
    " docs/*.md or of a document in capitals (NAME.md) that does not exist, or of a heading in it"
    " that does not exist. The word is a legal term in LICENSE, which does not count.",
)
def absent_documents(house):
    """References to documents or headings that are not in the repository."""
    found, anchors = {}, {}
    for file in text_files(house):
        text = read(house, file)
        for match in re.finditer(r"\bcontracts?\b", text, re.IGNORECASE):
            if file == "LICENSE":
                continue
            number = line_of(text, match.start())
            found[file, number, "contract"] = f"{file}:{number}: contract"
        references = []
        if file.endswith(".md"):
            for match in LINK.finditer(without_code(text)):
                target, _, anchor = (match.group(1) or match.group(2)).partition("#")
                if not re.match(r"\w+:|/", target):
                    references.append((match.start(), target or Path(file).name, anchor))
        for match in MENTION.finditer(text):
            name = match.group(1).rsplit("/", 1)[-1]
            if "docs/" in match.group(1) or re.fullmatch(r"[A-Z_]+\.md", name):
                references.append(
                    (match.start(), match.group(1), (match.group(2) or "").removeprefix("#"))
                )
        for start, target, anchor in references:
            problem = missing(house, file, target, anchor, anchors)
            if problem:
                number = line_of(text, start)
                found[file, number, problem] = f"{file}:{number}: {problem}"
    return [found[key] for key in sorted(found)]


@measure(
    "public items without a doc comment",
    "In the sources: mod, struct, enum, union, trait, type, fn, const and static with `pub` (not"
    " `pub(...)`), also methods, and functions of public traits, without `///` or #[doc]; a module"
    " file may have `//!` instead. Fields, variants and `use` do not count.",
)
def undocumented(house):
    """Public items without a doc comment."""
    found = []
    for file, source in house.sources.items():
        for item in source.items:
            in_trait = item.within[-1:] == ("trait",) and item.within_public
            public = item.visibility == "pub" or (in_trait and item.kind == "fn")
            if not public or item.documented or "fn" in item.within:
                continue
            if item.kind == "mod" and not item.has_body:
                crate, module = house.modules[file][0]
                child = house.module_files.get((crate.name, (*module, item.name)))
                if child is None or house.sources[child].documented:
                    continue
            found.append(f"{file}:{item.line}: {item.kind} {item.name}")
    return found


def wording(patterns):
    """One expression for several wordings; spaces match the edge between comment lines too."""
    gap = r"\s+(?:(?://[/!]?|[*>#])\s+)?"
    joined = "|".join(pattern.replace(" ", gap) for pattern in patterns)
    return re.compile(rf"(?<![\w/])(?:{joined})(?![\w/])", re.IGNORECASE)


PROSE_WORDINGS = wording(WORDINGS)
ALL_WORDINGS = wording([*WORDINGS, *USER_WORDINGS])


def rust_prose(text):
    """The (line, text) of comments, neighbouring lines together, and of texts with a space."""
    found, comments, last = [], [], None
    for token in tokens(text):
        if token.kind in ("doc", "inner", "comment"):
            if comments and (last is None or token.line > last + 1):
                found.append((comments[0].line, "\n".join(t.text for t in comments)))
                comments = []
            comments.append(token)
            last = token.line + token.text.count("\n")
        elif token.kind in ("text", "raw") and " " in token.text.strip('"'):
            found.append((token.line, token.text))
    if comments:
        found.append((comments[0].line, "\n".join(t.text for t in comments)))
    return sorted(found)


def openapi_texts(node, pointer=""):
    """The (JSON pointer, text) of all summaries, descriptions and titles."""
    if isinstance(node, dict):
        for key, value in node.items():
            place = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            if key in ("summary", "description", "title") and isinstance(value, str):
                yield place, value
            else:
                yield from openapi_texts(value, place)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from openapi_texts(value, f"{pointer}/{number}")


@measure(
    "old wordings",
    "Occurrences of the phrases in WORDINGS of this script in prose: comments and texts with a"
    " space of all *.rs, *.md without code, and summaries, descriptions and titles of"
    ' openapi/*.json. "workbook" counts in *.md and OpenAPI alone.',
)
def old_wordings(house):
    """Occurrences of wordings that are not used any more."""
    found = []
    for file in house.files:
        if file.startswith(HERE):
            continue
        if file.endswith(".rs"):
            for line, text in rust_prose(read(house, file)):
                text = CODE.sub(blank, text)
                for match in PROSE_WORDINGS.finditer(text):
                    place = line + text.count("\n", 0, match.start())
                    found.append(f"{file}:{place}: {plain(match.group())}")
        elif file.endswith(".md"):
            text = LINK.sub(blank, without_code(read(house, file)))
            for match in ALL_WORDINGS.finditer(text):
                found.append(f"{file}:{line_of(text, match.start())}: {plain(match.group())}")
        elif re.fullmatch(r"openapi/[^/]+\.json", file):
            for pointer, text in openapi_texts(json.loads(read(house, file))):
                for match in ALL_WORDINGS.finditer(CODE.sub(blank, text)):
                    found.append(f"{file}#{pointer}: {plain(match.group())}")
    return found


def plain(text):
    """A phrase on one line."""
    return " ".join(part for part in text.split() if not re.fullmatch(r"//[/!]?|\*|>|#", part))


@measure(
    "old names",
    "Definitions in the sources (types, functions, constants), source files and OpenAPI schemas"
    " with a name of the lists OLD_... of this script.",
)
def old_names(house):
    """Definitions with a name that is to be replaced."""
    found = [f"{file}: the file's name" for file in house.sources if OLD_FILES.search(file)]
    for file, source in house.sources.items():
        for item in source.items:
            names = OLD_TYPES if item.kind in TYPES else set()
            names = OLD_FUNCTIONS if item.kind == "fn" else names
            names = OLD_CONSTANTS if item.kind in ("const", "static") else names
            if item.name in names:
                found.append(f"{file}:{item.line}: {item.kind} {item.name}")
    for file in house.files:
        if re.fullmatch(r"openapi/[^/]+\.json", file):
            schemas = json.loads(read(house, file)).get("components", {}).get("schemas", {})
            found += [f"{file}: schema {name}" for name in sorted(OLD_SCHEMAS & set(schemas))]
    return found


def read(house, file):
    """The text of a file."""
    return (house.root / file).read_text(encoding="utf-8", errors="replace")


def line_of(text, at):
    """The line of a place in a text, counted from 1."""
    return text.count("\n", 0, at) + 1


__doc__ += "\n".join(f"    {key}: {definition}" for key, (_, definition, *_) in MEASURES.items())


def measure_all(root):
    """All measures of a checkout: key to `Result`."""
    house = House(root)
    return {key: run(house) for key, (*_, run) in MEASURES.items()}


def measure_revision(root, revision):
    """All measures of a git revision."""
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        packed = Path(folder) / "files.tar"
        command = ["git", "-C", str(root), "archive", f"--output={packed}", revision]
        subprocess.run(command, check=True)
        unpacked = Path(folder) / "files"
        unpacked.mkdir()
        subprocess.run(["tar", "-xf", str(packed), "-C", str(unpacked)], check=True)
        return measure_all(unpacked)


# Measures that grow with each file in a folder whose parent has what the files share, as each
# handler does with `respond`.
WITHOUT_LIMIT = {"files_in_circles_with_parents", "upward_children"}


def read_limits(path):
    """The limits in a file: key to the greatest value; from its table `limits` if it has one."""
    text = Path(path).read_text(encoding="utf-8")
    table = json.loads(text) if str(path).endswith(".json") else tomllib.loads(text)
    limits = table.get("limits", table)
    unknown = sorted(set(limits) - set(MEASURES))
    if unknown:
        raise ValueError(f"{path} has limits for unknown measures: {', '.join(unknown)}")
    return limits


def beyond(results, limits):
    """The keys of the measures that are beyond their limits."""
    return [key for key, limit in limits.items() if results[key].value > limit]


def shown(key, result):
    """A value with its unit, and its share in numbers."""
    value = f"{result.value:,}{MEASURES[key][2]}"
    if result.of is not None:
        value += f" ({len(result.places):,} of {result.of:,})"
    return value


def table(columns_of, limits):
    """The table of measures: a row for each, a column for each revision, and the limits."""
    rows = [["measure", *columns_of, *(["limit"] if limits else [])]]
    for key, (title, *_) in MEASURES.items():
        row = [title, *(shown(key, results[key]) for results in columns_of.values())]
        if limits:
            row.append(f"{limits[key]:,}{MEASURES[key][2]}" if key in limits else "")
        rows.append(row)
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_json(results, with_places):
    """Results for `json.dumps`."""
    found = {}
    for key, result in results.items():
        title, definition, unit, _ = MEASURES[key]
        entry = {"title": title, "value": result.value, "unit": unit.strip() or "count"}
        if result.of is not None:
            entry |= {"count": len(result.places), "of": result.of}
        entry["definition"] = definition
        if with_places in ("all", key):
            entry["places"] = result.places
        found[key] = entry
    return found


def main(arguments=None):
    """Reads the command line; returns the exit code: 1 beyond a limit, 2 wrong usage."""
    parser = argparse.ArgumentParser(description="Measures of names, prose and layout.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to measure")
    parser.add_argument(
        "--list",
        nargs="?",
        const="all",
        choices=["all", *MEASURES],
        metavar="MEASURE",
        help="also print the places that are counted",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--limits", action="store_true", help="print the values as limits, TOML")
    parser.add_argument("--check", metavar="FILE", help="compare with the limits in this file")
    parser.add_argument("--baseline", metavar="REV", help="also measure this git revision")
    options = parser.parse_args(arguments)
    try:
        limits = read_limits(options.check) if options.check else {}
    except (OSError, ValueError) as error:
        print(f"measure: {error}", file=sys.stderr)
        return 2
    if options.limits:
        print("[limits]")
        for key, result in measure_all(options.root).items():
            if key not in WITHOUT_LIMIT:
                print(f"{key} = {result.value}")
        return 0
    columns_of = {}
    if options.baseline:
        columns_of[options.baseline] = measure_revision(options.root, options.baseline)
    columns_of["now"] = results = measure_all(options.root)
    too_much = beyond(results, limits)
    if options.json:
        document = {"measures": as_json(results, options.list)}
        if options.baseline:
            baseline = as_json(columns_of[options.baseline], options.list)
            document["baseline"] = {"revision": options.baseline, "measures": baseline}
        if options.check:
            document |= {"limits": limits, "beyond": too_much}
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        print(table(columns_of, limits))
        print()
        for key, (title, definition, *_) in MEASURES.items():
            print(f"{title} ({key}): {definition}")
        for key, result in results.items():
            if options.list in ("all", key):
                print(f"\n{MEASURES[key][0]}:")
                print("\n".join(f"  {place}" for place in result.places))
    for key in too_much:
        message = f"{MEASURES[key][0]} ({key}): {shown(key, results[key])}, limit {limits[key]:,}"
        print(f"measure: beyond its limit: {message}", file=sys.stderr)
        # A measure that has long been above zero has too many places to be of help.
        if len(results[key].places) <= MOST_PLACES:
            print("\n".join(f"  {place}" for place in results[key].places), file=sys.stderr)
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
