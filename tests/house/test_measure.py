"""Tests of the measures, the reader of sources, the picture and the comparison of OpenAPI files.

python3 -B -m unittest discover -s tests/house
"""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parent))

import measure
import openapi_frozen
import picture
from rust_source import House, Source, circles, tokens, without_tests

MANIFEST = '[package]\nname = "small-house"\n'


class Checkout(unittest.TestCase):
    """A small repository in a temporary folder."""

    def setUp(self):
        """Makes the folder."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def house(self, files):
        """Writes the files, adds a manifest if it is missing, and reads them."""
        for name, text in {"Cargo.toml": MANIFEST, **files}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return House(self.root)

    def places(self, key, files):
        """What a measure counts in these files."""
        return measure.MEASURES[key][-1](self.house(files)).places

    def run_quietly(self, main, *arguments):
        """Exit code, output and error output of a command."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = main([str(argument) for argument in arguments])
        return code, output.getvalue(), errors.getvalue()


class ReadingSources(unittest.TestCase):
    """The reader of Rust sources."""

    def test_comments_texts_and_letters_hide_what_is_inside(self):
        text = r"""
            /* a /* nested */ comment: struct No */ "struct No \" ";
            let _ = r#"struct No"#; let _ = '"'; let _ = '\''; fn f<'a>(x: &'a str) {}
            struct Yes;
        """
        self.assertEqual([item.name for item in Source("x.rs", text).items], ["f", "Yes"])

    def test_lines_are_counted_through_comments_and_texts(self):
        found = {t.text: t.line for t in tokens('/* a\nb */\n"c\nd"\nx') if t.kind == "word"}
        self.assertEqual(found, {"x": 5})

    def test_code_for_tests_is_left_out(self):
        text = """
            #[cfg(test)] mod tests { struct A { x: usize } }
            #[cfg(test)] use crate::b::{C, D};
            #[cfg(test)] mod elsewhere;
            #[cfg(all(test, unix))] #[derive(Clone)] pub(crate) fn e() -> [u8; 2] { [1; 2] }
            struct Kept;
        """
        kept, modules = without_tests(tokens(text))
        self.assertEqual([token.text for token in kept], ["struct", "Kept", ";"])
        self.assertEqual(modules, {"elsewhere"})

    def test_items_have_kind_visibility_and_place(self):
        text = """
            pub(crate) const fn a() {}  pub unsafe trait B { type C; fn d(); }
            impl B for E { type C = u8; }  pub static mut F: [u8; 2] = [0; 2];
            pub const G: H = H { i: 1 };  macro_rules! j { () => { struct K; } }
        """
        found = [(i.kind, i.name, i.visibility, i.within) for i in Source("x.rs", text).items]
        self.assertEqual(
            found,
            [
                ("fn", "a", "pub(...)", ()),
                ("trait", "B", "pub", ()),
                ("type", "C", "", ("trait",)),
                ("fn", "d", "", ("trait",)),
                ("type", "C", "", ("impl",)),
                ("static", "F", "pub", ()),
                ("const", "G", "pub", ()),
                ("macro", "j", "", ()),
            ],
        )

    def test_paths_are_taken_out_of_groups(self):
        text = "use crate::{a::B, c::{self, d as e}, f::*}; fn g() { super::h::<crate::I>(); }"
        found = [("::".join(named.path), named.alias) for named in Source("x.rs", text).named]
        self.assertEqual(
            found,
            [
                ("crate::a::B", "B"),
                ("crate::c", "c"),
                ("crate::c::d", "e"),
                ("crate::f::*", "*"),
                ("super::h", None),
                ("crate::I", None),
            ],
        )


