//! The direction of imports (`main -> server, command -> {http, pages, prometheus} -> app -> {store, intake} -> domain`):
//! reads the sources and fails when a layer names one above it, or a crate that it has nothing to do with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Modules of the crate that each top-level module may name, besides itself.
const MAY_NAME: [(&str, &[&str]); 14] = [
    ("main", &["command", "config", "server"]),
    (
        "lib",
        &[
            "app",
            "command",
            "config",
            "domain",
            "error",
            "generate",
            "http",
            "intake",
            "pages",
            "prometheus",
            "server",
            "store",
        ],
    ),
    (
        "command",
        &[
            "app",
            "config",
            "domain",
            "error",
            "generate",
            "http",
            "intake",
            "prometheus",
            "server",
            "store",
        ],
    ),
    ("server", &["app", "config", "domain", "error", "http", "pages", "prometheus", "store"]),
    ("http", &["app", "domain", "error", "intake", "prometheus"]),
    ("pages", &["app", "domain", "error", "http"]),
    ("prometheus", &["app", "domain", "error"]),
    ("generate", &["app", "domain", "intake"]),
    ("config", &["domain", "generate"]),
    ("app", &["domain", "error", "intake", "store"]),
    ("error", &["domain", "store"]),
    ("store", &["domain"]),
    ("intake", &["domain"]),
    ("domain", &[]),
];

/// What the web names of the store past the app, as yet: its errors where they become answers, and the key of a cursor.
const PAST_THE_APP: [(&str, &str); 2] =
    [("http/problem.rs", "store::StoreError"), ("http/observations.rs", "store::ObservationKey")];

/// What may be named in the pure layers besides the standard library.
const DOMAIN_CRATES: [&str; 11] = [
    "ahash",
    "chrono",
    "pest",
    "pest_derive",
    "regex",
    "rust_decimal",
    "serde",
    "serde_json",
    "serde_path_to_error",
    "thiserror",
    "unicode_normalization",
];
const INTAKE_CRATES: [&str; 13] = [
    "calamine",
    "chrono",
    "csv",
    "flate2",
    "lopdf",
    "quick_xml",
    "regex",
    "serde",
    "serde_json",
    "thiserror",
    "unicode_normalization",
    "utoipa",
    "zip",
];

/// The one reader that needs a thread and the clock: what keeps a hostile PDF from taking the service down.
const GUARD: &str = "intake/document/pdf/guard.rs";

/// Crates that belong to some layers alone.
const BELONGS: [(&str, &[&str]); 32] = [
    ("diesel", &["store"]),
    ("diesel_migrations", &["store"]),
    ("libsqlite3_sys", &["store"]),
    ("actix_web", &["http", "pages", "prometheus", "server"]),
    ("utoipa_actix_web", &["http", "server"]),
    ("utoipa_swagger_ui", &["http"]),
    ("maud", &["pages"]),
    ("clap", &["config"]),
    ("indicatif", &["command"]),
    ("zip", &["app", "intake"]),
    ("quick_xml", &["intake"]),
    ("lopdf", &["intake"]),
    ("docx_rs", &["http"]),
    ("diesel_async", &["store"]),
    ("tokio_postgres", &["store"]),
    ("rustls", &["app", "server", "store"]),
    ("promql_parser", &["prometheus"]),
    ("rust_xlsxwriter", &["http"]),
    ("calamine", &["intake"]),
    ("actix_multipart", &["http"]),
    ("futures_util", &["http"]),
    ("getrandom", &["app"]),
    ("jsonwebtoken", &["app"]),
    // `app` checks signatures by it; `server` and `store` name the one in rustls.
    ("ring", &["app", "server", "store"]),
    ("subtle", &["app"]),
    ("ureq", &["app"]),
    ("base64", &["app", "http"]),
    ("governor", &["http"]),
    ("flate2", &["http", "intake"]),
    ("futures_util", &["http"]),
    ("actix_tls", &["http"]),
    ("rustix", &["http", "server"]),
];

/// A source file: where it lies below `src/`, its module path, and every path that it names.
struct Source {
    file: String,
    module: Vec<String>,
    named: Vec<Vec<String>>,
}

impl Source {
    fn new(file: &str, text: &str) -> Self {
        let module: Vec<String> = file
            .trim_end_matches(".rs")
            .split('/')
            .filter(|part| *part != "mod")
            .map(str::to_owned)
            .collect();
        Self { file: file.to_owned(), module, named: paths(&tokens(text)) }
    }

    fn layer(&self) -> &str {
        &self.module[0]
    }

