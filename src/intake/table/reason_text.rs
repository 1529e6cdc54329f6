//! The reasons for which cells are not taken, in Vietnamese.

/// Each reason in English and Vietnamese; `{}` is a text that is the same in both, in the same
/// order.
const REASONS: [(&str, &str); 62] = [
    ("the cell is struck out", "ô bị gạch ngang"),
    (
        "the cell has digits on both sides of a line end or tab; it may be one number or several",
        "ô có chữ số ở hai bên dấu xuống dòng hoặc dấu tab; có thể là một hoặc nhiều số",
    ),
    ("the text is not a number", "nội dung ô không phải là số"),
    ("the figure is a percentage, a count is expected", "số liệu là tỷ lệ phần trăm, cần số lượng"),
    ("the cell has a percentage, a count is expected", "ô có tỷ lệ phần trăm, cần số lượng"),
    (
        "the figure is a percentage, but {} is a count",
        "số liệu là tỷ lệ phần trăm, nhưng {} là \
     số lượng",
    ),
    (
        "the figures are percentages, but {} is a count",
        "số liệu là tỷ lệ phần trăm, nhưng {} là \
     số lượng",
    ),
    ("the cell has more than a number", "ô có nội dung khác ngoài số"),
    ("the number is too large", "số quá lớn"),
    ("separators are misplaced", "dấu phân cách đặt sai chỗ"),
    ("the number has decimals, a whole number is expected", "số có phần thập phân, cần số nguyên"),
    (
        "the separator may be for decimals, a whole number is expected",
        "dấu phân cách có thể là dấu thập phân, cần số nguyên",
    ),
    (
        "the comma may separate thousands or decimals; use a point between thousands",
        "dấu phẩy có thể phân cách hàng nghìn hoặc phần thập phân; hãy dùng dấu chấm cho hàng \
         nghìn",
    ),
    (
        "the point may separate thousands or decimals",
        "dấu chấm có thể phân cách hàng nghìn hoặc phần thập phân",
    ),
    ("the digits are not in groups of three", "các chữ số không theo nhóm ba"),
    ("the year of the month is not known", "không rõ tháng này của năm nào"),
    ("the column's heading is not understood", "không hiểu tiêu đề của cột"),
    ("a whole year, not a month", "cả năm, không phải một tháng"),
    (
        "there are several columns of figures, and the heading does not show which one this is",
        "có nhiều cột số liệu, tiêu đề không cho biết cột này là cột nào",
    ),
    ("the label names several months", "nhãn nêu nhiều tháng"),
    ("the label is relative to an unknown month", "nhãn tính theo một tháng chưa rõ"),
    ("two {} are named", "nhãn nêu hai {}"),
    (
        "a plan or target, not a reported figure",
        "kế hoạch hoặc chỉ tiêu giao, không phải số thực \
     hiện",
    ),
    ("the label does not say which rate it is", "nhãn không cho biết là tỷ lệ nào"),
    ("the label may mean the unit {}", "nhãn có thể chỉ đơn vị {}"),
    ("the label may mean {}", "nhãn có thể là {}"),
    ("a number within a heading", "số trong tiêu đề"),
    ("the row's label is not understood", "không hiểu nhãn của dòng"),
    (
        "the heading {} distinguishes units that are not named",
        "tiêu đề {} phân biệt các đơn vị không được nêu tên",
    ),
    ("the unit of measure {} is not understood", "không hiểu đơn vị tính {}"),
    ("the unit is not known", "không rõ đơn vị báo cáo"),
    ("the month is not understood", "không hiểu tháng"),
    ("{} is not a member of {}", "{} không thuộc phân tổ {}"),
    ("the measure does not have these members", "chỉ tiêu không có các phân tổ này"),
    (
        "it is not certain which measure these members belong to",
        "không chắc các phân tổ này thuộc chỉ tiêu nào",
    ),
    (
        "it is not certain whether these members belong to the total or to the row before",
        "không chắc các phân tổ này thuộc tổng số hay thuộc dòng trước",
    ),
    ("the number is in a column of labels", "số nằm trong cột nhãn"),
    ("no label names the measure", "không có nhãn nào nêu chỉ tiêu"),
    (
        "which members are meant is not certain, or the measure does not have them",
        "không chắc là phân tổ nào, hoặc chỉ tiêu không có phân tổ đó",
    ),
    ("it is not certain what the total includes", "không chắc tổng gồm những gì"),
    ("no label names the month", "không có nhãn nào nêu tháng"),
    ("{} does not exist on the last day of {}", "{} không tồn tại vào ngày cuối của {}"),
    (
        "no label names the unit, or the title names another unit than the request",
        "không có nhãn nào nêu đơn vị, hoặc tiêu đề nêu đơn vị khác với yêu cầu",
    ),
    (
        "a total over rows or columns that are not units",
        "tổng của các dòng hoặc cột không phải là đơn vị",
    ),
    (
        "a total over units that are not below the reporting unit",
        "tổng của các đơn vị không trực thuộc đơn vị báo cáo",
    ),
    ("the unit is not named", "đơn vị không được nêu"),
    ("a total over months", "tổng của nhiều tháng"),
    ("the number may be a fraction or a percentage", "số có thể là phân số hoặc tỷ lệ phần trăm"),
    ("the count is below zero", "số lượng nhỏ hơn 0"),
    (
        "the number has more decimals than the indicator, or is too large",
        "số có nhiều chữ số thập phân hơn chỉ tiêu, hoặc quá lớn",
    ),
    (
        "the rows have different numbers of cells, so the columns are uncertain",
        "các dòng có số ô khác nhau nên không chắc về các cột",
    ),
    ("a number within a text above the table", "số trong đoạn chữ phía trên bảng"),
    (
        "the row names another system than that of {}",
        "dòng nêu một hệ thống khác với hệ thống của {}",
    ),
    ("a sheet beside the form", "trang tính nằm ngoài biểu"),
    ("a hidden sheet", "trang tính bị ẩn"),
    ("in a hidden row", "trong dòng bị ẩn"),
    ("in a hidden column", "trong cột bị ẩn"),
    ("outside the form", "nằm ngoài biểu"),
    ("the cell has a date, a figure is expected", "ô có ngày tháng, cần số liệu"),
    ("year to date, not the figure of this month", "lũy kế từ đầu năm, không phải số của tháng"),
    ("a comparison, not a figure", "so sánh, không phải số liệu"),
    ("a period wider than a month", "kỳ dài hơn một tháng"),
];
/// Reasons that are not about a cell alone.
const OTHERS: [(&str, &str); 11] = [
    (
        "the cell has words, a figure is expected; write notes in the column for notes",
        "ô có chữ, cần số liệu; hãy viết ghi chú vào cột “Ghi chú”",
    ),
    ("a day or a range of days", "một ngày hoặc nhiều ngày"),
    ("not a month of the calendar", "không phải là một tháng trong lịch"),
    (
        "the value may be of another time than the end of the month",
        "giá trị có thể của thời điểm khác với cuối tháng",
    ),
    (
        "a formula without its result; open the file in a spreadsheet program and save it",
        "công thức chưa có kết quả; hãy mở tệp bằng phần mềm bảng tính rồi lưu lại",
    ),
    ("the cell has the error {}", "ô có lỗi {}"),
    ("numbers of rows", "số thứ tự"),
    ("units of measure", "đơn vị tính"),
    ("notes", "ghi chú"),
    ("nothing", "không có gì"),
    (OUTSIDE, "ô không nằm trong bảng"),
];
/// Why a cell outside of tables is not taken; another reason may follow after a semicolon.
pub const OUTSIDE: &str = "the cell is not in a table";

