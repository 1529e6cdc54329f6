//! The direction of imports
//! (`main -> server, command -> {http, pages, prometheus} -> app -> {ledger, intake} -> kpi`).
//! The test reads the sources and fails when a layer names one above it, or a crate that the layer
//! may not use. Cargo itself keeps the crates of the workspace from naming anything above them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The crates of the workspace, as code names them. What they may name is in their manifests.
const CRATES: [&str; 4] = ["documents", "kpi", "ledger", "promql"];

/// For each top-level module of the root package the modules and crates of the workspace that it
/// may name, besides itself.
const MAY_NAME: [(&str, &[&str]); 17] = [
    ("main", &["command", "config", "logging", "server"]),
    (
        "lib",
        &[
            "app",
            "command",
            "config",
            "error",
            "generate",
            "http",
            "intake",
            "kpi",
            "ledger",
            "logging",
            "memory",
            "pages",
            "periodic",
            "prometheus",
            "server",
            "sync",
            "watchdog",
        ],
    ),
    (
        "command",
        &[
            "app",
            "config",
            "documents",
            "error",
            "generate",
            "http",
            "intake",
            "kpi",
            "ledger",
            "memory",
            "prometheus",
            "server",
        ],
    ),
    (
        "server",
        &[
            "app",
            "config",
            "error",
            "http",
            "kpi",
            "ledger",
            "memory",
            "pages",
            "periodic",
            "prometheus",
            "sync",
            "watchdog",
        ],
    ),
    (
        "http",
        &[
            "app",
            "documents",
            "error",
            "intake",
            "kpi",
            "memory",
            "prometheus",
            "promql",
            "sync",
            "watchdog",
        ],
    ),
    ("pages", &["app", "error", "http", "kpi"]),
    ("prometheus", &["app", "error", "kpi", "logging", "memory", "promql"]),
    ("generate", &["app", "intake", "kpi"]),
    ("config", &["generate", "kpi", "memory"]),
    ("app", &["documents", "error", "intake", "kpi", "ledger", "memory", "periodic", "sync"]),
    ("error", &["kpi", "ledger", "memory"]),
    ("intake", &["documents", "kpi"]),
    ("watchdog", &["app", "error", "periodic", "sync"]),
    ("memory", &["periodic", "sync"]),
    ("periodic", &[]),
    ("logging", &[]),
    ("sync", &[]),
];

/// Names of the ledger that `http` still uses directly: its errors, which become responses, and the
/// key of a cursor.
const PAST_THE_APP: [(&str, &str); 2] =
    [("http/problem.rs", "ledger::StoreError"), ("http/observations.rs", "ledger::ObservationKey")];

/// Crates that the readers may use besides the standard library.
const INTAKE_CRATES: [&str; 10] = [
    "chrono",
    "csv",
    "documents",
    "kpi",
    "regex",
    "serde",
    "serde_json",
    "thiserror",
    "unicode_normalization",
    "utoipa",
];

/// The parts without I/O, clock and threads.
const PURE: [&str; 3] = ["documents", "kpi", "intake"];

/// The one reader that uses a thread and the clock: it protects the service from hostile PDF files.
const GUARD: &str = "crates/documents/src/pdf/guard.rs";

/// Crates that only some layers may use. Those that one crate of the workspace alone depends on are
/// in its manifest only.
const BELONGS: [(&str, &[&str]); 23] = [
    ("actix_web", &["http", "pages", "prometheus", "server"]),
    ("utoipa_actix_web", &["http", "server"]),
    ("utoipa_swagger_ui", &["http"]),
    ("maud", &["pages"]),
    ("clap", &["config"]),
    ("indicatif", &["command"]),
    ("zip", &["app", "documents"]),
    ("docx_rs", &["http"]),
    ("rustls", &["app", "ledger", "server"]),
    ("promql_parser", &["prometheus", "promql"]),
    ("rust_xlsxwriter", &["http"]),
    ("actix_multipart", &["http"]),
    ("futures_util", &["http"]),
    ("getrandom", &["app"]),
    ("jsonwebtoken", &["app"]),
    // `app` checks signatures with it; `server` and `ledger` name the one in rustls.
    ("ring", &["app", "ledger", "server"]),
    ("subtle", &["app"]),
    ("ureq", &["app"]),
    ("base64", &["app", "http"]),
    ("governor", &["http"]),
    ("flate2", &["documents", "http"]),
    ("actix_tls", &["http", "server"]),
    ("rustix", &["http", "server"]),
];

