//! Writes documents as DOCX in the layout of administrative documents (Decree 30/2020/ND-CP, annex
//! I): A4, Times New Roman 14, margins of 2 cm at the top, bottom and right and 3 cm on the left,
//! page numbers at the top from the second page.

use std::io::{Cursor, Error};

use docx_rs::{
    AbstractNumbering, AlignmentType, BreakType, Docx, Header, IndentLevel, Level, LevelJc,
    LevelText, LineSpacing, LineSpacingType, NumberFormat, Numbering, NumberingId, PageMargin,
    PageNum, Paragraph, Pic, Run, RunFonts, SpecialIndentType, Start, Style, StyleType, Table,
    TableCell, TableLayoutType, TableRow, WidthType,
};

/// A block of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DocxBlock {
    /// The kind of the document, such as `Báo cáo`, in bold capitals in the middle; after a line
    /// break the subject in bold.
    Title(String),
    /// A heading with its level, 1 to 6; its text includes the number.
    Heading(u8, String),
    /// A paragraph.
    Paragraph(String),
    /// An item of a list, without its dash.
    Item(String),
    /// A picture in the width of the text, with a caption below it.
    Picture {
        /// The PNG file.
        png: Vec<u8>,
        /// Width and height in pixels.
        size: (u32, u32),
        /// The caption, which is also what those hear who cannot see the picture.
        caption: String,
    },
    /// A table; its header is repeated on each page. Short rows are filled with empty cells.
    Table {
        /// The names of the columns.
        header: Vec<String>,
        /// The rows of cells.
        rows: Vec<Vec<String>>,
    },
}

/// Twentieths of a point in a centimetre.
const CM: i32 = 567;
/// Width and height of A4, in twentieths of a point.
const PAGE: (u32, u32) = (11_906, 16_838);
/// Width between the margins, in twentieths of a point.
const TEXT_WIDTH: usize = 9_071;
/// Font sizes, in half points.
const TEXT_SIZE: usize = 28;
const TABLE_SIZE: usize = 26;
const FONT: &str = "Times New Roman";
/// The numbering identifier of list items.
const LIST: usize = 2;
/// The element by which docx-rs keeps a row on one page; only header rows have it here.
const HEADER_MARK: &str = "<w:cantSplit />";

/// The element by which docx-rs names every picture.
const PICTURE_MARK: &str = r#"<wp:docPr id="1" name="Figure" />"#;
/// English metric units in a twentieth of a point.
const EMU: u32 = 635;

/// Renders a document as DOCX. Characters that XML does not allow are left out.
///
/// ```
/// use egov_kpi::render::docx::{DocxBlock, docx};
/// use documents::{MediaType, read};
///
/// let bytes = docx(&[DocxBlock::Paragraph("Tạo mới 12 tài khoản.".to_owned())]).unwrap();
/// assert_eq!(read(&bytes, MediaType::Docx).unwrap().text, "Tạo mới 12 tài khoản.\n");
/// ```
///
/// # Errors
/// When the archive cannot be written.
pub fn docx(blocks: &[DocxBlock]) -> Result<Vec<u8>, Error> {
    let mut docx = page(Docx::new());
    let mut captions = Vec::new();
    for block in blocks {
        docx = match block {
            DocxBlock::Picture { png, size, caption } => {
                captions.push(caption.as_str());
                docx.add_paragraph(picture(png, *size, captions.len()))
                    .add_paragraph(paragraph(caption).style("Caption"))
            }
            DocxBlock::Title(text) => {
                text.split('\n').enumerate().fold(docx, |docx, (line, text)| {
                    let style = if line == 0 { "Title" } else { "Subtitle" };
                    docx.add_paragraph(paragraph(text).style(style))
                })
            }
            DocxBlock::Heading(level, text) => docx
                .add_paragraph(paragraph(text).style(&format!("Heading{}", level.clamp(&1, &6)))),
            DocxBlock::Paragraph(text) => docx.add_paragraph(paragraph(text).style("Text")),
            DocxBlock::Item(text) => docx.add_paragraph(
                paragraph(text)
                    .style("Item")
                    .numbering(NumberingId::new(LIST), IndentLevel::new(0)),
            ),
            DocxBlock::Table { header, rows } => {
                docx.add_table(table(header, rows)).add_paragraph(Paragraph::new())
            }
        };
    }
    let mut parts = docx.build();
    let document = String::from_utf8(parts.document).map_err(Error::other)?;
    // docx-rs has no repeated header rows. Text cannot contain the element, because its brackets
    // are escaped.
    let document = document.replace(HEADER_MARK, &format!("{HEADER_MARK}<w:tblHeader />"));
    parts.document = described(document, &captions).into_bytes();
    let mut archive = Cursor::new(Vec::new());
    parts.pack(&mut archive).map_err(Error::other)?;
    Ok(archive.into_inner())
}

