//! Structure of plain text and Markdown: finds the headings, paragraphs, list items and tables
//! among the lines.

use std::ops::Range;

use super::outline::{self, HeadingMarkup, HeadingStyle};
use super::text_line::{TextLine, bare};
use super::{BlockKind, Document, DocumentBlock, DocumentError, grid, limits};

/// Widest line, in characters, that can be part of a wrapped paragraph. Longer lines are whole
/// paragraphs.
const WRAPPED_CHARS: usize = 130;
/// Fewest wrapped lines that show that a document has wrapped lines.
const WRAPPED_LINES: usize = 4;
/// Narrowest width, in characters, at which lines can be wrapped.
const NARROWEST: usize = 60;
/// Length of the end of a paragraph, in bytes, that is searched for an open sentence or bracket.
const SENTENCE_BYTES: usize = 4_000;
/// Marks of list items.
const BULLETS: [char; 20] = [
    '-', '+', '*', '•', '–', '—', '·', '▪', '◦', '●', '○', '■', '□', '➢', '►', '✓', '❖',
    '\u{F0B7}', '\u{F0A7}', '\u{F0D8}',
];

/// The beginning of a list item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ListMarker {
    /// `-`
    Bullet,
    /// `1.`
    Number,
}

/// Splits a text into its parts.
///
/// # Errors
/// `too_many_rows` when the tables exceed [`super::limits`].
pub(super) fn read(text: String, markdown: bool) -> Result<Document, DocumentError> {
    let (mut blocks, looks) =
        LineReader::new(&text, markdown, &mut grid::TableBudget::default()).blocks()?;
    outline::assign_levels(&mut blocks, &looks);
    Ok(Document { text, blocks })
}

/// Splits the paragraphs without markup of a document, one on each line. Returns the parts, and the
/// appearance of those that are headings. Lines of pasted text may together be one paragraph.
///
/// # Errors
/// `too_many_rows` when the tables of the document exceed [`super::limits`].
pub(super) fn paragraphs(
    text: &str,
    size: &mut grid::TableBudget,
) -> Result<(Vec<DocumentBlock>, HeadingStyles), DocumentError> {
    let reader = LineReader::new(text, false, size);
    let wrapped = are_wrapped(&reader.lines);
    LineReader { wrapped, ..reader }.blocks()
}

/// The appearance of headings, by the place of the heading among the parts.
pub(super) type HeadingStyles = Vec<(usize, HeadingStyle)>;

/// Whether lines are wrapped: several lines end within a sentence where the first word of the next
/// line would not have fitted.
fn are_wrapped(lines: &[TextLine<'_>]) -> bool {
    let widest = lines.iter().map(|line| line.width).max().unwrap_or(0);
    if !(NARROWEST..=WRAPPED_CHARS).contains(&widest) {
        return false;
    }
    let forced = lines.iter().zip(lines.iter().skip(1)).filter(|(line, next)| {
        let word = next.text.split_whitespace().next().map_or(0, |word| word.chars().count());
        word > 0 && !ends_sentence(line.text) && line.width + 1 + word > widest
    });
    forced.count() >= WRAPPED_LINES
}

struct LineReader<'a> {
    text: &'a str,
    lines: Vec<TextLine<'a>>,
    markdown: bool,
    /// Whether lines are wrapped, so that a paragraph may have several lines.
    wrapped: bool,
    width: usize,
    blocks: Vec<DocumentBlock>,
    looks: HeadingStyles,
    size: &'a mut grid::TableBudget,
}