    /// The paths into the crate itself, from its root.
    fn inside(&self) -> Vec<Vec<String>> {
        let from_root = |path: &Vec<String>| match path[0].as_str() {
            "crate" | "egov_kpi" => Some(path[1..].to_vec()),
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

/// The words and signs of a source text without comments, texts, characters and test modules.
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

/// The end of a raw text that begins here.
fn raw_end(letters: &[char], at: usize) -> Option<usize> {
    let hashes = letters[at + 1..].iter().take_while(|letter| **letter == '#').count();
    (letters.get(at + 1 + hashes) == Some(&'"')).then_some(())?;
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    (at + 2 + hashes..letters.len())
        .find(|n| letters[*n..].starts_with(&end))
        .map(|n| n + end.len())
}

/// Cuts out what stands behind `#[cfg(test)] mod name`.
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

/// Every path of two or more parts, groups in braces taken apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
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

/// Reads a path, or the tree of a `use`, that begins at a word; returns the place behind it.
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

/// Files that stand elsewhere than their module: `#[path = "x.rs"] mod name;` in one file makes `x.rs` a module below it.
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
    let mut elsewhere: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut waiting, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = waiting.pop() {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
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

/// The crates of `[dependencies]`, as code names them.
fn dependencies() -> BTreeSet<String> {
    let manifest =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

/// The places where a layer names a module of the crate that it may not.
fn upward(sources: &[Source]) -> Vec<String> {
    let may: BTreeMap<&str, &[&str]> = MAY_NAME.into_iter().collect();
    let modules: BTreeSet<&str> = MAY_NAME.iter().map(|(layer, _)| *layer).collect();
    let mut faults = BTreeSet::new();
    for source in sources {
        let Some(may) = may.get(source.layer()) else {
            faults.insert(format!(
                "{}: the layer {} has no place in the direction yet",
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
            if modules.contains(top) && top != source.layer() && !may.contains(&top) && !excused {
                faults.insert(format!("{} names {whole}", source.file));
            }
        }
    }
    faults.into_iter().collect()
}

#[test]
fn no_module_names_one_above_it() {
    let sources = sources();
    assert_eq!(upward(&sources), Vec::<String>::new());
    // What the test reads is there: it would be worth nothing if it saw no paths at all.
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
        ("app", "store"),
        ("app", "intake"),
        ("app", "domain"),
        ("intake", "domain"),
    ] {
        assert!(edge(from, to), "{from} names {to} no longer, or the paths are not read");
    }
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
        assert!(needed, "{file} no longer names {named}: take the exception out");
    }
    let guarded = sources.iter().any(|source| {
        source.file == GUARD && source.names(&["std", "thread"]) && source.names(&["Instant"])
    });
    assert!(guarded, "{GUARD} needs no thread and no clock: take the exception out");
}

#[test]
fn the_domain_and_the_readers_are_pure() {
    let dependencies = dependencies();
    let mut faults = Vec::new();
    for source in sources() {
        let allowed: &[&str] = match source.layer() {
            "domain" => &DOMAIN_CRATES,
            "intake" => &INTAKE_CRATES,
            _ => continue,
        };
        for path in &source.named {
            let schema =
                source.layer() == "domain" && path[0] == "utoipa" && path[1..] == ["ToSchema"];
            if dependencies.contains(&path[0])
                && !allowed.contains(&path[0].as_str())
                && !schema
                && path[0] != source.layer()
            {
                faults.push(format!("{} names {}", source.file, path.join("::")));
            }
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
fn each_crate_is_named_only_where_it_belongs() {
    let mut faults = BTreeSet::new();
    for source in sources() {
        for (name, layers) in BELONGS {
            // The trait that carries `Config::parse` is all that main may know of clap.
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
fn the_reader_of_sources_sees_what_is_named_and_nothing_else() {
    let text = r##"
        //! crate::http in a comment
        use crate::{app::series::Point, store};
        use super::super::http::{self, reply::{Cell, csv}};
        /* crate::pages */
        fn f<'a>(x: &'a str) -> char { let _ = "crate::pages::x"; let _ = r#"crate::server"#; '"' }
        #[derive(utoipa::ToSchema)] struct S { now: std::time::Instant }
        fn g() { chrono::Utc::now(); Utc::now(); Vec::<u8>::new() }
        #[cfg(test)]
        mod tests { use crate::command; }
        fn h() { crate::intake::csv::read() }
    "##;
    let source = Source::new("domain/rules/book.rs", text);
    let named: Vec<String> = source.inside().iter().map(|path| path.join("::")).collect();
    assert_eq!(
        named,
        [
            "app::series::Point",
            "store",
            "domain::http::self",
            "domain::http::reply::Cell",
            "domain::http::reply::csv",
            "intake::csv::read"
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
            "domain/rules/book.rs names app::series::Point",
            "domain/rules/book.rs names intake::csv::read",
            "domain/rules/book.rs names store"
        ]
    );
    let above = Source::new(
        "store/sqlite.rs",
        "use super::super::http::Answer; use actix_web::web; use crate::domain::cube;",
    );
    assert_eq!(upward(&[above]), ["store/sqlite.rs names http::Answer"]);
}
