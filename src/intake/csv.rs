//! Reading of submissions in CSV (docs/specification.md#csv-input). A byte-order mark, UTF-16 with
//! such a mark, semicolons and decimal commas are accepted, as Excel writes them with Vietnamese
//! settings.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

use csv::{ByteRecord, ReaderBuilder};

use super::utf16::Utf8Source;
use kpi::catalogue::Catalogue;
use kpi::fault::{Fault, quoted};
use kpi::measure::Members;
use kpi::observation::{
    ObservationIndex, ObservationParser, RawNumber, RawObservation, RawText, SourceLocation,
    names_not_applicable,
};

/// A column of the header, by its place from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CsvColumn(usize);

/// The column of each field.
struct CsvColumns {
    indicator: CsvColumn,
    unit: CsvColumn,
    period: CsvColumn,
    value: CsvColumn,
    dimensions: Vec<(CsvColumn, String)>,
    /// The column `dimensions`, with all members of a figure.
    members: Option<CsvColumn>,
    /// The number of cells that a row has at least: the value and dimensions may be empty.
    needed: usize,
    count: usize,
}

/// Longest line in bytes. A real row is far shorter, and the cells of a line are held in memory.
pub const MAX_LINE: usize = 64 << 10;
/// Bytes of the file that are read at once.
const BUFFER: usize = 1 << 16;
/// Most columns of a header.
const MAX_COLUMNS: usize = 1_000;
/// The columns that only `GET /observations` adds: what it returns can be sent back as it is.
const OF_EXPORT: [&str; 5] =
    ["submission", "revision", "valid_to_revision", "recorded_at", "actor"];

/// A source with a line end after the last line, so that counting line ends counts lines.
type LineEnded<R> =
    std::io::Chain<QuotedCells<BufReader<BoundedLines<Utf8Source<R>>>>, &'static [u8]>;

/// The place of a byte of a CSV: in a quoted cell, or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum QuoteState {
    CellStart,
    Plain,
    Quoted,
    /// After a quote within a quoted cell: its end, or the first half of a doubled quote.
    QuoteSeen,
}

/// A source that fails at a quote that is not closed, and at text after a closing quote: a file
/// that was cut off must not become another number.
struct QuotedCells<S> {
    source: S,
    delimiter: u8,
    state: QuoteState,
    /// Whether the last byte so far ends a line.
    line_ended: bool,
}

impl<S> QuotedCells<S> {
    /// Follows the bytes of a line, or of a part of one.
    fn follow(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let invalid = |detail| Err(std::io::Error::new(std::io::ErrorKind::InvalidData, detail));
        for byte in bytes {
            let ends = *byte == self.delimiter || matches!(byte, b'\n' | b'\r');
            self.state = match (self.state, byte) {
                (QuoteState::Quoted, b'"') => QuoteState::QuoteSeen,
                (QuoteState::Quoted, _) => QuoteState::Quoted,
                (QuoteState::CellStart | QuoteState::QuoteSeen, b'"') => QuoteState::Quoted,
                (_, _) if ends => QuoteState::CellStart,
                (QuoteState::QuoteSeen, b' ' | b'\t') => QuoteState::QuoteSeen,
                (QuoteState::QuoteSeen, _) => {
                    return invalid("text after the closing quote of a cell");
                }
                (QuoteState::CellStart | QuoteState::Plain, _) => QuoteState::Plain,
            };
        }
        Ok(())
    }
}

impl<S: Read> Read for QuotedCells<S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if let Some(last) = bytes.last() {
            self.line_ended = matches!(last, b'\n' | b'\r');
        }
        if read == 0 && !buffer.is_empty() && self.state == QuoteState::Quoted {
            let detail = "a quote is not closed: the file may have been cut off";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, detail));
        }
        if self.state != QuoteState::Quoted && !bytes.contains(&b'"') {
            // Without quotes only the last byte matters.
            let last = bytes.last().copied();
            if self.state == QuoteState::QuoteSeen {
                self.follow(bytes)?;
            } else if let Some(last) = last {
                let ends = last == self.delimiter || matches!(last, b'\n' | b'\r');
                self.state = if ends { QuoteState::CellStart } else { QuoteState::Plain };
            }
            return Ok(read);
        }
        self.follow(bytes)?;
        Ok(read)
    }
}