impl<'a> LineReader<'a> {
    fn new(text: &'a str, markdown: bool, size: &'a mut grid::TableBudget) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split('\n') {
            let trimmed = line.trim();
            let lead = line.len() - line.trim_start().len();
            lines.push(TextLine {
                start: start + lead,
                text: trimmed,
                width: trimmed.chars().count(),
            });
            start += line.len() + 1;
        }
        let width = lines
            .iter()
            .map(|line| line.width)
            .filter(|width| *width <= WRAPPED_CHARS)
            .max()
            .unwrap_or(0)
            .max(NARROWEST);
        Self {
            text,
            lines,
            markdown,
            wrapped: true,
            width,
            blocks: Vec::new(),
            looks: Vec::new(),
            size,
        }
    }

    fn line(&self, at: usize) -> Option<TextLine<'a>> {
        self.lines.get(at).copied()
    }

    fn blocks(mut self) -> Result<(Vec<DocumentBlock>, HeadingStyles), DocumentError> {
        let mut at = 0;
        while let Some(line) = self.line(at) {
            if self.blocks.len() > limits::BLOCKS {
                return Err(DocumentError::new(
                    "too_large",
                    format!("the document has more than {} paragraphs", limits::BLOCKS),
                ));
            }
            at = if line.text.is_empty() || (self.markdown && is_rule(line.text)) {
                at + 1
            } else if let Some(end) = self.markdown_heading(at, line) {
                end
            } else if let Some((table, end)) = self.table(at) {
                self.size.add(&table)?;
                self.push_table(table);
                end
            } else {
                self.paragraph(at)
            };
        }
        Ok((self.blocks, self.looks))
    }

    fn table(&self, at: usize) -> Option<(grid::CellRanges, usize)> {
        let rest = self.lines.get(at..).unwrap_or_default();
        let (rows, lines) = grid::read_pipe_table(rest, self.markdown)
            .or_else(|| grid::read_spaced_table(rest, self.text))?;
        // Two spaces between the words of a paragraph are a typing error, not a table.
        let slip = !self.wrapped && rows.first()?.len() < 3 && !rest.first()?.text.contains('\t');
        (!slip).then_some((rows, at + lines))
    }

    fn push_table(&mut self, rows: grid::CellRanges) {
        let mut cells = rows.iter().flatten();
        if let Some(first) = cells.next() {
            let end = cells.next_back().unwrap_or(first).end;
            self.blocks
                .push(DocumentBlock { range: first.start..end, kind: BlockKind::Table(rows) });
        }
    }

    /// Reads `## Name`, or a name underlined with `===` or `---`. Returns the line after it.
    fn markdown_heading(&mut self, at: usize, line: TextLine<'a>) -> Option<usize> {
        if !self.markdown {
            return None;
        }
        let name = line.text.trim_start_matches('#');
        let depth = line.text.len() - name.len();
        let (level, start, end, behind) = if (1..=6).contains(&depth)
            && (name.is_empty() || name.starts_with(char::is_whitespace))
        {
            let closed = name.trim_end_matches('#');
            let name = if closed.ends_with(char::is_whitespace) { closed } else { name };
            (
                u8::try_from(depth).unwrap_or(1),
                line.start + depth,
                line.start + depth + name.len(),
                at + 1,
            )
        } else {
            let under = self.line(at + 1).map_or("", |under| under.text);
            let drawn = |sign: char| under.len() >= 3 && under.chars().all(|letter| letter == sign);
            let entry = marker(line.text).is_some_and(|(marker, _)| marker == ListMarker::Bullet);
            let level = if drawn('=') {
                1
            } else if drawn('-') && !entry && !line.text.starts_with('|') {
                2
            } else {
                return None;
            };
            (level, line.start, line.end(), at + 2)
        };
        let range = self.bare(start..end);
        let name = self.text.get(range.clone()).unwrap_or_default();
        if !name.is_empty() {
            match outline::heading_style(name, HeadingMarkup::Heading(level)) {
                Some(look) => self.push_heading(range, look),
                None => self.blocks.push(DocumentBlock { kind: BlockKind::Paragraph, range }),
            }
        }
        Some(behind)
    }

    fn push_heading(&mut self, range: Range<usize>, look: HeadingStyle) {
        self.looks.push((self.blocks.len(), look));
        self.blocks.push(DocumentBlock { kind: BlockKind::Heading(1), range });
    }

    /// Reads the paragraph, list item or heading that begins at a line. Returns the line after it.
    fn paragraph(&mut self, at: usize) -> usize {
        let Some(first) = self.line(at) else { return at + 1 };
        let mut last = at;
        while let Some(next) = self.next_of_paragraph(first, last) {
            last = next;
        }
        let end = self.line(last).map_or(first.end(), |line| line.end());
        let mut start = first.start;
        let quote = first.text.trim_start_matches('>').trim_start();
        if self.markdown {
            start = first.end() - quote.len();
        }
        let text = |start: usize| self.text.get(start..end).unwrap_or_default();
        if let Some((ListMarker::Bullet, length)) = marker(text(start)) {
            start += length;
        }
        let range = self.bare(start..end);
        let bold = self.markdown
            && range.start > start
            && text(start).starts_with("**")
            && text(start).ends_with("**");
        let name = self.text.get(range.clone()).unwrap_or_default();
        if name.is_empty() {
            return last + 1;
        }
        let looks = outline::heading_style(
            name,
            if bold && !name.contains("**") { HeadingMarkup::Bold } else { HeadingMarkup::Plain },
        );
        // A text after a dash is a list item, even if it is short.
        match looks.filter(|_| start == first.start || bold) {
            Some(look) => self.push_heading(range, look),
            None => {
                let length = marker(name).map_or(0, |(_, length)| length);
                let range = self.bare(range.start + length..range.end);
                self.blocks.push(DocumentBlock { kind: BlockKind::Paragraph, range });
            }
        }
        last + 1
    }

    /// The line that continues a paragraph after its line `last`, if there is one.
    fn next_of_paragraph(&self, first: TextLine<'a>, last: usize) -> Option<usize> {
        let before = self.line(last)?;
        let mut at = last + 1;
        let mut next = self.line(at)?;
        let so_far = self
            .text
            .get(first.start..before.end())
            .filter(|text| text.len() <= SENTENCE_BYTES)
            .unwrap_or(before.text);
        let blank = next.text.is_empty();
        if blank {
            at += 1;
            next = self.line(at)?;
        }
        if next.text.is_empty() || self.begins_other(at, next) {
            return None;
        }
        let heading = outline::heading_style(self.without_marker(so_far), HeadingMarkup::Plain)
            .is_some()
            || outline::heading_style(so_far, HeadingMarkup::Plain).is_some();
        let ended = ends_sentence(before.text);
        if !blank
            && awaits_number(before.text)
            && next.text.starts_with(|letter: char| letter.is_ascii_digit())
        {
            return Some(at);
        }
        let goes_on = begins_lower(next.text) && !ended;
        if !self.wrapped {
            return (goes_on && !heading && marker(next.text).is_none()).then_some(at);
        }
        if blank {
            // A page break may be inside a sentence.
            let counts_on = next.text.starts_with(|letter: char| letter.is_ascii_digit())
                && marker(next.text).is_none()
                && before.width >= NARROWEST / 2
                && next.text.split_whitespace().count() >= 3;
            return (!ended
                && !heading
                && (goes_on || counts_on)
                && marker(next.text).is_none_or(|_| open_bracket(so_far)))
            .then_some(at);
        }
        let word = next.text.split_whitespace().next().map_or(0, |word| word.chars().count());
        let forced = before.width + 1 + word > self.width;
        if marker(next.text).is_some() {
            let inside = !ended
                && !heading
                && (open_bracket(so_far) || (forced && unmarked_lower(next.text)));
            return inside.then_some(at);
        }
        if heading {
            let capitals = outline::capitals(so_far) && outline::capitals(next.text) && forced;
            return (capitals || (goes_on && (forced || outline::number(so_far).is_some())))
                .then_some(at);
        }
        if outline::heading_style(next.text, HeadingMarkup::Plain).is_some() && !forced {
            return None;
        }
        // A number alone on a line belongs to the unfinished sentence before it.
        let counts_on = !ended && next.text.starts_with(|letter: char| letter.is_ascii_digit());
        let deliberate = !forced
            && !begins_lower(next.text)
            && !counts_on
            && (ended || before.width * 10 < self.width * 6);
        (!deliberate).then_some(at)
    }

    /// Whether a heading, list item or table begins at a line.
    fn begins_other(&self, at: usize, line: TextLine<'a>) -> bool {
        let markdown = self.markdown && (is_rule(line.text) || is_heading_line(line.text));
        markdown || self.table(at).is_some()
    }

    fn without_marker<'t>(&self, text: &'t str) -> &'t str {
        let length = marker(text)
            .filter(|(marker, _)| *marker == ListMarker::Bullet)
            .map_or(0, |(_, length)| length);
        let text = text.get(length..).unwrap_or_default();
        if self.markdown { text.trim_matches(['*', '_']).trim() } else { text }
    }

    /// A range without surrounding spaces and, in Markdown, without surrounding marks of emphasis.
    fn bare(&self, range: Range<usize>) -> Range<usize> {
        let text = self.text.get(range.clone()).unwrap_or_default();
        bare(text, range.start, self.markdown)
    }
}

