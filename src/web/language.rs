//! The words and numbers of pages, in Vietnamese and English.

use actix_web::HttpRequest;
use actix_web::http::header::COOKIE;
use chrono::{DateTime, NaiveDate};

use crate::api::ResponseLanguage;
use crate::app::words::{name_of, period_name, short_month};
use kpi::catalogue::Direction;
use kpi::change::{UnavailableReason, ValueReason};
use kpi::fault::Fault;
use kpi::number::{Decimal64, Statement};
use kpi::number_format::{format_vietnamese, rounded_to};
use kpi::period::{Month, Period, Step};
use kpi::target::TargetStatus;
use kpi::unit::{LocalizedName, UnitKind};

/// The cookie that keeps the chosen language.
pub const LANGUAGE_COOKIE: &str = "egov_kpi_lang";

/// The language of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageLanguage {
    /// Vietnamese, the default.
    Vi,
    /// English.
    En,
}

impl PageLanguage {
    /// The language of a request: from `lang=`, otherwise from the cookie, otherwise Vietnamese.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let named = |text: &str, end: char| {
            text.split(end).find_map(|pair| match pair.trim().split_once('=') {
                Some(("lang" | LANGUAGE_COOKIE, "vi")) => Some(Self::Vi),
                Some(("lang" | LANGUAGE_COOKIE, "en")) => Some(Self::En),
                _ => None,
            })
        };
        let cookies = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
        named(request.query_string(), '&')
            .or_else(|| cookies.into_iter().find_map(|text| named(text, ';')))
            .unwrap_or(Self::Vi)
    }

    /// The code in `lang=` and in HTML.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }

    /// The language of messages of the API.
    #[must_use]
    pub fn of_messages(self) -> ResponseLanguage {
        match self {
            Self::Vi => ResponseLanguage::Vi,
            Self::En => ResponseLanguage::En,
        }
    }

    /// One of two texts.
    #[must_use]
    pub fn say<T>(self, vi: T, en: T) -> T {
        match self {
            Self::Vi => vi,
            Self::En => en,
        }
    }

    /// A name; the other language's where it has none in this one.
    #[must_use]
    pub fn name(self, name: &LocalizedName) -> &str {
        let (first, second) = self.say((&name.vi, &name.en), (&name.en, &name.vi));
        if first.is_empty() { second } else { first }
    }

    /// The text of an error.
    #[must_use]
    pub fn fault(self, fault: &Fault) -> String {
        let text = match (self, fault.detail_vi.as_deref()) {
            (Self::Vi, Some(text)) => text,
            _ => &fault.detail,
        };
        sentence(text)
    }

    /// A decimal with all its digits.
    #[must_use]
    pub fn decimal(self, number: Decimal64) -> String {
        let text = format_vietnamese(number);
        let swapped = |c| match c {
            '.' => ',',
            ',' => '.',
            other => other,
        };
        self.say(text.clone(), text.chars().map(swapped).collect())
    }

    /// A figure as it was recorded.
    #[must_use]
    pub fn statement(self, statement: Statement) -> String {
        match statement {
            Statement::Number(number) => self.decimal(number),
            Statement::NotApplicable => self.say("không áp dụng", "not applicable").to_owned(),
        }
    }

    /// A number with at most `decimals` decimals; of a percentage always one.
    #[must_use]
    pub fn number(self, value: f64, unit_of_measure: &str) -> String {
        let is_percent = unit_of_measure == "percent";
        let Some(mut rounded) = rounded_to(value, if is_percent { 1 } else { 2 }) else {
            return "…".to_owned();
        };
        if is_percent && rounded.scale == 0 {
            rounded = Decimal64 { mantissa: rounded.mantissa.saturating_mul(10), scale: 1 };
        }
        self.decimal(rounded)
    }

    /// A number with at most `decimals` decimals.
    #[must_use]
    pub fn rounded(self, value: f64, decimals: u32) -> String {
        rounded_to(value, decimals).map_or_else(|| "…".to_owned(), |number| self.decimal(number))
    }

    /// A number with its unit of measure: `81,6 %`, `1.279`.
    #[must_use]
    pub fn quantity(self, value: f64, unit_of_measure: &str) -> String {
        format!("{}{}", self.number(value, unit_of_measure), self.measured(unit_of_measure))
    }

    /// What follows a number of a unit of measure.
    #[must_use]
    pub fn measured(self, unit_of_measure: &str) -> String {
        match unit_of_measure {
            "count" | "" => String::new(),
            "percent" => "\u{a0}%".to_owned(),
            "VND" => self.say("\u{a0}đồng", "\u{a0}VND").to_owned(),
            "minutes/day" => self.say("\u{a0}phút/ngày", "\u{a0}minutes/day").to_owned(),
            "endpoints/session" => {
                self.say("\u{a0}điểm cầu/cuộc", "\u{a0}endpoints/session").to_owned()
            }
            other => format!("\u{a0}{other}"),
        }
    }

    /// The size of a change without its sign: `0,2 điểm`, `248`.
    #[must_use]
    pub fn change(self, delta: f64, unit_of_measure: &str) -> String {
        let size = self.number(delta.abs(), unit_of_measure);
        if unit_of_measure == "percent" {
            format!("{size}\u{a0}{}", self.say("điểm", "points"))
        } else {
            format!("{size}{}", self.measured(unit_of_measure))
        }
    }

    /// A month: `Tháng 10/2026`.
    #[must_use]
    pub fn month(self, month: Month) -> String {
        self.period(Period::containing(Step::Month, month))
    }

    /// A month in the head of a column: `10/2026`.
    #[must_use]
    pub fn short_month(self, month: Month) -> String {
        short_month(month)
    }

    /// A period of any width.
    #[must_use]
    pub fn period(self, period: Period) -> String {
        period_name(period, self == Self::Vi)
    }

    /// A day: `05/11/2026`.
    #[must_use]
    pub fn day(self, day: NaiveDate) -> String {
        day.format(self.say("%d/%m/%Y", "%-d %b %Y")).to_string()
    }

    /// A time of the ledger (RFC 3339) on the wall of the service's zone.
    #[must_use]
    pub fn time(self, rfc3339: &str, offset: chrono::FixedOffset) -> String {
        DateTime::parse_from_rfc3339(rfc3339).map_or_else(
            |_malformed| rfc3339.to_owned(),
            |time| {
                let local = time.with_timezone(&offset);
                local.format(self.say("%H:%M %d/%m/%Y", "%-d %b %Y %H:%M")).to_string()
            },
        )
    }

    /// Why a value is missing.
    #[must_use]
    pub fn value_reason(self, reason: Option<ValueReason>) -> &'static str {
        self.name(name_of("value_reason", &reason.unwrap_or(ValueReason::Missing)))
    }

    /// Why a change is missing.
    #[must_use]
    pub fn change_reason(self, reason: UnavailableReason) -> &'static str {
        self.name(name_of("change_reason", &reason))
    }

    /// How a value compares with its target.
    #[must_use]
    pub fn status(self, status: TargetStatus) -> &'static str {
        self.name(name_of("status", &status))
    }

    /// Which values are better.
    #[must_use]
    pub fn direction(self, direction: Direction) -> &'static str {
        self.name(name_of("direction", &direction))
    }

    /// The kind of a unit.
    #[must_use]
    pub fn kind(self, kind: UnitKind) -> &'static str {
        self.name(name_of("kind", &kind))
    }
}

