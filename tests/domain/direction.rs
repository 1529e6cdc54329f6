//! The direction of imports, by `tests/house/layers.toml`. Cargo keeps the crates of the workspace
//! from naming anything above them. For the modules of the program this searches the text of the
//! sources; `tests/house/measure.py` also resolves relative paths.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

static LAYER: LazyLock<Regex> = LazyLock::new(|| regex(r"^(?:src|crates)/(\w+)"));
static COMMENT: LazyLock<Regex> = LazyLock::new(|| regex(r"(?m)^[ \t]*//.*$|[ \t]//[ \t].*$"));
static MODULE: LazyLock<Regex> = LazyLock::new(|| regex(r"\bcrate::(?:(\w+)|\{([^;]*)\};)"));
static FIRST: LazyLock<Regex> = LazyLock::new(|| regex(r"(?:^|,)\s*(\w+)"));
static INNER: LazyLock<Regex> = LazyLock::new(|| regex(r"\{[^{}]*\}"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

/// A path that begins with a crate.
fn of_crate(name: &str) -> Regex {
    regex(&format!(r"(?:^|[^:\w])(?:::)?{name}::|use {name};"))
}

/// The text of a source without comments and tests, and the module or crate that it belongs to.
struct Source {
    file: String,
    layer: String,
    text: String,
}

impl Source {
    fn new(file: &str, text: &str) -> Self {
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        Self {
            file: file.to_owned(),
            layer: LAYER.captures(file).unwrap()[1].to_owned(),
            text: COMMENT.replace_all(code, "").into_owned(),
        }
    }

    /// The top-level modules that it names by `crate::name` or `crate::{name, other::Item}`.
    fn modules(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for named in MODULE.captures_iter(&self.text) {
            let group = named.get(2).map_or("", |group| group.as_str());
            found.extend(FIRST.captures_iter(&INNER.replace_all(group, "")).map(|c| c[1].into()));
            found.extend(named.get(1).map(|name| name.as_str().to_owned()));
        }
        found
    }
}

/// All sources of the program and the crates.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut waiting, mut found) = (vec![root.join("src"), root.join("crates")], Vec::new());
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.strip_prefix(root).unwrap().to_str().unwrap();
            if path.is_dir() {
                waiting.push(path);
            } else if file.ends_with(".rs") && (file.starts_with("src/") || file.contains("/src/"))
            {
                found.push(Source::new(file, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

fn layers() -> toml::Table {
    include_str!("../house/layers.toml").parse().unwrap()
}

fn words(value: &toml::Value) -> BTreeSet<&str> {
    value.as_str().unwrap().split_whitespace().collect()
}

#[test]
fn no_module_names_one_above_it() {
    let layers = layers();
    let (may_name, exceptions) = (&layers["may_name"], &layers["exceptions"]);
    let crates =
        ["documents", "extract", "kpi", "ledger", "promql"].map(|name| (name, of_crate(name)));
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.file.starts_with("src/")) {
        let may = words(may_name.get(&source.layer).expect(&source.file));
        let modules = source.modules().into_iter().filter(|name| may_name.get(name).is_some());
        let excused = exceptions.get(&source.file).and_then(toml::Value::as_str);
        let named_crates = crates.iter().filter(|(name, path)| {
            path.is_match(&source.text) && !excused.is_some_and(|path| path.starts_with(name))
        });
        let named_crates = named_crates.map(|(name, _)| (*name).to_owned());
        let named = modules.chain(named_crates).filter(|name| *name != source.layer);
        let above = named.filter(|name| !may.contains(name.as_str()));
        faults.extend(above.map(|name| format!("{} names {name}", source.file)));
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn use_cases_that_read_name_none_that_write() {
    let write = regex(r"\bwrite::|app::write\b");
    for source in sources().iter().filter(|source| source.file.starts_with("src/app/read/")) {
        assert!(!write.is_match(&source.text), "{}", source.file);
    }
}

#[test]
fn each_crate_is_named_only_in_its_layers() {
    let (layers, sources) = (layers(), sources());
    for (name, allowed) in layers["belongs"].as_table().unwrap() {
        let (allowed, path) = (words(allowed), of_crate(name));
        for source in sources.iter().filter(|source| path.is_match(&source.text)) {
            assert!(allowed.contains(source.layer.as_str()), "{} names {name}", source.file);
        }
    }
}

#[test]
fn the_core_and_the_readers_are_pure() {
    let layers = layers();
    let system = r"std::(fs|net|env|process|thread)\b|io::(stdin|stdout|stderr)\b";
    let impure = regex(&format!(r"{system}|(Utc|Local)::now|\b(SystemTime|Instant)\b"));
    let (parts, exception) = (words(&layers["pure"]["parts"]), &layers["pure"]["exception"]);
    let sources = sources();
    let found: Vec<&String> = sources
        .iter()
        .filter(|source| parts.contains(source.layer.as_str()) && impure.is_match(&source.text))
        .map(|source| &source.file)
        .collect();
    assert_eq!(found, [exception.as_str().unwrap()]);
}

#[test]
fn only_the_configuration_reads_flags_and_environment() {
    let environment = regex(r"std::env\b|\benv::(var|vars|args)\b");
    let reads = |source: &&Source| environment.is_match(&source.text);
    let found: Vec<String> = sources().iter().filter(reads).map(|s| s.file.clone()).collect();
    assert!(found.iter().all(|file| file == "src/config.rs"), "{found:?}");
}

#[test]
fn the_search_finds_modules_and_crates() {
    let text = r"
        //! crate::api in a comment
        use crate::{app::series::{Point, Other}, memory};
        fn f() { kpi::get(crate::config::read()) } // crate::server
        fn g() { super::kpi_of::get(); super::ledger::get() }
        #[cfg(test)]
mod tests { use crate::cli; }
    ";
    let source = Source::new("src/intake/workbook/form.rs", text);
    let named: Vec<String> = source.modules().into_iter().collect();
    assert_eq!((source.layer.as_str(), named.join(" ").as_str()), ("intake", "app config memory"));
    let uses = |name: &str| of_crate(name).is_match(&source.text);
    assert!(uses("kpi") && !uses("ledger") && !uses("promql"));
    assert_eq!(Source::new("crates/kpi/src/rules/book.rs", "").layer, "kpi");
}