fn is_heading_line(line: &str) -> bool {
    let name = line.trim_start_matches('#');
    (1..=6).contains(&(line.len() - name.len())) && name.starts_with(char::is_whitespace)
}

/// Whether a line of Markdown has no content: a rule, a fence or a comment.
fn is_rule(line: &str) -> bool {
    let drawn = |sign: char| {
        line.chars().filter(|letter| *letter == sign).count() >= 3
            && line.chars().all(|letter| letter == sign || letter == ' ')
    };
    ['-', '*', '_'].into_iter().any(drawn)
        || line.starts_with("```")
        || line.starts_with("~~~")
        || (line.starts_with("<!--") && line.ends_with("-->"))
}

/// The mark at the beginning of a list item, and its length in bytes with the space after it.
pub(super) fn marker(line: &str) -> Option<(ListMarker, usize)> {
    let bullet = line.strip_prefix(BULLETS).and_then(|rest| {
        let spaced = rest.starts_with(char::is_whitespace);
        let glued = !line.starts_with(['*', '+', '—']) && rest.starts_with(char::is_uppercase);
        (spaced || glued).then(|| (ListMarker::Bullet, line.len() - rest.trim_start().len()))
    });
    bullet.or_else(|| outline::number(line).map(|(_, length)| (ListMarker::Number, length)))
}

