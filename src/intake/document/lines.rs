//! Plain text and Markdown: which lines are a heading, a paragraph, an entry of a list, a table.

use std::ops::Range;

use super::outline::{self, Look, Markup};
use super::{Block, BlockKind, Document, Refusal, grid, limits};

/// Widest line, in characters, that was broken for its width; longer ones are whole paragraphs.
const WRAPPED_CHARS: usize = 130;
/// How many lines at least are broken for their width in a document whose paragraphs are lines.
const WRAPPED_LINES: usize = 4;
/// Narrowest width that lines are taken to be broken for, in characters.
const NARROWEST: usize = 60;
/// How far back, in bytes, a paragraph's beginning is looked at to tell whether its sentence has ended.
const SENTENCE_BYTES: usize = 4_000;
/// Marks of a list's entry.
const BULLETS: [char; 20] = [
    '-', '+', '*', '•', '–', '—', '·', '▪', '◦', '●', '○', '■', '□', '➢', '►', '✓', '❖',
    '\u{F0B7}', '\u{F0A7}', '\u{F0D8}',
];

/// A line without the spaces around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Where it begins in the document's text.
    pub(super) start: usize,
    /// Its text.
    pub(super) text: &'a str,
    /// Its width in characters.
    pub(super) width: usize,
}

impl Line<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// What an entry of a list begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Marker {
    /// `-`
    Bullet,
    /// `1.`
    Number,
}

/// Takes a text apart.
///
/// # Errors
/// `too_many_rows` when its tables are larger than [`super::limits`] allows.
pub(super) fn read(text: String, markdown: bool) -> Result<Document, Refusal> {
    let (mut blocks, looks) = Reader::new(&text, markdown, &mut grid::Size::default()).blocks()?;
    outline::settle(&mut blocks, &looks);
    Ok(Document { text, blocks })
}

/// Takes the paragraphs of a document without any markup apart, one on each line: the blocks, and what those that are headings look like.
/// Lines of a text that was pasted into a document may be paragraphs of it.
///
/// # Errors
/// `too_many_rows` when the document's tables become larger than [`super::limits`] allows.
pub(super) fn paragraphs(
    text: &str,
    size: &mut grid::Size,
) -> Result<(Vec<Block>, Looks), Refusal> {
    let reader = Reader::new(text, false, size);
    let wrapped = are_wrapped(&reader.lines);
    Reader { wrapped, ..reader }.blocks()
}

/// What the blocks that are headings look like, by their places.
pub(super) type Looks = Vec<(usize, Look)>;

