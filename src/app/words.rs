//! The names of codes that responses have, such as states and reasons, in both languages. They are
//! data: `catalogue/words/names.toml`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Serialize;
use serde_json::Value;

use kpi::period::{Month, Period, Step};
use kpi::unit::LocalizedName;
use kpi::word_file;

/// The names, by group and code.
type CodeNames = HashMap<String, HashMap<String, LocalizedName>>;

static BOOK: LazyLock<CodeNames> =
    LazyLock::new(|| word_file::read(include_str!("../../catalogue/words/names.toml")));

/// The name of a code of a group.
#[must_use]
pub fn find_name(group: &str, code: &str) -> Option<&'static LocalizedName> {
    BOOK.get(group)?.get(code)
}

/// The name of a value that serializes to a code.
#[must_use]
pub fn name_of(group: &str, value: &impl Serialize) -> &'static LocalizedName {
    static NOTHING: LocalizedName = LocalizedName { vi: String::new(), en: String::new() };
    let code = match serde_json::to_value(value) {
        Ok(Value::String(code)) => code,
        Ok(_) | Err(_) => String::new(),
    };
    find_name(group, &code).unwrap_or(&NOTHING)
}

/// A period of any width in words: `Tháng 10/2026`, `Quý 3/2026`.
#[must_use]
pub fn period_name(period: Period, in_vietnamese: bool) -> String {
    let say = |vi: String, en: String| if in_vietnamese { vi } else { en };
    let (first, year) = (period.first(), period.first().year());
    match period.step() {
        Step::Month => {
            let number = first.month();
            say(format!("Tháng {number}/{year}"), format!("{} {year}", english(number)))
        }
        Step::Quarter => {
            let quarter = (first.month() - 1) / 3 + 1;
            say(format!("Quý {quarter}/{year}"), format!("Q{quarter} {year}"))
        }
        Step::Half => {
            let half = (first.month() - 1) / 6 + 1;
            let names = if half == 1 { ("đầu", "first") } else { ("cuối", "second") };
            say(format!("6 tháng {} năm {year}", names.0), format!("{} half of {year}", names.1))
        }
        Step::NineMonths => say(format!("9 tháng năm {year}"), format!("nine months of {year}")),
        Step::Year => say(format!("Năm {year}"), year.to_string()),
        Step::Span(_) => {
            let last = period.last();
            say(
                format!("{} đến {}", short_month(first), short_month(last)),
                format!(
                    "{} {year} to {} {}",
                    english(first.month()),
                    english(last.month()),
                    last.year()
                ),
            )
        }
    }
}

/// A month in the head of a column: `10/2026`.
#[must_use]
pub fn short_month(month: Month) -> String {
    format!("{:02}/{}", month.month(), month.year())
}

fn english(month: u32) -> &'static str {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let place = usize::try_from(month).unwrap_or(1).saturating_sub(1);
    NAMES.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kpi::catalogue::Direction;
    use kpi::change::{UnavailableReason, ValueReason};
    use kpi::target::TargetStatus;
    use kpi::unit::UnitKind;

    #[test]
    fn every_name_is_there_in_both_languages() {
        let book = &*BOOK;
        for (group, names) in book {
            for (code, name) in names {
                assert!(!name.vi.is_empty() && !name.en.is_empty(), "{group}.{code}");
            }
        }
    }

    #[test]
    fn codes_of_responses_have_names() {
        let found = |name: &LocalizedName| assert!(!name.vi.is_empty());
        for kind in [
            UnitKind::Province,
            UnitKind::Department,
            UnitKind::District,
            UnitKind::Commune,
            UnitKind::Agency,
        ] {
            found(name_of("kind", &kind));
        }
        for status in
            [TargetStatus::Met, TargetStatus::Close, TargetStatus::Behind, TargetStatus::NoData]
        {
            found(name_of("status", &status));
        }
        for direction in [Direction::Higher, Direction::Lower, Direction::Neutral] {
            found(name_of("direction", &direction));
        }
        for reason in [ValueReason::Missing, ValueReason::NotApplicable, ValueReason::Undefined] {
            found(name_of("value_reason", &reason));
        }
        for reason in [
            UnavailableReason::NotApplicable,
            UnavailableReason::Missing,
            UnavailableReason::DefinitionChanged,
            UnavailableReason::NoPrior,
            UnavailableReason::CoverageChanged,
            UnavailableReason::StatedAbove,
            UnavailableReason::PriorZero,
        ] {
            found(name_of("change_reason", &reason));
        }
    }
}