/// A source file: its place below the root package's `src/` or from the root (`crates/...`), its
/// module path (that of a crate begins with the crate's name), and all paths that it names.
struct Source {
    file: String,
    module: Vec<String>,
    /// The modules that it declares by `mod` or imports by `use super::name`.
    modules: BTreeSet<String>,
    named: Vec<Vec<String>>,
}

impl Source {
    fn new(file: &str, text: &str) -> Self {
        let (name, below) = file
            .strip_prefix("crates/")
            .and_then(|file| file.split_once("/src/"))
            .map_or((None, file), |(name, below)| (Some(name), below));
        let inside = below.trim_end_matches(".rs").split('/').filter(|part| *part != "mod");
        let module: Vec<String> = name
            .into_iter()
            .chain(inside.filter(|part| name.is_none() || *part != "lib"))
            .map(str::to_owned)
            .collect();
        let tokens = tokens(text);
        let named = paths(&tokens);
        let declared = tokens
            .windows(3)
            .filter(|three| three[0] == "mod" && three[2] == ";")
            .map(|three| three[1].clone());
        let imported = named
            .iter()
            .filter(|path| ["crate", "self", "super"].contains(&path[0].as_str()))
            .filter_map(|path| path.last().cloned());
        let modules = declared.chain(imported).collect();
        Self { file: file.to_owned(), module, modules, named }
    }

    fn layer(&self) -> &str {
        &self.module[0]
    }

    /// Whether it belongs to a crate below `crates/`.
    fn in_crate(&self) -> bool {
        CRATES.contains(&self.layer())
    }

    /// The paths into the workspace: from the root of the root package, or from a crate's name.
    fn inside(&self) -> Vec<Vec<String>> {
        let from_root = |path: &Vec<String>| match path[0].as_str() {
            "crate" if self.in_crate() => Some([&self.module[..1], &path[1..]].concat()),
            "crate" | "egov_kpi" => Some(path[1..].to_vec()),
            name if CRATES.contains(&name) && !self.modules.contains(name) => Some(path.clone()),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let base = self.module.len().saturating_sub(up);
                Some([&self.module[..base], &path[up..]].concat())
            }
            _ => None,
        };
        self.named.iter().filter_map(from_root).filter(|path| !path.is_empty()).collect()
    }

    fn names(&self, path: &[&str]) -> bool {
        self.named.iter().any(|named| named.windows(path.len()).any(|part| part == path))
    }
}