/// A source that fails at a line that is too long.
struct BoundedLines<R> {
    source: R,
    /// The number of bytes read of the current line.
    length: usize,
}

impl<R: Read> Read for BoundedLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        for line in buffer.get(..read).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            self.length += line.len();
            if self.length > MAX_LINE {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    format!("a line must have at most {MAX_LINE} bytes"),
                ));
            }
            if line.ends_with(b"\n") {
                self.length = 0;
            }
        }
        Ok(read)
    }
}

/// A CSV after its header has been read. Its rows are read one by one.
pub struct CsvRows<R> {
    reader: csv::Reader<LineEnded<R>>,
    line: u64,
    /// Line ends counted at the end of a row: 1, or 0 when the second half of `\r\n` is still to
    /// come.
    behind: u64,
    record: ByteRecord,
    columns: CsvColumns,
    decimal_comma: bool,
    /// Whether the row that was read last has fewer cells than the header.
    short: bool,
}

/// The result of reading a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowOutcome {
    /// The row or its error was passed to the parser.
    Taken,
    /// The value is empty, so the row leaves the figure as it is.
    Silent,
    /// There are no more rows.
    End,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// The errors of the header: a missing, unknown or duplicate column, or an unreadable header.
    pub fn open(source: R, catalogue: &Catalogue) -> Result<Self, Vec<Fault>> {
        let lines = BoundedLines { source: Utf8Source::new(source), length: 0 };
        let mut source = BufReader::with_capacity(BUFFER, lines);
        let unreadable = |error: std::io::Error| vec![at_line(1, "unreadable", error.to_string())];
        if source.fill_buf().map_err(unreadable)?.starts_with(&[0xEF, 0xBB, 0xBF]) {
            source.consume(3);
        }
        let start = source.fill_buf().map_err(unreadable)?;
        if start.len() < BUFFER && start.trim_ascii().is_empty() {
            let detail = "the file is empty; its first line must name the columns indicator, unit, \
                          period and value";
            return Err(vec![at_line(1, "empty", detail.to_owned())]);
        }
        // A byte-order mark shows UTF-16; without one its zeros do.
        let header = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if header.contains(&0) || String::from_utf8_lossy(header).contains('\u{fffd}') {
            let detail = "the file is not UTF-8; save it as \"CSV UTF-8\"";
            return Err(vec![at_line(1, "not_utf8", detail.to_owned())]);
        }
        let mut lines = start.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        // Excel writes the delimiter in a line of its own: `sep=;`.
        let named = first.strip_prefix(b"sep=").and_then(|rest| rest.first().copied());
        let header = if named.is_some() { lines.next().unwrap_or_default() } else { first };
        let count = |wanted: u8| header.iter().filter(|byte| **byte == wanted).count();
        let delimiter = [b'\t', b';']
            .into_iter()
            .find(|delimiter| count(*delimiter) > count(b','))
            .unwrap_or(b',');
        let delimiter = named.unwrap_or(delimiter);
        let (end, behind): (&'static [u8], u64) =
            if header.ends_with(b"\r") { (b"\r\n", 0) } else { (b"\n", 1) };
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(
                QuotedCells { source, delimiter, state: QuoteState::CellStart, line_ended: false }
                    .chain(end),
            );
        let unreadable = |error: csv::Error| vec![at_line(1, "unreadable", error.to_string())];
        let mut header = reader.byte_headers().map_err(unreadable)?.clone();
        if named.is_some() {
            reader.read_byte_record(&mut header).map_err(unreadable)?;
        }
        Ok(Self {
            reader,
            behind,
            line: 1,
            record: ByteRecord::new(),
            columns: read_columns(&header, catalogue)?,
            decimal_comma: delimiter != b',',
            short: false,
        })
    }

    /// The line that was read last; the header is line 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Skips the rows before a line.
    pub fn skip_to_line(&mut self, line: u64) {
        while self.reader.position().line() < line {
            if !matches!(self.reader.read_byte_record(&mut self.record), Ok(true)) {
                break;
            }
        }
    }

    /// Records the error of a last row that has neither all cells nor a line end: a file that was
    /// cut off within the members of a figure must not become the figure of their total.
    fn refuse_cut_row(&self, parser: &mut ObservationParser<'_>) {
        if self.short && !self.reader.get_ref().get_ref().0.line_ended {
            let detail = "the last row has fewer cells than the header and no line end: the file \
                          may have been cut off";
            parser.fault(at_line(self.line, "ragged_row", detail.to_owned()));
        }
    }

    /// Reads the next row and passes it to the parser as observation number `index`.
    pub fn next(
        &mut self,
        index: ObservationIndex,
        parser: &mut ObservationParser<'_>,
    ) -> RowOutcome {
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => {
                self.refuse_cut_row(parser);
                return RowOutcome::End;
            }
            Err(error) => {
                parser.fault(at_line(
                    self.reader.position().line(),
                    "unreadable",
                    error.to_string(),
                ));
                return RowOutcome::End;
            }
        }
        // Blank lines before a row are skipped without notice, so the line is counted from the end
        // of the row.
        let within = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        self.line = self
            .reader
            .position()
            .line()
            .saturating_sub(self.behind + u64::try_from(within).unwrap_or(0));
        let line = self.line;
        self.short = self.record.len() < self.columns.count;
        let place = SourceLocation { index, line: Some(line), found_at: None };
        if self.record.iter().all(<[u8]>::is_empty) {
            return RowOutcome::Silent;
        }
        if std::str::from_utf8(self.record.as_slice()).is_err() {
            let detail = "the line is not UTF-8; save the file as \"CSV UTF-8\"".to_owned();
            parser.fault(place.fault("", "not_utf8", detail));
            return RowOutcome::Taken;
        }
        // Excel leaves out empty cells at the end of a row, or adds some.
        let beyond = self.record.iter().skip(self.columns.count).any(|cell| !cell.is_empty());
        if beyond || self.record.len() < self.columns.needed {
            let detail = format!(
                "the row has {} cells, the header has {}",
                self.record.len(),
                self.columns.count
            );
            parser.fault(place.fault("", "ragged_row", detail));
            return RowOutcome::Taken;
        }
        let cell = |CsvColumn(column)| match std::str::from_utf8(
            self.record.get(column).unwrap_or_default(),
        ) {
            Ok("") => RawText::Absent,
            Ok(text) => RawText::Text(Cow::Borrowed(text)),
            Err(_) => RawText::WrongType,
        };
        let value = match cell(self.columns.value) {
            RawText::Absent => return RowOutcome::Silent,
            RawText::WrongType => RawNumber::WrongType,
            RawText::Text(text) if text.eq_ignore_ascii_case("null") => RawNumber::Null,
            RawText::Text(text) if names_not_applicable(&text) => RawNumber::NotApplicable,
            RawText::Text(text) if is_exponential(&text) => {
                let detail = format!(
                    "{}: a sheet writes long numbers this way and loses digits; write all digits",
                    quoted(&text)
                );
                parser.fault(place.fault("value", "exponent", detail));
                return RowOutcome::Taken;
            }
            RawText::Text(text) if is_grouped(&text) => {
                let digits = Cow::Owned(text.replacen(',', ".", 1));
                RawNumber::Grouped(text, digits)
            }
            RawText::Text(text)
                if self.decimal_comma && text.contains(',') && !text.contains('.') =>
            {
                RawNumber::Digits(Cow::Owned(text.replacen(',', ".", 1)))
            }
            RawText::Text(text) => RawNumber::Digits(text),
        };
        let mut dimensions: Vec<(Cow<'_, str>, RawText<'_>)> = self
            .columns
            .dimensions
            .iter()
            .filter_map(|(column, code)| match cell(*column) {
                RawText::Absent => None,
                member @ (RawText::Text(_) | RawText::WrongType) => {
                    Some((Cow::Borrowed(code.as_str()), member))
                }
            })
            .collect();
        if let Some(RawText::Text(text)) = self.columns.members.map(cell) {
            match members_of_cell(&text) {
                Ok(members) => {
                    let owned = |text: &str| Cow::Owned(text.to_owned());
                    let pair =
                        |(dimension, member)| (owned(dimension), RawText::Text(owned(member)));
                    dimensions.extend(members.iter().map(pair));
                }
                Err(detail) => {
                    parser.fault(place.fault("dimensions", "malformed", detail));
                    return RowOutcome::Taken;
                }
            }
        }
        let observation = RawObservation {
            place,
            indicator: cell(self.columns.indicator),
            unit: cell(self.columns.unit),
            period: match cell(self.columns.period) {
                RawText::Text(text) => {
                    RawText::Text(month_of_sheet(&text).map_or(text, Cow::Owned))
                }
                other @ (RawText::Absent | RawText::WrongType) => other,
            },
            dimensions,
            value,
        };
        parser.push(&observation);
        RowOutcome::Taken
    }
}

