//! Tables without a fixed form: which measure, unit and month each cell is of, from its header, its row and what stands above it.
//!
//! A figure is taken only when all three are certain; every other cell with a digit is listed with the reason. A wrong figure is worse
//! than a missed one.

pub mod cell;
mod facets;
mod infer;
pub mod month;
mod place;
mod read;
mod rows;
mod shape;

use std::ops::Range;

use crate::domain::measure::Measure;
use crate::domain::number::Written;
use crate::domain::period::Month;

pub use place::Places;
pub use read::Tables;

/// Most rows of a grid that are looked at.
pub const MAX_ROWS: usize = 100_000;
/// Most columns of a grid that are looked at.
pub const MAX_COLUMNS: usize = 1_000;

/// A cell of a grid.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GridCell {
    /// The text as it is shown.
    pub text: String,
    /// A number that the file keeps as one.
    pub number: Option<Written>,
    /// The month of a date that the file keeps as one.
    pub month: Option<Month>,
    /// The number is shown as a percentage; [`GridCell::number`] is in percent then.
    pub percent: bool,
    /// How many decimals of the number are shown, where the file says so.
    pub decimals: Option<u32>,
    /// What is wrong with it, when the file itself says so: an error value, a formula without its result.
    pub fault: Option<String>,
}

impl GridCell {
    /// A cell of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// A stretch of cells that is shown as one; its first cell has the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Merge {
    /// Its rows.
    pub rows: Range<usize>,
    /// Its columns.
    pub columns: Range<usize>,
}

/// A table: rows of cells, ragged or not.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Grid {
    /// The rows.
    pub rows: Vec<Vec<GridCell>>,
    /// Cells that are shown as one.
    pub merges: Vec<Merge>,
    /// It is of a sheet, where a cell's column is certain; in a document's table a row that is shorter than others leaves it uncertain.
    pub of_sheet: bool,
}

impl Grid {
    /// A grid of texts.
    #[must_use]
    pub fn of_texts<T: AsRef<str>>(rows: &[Vec<T>]) -> Self {
        let cells = |row: &Vec<T>| row.iter().map(|text| GridCell::text(text.as_ref())).collect();
        Self { rows: rows.iter().map(cells).collect(), merges: Vec::new(), of_sheet: false }
    }

    /// The table of a document: its cells are stretches of the text.
    #[must_use]
    pub fn of_document(text: &str, rows: &[Vec<Range<usize>>]) -> Self {
        let cells = |row: &Vec<Range<usize>>| {
            row.iter()
                .map(|range| GridCell::text(text.get(range.clone()).unwrap_or_default()))
                .collect()
        };
        Self { rows: rows.iter().map(cells).collect(), merges: Vec::new(), of_sheet: false }
    }
}

impl Grid {
    /// The tables of a sheet that stand below each other, each with the row it begins at: what follows an empty row is a table of its own when
    /// it has a header; texts alone are the title of the next.
    #[must_use]
    pub fn tables(&self) -> Vec<(usize, Self)> {
        let empty = |row: usize| {
            self.rows.get(row).is_none_or(|cells| cells.iter().all(GridCell::is_empty))
        };
        let (mut blocks, mut start): (Vec<Range<usize>>, Option<usize>) = (Vec::new(), None);
        for row in 0..=self.rows.len().min(MAX_ROWS) {
            match (empty(row), start) {
                (false, None) => start = Some(row),
                (true, Some(from)) => {
                    blocks.push(from..row);
                    start = None;
                }
                _ => {}
            }
        }
        let (mut found, mut title): (Vec<Range<usize>>, Option<usize>) = (Vec::new(), None);
        for block in blocks {
            let part = self.rows_of(&block);
            let from = title.take().unwrap_or(block.start);
            match (shape::Shape::new(&part).parts(), found.last_mut()) {
                (None, _) => title = Some(from),
                (Some(parts), Some(above)) if parts.header.is_empty() && from == block.start => {
                    above.end = block.end
                }
                (Some(_), _) => found.push(from..block.end),
            }
        }
        found.into_iter().map(|rows| (rows.start, self.rows_of(&rows))).collect()
    }