/// The paragraph of a picture in the width of the text.
fn picture(png: &[u8], (width, height): (u32, u32), number: usize) -> Paragraph {
    let wide = u32::try_from(TEXT_WIDTH).unwrap_or(u32::MAX).saturating_mul(EMU);
    let high = u64::from(wide) * u64::from(height) / u64::from(width.max(1));
    let high = u32::try_from(high).unwrap_or(u32::MAX);
    let picture = Pic::new_with_dimensions(png.to_vec(), width, height)
        .id(format!("rIdImage{number}"))
        .size(wide, high);
    Paragraph::new().style("Picture").keep_next(true).add_run(Run::new().add_image(picture))
}

/// Numbers the pictures of a document and describes them: docx-rs gives all of them one number and
/// no description.
fn described(document: String, captions: &[&str]) -> String {
    let mut found = String::with_capacity(document.len());
    for (n, part) in document.split(PICTURE_MARK).enumerate() {
        if let Some(caption) = n.checked_sub(1).and_then(|before| captions.get(before)) {
            let (mut name, escapes) =
                (String::new(), [('&', "&amp;"), ('<', "&lt;"), ('"', "&quot;")]);
            for letter in caption.chars().filter(|letter| !letter.is_control()) {
                match escapes.iter().find(|(escaped, _)| *escaped == letter) {
                    Some((_, escape)) => name.push_str(escape),
                    None => name.push(letter),
                }
            }
            found.push_str(&format!(r#"<wp:docPr id="{n}" name="Figure {n}" descr="{name}" />"#));
        }
        found.push_str(part);
    }
    found
}

fn page(docx: Docx) -> Docx {
    let fonts = RunFonts::new().ascii(FONT).hi_ansi(FONT).cs(FONT).east_asia(FONT);
    let numbers = Header::new()
        .add_paragraph(Paragraph::new().align(AlignmentType::Center).add_page_num(PageNum::new()));
    let dash = Level::new(
        0,
        Start::new(1),
        NumberFormat::new("bullet"),
        LevelText::new("-"),
        LevelJc::new("left"),
    );
    let dash = dash.indent(Some(CM), Some(SpecialIndentType::Hanging(CM / 2)), None, None);
    let docx = docx
        .page_size(PAGE.0, PAGE.1)
        .page_margin(PageMargin {
            top: 2 * CM,
            bottom: 2 * CM,
            left: 3 * CM,
            right: 2 * CM,
            header: CM,
            footer: CM,
            gutter: 0,
        })
        .default_fonts(fonts)
        .default_size(TEXT_SIZE)
        .header(numbers)
        .first_header(Header::new().add_paragraph(Paragraph::new()))
        .title_pg()
        .add_abstract_numbering(AbstractNumbering::new(LIST).add_level(dash))
        .add_numbering(Numbering::new(LIST, LIST));
    styles().into_iter().fold(docx, Docx::add_style)
}

fn styles() -> Vec<Style> {
    let spacing = |before, after| {
        LineSpacing::new().before(before).after(after).line(264).line_rule(LineSpacingType::Auto)
    };
    let style =
        |id: &str, name: &str| Style::new(id, StyleType::Paragraph).name(name).q_format(true);
    let mut title =
        style("Title", "Title").bold().align(AlignmentType::Center).line_spacing(spacing(240, 0));
    title.run_property = title.run_property.caps();
    let text = style("Text", "Text").align(AlignmentType::Both).line_spacing(spacing(0, 120));
    let mut found = vec![
        title,
        style("Subtitle", "Subtitle")
            .bold()
            .align(AlignmentType::Center)
            .line_spacing(spacing(0, 240)),
        text.indent(None, Some(SpecialIndentType::FirstLine(CM)), None, None),
        style("Item", "Item").align(AlignmentType::Both).line_spacing(spacing(0, 120)),
        style("Cell", "Cell").size(TABLE_SIZE),
        style("Picture", "Picture").align(AlignmentType::Center).line_spacing(spacing(120, 0)),
        style("Caption", "caption")
            .italic()
            .align(AlignmentType::Center)
            .size(TABLE_SIZE)
            .line_spacing(spacing(0, 120)),
    ];
    found.extend((1..=6_usize).map(|level| {
        style(&format!("Heading{level}"), &format!("heading {level}"))
            .bold()
            .line_spacing(spacing(120, 120))
            .outline_lvl(level - 1)
    }));
    found
}

fn paragraph(text: &str) -> Paragraph {
    Paragraph::new().add_run(run(text))
}

/// A run of text, with its line breaks and tabs.
fn run(text: &str) -> Run {
    let held = |letter: char| !letter.is_control() && !matches!(letter, '\u{FFFE}' | '\u{FFFF}');
    text.split('\n').enumerate().fold(Run::new(), |run, (line, text)| {
        let run = if line > 0 { run.add_break(BreakType::TextWrapping) } else { run };
        text.split('\t').enumerate().fold(run, |run, (piece, text)| {
            let run = if piece > 0 { run.add_tab() } else { run };
            run.add_text(text.chars().filter(|letter| held(*letter)).collect::<String>())
        })
    })
}

fn table(header: &[String], rows: &[Vec<String>]) -> Table {
    let columns = rows.iter().map(Vec::len).chain([header.len()]).max().unwrap_or(1).max(1);
    let width = TEXT_WIDTH / columns;
    let cell = |text: &str, named: bool| {
        let run = if named { run(text).bold() } else { run(text) };
        let figure = !text.is_empty()
            && text.chars().all(|letter| {
                letter.is_ascii_digit() || matches!(letter, '.' | ',' | '%' | '-' | '+' | ' ')
            });
        let place = if named {
            AlignmentType::Center
        } else if figure {
            AlignmentType::Right
        } else {
            AlignmentType::Left
        };
        TableCell::new().width(width, WidthType::Dxa).add_paragraph(
            Paragraph::new().style("Cell").align(place).add_run(run.size(TABLE_SIZE)),
        )
    };
    let row = |cells: &[String], named: bool| {
        let filled = cells.iter().map(String::as_str).chain(std::iter::repeat("")).take(columns);
        TableRow::new(filled.map(|text| cell(text, named)).collect())
    };
    let head = (!header.is_empty()).then(|| row(header, true).cant_split());
    let all = head.into_iter().chain(rows.iter().map(|cells| row(cells, false)));
    Table::new(all.collect())
        .set_grid(vec![width; columns])
        .width(width * columns, WidthType::Dxa)
        .layout(TableLayoutType::Fixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use documents::{BlockKind, MediaType, read};

    fn text(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn a_written_document_reads_back_the_same() {
        let blocks = [
            DocxBlock::Title(text("Báo cáo\nKết quả tháng 10 năm 2021")),
            DocxBlock::Heading(2, text("I. Tình hình")),
            DocxBlock::Heading(3, text("1. Văn bản <đi> & đến")),
            DocxBlock::Paragraph(text(
                "Tổng văn bản đi: 23.441,\u{a0}ký số 18.506\u{b} (tỷ lệ 78,955%).",
            )),
            DocxBlock::Item(text("Tiếp nhận đơn: Không có.")),
            DocxBlock::Table {
                header: vec![text("Đơn vị"), text("Số")],
                rows: vec![vec![text("Sở Y tế"), text("1.200")], vec![text("Sở Nội vụ")]],
            },
            DocxBlock::Paragraph(text("Hết.")),
        ];
        let document = read(&docx(&blocks).unwrap(), MediaType::Docx).unwrap();
        assert_eq!(
            document.text,
            "Báo cáo\nKết quả tháng 10 năm 2021\nI. Tình hình\n1. Văn bản <đi> & đến\n\
             Tổng văn bản đi: 23.441,\u{a0}ký số 18.506 (tỷ lệ 78,955%).\n\
             Tiếp nhận đơn: Không có.\nĐơn vị\tSố\nSở Y tế\t1.200\nSở Nội vụ\t\nHết.\n"
        );
        let kinds: Vec<_> = document.blocks.iter().map(|block| &block.kind).collect();
        assert!(matches!(
            kinds[..],
            [
                BlockKind::Heading(1),
                BlockKind::Heading(2),
                BlockKind::Heading(2),
                BlockKind::Heading(3),
                BlockKind::Paragraph,
                BlockKind::Paragraph,
                BlockKind::Table(_),
                BlockKind::Paragraph
            ]
        ));
    }

    #[test]
    fn pictures_are_parts_of_the_document_and_described() {
        let picture = |caption: &str| DocxBlock::Picture {
            png: caption.as_bytes().to_vec(),
            size: (100, 50),
            caption: text(caption),
        };
        let bytes = docx(&[picture("A & \"B\""), text_block(), picture("C")]).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes.clone())).unwrap();
        let document =
            std::io::read_to_string(archive.by_name("word/document.xml").unwrap()).unwrap();
        for part in [
            r#"<wp:docPr id="1" name="Figure 1" descr="A &amp; &quot;B&quot;" />"#,
            r#"<wp:docPr id="2" name="Figure 2" descr="C" />"#,
            r#"r:embed="rIdImage1""#,
            r#"<wp:extent cx="5760085" cy="2880042" />"#,
        ] {
            assert!(document.contains(part), "{part} is not in {document}");
        }
        let relations =
            std::io::read_to_string(archive.by_name("word/_rels/document.xml.rels").unwrap());
        assert!(relations.unwrap().contains("media/rIdImage2.png"));
        assert!(archive.by_name("word/media/rIdImage2.png").is_ok());
        // Those who read it again find the texts alone.
        let read = read(&bytes, MediaType::Docx).unwrap();
        assert_eq!(read.text, "A & \"B\"\nHết.\n\nC\n");
        assert_eq!(docx(&[picture("C")]).unwrap(), docx(&[picture("C")]).unwrap());
    }

    fn text_block() -> DocxBlock {
        DocxBlock::Paragraph(text("Hết."))
    }

    #[test]
    fn the_header_row_is_repeated_and_a_table_of_nothing_is_written() {
        let table =
            |header: Vec<String>| docx(&[DocxBlock::Table { header, rows: Vec::new() }]).unwrap();
        let document = |bytes: Vec<u8>| {
            let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
            std::io::read_to_string(archive.by_name("word/document.xml").unwrap()).unwrap()
        };
        assert!(
            document(table(vec![text("<w:cantSplit />")]))
                .contains("<w:trPr><w:cantSplit /><w:tblHeader /></w:trPr>")
        );
        assert!(!document(table(Vec::new())).contains("tblHeader"));
    }
}