/// The members in a cell of the column `dimensions`: `channel=online,service_level=4`, with or
/// without braces.
fn members_of_cell(text: &str) -> Result<Members, String> {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    Members::parse(&inner.replace(';', ","))
}

/// Whether a text is a number in exponential notation: `1.23457E+11`.
fn is_exponential(text: &str) -> bool {
    text.split_once(['e', 'E']).is_some_and(|(number, power)| {
        let digits = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
        digits(number)
            && number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'-' | b'+'))
            && digits(power)
            && power.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+'))
    })
}

/// The month that a sheet makes of `2021-10`: `Oct-21`, `Thg10-21`, `2021-10-01`, `01/10/2021`.
fn month_of_sheet(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let parts: Vec<&str> = text.split(['-', '/']).collect();
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match parts.as_slice() {
        [name, year] if digits(year, 2) => {
            let name = name.to_ascii_lowercase();
            let number = match name.strip_prefix("thg") {
                Some(number) => number.trim().parse().ok(),
                None => MONTHS.iter().position(|month| *month == name).map(|at| at + 1),
            };
            number.map(|number| format!("20{year}-{number:02}"))
        }
        [year, month, "01"] if digits(year, 4) && digits(month, 2) && text.contains('-') => {
            Some(format!("{year}-{month}"))
        }
        ["01" | "1", month, year] if digits(year, 4) && text.contains('/') => {
            let month: u32 = month.parse().ok()?;
            Some(format!("{year}-{month:02}"))
        }
        _ => None,
    }
}