/// A reason in Vietnamese, if it has been translated.
#[must_use]
pub fn in_vietnamese(reason: &str) -> Option<String> {
    if let Some((outside, more)) =
        reason.split_once("; ").filter(|(outside, _)| *outside == OUTSIDE)
    {
        return Some(format!("{}; {}", in_vietnamese(outside)?, in_vietnamese(more)?));
    }
    REASONS.iter().chain(&OTHERS).find_map(|(english, vietnamese)| {
        let texts = texts_of(english, reason)?;
        let filled = texts.into_iter().fold((*vietnamese).to_owned(), |filled, text| {
            filled.replacen("{}", &text.replace(" or ", " hoặc "), 1)
        });
        Some(filled)
    })
}

/// The texts of a reason at the places `{}` of its pattern.
fn texts_of<'r>(pattern: &str, reason: &'r str) -> Option<Vec<&'r str>> {
    let mut parts = pattern.split("{}");
    let mut left = reason.strip_prefix(parts.next()?)?;
    let (mut found, mut parts) = (Vec::new(), parts.peekable());
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_some() {
            left.find(part)?
        } else {
            left.len().checked_sub(part.len()).filter(|end| left.get(*end..) == Some(part))?
        };
        found.push(left.get(..end)?);
        left = left.get(end + part.len()..)?;
    }
    left.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_translated_with_their_texts() {
        for (reason, expected) in [
            ("in a hidden row", "trong dòng bị ẩn"),
            ("the label may mean a.b or c.d", "nhãn có thể là a.b hoặc c.d"),
            ("the label may mean the unit x", "nhãn có thể chỉ đơn vị x"),
            (
                "tv.dic does not exist on the last day of 2021-10",
                "tv.dic không tồn tại vào ngày cuối của 2021-10",
            ),
            (
                "the cell is not in a table; the text is not a number",
                "ô không nằm trong bảng; nội dung ô không phải là số",
            ),
            ("the cell is not in a table", "ô không nằm trong bảng"),
        ] {
            assert_eq!(in_vietnamese(reason).as_deref(), Some(expected));
        }
        assert_eq!(in_vietnamese("something else"), None);
    }

    #[test]
    fn each_reason_has_as_many_texts_in_both_languages() {
        for (english, vietnamese) in REASONS.iter().chain(&OTHERS) {
            assert_eq!(
                english.matches("{}").count(),
                vietnamese.matches("{}").count(),
                "{english}"
            );
        }
    }
}