/// The tokens of a source text without comments, string and character literals and test modules.
fn tokens(text: &str) -> Vec<String> {
    let (letters, mut found, mut at) =
        (text.chars().collect::<Vec<char>>(), Vec::<String>::new(), 0);
    let get = |at: usize| letters.get(at).copied().unwrap_or('\n');
    while at < letters.len() {
        let letter = get(at);
        if letter == '/' && get(at + 1) == '/' {
            at += letters[at..].iter().take_while(|letter| **letter != '\n').count();
        } else if letter == '/' && get(at + 1) == '*' {
            at = (at + 2..letters.len())
                .find(|n| get(*n) == '*' && get(n + 1) == '/')
                .map_or(letters.len(), |n| n + 2);
        } else if letter == 'r'
            && (get(at + 1) == '"' || get(at + 1) == '#')
            && raw_end(&letters, at).is_some()
        {
            at = raw_end(&letters, at).unwrap_or(letters.len());
        } else if letter == '"' {
            at += 1;
            while at < letters.len() && get(at) != '"' {
                at += if get(at) == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if letter == '\'' && (get(at + 1) == '\\' || get(at + 2) == '\'') {
            at = (at + 2..letters.len())
                .find(|n| get(*n) == '\'' && *n > at + 1)
                .map_or(letters.len(), |n| n + 1);
        } else if letter.is_alphanumeric() || letter == '_' {
            let word: String = letters[at..]
                .iter()
                .take_while(|letter| letter.is_alphanumeric() || **letter == '_')
                .collect();
            at += word.chars().count();
            found.push(word);
        } else if letter == ':' && get(at + 1) == ':' {
            found.push("::".to_owned());
            at += 2;
        } else {
            found.extend((!letter.is_whitespace()).then(|| letter.to_string()));
            at += 1;
        }
    }
    without_tests(found)
}

/// The end of a raw string literal that begins here.
fn raw_end(letters: &[char], at: usize) -> Option<usize> {
    let hashes = letters[at + 1..].iter().take_while(|letter| **letter == '#').count();
    (letters.get(at + 1 + hashes) == Some(&'"')).then_some(())?;
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    (at + 2 + hashes..letters.len())
        .find(|n| letters[*n..].starts_with(&end))
        .map(|n| n + end.len())
}

/// Removes the module after `#[cfg(test)] mod name`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let (mut found, mut at) = (Vec::with_capacity(tokens.len()), 0);
    let head = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    while at < tokens.len() {
        if tokens[at..].iter().take(head.len()).eq(head.iter())
            && tokens.get(at + head.len() + 1).is_some_and(|sign| sign == "{")
        {
            let (mut depth, mut place) = (0_usize, at + head.len() + 1);
            loop {
                depth = match tokens[place].as_str() {
                    "{" => depth + 1,
                    "}" => depth - 1,
                    _ => depth,
                };
                place += 1;
                if depth == 0 || place == tokens.len() {
                    break;
                }
            }
            at = place;
        } else {
            found.push(tokens[at].clone());
            at += 1;
        }
    }
    found
}

/// All paths of two or more parts. Groups in braces are expanded: `a::{b, c::d}` is `a::b` and
/// `a::c::d`.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let begins = is_word(token)
            && tokens.get(at + 1).is_some_and(|next| next == "::")
            && (at == 0 || tokens[at - 1] != "::");
        if begins {
            path_from(tokens, at, Vec::new(), &mut found);
        } else if token == "use"
            && tokens.get(at + 1).is_some_and(|next| is_word(next))
            && tokens.get(at + 2).is_some_and(|next| next != "::")
        {
            path_from(tokens, at + 1, Vec::new(), &mut found); // `use a;`
        }
    }
    found
}

fn is_word(token: &str) -> bool {
    token.chars().next().is_some_and(|letter| letter.is_alphabetic() || letter == '_')
}

/// Reads a path, or the tree of a `use`, that begins at a word. Returns the place after it.
fn path_from(
    tokens: &[String],
    mut at: usize,
    mut before: Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> usize {
    loop {
        before.push(tokens[at].clone());
        at += 1;
        match (tokens.get(at).map(String::as_str), tokens.get(at + 1).map(String::as_str)) {
            (Some("::"), Some(next)) if is_word(next) => at += 1,
            (Some("::"), Some("{")) => {
                at += 2;
                while let Some(token) = tokens.get(at).filter(|token| *token != "}") {
                    at = if is_word(token) {
                        path_from(tokens, at, before.clone(), found)
                    } else {
                        at + 1
                    };
                }
                return at + 1;
            }
            _ => {
                found.push(before);
                return at;
            }
        }
    }
}

/// Files in another place than their module: `#[path = "x.rs"] mod name;` makes `x.rs` a module
/// below the file.
fn placed_elsewhere(file: &str, text: &str) -> Vec<(String, Vec<String>)> {
    let folder = file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for pair in lines.windows(2) {
        let path = pair[0].strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]"));
        let name = pair[1].strip_suffix(';').and_then(|line| line.split_whitespace().last());
        if let (Some(path), Some(name)) = (path, name) {
            found.push((
                format!("{folder}{path}"),
                [Source::new(file, "").module, vec![name.to_owned()]].concat(),
            ));
        }
    }
    found
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = sources_below(&root.join("src"), "");
    for name in CRATES {
        let folder = format!("crates/{name}/src/");
        found.extend(sources_below(&root.join(&folder), &folder));
    }
    found
}

/// The sources below a folder; `prefix` stands before their names.
fn sources_below(root: &Path, prefix: &str) -> Vec<Source> {
    let mut elsewhere: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut waiting, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = waiting.pop() {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                let file = format!("{prefix}{file}");
                let text = std::fs::read_to_string(&path).unwrap();
                elsewhere.extend(placed_elsewhere(&file, &text));
                found.push(Source::new(&file, &text));
            }
        }
    }
    for source in &mut found {
        if let Some(module) = elsewhere.get(&source.file) {
            source.module.clone_from(module);
        }
    }
    found
}

