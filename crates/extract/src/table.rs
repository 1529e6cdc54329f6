//! Tables without a fixed form: finds measure, unit and month of each cell from its header, its row
//! and the text above the table.
//!
//! A figure is taken only when all three are certain. Every other cell with a digit is listed with
//! the reason, and so is a text instead of a figure: it may have letters for digits. A wrong
//! figure is worse than a missed one.

mod bodies;
pub mod cell;
mod column;
mod facets;
mod infer;
mod label_context;
mod label_reader;
mod mapping;
mod row_reader;
mod shape;
mod sheet_tables;
mod table_reader;
mod title;
mod unclaimed;
mod unit_names;

pub(crate) use column::WHOLE_YEAR;
pub(crate) use label_reader::OTHER_WHOLE;
pub use mapping::{CellFigure, LabelMeaning, LabelUse, TableDefaults, TableMapping, UnclaimedCell};
pub(crate) use row_reader::{NO_UNIT, OTHER_UNIT};
pub use sheet_tables::sheet_tables;
pub use table_reader::TableReader;
pub(crate) use title::OTHER_MONTH;
pub(crate) use unit_names::writes_for_province;
pub use unit_names::{UnitMatch, UnitNames};

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use documents::table::{Grid, MergedCells};
    use egov_kpi::app::write::{catalogue, units};
    use kpi::catalogue::Catalogue;
    use kpi::unit::{UnitDocument, UnitForest};

    static CATALOGUE: LazyLock<Catalogue> =
        LazyLock::new(|| Catalogue::new(catalogue::shipped().unwrap()).unwrap());
    static UNITS: LazyLock<UnitForest> = LazyLock::new(units);
    static READER: LazyLock<TableReader<'static>> =
        LazyLock::new(|| TableReader::new(&CATALOGUE, &UNITS));

    fn units() -> UnitForest {
        let shipped = units::shipped().unwrap();
        let more: Vec<UnitDocument> = vec![
            serde_json::from_value(serde_json::json!({
                "code": "tv.cau_ke",
                "kind": "district",
                "name": { "vi": "Huyện Cầu Kè" },
                "parent": "travinh",
                "official_codes": [{ "code": "845" }]
            }))
            .unwrap(),
        ];
        UnitForest::numbered(shipped.into_iter().chain(more)).unwrap()
    }

    /// The figures of a table as `measure unit month value`, and the unclaimed cells as
    /// `row:column reason`.
    fn told(grid: &Grid, hint: &str) -> (Vec<String>, Vec<String>) {
        let defaults = TableDefaults {
            unit: UNITS.position("travinh"),
            month: Some("2021-10".parse().unwrap()),
            hint: hint.to_owned(),
        };
        let mapping = READER.read(grid, &defaults);
        let figure = |figure: &CellFigure| {
            format!(
                "{} {} {} {}",
                figure.measure,
                UNITS.code(figure.unit),
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
    fn reads_measures_in_rows_and_months_in_columns() {
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
    fn reads_units_in_rows_and_measures_in_columns_with_a_total() {
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
    fn reads_this_month_beside_the_month_before() {
        figures(
            "STT|Nội dung|ĐVT|Kết quả tháng|Tháng trước\n1|Tài khoản tạo mới|tài khoản|134|98\n\
             2|Văn bản đi|văn bản|31.205|29.876",
            "Biểu 1. Hệ thống quản lý văn bản và điều hành (VNPT-iOffice)",
            &[
                "ioffice.users.created travinh 2021-10 134",
                "ioffice.users.created travinh 2021-09 98",
                "ioffice.documents.outgoing travinh 2021-10 31205",
                "ioffice.documents.outgoing travinh 2021-09 29876",
            ],
        );
        figures(
            "Mức độ dịch vụ công|Tổng tiếp nhận|Trực tiếp|Trực tuyến|Tỷ lệ trực tuyến (%)\n\
             Mức độ 3|12|7|5|41,7\nTổng cộng|12|7|5|41,7",
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
    fn reads_members_in_rows_and_columns_with_the_measure_in_the_title() {
        let channels = "Mức độ|Trực tiếp|Trực tuyến|Cộng\nMức độ 3|7|5|12\nMức độ 4|1|2|3\n\
            Tổng số hồ sơ|8|7|15";
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
        // Only individuals have tokens, so the total over "Cộng" of a token is not certain.
        figures(
            "Chủ thể|USB Token|SIM PKI|Cộng\nTổ chức|9|0|9\nCá nhân|4|1|5\nCộng|13|1|14",
            "Chứng thư số theo chủ thể và thiết bị",
            &[
                "pki.certificates.total{certificate_holder=organisation} travinh 2021-10 9",
                "pki.certificates.total{certificate_holder=individual,token=usb} travinh 2021-10 4",
                "pki.certificates.total{certificate_holder=individual,token=sim_pki} travinh \
                 2021-10 1",
                "pki.certificates.total{certificate_holder=individual} travinh 2021-10 5",
                "pki.certificates.total travinh 2021-10 14",
            ],
        );
    }

    #[test]
    fn reads_units_in_rows_and_months_in_columns_with_the_measure_in_the_title() {
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
    fn reads_months_in_rows_and_measures_in_columns() {
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
    fn a_two_level_header_combines_measure_and_members() {
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
            MergedCells { rows: 0..2, columns: 0..1 },
            MergedCells { rows: 0..1, columns: 1..3 },
            MergedCells { rows: 0..2, columns: 3..4 },
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
    fn rows_inherit_from_the_rows_above() {
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
    fn adjacent_members_of_different_dimensions_are_ambiguous() {
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
                "pki.certificates.total{certificate_holder=individual,token=usb} travinh 2021-10 \
                 1777",
                "pki.certificates.total{certificate_holder=individual,token=sim_pki} travinh \
                 2021-10 78",
            ],
        );
    }

    #[test]
    fn the_long_format_is_recognised_by_its_column_names() {
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
    fn cells_that_are_not_figures_of_the_month_are_unclaimed_with_a_reason() {
        left(
            "Chỉ tiêu|Kế hoạch năm|Tháng 10/2021|Lũy kế từ đầu năm|Tỷ lệ
             Văn bản đi|30.000|23.441|200.000|78%
             Văn bản mật||5||",
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
    fn the_title_and_the_hint_complete_the_table() {
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
        left("Nội dung|ĐVT|Kết quả\nVăn bản đi|đồng/người|500", &["1:2"]);
        left("Nội dung|ĐVT|Kết quả\nVăn bản đi|phút|500", &["1:2"]);
        left("Nội dung|Kết quả\nVăn bản đi|500 đồng/người", &["1:1"]);
        left("Nội dung|Kết quả\nVăn bản đi|500 đồng", &["1:1"]);
    }

    #[test]
    fn partial_totals_and_titles_of_another_unit_or_month_are_ambiguous() {
        left(
            "Đơn vị|Văn bản đi
             Huyện Càng Long|1
             Cộng|1
             Huyện Cầu Ngang|2
             Tổng cộng|3",
            &["2:1", "4:1"],
        );
        left("Huyện Càng Long\nChỉ tiêu|Kết quả\nVăn bản đi|1", &["2:1"]);
        for title in [
            "KẾT QUẢ XỬ LÝ VĂN BẢN HUYỆN CÀNG LONG THÁNG 10/2021",
            "Kết quả gửi, nhận văn bản của Sở Thông tin và Truyền thông tỉnh Bến Tre",
            "Văn bản đi của huyện Càng Long và huyện Cầu Ngang",
            "Số liệu của UBND huyện Ba Tri",
        ] {
            left(&format!("{title}\nChỉ tiêu|Kết quả\nVăn bản đi|1"), &["2:1"]);
            assert_eq!(told(&grid("Chỉ tiêu|Kết quả\nVăn bản đi|1"), title).0, [""; 0], "{title}");
        }
        for title in [
            "Chi cục Thuế",
            "Công an tỉnh",
            "Văn phòng UBND tỉnh",
            "Số liệu của Ban Dân tộc",
            "Phòng Tài chính - Kế hoạch",
            "Trường THPT Càng Long",
            "Sóc Trăng",
            "SYT",
            "Sở Tài chính",
            "SỐ LIỆU HUYỆN BA TRI",
            "TỈNH SÓC TRĂNG",
        ] {
            left(&format!("{title}\nChỉ tiêu|Kết quả\nVăn bản đi|1"), &["2:1"]);
            assert_eq!(told(&grid("Chỉ tiêu|Kết quả\nVăn bản đi|1"), title).0, [""; 0], "{title}");
            // A section of a known unit makes the rows above it uncertain too.
            let own = usize::from(title != "Sở Tài chính");
            let section = format!("Chỉ tiêu|Kết quả\nVăn bản đi|1\n{title}|\nHồ sơ tồn|1");
            let (found, _) = told(&grid(&section), "");
            assert_eq!(
                found.iter().filter(|one| one.contains(" travinh ")).count(),
                own,
                "{title}"
            );
        }
        for title in ["Kế hoạch năm 2021", "Dự kiến tháng 10/2021", "Cùng kỳ năm trước", "T12"]
        {
            assert_eq!(told(&grid("Chỉ tiêu|Kết quả\nVăn bản đi|1"), title).0, [""; 0], "{title}");
        }
        // December of which year?
        figures(
            "Chỉ tiêu|Tháng 12|Tháng 10\nVăn bản đi|1|2",
            "",
            &["ioffice.documents.outgoing travinh 2021-10 2"],
        );
        for title in [
            "Kết quả của Sở Thông tin và Truyền thông tỉnh Trà Vinh",
            "Số văn bản đi trên địa bàn tỉnh Trà Vinh",
            "Số văn bản đi của các huyện, thị xã và thành phố Trà Vinh",
        ] {
            figures(
                "Chỉ tiêu|Kết quả\nVăn bản đi|1",
                title,
                &["ioffice.documents.outgoing travinh 2021-10 1"],
            );
        }
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
    fn numbers_inside_texts_are_unclaimed() {
        left(
            "Tổng số văn bản đi: 23.441\nChỉ tiêu|Kết quả|Ghi chú\nHồ sơ tồn|5|trong đó 2 quá hạn\n\
             Ghi nhận 7 ý kiến|",
            &["0:0", "2:2", "3:0"],
        );
    }

    proptest::proptest! {
        #[test]
        fn any_table_is_read_without_panic_and_no_cell_is_both_claimed_and_unclaimed(
            words in proptest::collection::vec(
                proptest::collection::vec(
                    proptest::sample::select(vec![
                        "", "STT", "1", "2", "I.", "-", "Văn bản đi", "Hồ sơ tiếp nhận",
                        "Trực tuyến", "Mức độ 4", "Tổng cộng", "Tháng 10/2021", "T9", "2021",
                        "Năm 2021", "Huyện Càng Long", "Chỉ tiêu", "Đơn vị", "Đơn vị tính", "%",
                        "23.441", "7,5", "78%", "15 triệu", "Lũy kế", "(1)", "Ghi chú", "channel",
                        "value", "…",
                    ]),
                    0..6,
                ),
                0..8,
            ),
            from in 0_usize..4,
            to in 0_usize..8,
        ) {
            let mut grid = Grid::of_texts(&words);
            grid.merges = vec![MergedCells { rows: from..to, columns: from..to }];
            grid.of_sheet = from == 0;
            let tables = sheet_tables(&grid);
            let defaults = TableDefaults {
                unit: UNITS.position("travinh"),
                month: Some("2021-10".parse().unwrap()),
                hint: String::new()
            };
            for (_, grid) in tables.iter().chain(std::iter::once(&(0, grid.clone()))) {
                let mapping = READER.read(grid, &defaults);
                for figure in &mapping.figures {
                    let place = (figure.row, figure.column);
                    assert!(!mapping.unclaimed.iter().any(|cell| (cell.row, cell.column) == place));
                    assert!(CATALOGUE.measure_faults(&figure.measure).is_empty());
                    assert_eq!(grid.rows[figure.row][figure.column].text.trim(), figure.printed);
                }
            }
        }
    }
}
