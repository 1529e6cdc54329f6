//! The page on the OWASP API Security Top 10 names tests: they exist, and each point has at least
//! one.

use std::path::Path;

const PAGE: &str = include_str!("../../docs/owasp.md");
const POINTS: usize = 10;

/// The tests that a text names in backquotes, as `file.rs::name`.
fn named(text: &str) -> Vec<(&str, &str)> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.split_once(".rs::").map(|_| code.rsplit_once("::").unwrap()))
        .collect()
}

/// Whether a source has a test with this name: a function after `#[test]`, with only attributes
/// between.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let Some(at) = lines.iter().position(|line| line.starts_with(&format!("fn {name}("))) else {
        return false;
    };
    lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
        .any(|line| *line == "#[test]")
}

#[test]
fn each_test_that_the_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = named(PAGE);
    assert!(tests.len() > 4 * POINTS, "the page names {} tests", tests.len());
    let missing: Vec<String> = tests
        .iter()
        .filter(|(file, name)| {
            !std::fs::read_to_string(root.join(file)).is_ok_and(|source| has_test(&source, name))
        })
        .map(|(file, name)| format!("{file}::{name}"))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}

#[test]
fn each_point_has_tests() {
    let points: Vec<&str> = PAGE.split("\n## ").skip(1).collect();
    assert_eq!(points.len(), POINTS);
    for (n, point) in points.iter().enumerate() {
        assert!(point.starts_with(&format!("API{} ", n + 1)), "{point}");
        assert!(!named(point).is_empty(), "{point}");
    }
}

#[test]
fn a_function_that_is_no_test_is_not_taken_for_one() {
    let source = "#[test]\n#[ignore]\nfn one() {\n}\n\nfn other(\n    x: u8,\n) {}\n";
    assert!(
        has_test(source, "one")
            && !has_test(source, "other")
            && !has_test(source, "on")
            && !has_test(source, "third")
    );
    assert_eq!(named("a `x.rs::y` b `z` c `src/a.rs::b`"), [("x.rs", "y"), ("src/a.rs", "b")]);
}
