"""Reads Rust sources without a compiler: tokens, items, paths and the graph of imports.

Enough of the language for the measures of `measure.py` and the picture of `picture.py`. Test code
(`#[cfg(test)]`) is left out. Macros are not expanded.
"""

import re
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

TOKEN = re.compile(
    r"""
      (?P<doc>///(?!/)[^\n]*)
    | (?P<inner>//![^\n]*)
    | (?P<comment>//[^\n]*)
    | (?P<block>/\*)
    | (?P<raw>(?:b|c)?r(?P<hashes>\#*)".*?"(?P=hashes))
    | (?P<text>(?:b|c)?"(?:\\.|[^"\\])*")
    | (?P<letter>b?'(?:\\u\{[^}]*\}|\\x..|\\.|[^\\'\n])')
    | (?P<lifetime>'\w+)
    | (?P<word>(?:r\#)?[^\W\d]\w*)
    | (?P<number>\d\w*)
    | (?P<sign>::|->|=>|[^\s])
    """,
    re.VERBOSE | re.DOTALL,
)
BLOCK_EDGE = re.compile(r"/\*|\*/")
OPENING, CLOSING = {"(", "[", "{"}, {")", "]", "}"}
QUALIFIERS = {"unsafe", "async", "const", "extern", "default", "auto"}
TYPES = ("struct", "enum", "union", "trait", "type")
ITEMS = {*TYPES, "fn", "mod", "impl", "static", "use"}
WITHOUT_BODY = {"use", "const", "static", "type"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of source text with its kind (a group of `TOKEN`) and its line, counted from 1."""

    kind: str
    text: str
    line: int


@dataclass(slots=True)
class Item:
    """A definition: `kind` is its keyword, `visibility` is empty, `pub` or `pub(...)`.

    `within` holds the kinds of the blocks around it, the outermost first. `parameters` are the
    parameters of a function or the named fields of a struct or variant, as (name, type, line).
    """

    kind: str
    name: str
    line: int
    visibility: str
    documented: bool
    within: tuple[str, ...]
    within_public: bool
    has_body: bool
    parameters: list[tuple[str, str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Named:
    """A path that a source names. `alias` is set when a `use` gives it a name in this file."""

    path: tuple[str, ...]
    line: int
    inline: tuple[str, ...]
    alias: str | None


def tokens(text):
    """All tokens of a text, comments and doc comments included."""
    found, at, line = [], 0, 1
    while match := TOKEN.search(text, at):
        line += text.count("\n", at, match.start())
        kind, end = match.lastgroup, match.end()
        if kind == "hashes":
            kind = "raw"
        if kind == "block":
            depth = 1
            while depth and (edge := BLOCK_EDGE.search(text, end)):
                depth += 1 if edge.group() == "/*" else -1
                end = edge.end()
            end = len(text) if depth else end
            start = text[match.start() : match.start() + 3]
            kind = {"/**": "doc", "/*!": "inner"}.get(start, "comment")
        piece = text[match.start() : end]
        found.append(Token(kind, piece, line))
        line += piece.count("\n")
        at = end
    return found


def closing(code, at):
    """The place of the bracket that closes the one at `at`."""
    depth = 0
    for place in range(at, len(code)):
        if code[place].kind == "sign":
            depth += (code[place].text in OPENING) - (code[place].text in CLOSING)
            if depth == 0:
                return place
    return len(code) - 1


def attribute_end(code, at):
    """The place of the `]` of an attribute that begins at `at`, or None."""
    if code[at].text != "#" or at + 1 >= len(code):
        return None
    opens = at + 2 if code[at + 1].text == "!" else at + 1
    if opens >= len(code) or code[opens].text != "[":
        return None
    return closing(code, opens)


def is_test(attribute):
    """Whether the tokens of an attribute are `cfg(test)` or `cfg(all(test, ...))`."""
    words = [token.text for token in attribute if token.kind == "word"]
    return words[:2] == ["cfg", "test"] or words[:3] == ["cfg", "all", "test"]


def item_end(code, at):
    """The place behind the item, field or statement that begins at `at`."""
    words = []
    place = at
    while place < len(code):
        end = attribute_end(code, place)
        if end is not None:
            place = end + 1
            continue
        token = code[place]
        if token.kind == "word":
            words.append(token.text)
        if token.text in OPENING and token.kind == "sign":
            body = token.text == "{"
            place = closing(code, place)
            is_item = any(word in ITEMS for word in words)
            if body and is_item and not WITHOUT_BODY & set(words[:2]):
                return place + 1
        elif token.text == ";" or (token.text == "," and not any(w in ITEMS for w in words)):
            return place + 1
        elif token.text in CLOSING and token.kind == "sign":
            return place
        place += 1
    return place


def without_tests(code):
    """The tokens without what `#[cfg(test)]` marks, and the names of its `mod name;`."""
    kept, modules, at = [], set(), 0
    while at < len(code):
        end = attribute_end(code, at)
        if end is not None and is_test(code[at:end]):
            stop = item_end(code, end + 1)
            texts = [token.text for token in code[end + 1 : stop]]
            if len(texts) >= 3 and texts[-3] == "mod" and texts[-1] == ";":
                modules.add(texts[-2])
            at = stop
        else:
            kept.append(code[at])
            at += 1
    return kept, modules


def head_of(head):
    """Keyword, name and visibility of the item that begins with these tokens, or None."""
    texts = [token.text for token in head]
    at, visibility = 0, ""
    if texts and texts[0] == "pub":
        visibility, at = "pub", 1
        if texts[1:2] == ["("]:
            visibility, at = "pub(...)", texts.index(")") + 1 if ")" in texts else len(texts)
    while at < len(texts) and (texts[at] in QUALIFIERS or head[at].kind == "text"):
        following = texts[at + 1 : at + 2]
        if texts[at] == "const" and following and following[0] not in {*QUALIFIERS, "fn"}:
            return "const", texts[at + 1], visibility
        at += 1
    if at >= len(texts):
        return None
    keyword = texts[at]
    if keyword == "macro_rules" and len(texts) > at + 2:
        return "macro", texts[at + 2], visibility
    if keyword == "impl":
        return "impl", "", visibility
    if keyword in ITEMS and at + 1 < len(texts) and head[at + 1].kind == "word":
        name = texts[at + 1]
        if keyword == "static" and name == "mut":
            name = texts[at + 2]
        return keyword, name, visibility
    return None


def parameters_of(head):
    """The (name, type, line) of the parameters of a function, from its head."""
    depth, start = 0, None
    for at, token in enumerate(head):
        if token.kind != "sign":
            continue
        if token.text == "(" and depth == 0 and at and head[at - 1].text != "pub":
            start = at
            break
        depth += (token.text == "<") - (token.text == ">")
    if start is None:
        return []
    inside = head[start + 1 : closing(head, start)]
    found, piece, depth = [], [], 0
    for token in [*inside, Token("sign", ",", 0)]:
        if token.kind == "sign":
            depth += (token.text in OPENING or token.text == "<") - (
                token.text in CLOSING or token.text == ">"
            )
        if token.text == "," and depth == 0:
            found.extend(typed(piece))
            piece = []
        else:
            piece.append(token)
    return found


def typed(piece):
    """`[pub] [mut] name: type` as a list of one (name, type, line), or of none."""
    texts = [token.text for token in piece]
    if ":" not in texts:
        return []
    colon = texts.index(":")
    if colon == 0 or piece[colon - 1].kind != "word":
        return []
    lifetimes = [token.text for token in piece[colon + 1 :] if token.kind != "lifetime"]
    return [(texts[colon - 1], "".join(lifetimes), piece[colon - 1].line)]


@dataclass
class _Frame:
    kind: str
    public: bool
    item: Item | None = None
    brackets: int = 0


class Source:
    """One Rust file: its definitions, the paths that it names and its module declarations."""

    def __init__(self, file, text):
        """Reads `text`; `file` is its path below the repository's root."""
        self.file = file
        self.items, self.named = [], []
        self.children, self.placed, self.inline_modules = set(), {}, set()
        self.documented = False
        everything = tokens(text)
        self.prose = [t for t in everything if t.kind in ("doc", "inner", "comment")]
        self.texts = [t for t in everything if t.kind in ("text", "raw")]
        code = [token for token in everything if token.kind != "comment"]
        code, self.test_modules = without_tests(code)
        bare, inline = self._walk(code)
        self._read_paths(bare, inline)

    def _walk(self, code):
        """Finds the items; returns the tokens without docs and attributes, and where they are."""
        stack, head, documented, path = [_Frame("file", True)], [], False, None
        modules, bare, inline = [], [], []
        at = 0
        while at < len(code):
            token, frame = code[at], stack[-1]
            end = attribute_end(code, at)
            if token.kind == "inner":
                self.documented |= len(stack) == 1
                if frame.item is not None:
                    frame.item.documented = True
            elif token.kind == "doc":
                documented = documented or not head
            elif end is not None:
                inside = code[at + 1 : end]
                first = next((t.text for t in inside if t.kind == "word"), "")
                if not head:
                    documented |= first == "doc"
                    if first == "path":
                        path = next((t.text.strip('"') for t in inside if t.kind == "text"), None)
                for token in inside:
                    bare.append(token)
                    inline.append(tuple(modules))
                at = end
            else:
                bare.append(token)
                inline.append(tuple(modules))
                boundary = self._step(token, stack, head, documented, path, modules)
                if boundary:
                    head, documented, path = [], False, None
                else:
                    head.append(token)
            at += 1
        return bare, inline

    def _step(self, token, stack, head, documented, path, modules):
        """Takes one token of code; says whether it ends an item, a field or a statement."""
        frame, sign = stack[-1], token.text if token.kind == "sign" else ""
        if sign in ("(", "["):
            frame.brackets += 1
        elif sign in (")", "]"):
            frame.brackets -= 1
        elif sign == "{":
            item = None if frame.brackets else self._item(stack, head, documented, True)
            kind = item.kind if item else "block"
            if frame.kind == "enum" and not item:
                kind, item = "variant", frame.item
            if kind == "mod":
                modules.append(item.name)
                self.inline_modules.add(item.name)
            shown = item is not None and item.visibility == "pub"
            stack.append(_Frame(kind, shown, item))
            return True
        elif sign == "}":
            self._field(frame, head)
            if len(stack) > 1:
                if frame.kind == "mod":
                    modules.pop()
                stack.pop()
            return True
        elif sign == ";" and frame.brackets == 0:
            item = self._item(stack, head, documented, False)
            if item and item.kind == "mod":
                self.children.add(item.name)
                if path:
                    self.placed[item.name] = path
            return True
        elif sign == "," and frame.brackets == 0 and frame.kind in ("struct", "enum", "variant"):
            self._field(frame, head)
            return True
        return False

    def _field(self, frame, head):
        if frame.kind in ("struct", "variant") and frame.item is not None:
            frame.item.parameters.extend(typed(head))

    def _item(self, stack, head, documented, has_body):
        read = head_of(head)
        within = tuple(frame.kind for frame in stack[1:])
        if read is None or "macro" in within:
            return None
        kind, name, visibility = read
        public = stack[-1].public
        line = head[0].line
        item = Item(kind, name, line, visibility, documented, within, public, has_body)
        if kind == "fn":
            item.parameters = parameters_of(head)
        if kind not in ("impl", "use"):
            self.items.append(item)
        return item

    def _read_paths(self, code, inline):
        at = 0
        while at < len(code):
            token, after = code[at], code[at + 1].text if at + 1 < len(code) else ""
            if token.kind != "word":
                at += 1
            elif token.text == "use" and after and after not in ("<", "::"):
                at = self._path(code, at + 1, (), inline[at], True)
            elif after == "::" and (at == 0 or code[at - 1].text != "::"):
                at = self._path(code, at, (), inline[at], False)
            else:
                at += 1

    def _path(self, code, at, before, inline, is_use):
        """Reads a path, or the tree of a `use`; returns the place behind it."""
        if code[at].text == "{":
            return self._group(code, at, before, inline, is_use)
        if code[at].kind != "word" and code[at].text != "*":
            return at + 1
        while True:
            line = code[at].line
            before = (*before, code[at].text.removeprefix("r#"))
            at += 1
            following = code[at + 1] if at + 1 < len(code) else None
            if at < len(code) and code[at].text == "::" and following is not None:
                if following.kind == "word" or (is_use and following.text == "*"):
                    at += 1
                    continue
                if following.text == "{":
                    return self._group(code, at + 1, before, inline, is_use)
            alias = None
            if before[-1] == "self" and len(before) > 1:
                before = before[:-1]
            if is_use:
                alias = before[-1]
                if at < len(code) and code[at].text == "as" and following is not None:
                    alias, at = following.text, at + 2
            if len(before) > 1 or is_use:
                self.named.append(Named(before, line, inline, alias))
            return at

    def _group(self, code, at, before, inline, is_use):
        end = closing(code, at)
        at += 1
        while at < end:
            if code[at].kind == "word" or code[at].text in ("*", "{"):
                at = self._path(code, at, before, inline, is_use)
            else:
                at += 1
        return end + 1


@dataclass
class Crate:
    """A package of the workspace: its folder and its library's name.

    `dependencies` are the other packages of the workspace that it may name: the name in its code
    to the library's own name.
    """

    folder: str
    name: str
    dependencies: dict[str, str]

    @property
    def sources(self):
        """The folder of its sources below the root."""
        return f"{self.folder}/src" if self.folder else "src"


@dataclass(frozen=True, slots=True)
class Reference:
    """A path in `file` that leads to `target`; `path` is absolute within the target's crate.

    `rest` is what follows the module of the target file; `downward` is a file's reference to a
    module below itself through `self::` or through the child's name.
    """

    file: str
    line: int
    target: str
    path: tuple[str, ...]
    rest: tuple[str, ...]
    downward: bool


class House:
    """All Rust sources of the root package and of `crates/*`, with the graph of imports."""

    def __init__(self, root):
        """Reads the checkout at `root`."""
        self.root = Path(root)
        self.files = list_files(self.root)
        self.crates = self._crates()
        self.sources, self.modules, self.module_files = {}, {}, {}
        for crate in self.crates:
            self._read(crate)
        self.references = [r for source in self.sources for r in self._resolve(source)]

    def _crates(self):
        found, libraries, shared = [], {}, {}
        for manifest in ["Cargo.toml", *sorted(f for f in self.files if in_crates(f))]:
            path = self.root / manifest
            if not path.is_file():
                continue
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            if "package" not in table:
                continue
            name = table.get("lib", {}).get("name", table["package"]["name"])
            libraries[table["package"]["name"]] = name.replace("-", "_")
            shared |= table.get("workspace", {}).get("dependencies", {})
            folder = manifest.removesuffix("Cargo.toml").rstrip("/")
            found.append(Crate(folder, name.replace("-", "_"), table.get("dependencies", {})))
        for crate in found:
            named = {}
            for key, value in crate.dependencies.items():
                value = value if isinstance(value, dict) else {}
                value = shared.get(key, {}) if value.get("workspace") else value
                package = value.get("package", key) if isinstance(value, dict) else key
                if package in libraries:
                    code = key if "package" in value else libraries[package]
                    named[code.replace("-", "_")] = libraries[package]
            crate.dependencies = named
        return found

    def _read(self, crate):
        prefix = crate.sources + "/"
        files = [f for f in self.files if f.startswith(prefix) and f.endswith(".rs")]
        read = {}
        for file in files:
            read[file] = Source(file, (self.root / file).read_text(encoding="utf-8"))
        placed, tests = {}, set()
        for file, source in read.items():
            module, folder = module_of(file, prefix), file.rsplit("/", 1)[0]
            for name, path in source.placed.items():
                placed.setdefault(f"{folder}/{path}", []).append((*module, name))
            tests |= {(*module, name) for name in source.test_modules}
        for file, source in read.items():
            modules = placed.get(file, [module_of(file, prefix)])
            if any(module[: len(test)] == test for module in modules for test in tests):
                continue
            self.sources[file] = source
            self.modules[file] = [(crate, module) for module in modules]
            for module in modules:
                self.module_files[crate.name, module] = file

    def _resolve(self, file):
        source, found, seen = self.sources[file], [], set()
        aliases = {n.alias: n for n in source.named if n.alias not in (None, "*", "_")}
        for crate, module in self.modules[file]:
            for named in source.named:
                absolute = self._absolute(crate, module, named, aliases, 0)
                if absolute is None:
                    continue
                target_crate, path, downward = absolute
                reach = next(
                    n
                    for n in range(len(path), -1, -1)
                    if n == 0 or (target_crate.name, path[:n]) in self.module_files
                )
                target = self.module_files.get((target_crate.name, path[:reach]))
                key = (target, path, named.line)
                if target is None or target == file or key in seen:
                    continue
                seen.add(key)
                found.append(Reference(file, named.line, target, path, path[reach:], downward))
        return found

    def _absolute(self, crate, module, named, aliases, depth):
        """Crate and path from its root, and whether the path goes down from the module itself."""
        base, path = (*module, *named.inline), named.path
        first = path[0]
        if first == "crate":
            return crate, (module[:1] if module == ("main",) else ()) + path[1:], False
        if first == "self":
            return crate, base + path[1:], True
        if first == "super":
            up = next((n for n, part in enumerate(path) if part != "super"), len(path))
            return crate, base[: max(len(base) - up, 0)] + path[up:], False
        if first == crate.name:
            return crate, path[1:], False
        if (crate.name, (*base, first)) in self.module_files:
            return crate, base + path, True
        alias = aliases.get(first)
        if alias is not None and named.alias is None and depth < 3 and alias.path != path:
            longer = Named(alias.path + path[1:], named.line, alias.inline, None)
            if alias.path[0] != first:
                return self._absolute(crate, module, longer, aliases, depth + 1)
        for other in self.crates:
            if other.name == crate.dependencies.get(first):
                return other, path[1:], False
        return None

    def top(self, file):
        """The top-level part that a file belongs to: a module of the root package, or a crate."""
        crate, module = self.modules[file][0]
        if crate.folder:
            return crate.name
        return module[0] if module else "lib"


def in_crates(file):
    """Whether a file is the manifest of a package directly below `crates/`."""
    return re.fullmatch(r"crates/[^/]+/Cargo\.toml", file) is not None


def module_of(file, prefix):
    """The module path of a file by its place: `src/app/mod.rs` is `("app",)`, `lib.rs` is `()`."""
    parts = file.removeprefix(prefix).removesuffix(".rs").split("/")
    if parts[-1] == "mod" or parts == ["lib"]:
        parts.pop()
    return tuple(parts)


def list_files(root):
    """The files of a checkout below `root`, without what git ignores; sorted."""
    inside = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--show-prefix"], capture_output=True, text=True
    )
    if inside.returncode == 0 and inside.stdout.strip() == "":
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"],
            capture_output=True,
            text=True,
            check=True,
        )
        names = {name for name in listed.stdout.split("\0") if name}
        return sorted(name for name in names if (root / name).is_file())
    found = []
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.is_file() and not {"target", ".git", "node_modules"} & set(parts):
            found.append("/".join(parts))
    return sorted(found)


def circles(edges):
    """The strongly connected components of more than one member, the largest first.

    `edges` maps each node to the nodes that it names.
    """
    nodes = sorted(set(edges) | {target for targets in edges.values() for target in targets})
    order, low, on_stack, stack, found = {}, {}, set(), [], []
    for start in nodes:
        if start in order:
            continue
        work = [(start, iter(sorted(edges.get(start, ()))))]
        order[start] = low[start] = len(order)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, following = work[-1]
            target = next(following, None)
            if target is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    component = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack.discard(component[-1])
                    if len(component) > 1:
                        found.append(sorted(component))
            elif target not in order:
                order[target] = low[target] = len(order)
                stack.append(target)
                on_stack.add(target)
                work.append((target, iter(sorted(edges.get(target, ())))))
            elif target in on_stack:
                low[node] = min(low[node], order[target])
    return sorted(found, key=lambda component: (-len(component), component))