#[test]
fn every_crate_of_the_workspace_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let folders: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, CRATES.map(str::to_owned).into());
}

/// The crates of `[dependencies]`, as code names them.
fn dependencies() -> BTreeSet<String> {
    let manifest =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

/// The places where a layer names a module or a crate of the workspace that it may not name.
fn upward(sources: &[Source]) -> Vec<String> {
    let may: BTreeMap<&str, &[&str]> = MAY_NAME.into_iter().collect();
    let parts: BTreeSet<&str> = MAY_NAME.iter().map(|(layer, _)| *layer).chain(CRATES).collect();
    let mut faults = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.in_crate()) {
        let Some(may) = may.get(source.layer()) else {
            faults.insert(format!(
                "{}: the layer {} has no entry in the list of layers",
                source.file,
                source.layer()
            ));
            continue;
        };
        for path in source.inside() {
            let (top, whole) = (path[0].as_str(), path.join("::"));
            let excused = PAST_THE_APP
                .iter()
                .any(|(file, named)| *file == source.file && whole.starts_with(named));
            if parts.contains(top) && top != source.layer() && !may.contains(&top) && !excused {
                faults.insert(format!("{} names {whole}", source.file));
            }
        }
    }
    faults.into_iter().collect()
}

#[test]
fn no_module_depends_on_a_layer_above() {
    let sources = sources();
    assert_eq!(upward(&sources), Vec::<String>::new());
    // These imports must be found; otherwise the test does not recognise paths.
    let edge = |from: &str, to: &str| {
        sources.iter().any(|source| {
            source.layer() == from && source.inside().iter().any(|path| path[0] == to)
        })
    };
    for (from, to) in [
        ("main", "command"),
        ("command", "server"),
        ("server", "http"),
        ("http", "app"),
        ("app", "ledger"),
        ("app", "intake"),
        ("app", "documents"),
        ("app", "kpi"),
        ("intake", "kpi"),
    ] {
        assert!(edge(from, to), "{from} does not name {to} any more, or paths are not recognised");
    }
}

