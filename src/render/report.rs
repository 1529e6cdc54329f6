//! A report written from the ledger, as the blocks of a document and as Markdown.

use super::docx::DocxBlock;
use crate::app::reports::written::GeneratedReport;

/// Converts a report into the blocks of a document.
#[must_use]
pub fn blocks(report: &GeneratedReport) -> Vec<DocxBlock> {
    let mut blocks = vec![DocxBlock::Title(format!("{}\n{}", report.title, report.subject))];
    for (heading, sentences) in &report.sections {
        blocks.push(DocxBlock::Heading(2, heading.clone()));
        blocks.extend(sentences.iter().map(|sentence| DocxBlock::Item(sentence.clone())));
    }
    if report.sections.is_empty() {
        blocks.push(DocxBlock::Paragraph("Chưa có số liệu để viết thành câu.".to_owned()));
    }
    blocks.push(DocxBlock::Heading(1, "Phụ lục".to_owned()));
    blocks.push(DocxBlock::Heading(2, "Bảng số liệu".to_owned()));
    if report.rows.is_empty() {
        blocks.push(DocxBlock::Paragraph("Chưa có số liệu.".to_owned()));
    } else {
        blocks.push(DocxBlock::Table { header: report.header.clone(), rows: report.rows.clone() });
    }
    blocks.push(DocxBlock::Heading(2, "Mâu thuẫn số liệu".to_owned()));
    if report.findings.is_empty() {
        blocks.push(DocxBlock::Paragraph("Không phát hiện mâu thuẫn giữa các số liệu.".to_owned()));
    } else {
        let header = ["Đơn vị", "Chỉ tiêu", "Nội dung"].map(str::to_owned).to_vec();
        blocks.push(DocxBlock::Table {
            header,
            rows: report.findings.iter().map(|finding| finding.to_vec()).collect(),
        });
    }
    if report.left_out > 0 {
        blocks.push(DocxBlock::Paragraph(
            "Phụ lục quá dài nên không liệt kê hết; xem đầy đủ trên hệ thống.".to_owned(),
        ));
    }
    blocks
}

/// Renders the blocks of a document as Markdown.
#[must_use]
pub fn markdown(blocks: &[DocxBlock]) -> String {
    let mut text = String::new();
    for block in blocks {
        match block {
            DocxBlock::Title(title) => {
                for (n, line) in title.lines().enumerate() {
                    text.push_str(&format!(
                        "{} {}\n\n",
                        if n == 0 { "#" } else { "##" },
                        if n == 0 { line.to_uppercase() } else { line.to_owned() }
                    ));
                }
            }
            DocxBlock::Heading(level, heading) => {
                text.push_str(&format!("{} {heading}\n\n", "#".repeat(usize::from(*level) + 1)))
            }
            DocxBlock::Paragraph(paragraph) => text.push_str(&format!("{paragraph}\n\n")),
            DocxBlock::Item(item) => text.push_str(&format!("- {item}\n\n")),
            DocxBlock::Table { header, rows } => {
                let line = |cells: &[String]| {
                    format!(
                        "| {} |\n",
                        cells
                            .iter()
                            .map(|cell| cell.replace('|', "\\|"))
                            .collect::<Vec<_>>()
                            .join(" | ")
                    )
                };
                text.push_str(&line(header));
                text.push_str(&line(&vec!["---".to_owned(); header.len()]));
                rows.iter().for_each(|row| text.push_str(&line(row)));
                text.push('\n');
            }
        }
    }
    text
}
