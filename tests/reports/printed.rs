//! Numbers by what is printed, and tables below a text about something else.

use documents::{MediaType, read};
use extract::report::{FigureRole, UnclaimedNumber};

use crate::{Shipped, figures, shipped};

/// The figures of October 2021 in a text below the head of a report of Trà Vinh.
fn claimed(shipped: &Shipped, text: &str) -> Vec<String> {
    let text = format!(
        "# UBND TỈNH TRÀ VINH\n\n# BÁO CÁO\n\n# Kết quả công tác tháng 10 năm 2021\n\n{text}"
    );
    let document = read(text.as_bytes(), MediaType::Markdown).unwrap();
    let given = Some(("travinh", "2021-10"));
    let (found, _) = figures(shipped, &document, given, ("travinh", "2021-10"));
    found
        .into_iter()
        .filter(|(row, figure)| figure.role == FigureRole::Figure && row.period == "2021-10")
        .map(|(row, _)| format!("{}={}", row.measure, row.value))
        .collect()
}

const OFFICE: &str = "## 1. Hệ thống quản lý văn bản và điều hành (iOffice)\n\n";

#[test]
fn note_marks_and_struck_out_digits_are_no_part_of_a_number() {
    let shipped = shipped();
    for (text, expected) in [
        ("Văn bản đi: 316¹ văn bản.", "316"),
        ("Văn bản đi: 316<sup>1</sup> văn bản.", "316"),
        ("Văn bản đi: ¹1.316 văn bản.", "1316"),
        ("Văn bản đi: ~~300~~ 316 văn bản.", "316"),
        ("Văn bản đi: ~~3~~27 văn bản.", "27"),
        ("Văn bản đi: <del>12.</del>316 văn bản.", "316"),
        ("Văn bản đi: 10⁶ văn bản.", ""),
        ("Văn bản đi: 2~~7~~3 văn bản.", ""),
    ] {
        let found = claimed(shipped, &format!("{OFFICE}{text}"));
        let expected: Vec<String> = Some(expected)
            .filter(|value| !value.is_empty())
            .map(|value| format!("ioffice.documents.outgoing={value}"))
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn two_numbers_in_a_cell_are_none() {
    let shipped = shipped();
    for cell in ["300<br>316", "5<br/>100<br/>200", "13<br>594 văn bản"] {
        let table = format!("| Chỉ tiêu | Tháng 10/2021 |\n|---|---|\n| Văn bản đi | {cell} |\n");
        assert!(claimed(shipped, &format!("{OFFICE}{table}")).is_empty(), "{cell}");
    }
    let table = "| Chỉ tiêu | Tháng 10/2021 |\n|---|---|\n| Văn bản đi | 316¹ |\n";
    assert_eq!(claimed(shipped, &format!("{OFFICE}{table}")), ["ioffice.documents.outgoing=316"]);
}

#[test]
fn the_whole_name_of_an_indicator_needs_no_topic() {
    let shipped = shipped();
    let table = |label: &str| {
        format!(
            "| Chỉ tiêu | Tháng 9/2021 | Tháng 10/2021 |\n|---|---|---|\n| {label} | 1.980 | \
             2.250 |\n"
        )
    };
    for above in [
        "Hệ thống thư điện tử công vụ hoạt động ổn định.",
        "Hệ thống quản lý văn bản và điều hành (iOffice) được nâng cấp.",
        "Công tác chứng thư số được duy trì.",
    ] {
        let found = claimed(shipped, &format!("{above}\n\n{}", table("Hồ sơ tiếp nhận")));
        assert_eq!(found, ["igate.dossiers.received=2250"], "{above}");
    }
    let mail = "Hệ thống một cửa điện tử (iGate) hoạt động ổn định.";
    let found = claimed(shipped, &format!("{mail}\n\n{}", table("Văn bản đi được ký số")));
    assert_eq!(found, ["ioffice.documents.signed=2250"]);
    // A label that is not a whole name needs its topic.
    let found = claimed(shipped, &format!("{OFFICE}{}", table("Tiếp nhận")));
    assert!(found.is_empty(), "{found:?}");
}

/// The numbers of a text that are not taken, each with its reason.
fn left(shipped: &Shipped, text: &str) -> Vec<String> {
    let document = read(text.as_bytes(), MediaType::Markdown).unwrap();
    let given = Some(("travinh", "2021-10"));
    let (_, unclaimed) = figures(shipped, &document, given, ("travinh", "2021-10"));
    let one = |number: &UnclaimedNumber| {
        format!("{} {:?}", &document.text[number.place.clone()], number.reason)
    };
    unclaimed.iter().map(one).collect()
}

#[test]
fn a_number_that_a_cell_writes_wrongly_is_listed_as_such() {
    let shipped = shipped();
    let table = |cells: [&str; 3]| {
        let rows: String = ["Văn bản đi", "Văn bản đi được ký số", "Hồ sơ tiếp nhận"]
            .iter()
            .zip(cells)
            .map(|(label, cell)| format!("| {label} | {cell} |\n"))
            .collect();
        format!("| Chỉ tiêu | Tháng 10/2021 |\n|---|---|\n{rows}")
    };
    let found = left(shipped, &table(["27 .316", "7.40", "10-15"]));
    assert_eq!(found, ["27 .316 MalformedNumber", "7.40 MalformedNumber", "10-15 Range"]);
    // A table in which no figure can be read.
    let found = left(shipped, &table(["VB23441", "x27a", "chưa rõ"]));
    assert_eq!(found, ["VB23441 MalformedNumber", "x27a MalformedNumber"]);
    assert!(left(shipped, &table(["31/10/2021", "88/QĐ-UBND", "chưa rõ"])).is_empty());
}