    /// Some of its rows as a grid.
    fn rows_of(&self, rows: &Range<usize>) -> Self {
        let within = |merge: &&Merge| {
            merge.rows.start >= rows.start
                && merge.rows.start < rows.end
                && merge.rows.start < merge.rows.end
        };
        let moved = |merge: &Merge| Merge {
            rows: merge.rows.start - rows.start..merge.rows.end.min(rows.end) - rows.start,
            columns: merge.columns.clone(),
        };
        Self {
            rows: self.rows.get(rows.clone()).unwrap_or_default().to_vec(),
            merges: self.merges.iter().filter(within).map(moved).collect(),
            of_sheet: self.of_sheet,
        }
    }
}

/// What a table does not say itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Defaults {
    /// The position of the unit that reports.
    pub unit: Option<usize>,
    /// The month that is reported on.
    pub month: Option<Month>,
    /// What stands above the table: caption, heading of the section, name of the sheet.
    pub hint: String,
}

/// What a column or a row stands for, as far as it says so.
#[derive(Clone, PartialEq, Debug)]
pub struct Use {
    /// Its place, from 0.
    pub index: usize,
    /// Its label.
    pub text: String,
    /// What it was taken for.
    pub meaning: Meaning,
}

/// What a column or a row was taken for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// Figures; what is not said here is said elsewhere.
    Figures {
        /// The measure, or the members alone as text.
        measure: Option<String>,
        /// The unit's position.
        unit: Option<usize>,
        /// The month.
        month: Option<Month>,
    },
    /// Labels of rows.
    Labels,
    /// Numbers of rows, units of measure, notes.
    Aside(&'static str),
    /// A heading over the rows below.
    Heading,
    /// Figures that are not taken, and why.
    Unclaimed(String),
}

/// A figure in a cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CellFigure {
    /// The cell's row.
    pub row: usize,
    /// The cell's column.
    pub column: usize,
    /// Its measure.
    pub measure: Measure,
    /// Its unit's position.
    pub unit: usize,
    /// Its month.
    pub month: Month,
    /// The cell's text.
    pub printed: String,
    /// The number.
    pub written: Written,
    /// Whether it is said to be about so much.
    pub approximate: bool,
    /// The label that told the measure.
    pub label: String,
}

/// A cell with a digit that was not taken for a figure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnclaimedCell {
    /// The cell's row.
    pub row: usize,
    /// The cell's column.
    pub column: usize,
    /// The cell's text.
    pub printed: String,
    /// Why.
    pub reason: String,
}