class Graph(Checkout):
    """The graph of imports."""

    def edges(self, files):
        """The files and what they name, without `src/` and `.rs`."""
        found = {(r.file, r.target) for r in self.house(files).references}
        return sorted(tuple(f.removesuffix(".rs").removeprefix("src/") for f in e) for e in found)

    def test_circles_are_strongly_connected_components(self):
        edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "f": {"g"}, "g": {"f"}}
        self.assertEqual(circles(edges), [["a", "b", "c"], ["f", "g"]])

    def test_a_path_leads_to_the_deepest_file(self):
        files = {
            "src/lib.rs": "pub mod a; pub mod b;",
            "src/a/mod.rs": "pub mod deep; pub struct Hub;",
            "src/a/deep.rs": "",
            "src/b.rs": "use crate::a::deep::X; fn f() { crate::a::Hub::new(); crate::T; }",
        }
        self.assertEqual(self.edges(files), [("b", "a/deep"), ("b", "a/mod"), ("b", "lib")])

    def test_names_that_use_gives_and_inline_modules_are_followed(self):
        files = {
            "src/lib.rs": "pub mod a; pub mod b;",
            "src/a.rs": "pub mod deep;",
            "src/a/deep.rs": "mod inline { use super::super::super::b::Y; use super::Own; }",
            "src/b.rs": "use crate::a; fn f() { a::deep::g(); }",
        }
        self.assertEqual(self.edges(files), [("a/deep", "b"), ("b", "a"), ("b", "a/deep")])

    def test_a_file_with_two_modules_has_both_as_parents(self):
        files = {
            "src/lib.rs": "mod s;",
            "src/s/mod.rs": "mod p; mod q;",
            "src/s/p.rs": '#[path = "reads.rs"]\nmod reads;',
            "src/s/q.rs": '#[path = "reads.rs"]\nmod reads;',
            "src/s/reads.rs": "use super::Row;",
        }
        self.assertEqual(self.edges(files), [("s/reads", "s/p"), ("s/reads", "s/q")])

    def test_packages_may_have_other_names_in_code(self):
        files = {
            "Cargo.toml": MANIFEST
            + '[dependencies]\negov-ledger.workspace = true\ncore = { package = "egov-kpi" }\n'
            + '[workspace.dependencies]\negov-ledger = { path = "crates/ledger" }\n',
            "src/lib.rs": "use egov_ledger::A; use core::B;",
            "crates/kpi/Cargo.toml": '[package]\nname = "egov-kpi"\n[lib]\nname = "kpi"\n',
            "crates/kpi/src/lib.rs": "",
            "crates/ledger/Cargo.toml": '[package]\nname = "egov-ledger"\n',
            "crates/ledger/src/lib.rs": "",
        }
        found = [("lib", "crates/kpi/src/lib"), ("lib", "crates/ledger/src/lib")]
        self.assertEqual(self.edges(files), found)

    def test_a_workspace_is_read_with_its_crates(self):
        files = {
            "Cargo.toml": MANIFEST + '[dependencies]\nledger = { path = "crates/ledger" }\n',
            "src/lib.rs": "mod app;",
            "src/app.rs": "use ledger::chain::Hash; use other::x::Y;",
            "crates/ledger/Cargo.toml": '[package]\nname = "ledger"\n',
            "crates/ledger/src/lib.rs": "pub mod chain; pub struct Store;",
            "crates/ledger/src/chain.rs": "use crate::Store;",
            "crates/other/Cargo.toml": '[package]\nname = "other"\n',
            "crates/other/src/lib.rs": "pub mod x;",
        }
        house = self.house(files)
        found = sorted((house.top(r.file), r.target) for r in house.references)
        self.assertEqual(
            found,
            [("app", "crates/ledger/src/chain.rs"), ("ledger", "crates/ledger/src/lib.rs")],
        )
        self.assertEqual(dict(measure.top_edges(house)), {"app": {"ledger"}})