#[test]
fn use_cases_that_read_name_none_that_write() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.file.starts_with("app/read/")) {
        let named = source.inside().into_iter().map(|path| path.join("::"));
        let writing = named.filter(|path| path.starts_with("app::write"));
        faults.extend(writing.map(|path| format!("{} names {path}", source.file)));
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn each_exception_is_still_needed() {
    let sources = sources();
    for (file, named) in PAST_THE_APP {
        let needed = sources
            .iter()
            .filter(|source| source.file == file)
            .flat_map(Source::inside)
            .any(|path| path.join("::").starts_with(named));
        assert!(needed, "{file} does not name {named} any more; remove the exception");
    }
    let guarded = sources.iter().any(|source| {
        source.file == GUARD && source.names(&["std", "thread"]) && source.names(&["Instant"])
    });
    assert!(guarded, "{GUARD} does not use a thread and the clock any more; remove the exception");
}

#[test]
fn the_core_and_the_readers_are_pure() {
    let dependencies = dependencies();
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.layer())) {
        for path in &source.named {
            let forbidden = match source.layer() {
                "kpi" => path[0] == "utoipa" && path[1..] != ["ToSchema"],
                "intake" => {
                    dependencies.contains(&path[0]) && !INTAKE_CRATES.contains(&path[0].as_str())
                }
                _ => false,
            };
            faults.extend(forbidden.then(|| format!("{} names {}", source.file, path.join("::"))));
        }
        for impure in ["fs", "net", "env", "process", "thread"]
            .into_iter()
            .filter(|impure| !(source.file == GUARD && *impure == "thread"))
        {
            faults.extend(
                source
                    .names(&["std", impure])
                    .then(|| format!("{} names std::{impure}", source.file)),
            );
        }
        for stream in ["stdin", "stdout", "stderr"] {
            faults.extend(
                source
                    .names(&["io", stream])
                    .then(|| format!("{} names io::{stream}", source.file)),
            );
        }
        for clock in [&["Utc", "now"][..], &["Local", "now"], &["SystemTime"], &["Instant"]]
            .into_iter()
            .filter(|clock| !(source.file == GUARD && *clock == ["Instant"]))
        {
            faults.extend(
                source
                    .names(clock)
                    .then(|| format!("{} reads the clock: {}", source.file, clock.join("::"))),
            );
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn each_crate_is_used_only_in_its_layer() {
    let mut faults = BTreeSet::new();
    for source in sources() {
        for (name, layers) in BELONGS {
            // `main` may use clap only for the trait with `Config::parse`.
            let excused = |path: &[String]| source.file == "main.rs" && path == ["clap", "Parser"];
            let named = source.named.iter().filter(|path| {
                path[0] == name && !layers.contains(&source.layer()) && !excused(path)
            });
            faults.extend(named.map(|path| format!("{} names {}", source.file, path.join("::"))));
        }
    }
    assert_eq!(faults.into_iter().collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn only_the_configuration_reads_flags_and_environment() {
    let readers: Vec<String> = sources()
        .into_iter()
        .filter(|source| {
            source.names(&["std", "env"])
                || [&["env", "var"][..], &["env", "vars"], &["env", "args"]]
                    .iter()
                    .any(|path| source.names(path))
        })
        .map(|source| source.file)
        .collect();
    let others: Vec<&String> = readers.iter().filter(|file| *file != "config.rs").collect();
    assert_eq!(others, Vec::<&String>::new());
}

#[test]
fn the_source_scanner_finds_all_dependencies() {
    let text = r##"
        //! crate::http in a comment
        use crate::{app::series::Point, memory};
        use super::super::http::{self, reply::{Cell, csv}};
        /* crate::pages */
        fn f<'a>(x: &'a str) -> char { let _ = "crate::pages::x"; let _ = r#"crate::server"#; '"' }
        #[derive(utoipa::ToSchema)] struct S { now: std::time::Instant }
        fn g() { chrono::Utc::now(); Utc::now(); Vec::<u8>::new() }
        #[cfg(test)]
        mod tests { use crate::command; }
        fn h() { crate::config::read(kpi::unit::Unit) }
    "##;
    let source = Source::new("intake/table/cell.rs", text);
    let named: Vec<String> = source.inside().iter().map(|path| path.join("::")).collect();
    assert_eq!(
        named,
        [
            "app::series::Point",
            "memory",
            "intake::http::self",
            "intake::http::reply::Cell",
            "intake::http::reply::csv",
            "config::read",
            "kpi::unit::Unit"
        ]
    );
    assert!(
        source.names(&["utoipa", "ToSchema"])
            && source.names(&["Utc", "now"])
            && source.names(&["Instant"])
    );
    assert_eq!(
        upward(&[source]),
        [
            "intake/table/cell.rs names app::series::Point",
            "intake/table/cell.rs names config::read",
            "intake/table/cell.rs names memory"
        ]
    );
    let above = Source::new(
        "memory/system.rs",
        "use super::super::http::Answer; use actix_web::web; use kpi::cube;",
    );
    assert_eq!(
        upward(&[above]),
        ["memory/system.rs names http::Answer", "memory/system.rs names kpi::cube"]
    );
}

#[test]
fn the_source_scanner_knows_crates_from_modules() {
    let inside = |file: &str, text: &str| -> Vec<String> {
        Source::new(file, text).inside().iter().map(|path| path.join("::")).collect()
    };
    let text = "use super::super::cube::Cube; use crate::unit::Unit; use std::fmt::Debug;";
    assert_eq!(
        inside("crates/kpi/src/rules/book.rs", text),
        ["kpi::cube::Cube", "kpi::unit::Unit"]
    );
    assert_eq!(Source::new("crates/kpi/src/lib.rs", "").module, ["kpi"]);
    assert_eq!(inside("http/mod.rs", "fn f() { kpi::get() }"), ["kpi::get"]);
    assert_eq!(inside("http/mod.rs", "mod kpi; fn f() { kpi::get() }"), Vec::<String>::new());
    let text = "use super::{kpi, keys}; fn f() { kpi::get() }";
    assert_eq!(inside("http/routes.rs", text), ["http::kpi", "http::keys"]);
}