/// A table, understood as far as it can be.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Mapping {
    /// The rows of the header.
    pub header: Range<usize>,
    /// What each column was taken for.
    pub columns: Vec<Use>,
    /// What each row below the header was taken for.
    pub rows: Vec<Use>,
    /// The figures.
    pub figures: Vec<CellFigure>,
    /// The other cells with digits, each with the reason; labels, dates in titles and numbers of rows are none.
    pub unclaimed: Vec<UnclaimedCell>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::Catalogue;
    use crate::domain::unit::{UnitDocument, Units};

    fn units() -> Units {
        let shipped = crate::app::units::shipped().unwrap();
        let more: Vec<UnitDocument> = vec![
            serde_json::from_value(serde_json::json!({ "code": "tv.cau_ke", "kind": "district", "name": { "vi": "Huyện Cầu Kè" }, "parent": "travinh", "official_codes": [{ "code": "845" }] }))
                .unwrap(),
        ];
        Units::new((1..).zip(shipped.into_iter().chain(more)).collect()).unwrap()
    }

    /// What a table says: `measure unit month value`, and the unclaimed cells as `row:column reason`.
    fn told(grid: &Grid, hint: &str) -> (Vec<String>, Vec<String>) {
        let catalogue = Catalogue::new(crate::app::catalogue::shipped().unwrap()).unwrap();
        let units = units();
        let tables = Tables::new(&catalogue, &units);
        let defaults = Defaults {
            unit: units.position("travinh"),
            month: Some("2021-10".parse().unwrap()),
            hint: hint.to_owned(),
        };
        let mapping = tables.read(grid, &defaults);
        let figure = |figure: &CellFigure| {
            format!(
                "{} {} {} {}",
                figure.measure,
                units.code(figure.unit),
                figure.month,
                figure.written
            )
        };
        let cell = |cell: &UnclaimedCell| {
            format!("{}:{} {} {}", cell.row, cell.column, cell.printed, cell.reason)
        };
        (mapping.figures.iter().map(figure).collect(), mapping.unclaimed.iter().map(cell).collect())
    }

    fn grid(text: &str) -> Grid {
        let rows: Vec<Vec<&str>> = text
            .trim()
            .lines()
            .map(|line| line.trim().split('|').map(str::trim).collect())
            .collect();
        Grid::of_texts(&rows)
    }

    #[track_caller]
    fn figures(text: &str, hint: &str, expected: &[&str]) {
        let (figures, unclaimed) = told(&grid(text), hint);
        assert_eq!(figures, expected, "unclaimed: {unclaimed:#?}");
    }

    #[track_caller]
    fn left(text: &str, expected: &[&str]) {
        let (figures, unclaimed) = told(&grid(text), "");
        let places: Vec<&str> =
            unclaimed.iter().map(|text| text.split(' ').next().unwrap()).collect();
        assert_eq!(places, expected, "figures: {figures:#?} unclaimed: {unclaimed:#?}");
    }

    #[test]
    fn measures_down_and_months_across() {
        figures(
            "STT|Chỉ tiêu|Đơn vị tính|Tháng 9/2021|Tháng 10/2021|So sánh|Ghi chú
             1|Tổng số văn bản đi|văn bản|22.000|23.441|+6,5%|
             2|Văn bản đi được ký số|văn bản|17.000|18.506||
             3|Tỷ lệ ký số|%|77,27|78,955||",
            "",
            &[
                "ioffice.documents.outgoing travinh 2021-09 22000",
                "ioffice.documents.outgoing travinh 2021-10 23441",
                "ioffice.documents.signed travinh 2021-09 17000",
                "ioffice.documents.signed travinh 2021-10 18506",
                "ioffice.documents.signed_rate travinh 2021-09 77.27",
                "ioffice.documents.signed_rate travinh 2021-10 78.955",
            ],
        );
    }

    #[test]
    fn units_down_and_measures_across_with_a_total() {
        figures(
            "STT|Tên đơn vị|Văn bản đi|Ký số văn bản|Tỷ lệ ký số (%)
             1|Huyện Càng Long|1.200|1.000|83,33
             2|Cầu Ngang|800|-|
             |Tổng cộng|2.000|1.000|50,0",
            "",
            &[
                "ioffice.documents.outgoing tv.cang_long 2021-10 1200",
                "ioffice.documents.signed tv.cang_long 2021-10 1000",
                "ioffice.documents.signed_rate tv.cang_long 2021-10 83.33",
                "ioffice.documents.outgoing tv.cau_ngang 2021-10 800",
                "ioffice.documents.outgoing travinh 2021-10 2000",
                "ioffice.documents.signed travinh 2021-10 1000",
                "ioffice.documents.signed_rate travinh 2021-10 50.0",
            ],
        );
    }

    #[test]
    fn the_result_of_the_month_stands_beside_that_of_the_month_before() {
        figures(
            "STT|Nội dung|ĐVT|Kết quả tháng|Tháng trước\n1|Tài khoản tạo mới|tài khoản|134|98\n2|Văn bản đi|văn bản|31.205|29.876",
            "Biểu 1. Hệ thống quản lý văn bản và điều hành (VNPT-iOffice)",
            &[
                "ioffice.users.created travinh 2021-10 134",
                "ioffice.users.created travinh 2021-09 98",
                "ioffice.documents.outgoing travinh 2021-10 31205",
                "ioffice.documents.outgoing travinh 2021-09 29876",
            ],
        );
        figures(
            "Mức độ dịch vụ công|Tổng tiếp nhận|Trực tiếp|Trực tuyến|Tỷ lệ trực tuyến (%)\nMức độ 3|12|7|5|41,7\nTổng cộng|12|7|5|41,7",
            "Biểu 5. Hồ sơ tiếp nhận theo mức độ và hình thức nộp",
            &[
                "igate.dossiers.received{service_level=3} travinh 2021-10 12",
                "igate.dossiers.received{channel=in_person,service_level=3} travinh 2021-10 7",
                "igate.dossiers.received{channel=online,service_level=3} travinh 2021-10 5",
                "igate.dossiers.online_rate{service_level=3} travinh 2021-10 41.7",
                "igate.dossiers.received travinh 2021-10 12",
                "igate.dossiers.received{channel=in_person} travinh 2021-10 7",
                "igate.dossiers.received{channel=online} travinh 2021-10 5",
                "igate.dossiers.online_rate travinh 2021-10 41.7",
            ],
        );
    }

    #[test]
    fn members_down_and_across_with_what_they_count_in_the_title() {
        let channels = "Mức độ|Trực tiếp|Trực tuyến|Cộng\nMức độ 3|7|5|12\nMức độ 4|1|2|3\nTổng số hồ sơ|8|7|15";
        let expected = [
            "igate.dossiers.received{channel=in_person,service_level=3} travinh 2021-10 7",
            "igate.dossiers.received{channel=online,service_level=3} travinh 2021-10 5",
            "igate.dossiers.received{service_level=3} travinh 2021-10 12",
            "igate.dossiers.received{channel=in_person,service_level=4} travinh 2021-10 1",
            "igate.dossiers.received{channel=online,service_level=4} travinh 2021-10 2",
            "igate.dossiers.received{service_level=4} travinh 2021-10 3",
            "igate.dossiers.received{channel=in_person} travinh 2021-10 8",
            "igate.dossiers.received{channel=online} travinh 2021-10 7",
            "igate.dossiers.received travinh 2021-10 15",
        ];
        figures(channels, "Bảng 3. Hồ sơ theo mức độ và hình thức nộp", &expected);
        for title in [
            "",
            "Hồ sơ quá hạn theo mức độ",
            "Hồ sơ đã giải quyết theo mức độ",
            "Văn bản theo mức độ",
        ] {
            figures(channels, title, &[]);
        }
        // Only individuals have tokens: what "Cộng" is of a token is not certain.
        figures(
            "Chủ thể|USB Token|SIM PKI|Cộng\nTổ chức|9|0|9\nCá nhân|4|1|5\nCộng|13|1|14",
            "Chứng thư số theo chủ thể và thiết bị",
            &[
                "pki.certificates.total{certificate_holder=organisation} travinh 2021-10 9",
                "pki.certificates.total{certificate_holder=individual,token=usb} travinh 2021-10 4",
                "pki.certificates.total{certificate_holder=individual,token=sim_pki} travinh 2021-10 1",
                "pki.certificates.total{certificate_holder=individual} travinh 2021-10 5",
                "pki.certificates.total travinh 2021-10 14",
            ],
        );
    }

    #[test]
    fn units_down_and_months_across_with_the_measure_in_the_title() {
        figures(
            "BẢNG TỔNG HỢP SỐ VĂN BẢN ĐI NĂM 2021 THEO ĐƠN VỊ
             Đơn vị|Tháng 9|Tháng 10
             Huyện Càng Long|1.100|1.200
             Huyện Cầu Ngang|700|800",
            "",
            &[
                "ioffice.documents.outgoing tv.cang_long 2021-09 1100",
                "ioffice.documents.outgoing tv.cang_long 2021-10 1200",
                "ioffice.documents.outgoing tv.cau_ngang 2021-09 700",
                "ioffice.documents.outgoing tv.cau_ngang 2021-10 800",
            ],
        );
    }

    #[test]
    fn months_down_and_measures_across() {
        figures(
            "Tháng|Hồ sơ tiếp nhận|Hồ sơ đã giải quyết
             8/2021|100|90
             9/2021|110|95
             Tổng cộng|210|185",
            "",
            &[
                "igate.dossiers.received travinh 2021-08 100",
                "igate.dossiers.resolved travinh 2021-08 90",
                "igate.dossiers.received travinh 2021-09 110",
                "igate.dossiers.resolved travinh 2021-09 95",
            ],
        );
    }

    #[test]
    fn headers_of_two_levels_put_measure_and_members_together() {
        figures(
            "Đơn vị|Hồ sơ tiếp nhận|||Văn bản đi
             |Trực tiếp|Trực tuyến|Tổng số|
             Huyện Càng Long|10|5|15|7",
            "",
            &[
                "igate.dossiers.received{channel=in_person} tv.cang_long 2021-10 10",
                "igate.dossiers.received{channel=online} tv.cang_long 2021-10 5",
                "igate.dossiers.received tv.cang_long 2021-10 15",
                "ioffice.documents.outgoing tv.cang_long 2021-10 7",
            ],
        );
        let mut merged =
            grid("Đơn vị|Chứng thư số||Văn bản đi\n|Cấp mới|Tổng số|\nHuyện Càng Long|10|5|15");
        merged.merges = vec![
            Merge { rows: 0..2, columns: 0..1 },
            Merge { rows: 0..1, columns: 1..3 },
            Merge { rows: 0..2, columns: 3..4 },
        ];
        let (figures, _) = told(&merged, "");
        assert_eq!(
            figures,
            [
                "pki.certificates.issued tv.cang_long 2021-10 10",
                "pki.certificates.total tv.cang_long 2021-10 5",
                "ioffice.documents.outgoing tv.cang_long 2021-10 15"
            ]
        );
    }

    #[test]
    fn rows_go_on_with_what_stands_above_them() {
        figures(
            "Nội dung|Số liệu
             I. Hệ thống VNPT-iGate|
             1. Hồ sơ tiếp nhận|13.594
             - Trực tiếp|11.414
             - Trực tuyến|2180
             Trong đó: mức độ 4|8.117
             II. Chứng thư số|
             1. Tổng số|2.312
             2. Cấp mới|10
             III. Thư điện tử công vụ|
             1. Số tài khoản tạo mới|9",
            "",
            &[
                "igate.dossiers.received travinh 2021-10 13594",
                "igate.dossiers.received{channel=in_person} travinh 2021-10 11414",
                "igate.dossiers.received{channel=online} travinh 2021-10 2180",
                "pki.certificates.total travinh 2021-10 2312",
                "pki.certificates.issued travinh 2021-10 10",
                "mail.mailboxes.created travinh 2021-10 9",
            ],
        );
    }

    #[test]
    fn members_beside_each_other_stay_uncertain_when_their_dimension_changes() {
        left(
            "Nội dung|Số liệu
             Hồ sơ tiếp nhận|13.594
             Mức độ 3|4.353
             Trực tiếp|4.240
             Trực tuyến|113",
            &["3:1", "4:1"],
        );
        figures(
            "Nội dung|Số liệu
             Chứng thư số|2.312
             Tổ chức|467
             Cá nhân|1.855
             USB|1.777
             SIM PKI|78",
            "",
            &[
                "pki.certificates.total travinh 2021-10 2312",
                "pki.certificates.total{certificate_holder=organisation} travinh 2021-10 467",
                "pki.certificates.total{certificate_holder=individual} travinh 2021-10 1855",
                "pki.certificates.total{certificate_holder=individual,token=usb} travinh 2021-10 1777",
                "pki.certificates.total{certificate_holder=individual,token=sim_pki} travinh 2021-10 78",
            ],
        );
    }

    #[test]
    fn the_long_format_is_understood_by_its_names() {
        figures(
            "indicator|channel|unit|period|value
             igate.dossiers.received||travinh|2021-09|5
             Hồ sơ tiếp nhận|online|845|2021-10|3",
            "",
            &[
                "igate.dossiers.received travinh 2021-09 5",
                "igate.dossiers.received{channel=online} tv.cau_ke 2021-10 3",
            ],
        );
    }

    #[test]
    fn what_is_no_figure_of_the_month_is_left_with_its_reason() {
        left(
            "Chỉ tiêu|Kế hoạch năm|Tháng 10/2021|Lũy kế từ đầu năm|Tỷ lệ
             Văn bản đi|30.000|23.441|200.000|78%
             Văn bản đến||5||",
            &["1:1", "1:3", "1:4", "2:2"],
        );
        left("Chỉ tiêu|Tháng 10/2021\nVăn bản đi|7.40\nHồ sơ tiếp nhận|78%", &["1:1", "2:1"]);
        left("Nội dung|9 tháng năm 2021\nVăn bản đi|7", &["1:1"]);
        left("Đơn vị|Văn bản đi\nHuyện Không Có|7\nKhối cấp xã|8", &["1:1", "2:1"]);
    }

    #[test]
    fn a_table_without_a_header_is_read_by_its_labels() {
        figures(
            "Tổng số văn bản đi|23.441\nHồ sơ tồn|22.617",
            "",
            &[
                "ioffice.documents.outgoing travinh 2021-10 23441",
                "igate.dossiers.backlog travinh 2021-10 22617",
            ],
        );
        left("Tổng số văn bản đi|23.441|5", &["0:1", "0:2"]);
    }

    #[test]
    fn the_title_and_the_hint_say_what_the_table_does_not() {
        figures(
            "Số liệu tháng 8 năm 2021
             Đơn vị: Huyện Càng Long
             Chỉ tiêu|Tháng này|Tháng trước|Cùng kỳ năm trước
             Văn bản đi|3|2|1",
            "",
            &[
                "ioffice.documents.outgoing tv.cang_long 2021-08 3",
                "ioffice.documents.outgoing tv.cang_long 2021-07 2",
                "ioffice.documents.outgoing tv.cang_long 2020-08 1",
            ],
        );
        figures(
            "Nội dung|Kết quả\nTổng số tài khoản|7",
            "Hệ thống thư điện tử công vụ",
            &["mail.mailboxes.total travinh 2021-10 7"],
        );
    }

    #[test]
    fn amounts_in_millions_are_multiplied() {
        figures(
            "Nội dung|ĐVT|Kết quả\nSố tiền xử phạt|triệu đồng|15,5",
            "",
            &["inspection.fines.amount travinh 2021-10 15500000"],
        );
        figures(
            "Nội dung|Kết quả\nSố tiền xử phạt|15 triệu đồng",
            "",
            &["inspection.fines.amount travinh 2021-10 15000000"],
        );
        left("Nội dung|ĐVT|Kết quả\nVăn bản đi|%|15,5", &["1:2"]);
    }

    #[test]
    fn a_total_among_others_and_a_title_of_another_unit_or_month_are_not_certain() {
        left(
            "Đơn vị|Văn bản đi
             Huyện Càng Long|1
             Cộng|1
             Huyện Cầu Ngang|2
             Tổng cộng|3",
            &["2:1", "4:1"],
        );
        left("Huyện Càng Long\nChỉ tiêu|Kết quả\nVăn bản đi|1", &["2:1"]);
        left("Số liệu tháng 8/2021 và tháng 9/2021\nChỉ tiêu|Kết quả\nVăn bản đi|1", &["2:1"]);
        figures(
            "Sở Thông tin và Truyền thông\nChỉ tiêu|Kết quả\nVăn bản đi|1",
            "",
            &["ioffice.documents.outgoing travinh 2021-10 1"],
        );
        figures(
            "Chỉ tiêu|Kết quả\nVăn bản đi|1",
            "T9",
            &["ioffice.documents.outgoing travinh 2021-09 1"],
        );
        figures(
            "Tháng 8\nNăm 2020\nChỉ tiêu|Kết quả\nVăn bản đi|1",
            "",
            &["ioffice.documents.outgoing travinh 2020-08 1"],
        );
    }

    #[test]
    fn numbers_within_texts_are_told() {
        left(
            "Tổng số văn bản đi: 23.441\nChỉ tiêu|Kết quả|Ghi chú\nHồ sơ tồn|5|trong đó 2 quá hạn\nGhi nhận 7 ý kiến|",
            &["0:0", "2:2", "3:0"],
        );
    }

    proptest::proptest! {
        #[test]
        fn no_table_makes_the_reader_fail_and_no_cell_is_both_taken_and_left(
            words in proptest::collection::vec(
                proptest::collection::vec(
                    proptest::sample::select(vec![
                        "", "STT", "1", "2", "I.", "-", "Văn bản đi", "Hồ sơ tiếp nhận", "Trực tuyến", "Mức độ 4", "Tổng cộng", "Tháng 10/2021", "T9", "2021", "Năm 2021",
                        "Huyện Càng Long", "Chỉ tiêu", "Đơn vị", "Đơn vị tính", "%", "23.441", "7,5", "78%", "15 triệu", "Lũy kế", "(1)", "Ghi chú", "channel", "value", "…",
                    ]),
                    0..6,
                ),
                0..8,
            ),
            from in 0_usize..4,
            to in 0_usize..8,
        ) {
            let mut grid = Grid::of_texts(&words);
            grid.merges = vec![Merge { rows: from..to, columns: from..to }];
            grid.of_sheet = from == 0;
            let (tables, catalogue, units) = (grid.tables(), Catalogue::new(crate::app::catalogue::shipped().unwrap()).unwrap(), units());
            let reader = Tables::new(&catalogue, &units);
            let defaults = Defaults { unit: units.position("travinh"), month: Some("2021-10".parse().unwrap()), hint: String::new() };
            for (_, grid) in tables.iter().chain(std::iter::once(&(0, grid.clone()))) {
                let mapping = reader.read(grid, &defaults);
                for figure in &mapping.figures {
                    assert!(!mapping.unclaimed.iter().any(|cell| (cell.row, cell.column) == (figure.row, figure.column)));
                    assert!(catalogue.measure_faults(&figure.measure).is_empty());
                    assert_eq!(grid.rows[figure.row][figure.column].text.trim(), figure.printed);
                }
            }
        }
    }
}
