//! Files made by LibreOffice, compared with their words as poppler reads them.
//! `tests/documents/office.sh` makes the files and runs this test.

use std::collections::BTreeMap;
use std::path::Path;

use documents::{BlockKind, Document, MediaType, read};

/// Share of words that may differ from poppler's, in thousandths: page numbers and words broken at
/// line ends.
const DIFFERENT: usize = 10;

fn words(text: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    // A word broken at a hyphen is two words for poppler.
    for word in text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
    {
        *found.entry(word.to_owned()).or_default() += 1;
    }
    found
}

fn difference(left: &BTreeMap<String, usize>, right: &BTreeMap<String, usize>) -> Vec<String> {
    let keys = left.keys().chain(right.keys()).collect::<std::collections::BTreeSet<_>>();
    let count =
        |words: &BTreeMap<String, usize>, word: &String| words.get(word).copied().unwrap_or(0);
    keys.into_iter()
        .filter(|word| count(left, word) != count(right, word))
        .map(|word| format!("{word} {}:{}", count(left, word), count(right, word)))
        .collect()
}

fn headings(document: &Document) -> Vec<&str> {
    document
        .blocks
        .iter()
        .filter(|block| matches!(block.kind, BlockKind::Heading(_)))
        .map(|block| document.slice(&block.range))
        .collect()
}

fn tables(document: &Document) -> Vec<Vec<Vec<&str>>> {
    let rows = |block: &documents::DocumentBlock| match &block.kind {
        BlockKind::Table(rows) => Some(
            rows.iter().map(|row| row.iter().map(|cell| document.slice(cell)).collect()).collect(),
        ),
        BlockKind::Heading(_) | BlockKind::Paragraph => None,
    };
    document.blocks.iter().filter_map(rows).collect()
}

#[test]
#[ignore = "run by tests/documents/office.sh, which makes the files"]
fn office_files_read_the_same_as_their_source() {
    let folder = std::env::var("EGOV_KPI_DOCUMENTS").expect("EGOV_KPI_DOCUMENTS names the folder");
    let folder = Path::new(&folder);
    let mut sources: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    sources.sort();
    assert!(!sources.is_empty(), "no sources in {}", folder.display());
    for source in sources {
        let load = |extension: &str, media| {
            let path = source.with_extension(extension);
            read(&std::fs::read(&path).unwrap(), media)
                .unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()))
        };
        let (text, docx, pdf) = (
            load("md", MediaType::Markdown),
            load("docx", MediaType::Docx),
            load("pdf", MediaType::Pdf),
        );
        let poppler = std::fs::read_to_string(source.with_extension("poppler")).unwrap();
        if std::env::var("EGOV_KPI_SHOW").is_ok() {
            println!(
                "{}\n=====\n{}",
                super::build::shown(&docx).join("\n"),
                super::build::shown(&pdf).join("\n")
            );
        }
        let all: usize = words(&poppler).values().sum();
        let against_poppler = difference(&words(&pdf.text), &words(&poppler));
        println!(
            "{}: {all} words, {} differ from poppler: {against_poppler:?}",
            source.display(),
            against_poppler.len()
        );
        assert!(against_poppler.len() * 1000 <= all * DIFFERENT);
        // The numbers of list items are shown by the program and are not part of the text.
        let entry = |line: &str| {
            let counted = line
                .trim_start()
                .split_once(". ")
                .filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
            counted.map_or_else(|| line.to_owned(), |(_, entry)| entry.to_owned())
        };
        let plain = |document: &Document| {
            document
                .text
                .lines()
                .map(entry)
                .collect::<Vec<_>>()
                .join("\n")
                .replace(['#', '*', '|', '-'], " ")
        };
        assert_eq!(
            difference(&words(&plain(&text)), &words(&docx.text)),
            Vec::<String>::new(),
            "{}",
            source.display()
        );
        assert_eq!(headings(&docx), headings(&text));
        assert_eq!(headings(&pdf), headings(&text));
        assert_eq!(tables(&docx), tables(&text));
        assert_eq!(tables(&pdf), tables(&text));
    }
}