fn unmarked_lower(line: &str) -> bool {
    let length = marker(line).map_or(0, |(_, length)| length);
    line.get(length..).is_some_and(begins_lower)
}

/// Whether the line ends a sentence.
pub(super) fn ends_sentence(line: &str) -> bool {
    line.trim_end_matches(['”', '"', '’', '»', '*', '_', ' '])
        .ends_with(['.', ';', ':', '!', '?', '…'])
}

pub(super) fn begins_lower(line: &str) -> bool {
    line.trim_start_matches(['(', '“', '"', '*', '_']).starts_with(char::is_lowercase)
}

/// Whether a line ends with a word after which a number must follow: `mức độ`, `tháng`.
fn awaits_number(line: &str) -> bool {
    let last = line.split_whitespace().next_back().unwrap_or_default().to_lowercase();
    matches!(last.as_str(), "độ" | "mức" | "tháng" | "năm" | "quý" | "ngày" | "số")
}

/// Whether a bracket is open at the end of the text.
pub(super) fn open_bracket(text: &str) -> bool {
    text.rfind('(').is_some_and(|open| text.get(open..).is_some_and(|rest| !rest.contains(')')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts as text: `1# heading`, `paragraph`, `| cell | cell`.
    fn shown(text: &str, markdown: bool) -> Vec<String> {
        let document = read(text.to_owned(), markdown).unwrap();
        let slice = |range: &Range<usize>| document.slice(range).replace('\n', "⏎");
        let lines = document.blocks.iter().flat_map(|block| match &block.kind {
            BlockKind::Heading(level) => vec![format!("{level}# {}", slice(&block.range))],
            BlockKind::Paragraph => vec![slice(&block.range)],
            BlockKind::Table(rows) => rows
                .iter()
                .map(|row| {
                    row.iter()
                        .map(|cell| format!("| {}", slice(cell)))
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect(),
        });
        lines.collect()
    }

    #[test]
    fn markdown_markup_is_removed_only_at_the_edges() {
        let text = "# **BÁO CÁO**\n\n## **I. Tình hình** ##\n- Tạo mới **12** tài khoản;\n\
            - *Ký số*: 7\n\n> 1. Tiếp tục làm;\n\n---\n**Đơn thư**\n\nKết quả\n====\n\
            **3** đơn và **4** đơn.";
        assert_eq!(
            shown(text, true),
            [
                "1# BÁO CÁO",
                "2# I. Tình hình",
                "Tạo mới **12** tài khoản;",
                "*Ký số*: 7",
                "Tiếp tục làm;",
                "3# Đơn thư",
                "1# Kết quả",
                "**3** đơn và **4** đơn."
            ]
        );
    }

    #[test]
    fn levels_follow_the_numbers_where_the_hashes_disagree() {
        let uneven = "#### **I. CHUNG**\n\n## **1. Bưu chính**\n\n#### **2. Viễn thông**\n\n\
            ### **2.1. Di động**\n\n## **II. Khác**";
        assert_eq!(
            shown(uneven, true),
            [
                "2# I. CHUNG",
                "3# 1. Bưu chính",
                "3# 2. Viễn thông",
                "4# 2.1. Di động",
                "2# II. Khác"
            ]
        );
        let even = "# Báo cáo\n## 1. Bưu chính\n### 1.1. Thư\n## 2. Viễn thông\n### Chi tiết";
        assert_eq!(
            shown(even, true),
            ["1# Báo cáo", "2# 1. Bưu chính", "3# 1.1. Thư", "2# 2. Viễn thông", "3# Chi tiết"]
        );
    }

    #[test]
    fn sentences_continue_over_line_and_page_breaks() {
        assert_eq!(
            shown("- Họp bỏ\n\nphiếu xét 3 xã.\n- Hỗ trợ các đơn vị\n\nsử dụng: 5", true),
            ["Họp bỏ⏎⏎phiếu xét 3 xã.", "Hỗ trợ các đơn vị⏎⏎sử dụng: 5"]
        );
        assert_eq!(shown("Đã xong.\n\nphiếu", true), ["Đã xong.", "phiếu"]);
        assert_eq!(shown("Họp bỏ\n\n\nphiếu", true), ["Họp bỏ", "phiếu"]);
        let wrapped = "Hệ thống cổng dịch vụ công của tỉnh mẫu đã tiếp nhận trong tháng (qua VNPT\n\
            - iGate) tổng cộng 1.200 hồ sơ, trong đó trực tuyến 300 hồ sơ, nâng tổng số lên\n\
            7.401. Tổng văn bản đi trong tháng là 12\nvăn bản.";
        assert_eq!(shown(wrapped, false), [wrapped.replace('\n', "⏎")]);
    }

    #[test]
    fn plain_text_shows_its_headings_entries_and_short_lines() {
        let text = "BÁO CÁO\nKết quả công tác tháng 10 năm 2021\n\nI. CÔNG TÁC QUẢN LÝ\n\
            1. Lĩnh vực bưu chính\nTrong tháng, cấp 2 giấy phép.\nSo với tháng trước tăng 1.\n\
            2. Lĩnh vực viễn thông\n+ Kiểm tra 5 doanh nghiệp\n+ Xử lý 1 vụ\na) Di động\n\
            II. NHIỆM VỤ\n1. Tiếp tục tăng cường công tác tuyên truyền, phổ biến, góp phần nâng\n\
            cao nhận thức của xã hội;\n2. Làm tốt.\nTổng: 7\nMới: 5";
        assert_eq!(
            shown(text, false),
            [
                "1# BÁO CÁO",
                "Kết quả công tác tháng 10 năm 2021",
                "2# I. CÔNG TÁC QUẢN LÝ",
                "3# 1. Lĩnh vực bưu chính",
                "Trong tháng, cấp 2 giấy phép.",
                "So với tháng trước tăng 1.",
                "3# 2. Lĩnh vực viễn thông",
                "Kiểm tra 5 doanh nghiệp",
                "Xử lý 1 vụ",
                "5# a) Di động",
                "2# II. NHIỆM VỤ",
                "Tiếp tục tăng cường công tác tuyên truyền, phổ biến, góp phần nâng⏎cao nhận thức \
                 của xã hội;",
                "Làm tốt.",
                "Tổng: 7",
                "Mới: 5"
            ]
        );
    }

    #[test]
    fn tables_are_found_in_pipes_boxes_tabs_and_gaps() {
        let pipes = "Bảng:\n| Đơn vị | **Số** |\n|---|---:|\n| Sở A \\| B | 7 |\n| Sở C | |\n\nHết";
        assert_eq!(
            shown(pipes, true),
            ["Bảng:", "| Đơn vị | Số", "| Sở A \\| B | 7", "| Sở C | ", "Hết"]
        );
        assert_eq!(
            shown("Đơn vị | Số\n--- | ---\nSở A | 7", true),
            ["| Đơn vị | Số", "| Sở A | 7"]
        );
        assert_eq!(
            shown("+----+---+\n| A  | 1 |\n+====+===+\n| B  | 2 |\n+----+---+", false),
            ["| A | 1", "| B | 2"]
        );
        assert_eq!(
            shown("Đơn vị\tĐi\tĐến\nSở A\t\t9\n\tX\t5", false),
            ["| Đơn vị | Đi | Đến", "| Sở A |  | 9", "|  | X | 5"]
        );
        assert_eq!(
            shown(
                "Sở trình UBND  tỉnh\tban hành 02 quyết định;\n\
                 gửi các  cơ quan\tbáo chí 08 văn bản.",
                false
            )
            .len(),
            1
        );
        let gaps = "STT   Đơn vị        Đi    Đến\n1     Sở Y tế       12      9\n\
            2     Sở Nội vụ             5\n\nHết  rồi";
        assert_eq!(
            shown(gaps, false),
            [
                "| STT | Đơn vị | Đi | Đến",
                "| 1 | Sở Y tế | 12 | 9",
                "| 2 | Sở Nội vụ |  | 5",
                "Hết  rồi"
            ]
        );
        assert_eq!(
            shown("-  Một\n-  Hai\n1.  Tiếp tục làm;\n2.  Làm tốt;", false),
            ["Một", "Hai", "Tiếp tục làm;", "Làm tốt;"]
        );
    }

    #[test]
    fn tables_over_the_limit_are_refused_and_long_texts_are_read_in_linear_time() {
        let rows = |count: usize| "| a | b |\n".repeat(count);
        assert!(read(rows(limits::TABLE_ROWS), true).is_ok());
        assert_eq!(read(rows(limits::TABLE_ROWS + 1), true).unwrap_err().code, "too_many_rows");
        let wide = format!("|{}|\n", "a|".repeat(limits::TABLE_CELLS / 2));
        assert_eq!(read(wide.repeat(2), true).unwrap_err().code, "too_many_rows");
        assert_eq!(read("a\n\n\n".repeat(limits::BLOCKS + 2), true).unwrap_err().code, "too_large");
        for line in [
            "a\n", "-\n", "+--+\n", "(a\n", "a  b\n\n", "|\n", "*", "**a", "# \n", "I. A\n",
            "a\n\n", "> ", "\\|", "`", "1.1.", "A ",
        ] {
            for markdown in [false, true] {
                let began = std::time::Instant::now();
                read(line.repeat(200_000 / line.len()), markdown).ok();
                assert!(began.elapsed() < limits::TIME, "{line:?}: {:?}", began.elapsed());
            }
        }
    }
}