/// Whether a text has digits in groups of three with points or commas between them: `1.000`,
/// `12,000`, `5.000.000`.
pub(super) fn is_grouped(text: &str) -> bool {
    let separator = if text.contains(',') { ',' } else { '.' };
    let mut groups = text.strip_prefix('-').unwrap_or(text).split(separator);
    let digits = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
    let first = groups
        .next()
        .is_some_and(|first| (1..=3).contains(&first.len()) && digits(first) && first != "0");
    let mut others = groups.peekable();
    first && others.peek().is_some() && others.all(|group| group.len() == 3 && digits(group))
}

/// Reads a whole body and passes its rows to the parser.
pub fn read(body: &[u8], catalogue: &Catalogue, parser: &mut ObservationParser<'_>) {
    match CsvRows::open(body, catalogue) {
        Err(faults) => faults.into_iter().for_each(|fault| parser.fault(fault)),
        Ok(mut rows) => {
            let mut index = ObservationIndex::default();
            loop {
                match rows.next(index, parser) {
                    RowOutcome::Taken => index = index.next(),
                    RowOutcome::Silent => {}
                    RowOutcome::End => break,
                }
            }
        }
    }
}

fn at_line(line: u64, code: &'static str, detail: String) -> Fault {
    Fault { line: Some(line), ..Fault::new("", code, detail) }
}

