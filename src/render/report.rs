//! A report written from the ledger, as the blocks of a document and as Markdown.

use super::docx::DocxBlock;
use super::picture::{SIZE, line_chart};
use crate::app::reports::written::{GeneratedReport, ReportChart};
use kpi::number_format::{format_vietnamese, rounded_to};

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
    if !report.charts.is_empty() {
        blocks.push(DocxBlock::Heading(2, "Biểu đồ".to_owned()));
    }
    for chart in &report.charts {
        let show = |value: f64, decimals: u32| {
            rounded_to(value, decimals).map(format_vietnamese).unwrap_or_default()
        };
        // A chart that cannot be drawn is left out; the table has its figures.
        if let Ok(png) = line_chart(&chart.values, &chart.months, chart.target, &show) {
            blocks.push(DocxBlock::Picture { png, size: SIZE, caption: caption(chart) });
        }
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

/// What is written below a chart. It has no numbers, so that somebody who reads the report again
/// takes none of them for a figure.
fn caption(chart: &ReportChart) -> String {
    let target = if chart.target.is_some() { " (đường đứt: mục tiêu)" } else { "" };
    format!("{}{target}", chart.name)
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
            DocxBlock::Picture { .. } => {}
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