/// Whether lines were broken for their width: again and again the next one's first word had no room on a line whose sentence goes on.
fn are_wrapped(lines: &[Line<'_>]) -> bool {
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

struct Reader<'a> {
    text: &'a str,
    lines: Vec<Line<'a>>,
    markdown: bool,
    /// Whether lines were broken for their width, so that a paragraph may be several.
    wrapped: bool,
    width: usize,
    blocks: Vec<Block>,
    looks: Looks,
    size: &'a mut grid::Size,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, markdown: bool, size: &'a mut grid::Size) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split('\n') {
            let trimmed = line.trim();
            let lead = line.len() - line.trim_start().len();
            lines.push(Line { start: start + lead, text: trimmed, width: trimmed.chars().count() });
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

    fn line(&self, at: usize) -> Option<Line<'a>> {
        self.lines.get(at).copied()
    }

    fn blocks(mut self) -> Result<(Vec<Block>, Looks), Refusal> {
        let mut at = 0;
        while let Some(line) = self.line(at) {
            if self.blocks.len() > limits::BLOCKS {
                return Err(Refusal::new(
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

    fn table(&self, at: usize) -> Option<(grid::Rows, usize)> {
        let rest = self.lines.get(at..).unwrap_or_default();
        let (rows, lines) =
            grid::ruled(rest, self.markdown).or_else(|| grid::spaced(rest, self.text))?;
        // Two spaces between the words of a paragraph are a slip of the finger.
        let slip = !self.wrapped && rows.first()?.len() < 3 && !rest.first()?.text.contains('\t');
        (!slip).then_some((rows, at + lines))
    }

    fn push_table(&mut self, rows: grid::Rows) {
        let mut cells = rows.iter().flatten();
        if let Some(first) = cells.next() {
            let end = cells.next_back().unwrap_or(first).end;
            self.blocks.push(Block { range: first.start..end, kind: BlockKind::Table(rows) });
        }
    }

    /// `## Name`, or a name underlined by `===` or `---`; the line behind it.
    fn markdown_heading(&mut self, at: usize, line: Line<'a>) -> Option<usize> {
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
            let entry = marker(line.text).is_some_and(|(marker, _)| marker == Marker::Bullet);
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
            match outline::look(name, Markup::Heading(level)) {
                Some(look) => self.push_heading(range, look),
                None => self.blocks.push(Block { kind: BlockKind::Paragraph, range }),
            }
        }
        Some(behind)
    }

    fn push_heading(&mut self, range: Range<usize>, look: Look) {
        self.looks.push((self.blocks.len(), look));
        self.blocks.push(Block { kind: BlockKind::Heading(1), range });
    }

    /// Reads the paragraph, entry or heading that begins at a line; the line behind it.
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
        if let Some((Marker::Bullet, length)) = marker(text(start)) {
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
        let looks = outline::look(
            name,
            if bold && !name.contains("**") { Markup::Bold } else { Markup::Plain },
        );
        // What a dash stands before is an entry, however short.
        match looks.filter(|_| start == first.start || bold) {
            Some(look) => self.push_heading(range, look),
            None => {
                let length = marker(name).map_or(0, |(_, length)| length);
                let range = self.bare(range.start + length..range.end);
                self.blocks.push(Block { kind: BlockKind::Paragraph, range });
            }
        }
        last + 1
    }

    /// The line that carries a paragraph on behind its line `last`, where one does.
    fn next_of_paragraph(&self, first: Line<'a>, last: usize) -> Option<usize> {
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
        let heading = outline::look(self.unmarked(so_far), Markup::Plain).is_some()
            || outline::look(so_far, Markup::Plain).is_some();
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
            // A page ended inside the sentence.
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
        if outline::look(next.text, Markup::Plain).is_some() && !forced {
            return None;
        }
        // A number that stands alone on its line belongs to the sentence that has not ended before it.
        let counts_on = !ended && next.text.starts_with(|letter: char| letter.is_ascii_digit());
        let deliberate = !forced
            && !begins_lower(next.text)
            && !counts_on
            && (ended || before.width * 10 < self.width * 6);
        (!deliberate).then_some(at)
    }

    /// Whether something other than a paragraph begins at a line.
    fn begins_other(&self, at: usize, line: Line<'a>) -> bool {
        let markdown = self.markdown && (is_rule(line.text) || is_heading_line(line.text));
        markdown || self.table(at).is_some()
    }

    fn unmarked<'t>(&self, text: &'t str) -> &'t str {
        let length = marker(text)
            .filter(|(marker, _)| *marker == Marker::Bullet)
            .map_or(0, |(_, length)| length);
        let text = text.get(length..).unwrap_or_default();
        if self.markdown { text.trim_matches(['*', '_']).trim() } else { text }
    }

    /// A range without spaces and, in Markdown, marks of emphasis around it.
    fn bare(&self, range: Range<usize>) -> Range<usize> {
        let text = self.text.get(range.clone()).unwrap_or_default();
        bare(text, range.start, self.markdown)
    }
}

/// The range of a text that begins at `start`, without the spaces around it and, in Markdown, without marks of emphasis that enclose the whole.
pub(super) fn bare(text: &str, start: usize, markdown: bool) -> Range<usize> {
    let (mut text, mut start) = (text, start);
    loop {
        start += text.len() - text.trim_start().len();
        text = text.trim();
        let within = |mark: &str| {
            text.strip_prefix(mark)?
                .strip_suffix(mark)
                .filter(|inner| !inner.is_empty() && !inner.contains(mark))
        };
        let Some(inner) =
            ["**", "__", "*", "_", "`"].into_iter().find_map(within).filter(|_| markdown)
        else {
            return start..start + text.len();
        };
        start += (text.len() - inner.len()) / 2;
        text = inner;
    }
}

fn is_heading_line(line: &str) -> bool {
    let name = line.trim_start_matches('#');
    (1..=6).contains(&(line.len() - name.len())) && name.starts_with(char::is_whitespace)
}

/// A line of Markdown that says nothing: a rule, a fence, a comment.
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

/// The mark that an entry begins with, and its bytes with the space behind it.
pub(super) fn marker(line: &str) -> Option<(Marker, usize)> {
    let bullet = line.strip_prefix(BULLETS).and_then(|rest| {
        let spaced = rest.starts_with(char::is_whitespace);
        let glued = !line.starts_with(['*', '+', '—']) && rest.starts_with(char::is_uppercase);
        (spaced || glued).then(|| (Marker::Bullet, line.len() - rest.trim_start().len()))
    });
    bullet.or_else(|| outline::number(line).map(|(_, length)| (Marker::Number, length)))
}

fn unmarked_lower(line: &str) -> bool {
    let length = marker(line).map_or(0, |(_, length)| length);
    line.get(length..).is_some_and(begins_lower)
}

/// Whether a sentence ends with the line.
pub(super) fn ends_sentence(line: &str) -> bool {
    line.trim_end_matches(['”', '"', '’', '»', '*', '_', ' '])
        .ends_with(['.', ';', ':', '!', '?', '…'])
}

pub(super) fn begins_lower(line: &str) -> bool {
    line.trim_start_matches(['(', '“', '"', '*', '_']).starts_with(char::is_lowercase)
}

/// Whether a line ends with a word that a number has to follow: `mức độ`, `tháng`.
fn awaits_number(line: &str) -> bool {
    let last = line.split_whitespace().next_back().unwrap_or_default().to_lowercase();
    matches!(last.as_str(), "độ" | "mức" | "tháng" | "năm" | "quý" | "ngày" | "số")
}

/// Whether a bracket is open at the end.
pub(super) fn open_bracket(text: &str) -> bool {
    text.rfind('(').is_some_and(|open| text.get(open..).is_some_and(|rest| !rest.contains(')')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks as text: `1# heading`, `paragraph`, `| cell | cell`.
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
    fn markdown_loses_its_markup_at_the_edges_only() {
        let text = "# **BÁO CÁO**\n\n## **I. Tình hình** ##\n- Tạo mới **12** tài khoản;\n- *Ký số*: 7\n\n> 1. Tiếp tục làm;\n\n---\n**Đơn thư**\n\nKết quả\n====\n**3** đơn và **4** đơn.";
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
        let uneven = "#### **I. CHUNG**\n\n## **1. Bưu chính**\n\n#### **2. Viễn thông**\n\n### **2.1. Di động**\n\n## **II. Khác**";
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
    fn sentences_go_on_over_line_ends_and_over_the_end_of_a_page() {
        assert_eq!(
            shown("- Họp bỏ\n\nphiếu xét 3 xã.\n- Hỗ trợ các đơn vị\n\nsử dụng: 5", true),
            ["Họp bỏ⏎⏎phiếu xét 3 xã.", "Hỗ trợ các đơn vị⏎⏎sử dụng: 5"]
        );
        assert_eq!(shown("Đã xong.\n\nphiếu", true), ["Đã xong.", "phiếu"]);
        assert_eq!(shown("Họp bỏ\n\n\nphiếu", true), ["Họp bỏ", "phiếu"]);
        let wrapped = "Hệ thống cổng dịch vụ công của tỉnh mẫu đã tiếp nhận trong tháng (qua VNPT\n- iGate) tổng cộng 1.200 hồ sơ, trong đó trực tuyến 300 hồ sơ, nâng tổng số lên\n7.401. Tổng văn bản đi trong tháng là 12\nvăn bản.";
        assert_eq!(shown(wrapped, false), [wrapped.replace('\n', "⏎")]);
    }

    #[test]
    fn plain_text_shows_its_headings_entries_and_short_lines() {
        let text = "BÁO CÁO\nKết quả công tác tháng 10 năm 2021\n\nI. CÔNG TÁC QUẢN LÝ\n1. Lĩnh vực bưu chính\nTrong tháng, cấp 2 giấy phép.\nSo với tháng trước tăng 1.\n2. Lĩnh vực viễn thông\n+ Kiểm tra 5 doanh nghiệp\n+ Xử lý 1 vụ\na) Di động\nII. NHIỆM VỤ\n1. Tiếp tục tăng cường công tác tuyên truyền, phổ biến, góp phần nâng\ncao nhận thức của xã hội;\n2. Làm tốt.\nTổng: 7\nMới: 5";
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
                "Tiếp tục tăng cường công tác tuyên truyền, phổ biến, góp phần nâng⏎cao nhận thức của xã hội;",
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
        assert_eq!(shown("Sở trình UBND  tỉnh\tban hành 02 quyết định;\ngửi các  cơ quan\tbáo chí 08 văn bản.", false).len(), 1);
        let gaps = "STT   Đơn vị        Đi    Đến\n1     Sở Y tế       12      9\n2     Sở Nội vụ             5\n\nHết  rồi";
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
    fn tables_beyond_the_bound_are_refused_and_long_texts_take_no_long_time() {
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