fn read_columns(header: &ByteRecord, catalogue: &Catalogue) -> Result<CsvColumns, Vec<Fault>> {
    if header.len() > MAX_COLUMNS {
        return Err(vec![at_line(
            1,
            "too_many",
            format!("a header must have at most {MAX_COLUMNS} columns"),
        )]);
    }
    let (mut faults, mut seen) = (Vec::new(), HashSet::new());
    // Excel ends all lines with the delimiters of empty columns.
    let count = header.iter().rposition(|name| !name.is_empty()).map_or(1, |last| last + 1);
    let names: Vec<String> = header
        .iter()
        .take(count)
        .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
        .collect();
    let (mut dimensions, mut members) = (Vec::new(), None);
    for (column, name) in names.iter().enumerate() {
        let original = header.get(column).map(String::from_utf8_lossy).unwrap_or_default();
        if !seen.insert(name) {
            faults.push(at_line(
                1,
                "duplicate",
                format!("the column {} is a duplicate", quoted(&original)),
            ));
        }
        // The reason of an exported figure is that of its submission; alone it would be lost.
        let exported = OF_EXPORT.contains(&name.as_str())
            || (name == "reason" && names.iter().any(|other| other == "submission"));
        if exported || matches!(name.as_str(), "indicator" | "unit" | "period" | "value") {
            continue;
        }
        if name == "dimensions" {
            members = Some(CsvColumn(column));
            continue;
        }
        if catalogue.document.dimensions.iter().any(|dimension| dimension.code == original) {
            dimensions.push((CsvColumn(column), original.into_owned()));
        } else {
            faults.push(at_line(
                1,
                "unknown_column",
                format!(
                    "{} is not one of unit, period, indicator and value, nor a dimension",
                    quoted(&original)
                ),
            ));
        }
    }
    let mut place = |wanted: &str| {
        let found = names.iter().position(|name| name == wanted);
        CsvColumn(found.unwrap_or_else(|| {
            faults.push(at_line(1, "missing", format!("the column {wanted} is missing")));
            0
        }))
    };
    let (indicator, unit, period, value) =
        (place("indicator"), place("unit"), place("period"), place("value"));
    if faults.is_empty() {
        let CsvColumn(last) = indicator.max(unit).max(period);
        let needed = last + 1;
        let count = names.len();
        Ok(CsvColumns { indicator, unit, period, value, dimensions, members, needed, count })
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kpi::catalogue::CatalogueDocument;
    use kpi::observation::Submission;
    use kpi::unit::{UnitDocument, UnitForest};

    fn parsed(body: &[u8]) -> Result<Submission, Vec<Fault>> {
        let document = serde_json::json!({
            "dimensions": [{ "code": "channel", "members": [{ "code": "online" }] }],
            "indicators": [{
                "code": "a.b",
                "kind": "flow",
                "unit_of_measure": "count",
                "decimals": 2,
                "dimensions": [{ "code": "channel" }]
            }]
        });
        let catalogue = Catalogue::new(CatalogueDocument::from_value(document).unwrap()).unwrap();
        let unit: UnitDocument =
            serde_json::from_value(serde_json::json!({ "code": "u" })).unwrap();
        let units = UnitForest::numbered([unit]).unwrap();
        let mut parser = ObservationParser::new(&catalogue, &units, "2021-12".parse().unwrap());
        read(body, &catalogue, &mut parser);
        parser.finish()
    }

    /// A text as Excel saves it as "Unicode text".
    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn utf_16_with_a_mark_is_read_like_utf_8() {
        for text in [
            "indicator\tunit\tperiod\tvalue\r\na.b\tu\t2021-10\t12,5\r\n",
            "indicator,unit,period,value\na.b,u,2021-10,12.5\n",
            "sep=;\r\nindicator;unit;period;value;channel\r\na.b;u;Thg10-21;12,5;\r\n",
        ] {
            let expected = parsed(text.as_bytes()).unwrap();
            assert_eq!(expected.figures.len(), 1);
            assert_eq!(parsed(&utf16(text, u16::to_le_bytes)).as_ref(), Ok(&expected));
            assert_eq!(parsed(&utf16(text, u16::to_be_bytes)).as_ref(), Ok(&expected));
        }
        let line = |text: &str| parsed(&utf16(text, u16::to_le_bytes)).unwrap_err()[0].line;
        assert_eq!(
            line("indicator,unit,period,value\na.b,u,2021-10,1\n\na.b,x,2021-09,1"),
            Some(4)
        );
    }

    #[test]
    fn a_last_row_without_all_cells_and_a_line_end_is_refused() {
        let row =
            |text: &str| parsed(format!("indicator,unit,period,value,channel\n{text}").as_bytes());
        for cut in
            ["a.b,u,2021-10,12", "a.b,u,2021-09,1,online\na.b,u,2021-10,12", "a.b,u,2021-10,1.5"]
        {
            let faults = row(cut).unwrap_err();
            assert_eq!(faults[0].code, "ragged_row", "{cut}");
        }
        for whole in [
            "a.b,u,2021-10,12\n",
            "a.b,u,2021-10,12\r\n",
            "a.b,u,2021-10,12,",
            "a.b,u,2021-10,12\n\n",
        ] {
            assert_eq!(row(whole).unwrap().figures.len(), 1, "{whole:?}");
        }
    }

    #[test]
    fn the_columns_of_an_export_are_passed_over_and_others_are_not() {
        let row = |header: &str, cells: &str| parsed(format!("{header}\n{cells}\n").as_bytes());
        let header =
            "submission,revision,recorded_at,actor,reason,indicator,dimensions,unit,period,value";
        for (dimensions, members) in
            [("", ""), ("channel=online", "channel=online"), ("{channel=online}", "channel=online")]
        {
            let cells = format!("01J,4,2021-11-01T00:00:00Z,a,b,a.b,{dimensions},u,2021-10,1.5");
            let read = row(header, &cells).unwrap();
            assert_eq!(read.measures[0].measure.members.to_string(), members);
        }
        let codes = |header: &str, cells: &str| {
            row(header, cells).unwrap_err().into_iter().map(|fault| fault.code).collect::<Vec<_>>()
        };
        assert_eq!(
            codes("indicator,unit,period,value,reason", "a.b,u,2021-10,1,x"),
            ["unknown_column"],
            "a reason that nobody would keep"
        );
        assert_eq!(
            codes("indicator,unit,period,value,stated", "a.b,u,2021-10,1,2"),
            ["unknown_column"]
        );
        assert_eq!(
            codes("indicator,dimensions,unit,period,value", "a.b,online,u,2021-10,1"),
            ["malformed"]
        );
    }

    fn codes(body: &[u8]) -> Vec<&'static str> {
        parsed(body)
            .map_or_else(|faults| faults.iter().map(|fault| fault.code).collect(), |_| vec![])
    }

    #[test]
    fn a_file_that_was_cut_off_or_changed_by_a_sheet_is_an_error() {
        let header = "indicator,unit,period,value\n";
        for (rows, code) in [
            ("\"a.b\",\"u\",\"2021-10\",\"12", "unreadable"),
            ("a.b,u,2021-10,\"12", "unreadable"),
            ("a.b,u,2021-10,\"1\"2\n", "unreadable"),
            ("a.b,u,2021-10,\"1\"\"2\"3\n", "unreadable"),
            ("a.b,u,2021-10,1.23457E+11\n", "exponent"),
            ("a.b,u,2021-10,\"1,2e5\"\n", "exponent"),
            ("a.b,u,15/10/2021,1\n", "malformed_period"),
            ("a.b,u,2021-10-02,1\n", "malformed_period"),
            ("a.b,u,Foo-21,1\n", "malformed_period"),
            ("a.b,u,2021-10,1,2\n", "ragged_row"),
            ("a.b,u\n", "ragged_row"),
        ] {
            assert_eq!(codes(format!("{header}{rows}").as_bytes()), [code], "{rows}");
        }
        assert_eq!(codes(b"indicator,unit,period,value\na.b,u,2021-10,\xff1\n"), ["not_utf8"]);
        assert_eq!(codes(b"i\0n\0d\0i\0"), ["not_utf8"], "UTF-16 without a mark");
        assert_eq!(codes(b"\0i\0n\0d\0i"), ["not_utf8"]);
        assert_eq!(codes(b"indicator,unit,period,value,k\xeanh\na.b,u,2021-10,1,\n"), ["not_utf8"]);
    }

    #[test]
    fn files_as_excel_writes_them_are_read() {
        for body in [
            "indicator,unit,period,value\na.b,u,Oct-21,7\n",
            "indicator,unit,period,value\na.b,u,Thg10-21,7\n",
            "indicator,unit,period,value\na.b,u,2021-10-01,7\n",
            "indicator,unit,period,value\na.b,u,01/10/2021,7\n",
            "indicator;unit;period;value;;;\na.b;u;2021-10;7;;;\n",
            "indicator,unit,period,value,channel\na.b,u,2021-10,7\n",
            "sep=;\nindicator;unit;period;value\na.b;u;2021-10;7\n",
            "\"indicator\",\"unit\",\"period\",\"value\"\r\n\"a.b\",\"u\",\"2021-10\",\"7\"\r\n",
        ] {
            let submission = parsed(body.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
            let figure = &submission.figures[0];
            assert_eq!(
                (submission.figures.len(), figure.month.to_string().as_str()),
                (1, "2021-10")
            );
        }
    }

    #[test]
    fn an_empty_file_is_one_error() {
        for body in ["", "\u{FEFF}", "\r\n \n"] {
            let faults = parsed(body.as_bytes()).unwrap_err();
            let codes: Vec<&str> = faults.iter().map(|fault| fault.code).collect();
            assert_eq!(codes, ["empty"], "{body:?}");
        }
    }

    #[test]
    fn a_csv_written_by_vietnamese_excel_is_read() {
        let submission = parsed(
            "\u{FEFF}Indicator;unit;period;value;channel\r\na.b;u;2021-10;78,95;online\r\n\
             a.b;u;2021-11;null;\r\na.b;u;2021-09;;\r\n;;;;\r\n"
                .as_bytes(),
        )
        .unwrap();
        let written: Vec<String> = submission
            .figures
            .iter()
            .map(|figure| figure.written.map_or("null".to_owned(), |w| w.to_string()))
            .collect();
        assert_eq!(written, ["78.95", "null"]);
        assert_eq!(submission.measures[0].measure.to_string(), "a.b{channel=online}");
    }

    #[test]
    fn faults_name_line_and_column() {
        let faults = parsed(
            b"indicator,unit,period,value\na.b,u,2021-10,1\nx,u,2021-13,2\na.b,v,2021-10,\"1,5\"\n\
             a.b,u\n",
        )
        .unwrap_err();
        let places: Vec<_> = faults
            .iter()
            .map(|fault| {
                (fault.line.unwrap(), fault.column.clone().unwrap_or_default(), fault.code)
            })
            .collect();
        let expected = [
            (3, "indicator", "unknown_indicator"),
            (3, "period", "malformed_period"),
            (4, "unit", "unknown_unit"),
            (4, "value", "not_a_number"),
            (5, "", "ragged_row"),
        ];
        assert_eq!(places, expected.map(|(line, column, code)| (line, column.to_owned(), code)));
    }

    #[test]
    fn an_oversized_line_or_header_is_refused_and_reading_stops() {
        let codes = |body: &[u8]| {
            parsed(body)
                .unwrap_err()
                .into_iter()
                .map(|fault| (fault.code, fault.line.unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(codes(&vec![b','; MAX_LINE + 1]), [("unreadable", 1)]);
        assert_eq!(codes(&vec![b'"'; 10 * MAX_LINE]), [("unreadable", 1)]);
        assert_eq!(codes(&vec![b','; MAX_COLUMNS]), [("too_many", 1)]);
        // Lines within quotes are lines too, here of one header.
        assert_eq!(codes(&b"\"\n\",".repeat(MAX_COLUMNS)), [("too_many", 1)]);
        let row = |cell: usize| {
            [
                b"indicator,unit,period,value\na.b,u,2021-10,".to_vec(),
                vec![b'1'; cell],
                b"\n".to_vec(),
            ]
            .concat()
        };
        assert_eq!(codes(&row(MAX_LINE)), [("unreadable", 2)]);
        // A line at the limit is validated.
        assert_eq!(codes(&row(MAX_LINE - "a.b,u,2021-10,\n".len()))[0].1, 2);
        assert_ne!(codes(&row(MAX_LINE - "a.b,u,2021-10,\n".len()))[0].0, "unreadable");
    }

    #[test]
    fn line_numbers_do_not_depend_on_line_endings() {
        for end in ["\n", "\r\n"] {
            let body = [
                "indicator,unit,period,value",
                "a.b,u,2021-10,x",
                "",
                "a.b,u,2021-11,y",
                "a.b,u,2021-12,z",
            ]
            .join(end);
            for body in [body.clone(), body + end] {
                let lines: Vec<u64> = parsed(body.as_bytes())
                    .unwrap_err()
                    .iter()
                    .map(|fault| fault.line.unwrap())
                    .collect();
                assert_eq!(lines, [2, 4, 5], "{body:?}");
            }
        }
    }

    #[test]
    fn a_header_that_lacks_a_column_or_has_an_unknown_one_is_refused() {
        let codes: Vec<_> = parsed(b"indicator,unit,period,colour\n")
            .unwrap_err()
            .into_iter()
            .map(|fault| fault.code)
            .collect();
        assert_eq!(codes, ["unknown_column", "missing"]);
    }
}