class Measures(Checkout):
    """Each measure on a small input."""

    def test_names_of_one_word(self):
        one = ["Row", "HTTP", "Decimal64", "X"]
        more = ["RuleBook", "TlsKey", "TLSKey", "KeyID"]
        self.assertEqual([name for name in one + more if measure.is_one_word(name)], one)

    def test_share_of_type_names_of_one_word(self):
        text = "struct Row; enum RuleBook {} trait Source { type Item; } type KeyMap = u8;"
        house = self.house({"src/lib.rs": text})
        result = measure.MEASURES["one_word_types"][-1](house)
        self.assertEqual((result.value, len(result.places), result.of), (50.0, 2, 4))

    def test_types_that_share_their_name(self):
        files = {
            "src/lib.rs": "mod a; struct What; struct Once;",
            "src/a.rs": "enum What {} #[cfg(test)] struct What;",
        }
        self.assertEqual(
            self.places("shared_names", files),
            ["src/a.rs:1: What (2 definitions)", "src/lib.rs:1: What (2 definitions)"],
        )

    def test_long_lines_are_counted_in_characters(self):
        text = f"// {'ệ' * 97}\n// {'x' * 98}\n"
        self.assertEqual(
            self.places("long_lines", {"tests/a.rs": text}), ["tests/a.rs:2: 101 columns"]
        )

    def test_circles_of_files_and_with_parents(self):
        files = {
            "src/lib.rs": "mod a; mod b; mod hub;",
            "src/a.rs": "use crate::b::B;",
            "src/b.rs": "use super::a::A;",
            "src/hub.rs": "mod child; use child::C; pub struct Own;",
            "src/hub/child.rs": "use super::Own;",
        }
        self.assertEqual(self.places("file_circles", files), ["2: src/a.rs, src/b.rs"])
        self.assertEqual(self.places("files_in_circles", files), ["src/a.rs", "src/b.rs"])
        with_parents = self.places("files_in_circles_with_parents", files)
        self.assertEqual(with_parents[2:], ["src/hub.rs", "src/hub/child.rs"])
        self.assertEqual(self.places("top_circles", files), ["2: a, b"])

    def test_upward_arrows(self):
        files = {
            "Cargo.toml": MANIFEST
            + "[dependencies]\nkpi.path = 'crates/kpi'\nledger.path = 'crates/ledger'",
            "src/lib.rs": "mod app; mod api; mod memory; mod odd;",
            "src/app.rs": "use ledger::Store; use kpi::unit::Unit;",
            "src/memory.rs": "use crate::app::series::Point; use kpi::unit::Unit;",
            "src/api/problem.rs": "use ledger::StoreError; use ledger::Other;",
            "src/odd.rs": "",
            "crates/kpi/Cargo.toml": '[package]\nname = "kpi"\n',
            "crates/kpi/src/lib.rs": "",
            "crates/ledger/Cargo.toml": '[package]\nname = "ledger"\n',
            "crates/ledger/src/lib.rs": "",
        }
        self.assertEqual(
            self.places("upward_arrows", files),
            [
                "src/api/problem.rs names ledger::Other",
                "src/memory.rs names app::series::Point",
                "src/memory.rs names kpi::unit::Unit",
                "src/odd.rs: odd has no row in MAY_NAME",
            ],
        )

    def test_children_that_name_their_parents_items(self):
        files = {
            "src/lib.rs": "mod app;",
            "src/app/mod.rs": "mod a; mod b; mod c; pub use b::Shown; pub struct App; fn now() {}",
            "src/app/a.rs": "use super::{App, Shown, b::B}; fn f() { crate::app::now(); }",
            "src/app/b.rs": "use super::a::A;",
            "src/app/c.rs": "use super::*;",
        }
        self.assertEqual(
            self.places("upward_children", files),
            ["src/app/a.rs names src/app/mod.rs: App, now", "src/app/c.rs names src/app/mod.rs: *"],
        )

    def test_naked_ids(self):
        text = """
            pub fn f(unit: usize, units: usize, months: std::ops::Range<usize>, n: usize) {}
            fn private(unit: usize) {}
            pub(crate) fn g<T: Into<u8>>(&self, first_revision: Option<i64>, month_count: usize) {}
            struct Row { pub position: usize, index: u32, number: Number, pub revision: i64 }
            enum Change { Closed { micros: i64 } }
        """
        self.assertEqual(
            [place.split(": ", 1)[1] for place in self.places("naked_ids", {"src/lib.rs": text})],
            [
                "f(unit: usize)",
                "f(months: std::ops::Range<usize>)",
                "g(first_revision: Option<i64>)",
                "Row(position: usize)",
                "Row(revision: i64)",
                "Change(micros: i64)",
            ],
        )

    def test_anchors_are_those_of_github(self):
        text = "# A title\n## `GET /x`, *now*\n## A title\n```\n# code\n```\n### [a](b) and c_d\n"
        self.assertEqual(measure.slugs(text), {"a-title", "get-x-now", "a-title-1", "a-and-c_d"})

    def test_references_to_absent_documents(self):
        files = {
            "docs/here.md": "# One\n[a](#one) [b](#two) [c](gone.md) `[d](gone.md)` [e](https://x)",
            "README.md": "[a](docs/here.md#one) [b](docs/here.md#two)",
            "src/lib.rs": "// docs/here.md#one docs/here.md#none docs/gone.md PLAN.md x/any.md\n"
            "// as the contract says; contractual\n",
        }
        self.assertEqual(
            self.places("absent_documents", files),
            [
                "README.md:1: docs/here.md has no heading #two",
                "docs/here.md:2: gone.md does not exist",
                "docs/here.md:2: here.md has no heading #two",
                "src/lib.rs:1: PLAN.md does not exist",
                "src/lib.rs:1: docs/gone.md does not exist",
                "src/lib.rs:1: docs/here.md has no heading #none",
                "src/lib.rs:2: contract",
            ],
        )

    def test_public_items_without_a_doc_comment(self):
        files = {
            "src/lib.rs": "//! Crate.\npub mod a; pub mod b; pub(crate) fn c() {} pub use a::A;",
            "src/a.rs": "//! Module.\n/// Doc.\n#[derive(Clone)]\npub struct A { pub field: u8 }\n"
            "impl A { pub fn bare(&self) {} }\n/// Doc.\npub trait T { fn also(); }",
            "src/b.rs": "/// Doc.\npub fn f() { pub struct Local; }",
        }
        self.assertEqual(
            self.places("undocumented", files),
            ["src/a.rs:5: fn bare", "src/a.rs:7: fn also", "src/lib.rs:2: mod b"],
        )

    def test_old_wordings_are_found_in_prose_alone(self):
        api = {"info": {"title": "a workbook"}, "x": {"told": {"description": "what it is told"}}}
        files = {
            "src/lib.rs": "/// Held\n/// against so\n/// many, whose\n/// `told` workbook.\n"
            'fn told() { let faults = ("faults", "many faults"); }',
            "README.md": "An Excel workbook goes on.\n```\nso many\n```\n[x](told.md)",
            "openapi/openapi.json": json.dumps(api),
        }
        self.assertEqual(
            self.places("old_wordings", files),
            [
                "README.md:1: workbook",
                "README.md:1: goes on",
                "openapi/openapi.json#/info/title: workbook",
                "openapi/openapi.json#/x/told/description: told",
                "src/lib.rs:1: Held against",
                "src/lib.rs:2: so many",
                "src/lib.rs:3: whose",
                "src/lib.rs:5: faults",
            ],
        )

    def test_old_names(self):
        files = {
            "src/lib.rs": "mod keyed; struct Moment; fn look() {} struct Snapshot;",
            "src/keyed.rs": "const PATIENCE: u8 = 1;",
            "openapi/openapi.json": '{"components": {"schemas": {"Me": {}, "Identity": {}}}}',
        }
        self.assertEqual(
            self.places("old_names", files),
            [
                "src/keyed.rs: the file's name",
                "src/keyed.rs:1: const PATIENCE",
                "src/lib.rs:1: struct Moment",
                "src/lib.rs:1: fn look",
                "openapi/openapi.json: schema Me",
            ],
        )


