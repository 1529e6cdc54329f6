#!/usr/bin/env -S python3 -B
"""Shows whether two OpenAPI files differ in more than words and schema names.

    openapi_frozen.py OLD NEW [--differences N]

Words are summaries, descriptions and titles, and texts with a space inside examples. A component
may have another name, and may be inlined or shared: each `$ref` is followed, and the two structures
behind it are compared once. The order of keys, of `required`, of `enum`, of the types in `type` and
of parameters does not matter. Everything else has to be equal: paths, methods, operation ids,
codes, fields, types, limits, tags.

Prints the first differences by JSON pointer (into OLD, and into NEW where it is another one), and
the components that have another name. Exit code: 0 equal, 1 different, 2 wrong usage.
"""

import argparse
import json
import sys
from pathlib import Path

WORDS = {"summary", "description", "title"}
# Keys of objects that map names to values. A name, such as the field `title`, is not a keyword.
NAMES = {
    "properties",
    "patternProperties",
    "dependentSchemas",
    "$defs",
    "paths",
    "webhooks",
    "responses",
    "content",
    "headers",
    "callbacks",
    "links",
    "encoding",
    "variables",
    "schemas",
    "securitySchemes",
    "requestBodies",
    "pathItems",
    "mapping",
}
DATA = {"default", "const", "enum", "example", "examples", "value", "required", "security"}
UNORDERED = {"required", "enum", "type"}
KEYED = {"parameters": ("in", "name"), "tags": ("name",)}


def is_text(value):
    """Whether a value of an example is a text and not a code or an id."""
    return isinstance(value, str) and any(letter.isspace() for letter in value)


def joined(pointer, key):
    """A JSON pointer one step longer."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def brief(value):
    """A value as JSON, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 90 else f"{text[:87]}..."


class Comparison:
    """Compares two documents; afterwards `differences` and `names` hold what was found."""

    def __init__(self, old, new):
        """Compares everything but the components that no path refers to, then these by name."""
        self.old, self.new = old, new
        self.differences = []
        self.names = set()
        self.seen = set()
        rest = [{k: v for k, v in document.items() if k != "components"} for document in (old, new)]
        self._keywords(*rest, "", "")
        self._components()

    def _components(self):
        kinds = [document.get("components", {}) for document in (self.old, self.new)]
        for kind in sorted(set(kinds[0]) | set(kinds[1])):
            old, new = (components.get(kind, {}) for components in kinds)
            place = f"/components/{kind}"
            used = [{pair[side] for pair in self.seen} for side in (0, 1)]
            left = [n for n in old if f"{place}/{n}" not in used[0]]
            right = [n for n in new if f"{place}/{n}" not in used[1]]
            for name in left:
                if name in right:
                    right.remove(name)
                    self._follow(joined(place, name), joined(place, name))
                else:
                    other = next((n for n in right if self._equal(kind, name, n)), None)
                    if other is None:
                        self._differ(joined(place, name), "", "is not in NEW; no path refers to it")
                    else:
                        right.remove(other)
                        self._follow(joined(place, name), joined(place, other))
            for name in right:
                self._differ("", joined(place, name), "is not in OLD; no path refers to it")

    def _equal(self, kind, old, new):
        """Whether two components have one structure; leaves no trace."""
        differences, seen, names = self.differences, set(self.seen), set(self.names)
        self.differences = []
        self._follow(f"/components/{kind}/{old}", f"/components/{kind}/{new}")
        equal = not self.differences
        self.differences, self.seen, self.names = differences, seen, names
        return equal

    def _differ(self, old_at, new_at, what):
        self.differences.append((old_at, new_at, what))

    def _follow(self, old_at, new_at):
        """Compares what two pointers lead to, unless these two were compared before."""
        if (old_at, new_at) in self.seen:
            return
        self.seen.add((old_at, new_at))
        old, new = find(self.old, old_at), find(self.new, new_at)
        if old_at.startswith("/components/") and new_at.startswith("/components/"):
            self.names.add((old_at, new_at))
        self._node(old, new, old_at, new_at)

    def _node(self, old, new, old_at, new_at):
        """Compares two nodes with keywords as keys; follows references on either side."""
        old_ref, new_ref = reference(old), reference(new)
        if old_ref or new_ref:
            siblings = [
                {k: v for k, v in node.items() if k != "$ref"} if ref else {}
                for node, ref in ((old, old_ref), (new, new_ref))
            ]
            if old_ref and new_ref:
                self._keywords(*siblings, old_at, new_at)
                self._follow(old_ref, new_ref)
            else:
                old, old_at = (find(self.old, old_ref), old_ref) if old_ref else (old, old_at)
                new, new_at = (find(self.new, new_ref), new_ref) if new_ref else (new, new_at)
                old = {**old, **siblings[0]} if siblings[0] and isinstance(old, dict) else old
                new = {**new, **siblings[1]} if siblings[1] and isinstance(new, dict) else new
                if (old_at, new_at) not in self.seen:
                    self.seen.add((old_at, new_at))
                    self._node(old, new, old_at, new_at)
        elif isinstance(old, dict) and isinstance(new, dict):
            self._keywords(old, new, old_at, new_at)
        elif isinstance(old, list) and isinstance(new, list):
            self._list(old, new, old_at, new_at, self._node)
        elif not same(old, new):
            self._differ(old_at, new_at, f"{brief(old)} became {brief(new)}")

    def _keywords(self, old, new, old_at, new_at):
        """Compares objects with keywords as keys; ignores words."""
        for key in self._keys(strip(old), strip(new), old_at, new_at):
            places = joined(old_at, key), joined(new_at, key)
            self._keyword(key, old[key], new[key], *places)

    def _keyword(self, key, old, new, old_at, new_at):
        both = [type(old), type(new)]
        if key in ("example", "examples", "value", "scopes"):
            self._data(old, new, old_at, new_at)
        elif key in UNORDERED and both == [list, list]:
            old, new = (sorted(values, key=json.dumps) for values in (old, new))
            if not same(old, new):
                self._differ(old_at, new_at, f"{brief(old)} became {brief(new)}")
        elif key in KEYED and both == [list, list] and all(isinstance(v, dict) for v in old + new):
            old, new = self._by(KEYED[key], self.old, old), self._by(KEYED[key], self.new, new)
            self._names(old, new, old_at, new_at)
        elif key in DATA:
            if not same(old, new):
                self._differ(old_at, new_at, f"{brief(old)} became {brief(new)}")
        elif key == "mapping" and both == [dict, dict]:
            for name in self._keys(old, new, old_at, new_at):
                if old[name].startswith("#/") and new[name].startswith("#/"):
                    self._follow(old[name][1:], new[name][1:])
                elif old[name] != new[name]:
                    message = f"{brief(old[name])} became {brief(new[name])}"
                    self._differ(joined(old_at, name), joined(new_at, name), message)
        elif key in NAMES and both == [dict, dict]:
            self._names(old, new, old_at, new_at)
        else:
            self._node(old, new, old_at, new_at)

    def _by(self, keys, document, values):
        """A list of objects as an object, by some of their fields; references are followed."""
        found = {}
        for value in values:
            target = find(document, reference(value)) if reference(value) else value
            name = " ".join(str(target.get(key)) for key in keys)
            while name in found:
                name += " again"
            found[name] = value
        return found

    def _names(self, old, new, old_at, new_at):
        """Compares objects with names as keys: each value is a node of its own."""
        for key in self._keys(old, new, old_at, new_at):
            self._node(old[key], new[key], joined(old_at, key), joined(new_at, key))

    def _keys(self, old, new, old_at, new_at):
        """The keys of both objects; those of one alone are differences."""
        for key in old:
            if key not in new:
                self._differ(joined(old_at, key), "", f"{brief(old[key])} is not in NEW")
        for key in new:
            if key not in old:
                self._differ("", joined(new_at, key), f"{brief(new[key])} is not in OLD")
        return [key for key in old if key in new]

    def _list(self, old, new, old_at, new_at, compare):
        if len(old) != len(new):
            self._differ(old_at, new_at, f"{len(old)} entries became {len(new)}")
        for number, (one, other) in enumerate(zip(old, new, strict=False)):
            compare(one, other, joined(old_at, number), joined(new_at, number))

    def _data(self, old, new, old_at, new_at):
        """Compares examples: texts with a space may differ."""
        if isinstance(old, dict) and isinstance(new, dict):
            for key in self._keys(old, new, old_at, new_at):
                self._data(old[key], new[key], joined(old_at, key), joined(new_at, key))
        elif isinstance(old, list) and isinstance(new, list):
            self._list(old, new, old_at, new_at, self._data)
        elif not (is_text(old) and is_text(new)) and not same(old, new):
            self._differ(old_at, new_at, f"{brief(old)} became {brief(new)}")