/// A text that begins with a capital letter.
#[must_use]
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_language() {
        let (vi, en) = (PageLanguage::Vi, PageLanguage::En);
        assert_eq!(vi.quantity(81.63, "percent"), "81,6\u{a0}%");
        assert_eq!(en.quantity(81.65, "percent"), "81.7\u{a0}%");
        assert_eq!(vi.quantity(100.0, "percent"), "100,0\u{a0}%");
        assert_eq!(vi.quantity(1279.0, "count"), "1.279");
        assert_eq!(en.quantity(1_234_567.5, "VND"), "1,234,567.5\u{a0}VND");
        assert_eq!(vi.change(-0.24, "percent"), "0,2\u{a0}điểm");
        assert_eq!(vi.change(-248.0, "count"), "248");
    }

    #[test]
    fn periods_are_written_as_people_write_them() {
        let vi = |text: &str| PageLanguage::Vi.period(text.parse().unwrap());
        assert_eq!(vi("2021-10"), "Tháng 10/2021");
        assert_eq!(vi("2021-Q3"), "Quý 3/2021");
        assert_eq!(vi("2021-H2"), "6 tháng cuối năm 2021");
        assert_eq!(vi("2021-9M"), "9 tháng năm 2021");
        assert_eq!(vi("2021"), "Năm 2021");
        assert_eq!(PageLanguage::En.period("2021-10".parse().unwrap()), "October 2021");
    }
}