class CommandLine(Checkout):
    """The options of measure.py."""

    def test_a_limit_that_is_passed_gives_exit_code_1(self):
        self.house({"src/lib.rs": "//! Crate.\nstruct What; mod a { struct What; }"})
        limits = self.root / "limits.toml"
        limits.write_text("[limits]\nshared_names = 1\nnaked_ids = 0\n", encoding="utf-8")
        command = ("--root", self.root, "--check", limits)
        code, output, errors = self.run_quietly(measure.main, *command)
        self.assertEqual(code, 1)
        self.assertIn("types that share their name (shared_names): 2, limit 1", errors)
        self.assertNotIn("naked", errors)
        self.assertIn("limit", output.splitlines()[0])
        limits.write_text('{"shared_names": 2}', encoding="utf-8")
        limits = limits.rename(self.root / "limits.json")
        code, *_ = self.run_quietly(measure.main, "--root", self.root, "--check", limits)
        self.assertEqual(code, 0)

    def test_a_limit_for_an_unknown_measure_gives_exit_code_2(self):
        limits = self.root / "limits.toml"
        limits.write_text("shared_name = 1\n", encoding="utf-8")
        code, _, errors = self.run_quietly(measure.main, "--root", self.root, "--check", limits)
        self.assertEqual((code, "shared_name" in errors), (2, True))

    def test_json_has_both_revisions(self):
        self.house({"src/lib.rs": "struct What; mod a { struct What; }"})
        git = ["git", "-C", str(self.root), "-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
        self.house({"src/lib.rs": "struct Once;"})
        options = ("--root", self.root, "--json", "--baseline", "HEAD", "--list", "shared_names")
        code, output, _ = self.run_quietly(measure.main, *options)
        document = json.loads(output)
        before = document["baseline"]["measures"]["shared_names"]
        now = document["measures"]["shared_names"]
        self.assertEqual((code, before["value"], now["value"]), (0, 2, 0))
        self.assertEqual((len(before["places"]), now["places"]), (2, []))

    def test_the_values_of_now_are_limits_that_hold(self):
        self.house({"src/lib.rs": "struct What; mod a { struct What; }"})
        limits = self.root / "limits.toml"
        output = self.run_quietly(measure.main, "--root", self.root, "--limits")[1]
        limits.write_text(output, encoding="utf-8")
        code, *_ = self.run_quietly(measure.main, "--root", self.root, "--check", limits)
        self.assertEqual((code, "shared_names = 2" in output), (0, True))

    def test_the_limits_in_the_repository_are_readable(self):
        self.assertTrue(measure.read_limits(measure.ROOT / "tests/house/limits.toml"))


class Picture(Checkout):
    """The picture of the parts."""

    FILES = {
        "Cargo.toml": MANIFEST + '[dependencies]\nkpi = { path = "crates/kpi" }\n',
        "src/lib.rs": "mod api; mod app; mod store;",
        "src/app.rs": "mod reports; use crate::store::S; use kpi::K;",
        "src/app/reports/mod.rs": "",
        "src/api.rs": "use crate::app::A; use kpi::K;",
        "src/store.rs": "",
        "crates/kpi/Cargo.toml": '[package]\nname = "kpi"\n',
        "crates/kpi/src/lib.rs": "",
    }

    def test_parts_folders_and_arrows_are_drawn(self):
        text = picture.draw(self.house(self.FILES))
        root = ElementTree.fromstring(text)
        svg = "{http://www.w3.org/2000/svg}"
        labels = [element.text for element in root.iter(f"{svg}text")]
        arrows = [e.findtext(f"{svg}title") for e in root.iter(f"{svg}path") if len(e)]
        self.assertEqual(labels[:-1], ["api", "app", "reports", "kpi", "store"])
        self.assertEqual(arrows, ["api imports app", "app imports kpi", "app imports store"])
        self.assertEqual(root.get("width"), "1000")

    def test_a_circle_is_drawn_whole(self):
        files = {**self.FILES, "src/store.rs": "use crate::app::A;"}
        text = picture.draw(self.house(files))
        self.assertEqual(text.count('marker-end="url(#circle)"'), 1)
        self.assertEqual(text.count('marker-start="url(#circle)"'), 1)

    def test_check_fails_when_the_picture_is_old(self):
        self.house({**self.FILES, "docs/house.svg": "old"})
        arguments = ("--root", self.root)
        self.assertEqual(self.run_quietly(picture.main, *arguments, "--check")[0], 1)
        self.assertEqual(self.run_quietly(picture.main, *arguments)[0], 0)
        self.assertEqual(self.run_quietly(picture.main, *arguments, "--check")[0], 0)

    def test_boxes_of_a_row_do_not_overlap(self):
        widths, x = {"a": 100, "b": 100, "c": 100}, {}
        picture.settle(["a", "b", "c"], {"a": 500, "b": 500, "c": 980}, widths, x)
        self.assertGreaterEqual(x["b"] - x["a"], 100 + picture.BOX_GAP)
        self.assertGreaterEqual(x["c"] - x["b"], 100 + picture.BOX_GAP)
        self.assertLessEqual(x["c"], picture.WIDTH - picture.MARGIN - 50)


class OpenApi(Checkout):
    """The comparison of OpenAPI files."""

    def document(self, **changes):
        """A small description; `changes` replace fields of the schema `Row`."""
        row = {
            "type": "object",
            "required": ["title", "next"],
            "properties": {
                "title": {"type": "string", "description": "Old.", "example": "an old text"},
                "next": {"$ref": "#/components/schemas/Row"},
            },
            **changes,
        }
        answer = {"schema": {"$ref": "#/components/schemas/Row"}}
        get = {"summary": "Old.", "responses": {"200": {"content": {"x/y": answer}}}}
        return {"paths": {"/rows": {"get": get}}, "components": {"schemas": {"Row": row}}}

    def compared(self, old, new):
        """The differences and the renamed components."""
        comparison = openapi_frozen.Comparison(old, new)
        return comparison.differences, openapi_frozen.renamed(comparison)

    def test_words_and_schema_names_may_differ(self):
        old = self.document()
        text = json.dumps(old).replace("Old.", "New.").replace("an old", "a new")
        new = json.loads(text.replace("Row", "SeriesPoint"))
        names = [("schemas/Row", "schemas/SeriesPoint")]
        self.assertEqual(self.compared(old, new), ([], names))

    def test_a_schema_may_be_inlined(self):
        old, new = self.document(), self.document()
        get = new["paths"]["/rows"]["get"]
        schema = new["components"]["schemas"]["Row"]
        get["responses"]["200"]["content"]["x/y"]["schema"] = schema
        self.assertEqual(self.compared(old, new), ([], []))
        self.assertEqual(self.compared(new, old), ([], []))

    def test_the_order_of_required_does_not_matter(self):
        new = self.document(required=["next", "title"])
        self.assertEqual(self.compared(self.document(), new)[0], [])

    def test_fields_codes_and_types_are_frozen(self):
        old, row = self.document(), "/components/schemas/Row"
        found, _ = self.compared(old, self.document(type=["object", "null"]))
        self.assertEqual([pair[:2] for pair in found], [(f"{row}/type", f"{row}/type")])
        new = json.loads(json.dumps(old).replace('"title"', '"heading"'))
        found, _ = self.compared(old, new)
        places = [(f"{row}/properties/title", ""), ("", f"{row}/properties/heading")]
        self.assertEqual([pair[:2] for pair in found if "properties" in pair[0] + pair[1]], places)
        new = json.loads(json.dumps(old).replace('"200"', '"201"'))
        found, _ = self.compared(old, new)
        self.assertIn("/paths/~1rows/get/responses/200", [pair[0] for pair in found])

    def test_a_component_that_nothing_names_is_found_by_its_structure(self):
        old, new = self.document(), self.document()
        old["components"]["schemas"]["Alone"] = {"type": "string", "maxLength": 3}
        new["components"]["schemas"]["Other"] = {"type": "string", "maxLength": 3}
        self.assertEqual(self.compared(old, new), ([], [("schemas/Alone", "schemas/Other")]))
        new["components"]["schemas"]["Other"]["maxLength"] = 4
        self.assertEqual(len(self.compared(old, new)[0]), 2)

    def test_the_exit_code_says_whether_the_files_are_equal(self):
        old, new = self.root / "old.json", self.root / "new.json"
        old.write_text(json.dumps(self.document()), encoding="utf-8")
        new.write_text(json.dumps(self.document(type="array")), encoding="utf-8")
        self.assertEqual(self.run_quietly(openapi_frozen.main, old, old)[0], 0)
        code, output, _ = self.run_quietly(openapi_frozen.main, old, new)
        self.assertEqual(code, 1)
        self.assertIn('/components/schemas/Row/type: "object" became "array"', output)
        self.assertEqual(self.run_quietly(openapi_frozen.main, old, self.root / "no")[0], 2)


if __name__ == "__main__":
    unittest.main()