def strip(node):
    """An object without its words."""
    return {k: v for k, v in node.items() if k not in WORDS or not isinstance(v, str)}


def same(old, new):
    """Whether two JSON values are equal; unlike Python, `true` and 1 are not."""
    return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


def reference(node):
    """The JSON pointer of a node's `$ref` into its own document, or None."""
    target = node.get("$ref") if isinstance(node, dict) else None
    return target[1:] if isinstance(target, str) and target.startswith("#/") else None


def find(document, pointer):
    """The value that a JSON pointer leads to."""
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def renamed(comparison):
    """The renamed components as (old, new), without `/components/`."""
    pairs = sorted(pair for pair in comparison.names if pair[0] != pair[1])
    return [tuple(at.removeprefix("/components/") for at in pair) for pair in pairs]


def main(arguments=None):
    """Reads the command line and both files; returns the exit code."""
    parser = argparse.ArgumentParser(description="Compares two OpenAPI files without their words.")
    parser.add_argument("old", type=Path, metavar="OLD")
    parser.add_argument("new", type=Path, metavar="NEW")
    parser.add_argument("--differences", type=int, default=20, help="how many to print (20)")
    options = parser.parse_args(arguments)
    try:
        documents = [json.loads(p.read_text(encoding="utf-8")) for p in (options.old, options.new)]
        comparison = Comparison(*documents)
    except (OSError, ValueError, KeyError) as error:
        print(f"openapi_frozen: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    names = renamed(comparison)
    for old, new in names:
        print(f"renamed: {old} -> {new}")
    found = comparison.differences
    for old_at, new_at, what in found[: options.differences]:
        place = old_at or new_at or "/"
        print(f"{place}{f' ({new_at})' if old_at and new_at not in ('', old_at) else ''}: {what}")
    if len(found) > options.differences:
        print(f"... and {len(found) - options.differences} more")
    if found:
        print(f"DIFFERENT: {len(found)} differences besides words and {len(names)} names")
        return 1
    print(f"EQUAL but for words and {len(names)} names")
    return 0


if __name__ == "__main__":
    sys.exit(main())
