//! Parts that several pages have: names and choices of units and months, changes, states.

use maud::{Markup, html};

use super::language::PageLanguage;
use super::request::{PageRequest, address};
use crate::api::API;
use crate::app::state::State;
use kpi::catalogue::Direction;
use kpi::change::UnavailableReason;
use kpi::measure::{Measure, Members};
use kpi::number::Rounded;
use kpi::observation::SubmissionCounts;
use kpi::period::Month;
use kpi::program::Program;
use kpi::target::TargetStatus;
use kpi::unit::UnitPosition;

/// Months that the choice of a month offers: the least number until today, the least number before
/// the chosen one, and the greatest number in all.
const MONTHS: i32 = 60;
const MONTHS_BEFORE: i32 = 36;
const MAX_MONTHS: i32 = 240;
/// Most units that a field for a unit offers.
const MAX_OFFERED: usize = 1_000;

/// The name of a unit.
#[must_use]
pub fn unit_name(state: &State, code: &str, language: PageLanguage) -> String {
    let unit = state.units.position(code).and_then(|position| state.units.get(position));
    let name = unit.map(|unit| language.name(&unit.document.name)).unwrap_or_default();
    if name.is_empty() { code.to_owned() } else { name.to_owned() }
}

/// The name of a measure.
#[must_use]
pub fn measure_name(state: &State, measure: &Measure, language: PageLanguage) -> String {
    let label = state.catalogue.label(measure);
    let name = language.name(&label);
    if name.is_empty() { measure.to_string() } else { name.to_owned() }
}

/// The name of a measure that is given as text.
#[must_use]
pub fn named_measure(state: &State, measure: &str, language: PageLanguage) -> String {
    Measure::parse(measure)
        .map_or_else(|_| measure.to_owned(), |measure| measure_name(state, &measure, language))
}

/// The measures that a field for a measure offers: `list="measures"`.
#[must_use]
pub fn measure_list(asked: &PageRequest) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let whole = |code: &String| Measure { code: code.clone(), members: Members::none() };
    let indicators = state.catalogue.indicators.iter().map(|indicator| whole(&indicator.code));
    let rates = state.catalogue.kpis.iter().map(|kpi| whole(&kpi.code));
    let splits = state.measures.iter().map(|(_, measure)| measure.clone());
    let splits = splits.filter(|measure| !measure.members.is_empty());
    html! {
        datalist #measures {
            @for measure in indicators.chain(rates).chain(splits) {
                option value=(measure) { (measure_name(state, &measure, language)) }
            }
        }
    }
}

/// The units that exist today, as a field for a unit offers them: `list="units"`. In a large
/// country the first of them; the field takes the code of any unit.
#[must_use]
pub fn unit_list(asked: &PageRequest) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let day = asked.snapshot.day();
    let exists = |unit: &UnitPosition| state.units.get(*unit).is_some_and(|one| one.exists_on(day));
    html! {
        datalist #units {
            @for position in state.units.all().iter().filter(exists).take(MAX_OFFERED) {
                @let code = state.units.code(position);
                option value=(code) { (unit_name(state, code, language)) }
            }
        }
    }
}

/// The address of an overview.
#[must_use]
pub fn overview_link(unit: &str, month: Month) -> String {
    address("/overview", [("unit", unit), ("period", &month.to_string())])
}

/// The address of the form of a unit and month.
#[must_use]
pub fn entry_link(unit: &str, month: Month) -> String {
    address("/entry", [("unit", unit), ("period", month.to_string().as_str())])
}

/// The address of the history of a measure.
#[must_use]
pub fn history_link(measure: &str, unit: &str, month: Month) -> String {
    address("/history", [("measure", measure), ("unit", unit), ("to", &month.to_string())])
}

/// The units above a unit and the unit itself, as links; other provinces beside the first.
#[must_use]
pub fn unit_path(asked: &PageRequest, code: &str) -> Markup {
    let (state, language) = (asked.state(), asked.language);
    let position = state.units.position(code);
    let mut path: Vec<UnitPosition> =
        position.into_iter().flat_map(|unit| state.units.ancestors(unit)).collect();
    path.reverse();
    let to = |unit: UnitPosition| asked.link(&[("unit", state.units.code(unit))]);
    let name = |unit: UnitPosition| unit_name(state, state.units.code(unit), language);
    html! {
        nav.path aria-label=(language.say("Đơn vị cấp trên", "Units above")) {
            a href=(address("/units", [("from", asked.link(&[("unit", "")]).as_str())])) {
                (language.say("Tất cả đơn vị", "All units"))
            }
            @for above in path { " › " a href=(to(above)) { (name(above)) } }
            " › " (unit_name(state, code, language))
        }
    }
}

/// The units without a parent, as links, where there is more than one.
#[must_use]
pub fn roots(asked: &PageRequest, code: &str) -> Markup {
    let (state, language) = (asked.state(), asked.language);
    let position = state.units.position(code);
    let above = position.and_then(|unit| state.units.ancestors(unit).last());
    let here = above.or(position);
    let has_figures = |root: &UnitPosition| state.has_figures(state.units.subtree(*root));
    let roots: Vec<UnitPosition> = state
        .units
        .roots()
        .filter(|root| Some(*root) == here || has_figures(root))
        .take(8)
        .collect();
    html! {
        @if roots.len() > 1 {
            nav.tabs aria-label=(language.say("Tỉnh, thành phố", "Provinces")) {
                @for root in roots {
                    @let code = state.units.code(root);
                    a href=(address("/overview", [("unit", code)]))
                        aria-current=[(Some(root) == here).then_some("true")] {
                        (unit_name(state, code, language))
                    }
                }
            }
        }
    }
}

/// A form that changes the month of the page; the other parameters stay.
#[must_use]
pub fn month_choice(asked: &PageRequest, chosen: Month, kept: &[(&str, &str)]) -> Markup {
    let language = asked.language;
    let newest = asked.snapshot.month().max(chosen);
    let count = MONTHS.max(newest.since(chosen) + MONTHS_BEFORE).min(MAX_MONTHS);
    let mut months: Vec<Month> = (0..count).map(|back| newest.plus(-back)).collect();
    if !months.contains(&chosen) {
        months.push(chosen);
    }
    let link = |month: Month| asked.link(&[("period", &month.to_string())]);
    html! {
        form.choice method="get" action=(asked.path) {
            @for (name, value) in kept { input type="hidden" name=(name) value=(value); }
            a.step href=(link(chosen.plus(-1))) rel="prev"
                aria-label=(language.say("Tháng trước", "Month before")) { "‹" }
            select name="period" aria-label=(language.say("Tháng", "Month")) data-submit {
                @for month in months {
                    option value=(month) selected[month == chosen] { (language.month(month)) }
                }
            }
            @if chosen < newest {
                a.step href=(link(chosen.plus(1))) rel="next"
                    aria-label=(language.say("Tháng sau", "Month after")) { "›" }
            }
            (go(language))
        }
    }
}

/// The button that a script makes superfluous.
#[must_use]
pub fn go(language: PageLanguage) -> Markup {
    html! { button.go { (language.say("Xem", "Show")) } }
}

/// A change with its arrow, or the reason why it is missing.
pub struct ShownChange<'c> {
    /// The change.
    pub delta: Option<Rounded>,
    /// Why it is missing.
    pub reason: Option<UnavailableReason>,
    /// The change in percent.
    pub percent: Option<Rounded>,
    /// The unit of measure.
    pub unit_of_measure: &'c str,
    /// Which values are better.
    pub direction: Direction,
}

impl ShownChange<'_> {
    /// The change as a part of a page.
    #[must_use]
    pub fn markup(&self, language: PageLanguage) -> Markup {
        let Some(delta) = self.delta.map(Rounded::get) else {
            let reason = self.reason.unwrap_or(UnavailableReason::Missing);
            return html! { span.reason { (language.change_reason(reason)) } };
        };
        let size = language.change(delta, self.unit_of_measure);
        let percent = self.percent.map(|percent| language.number(percent.get().abs(), "percent"));
        html! {
            span class={ "change " (self.class(delta)) } {
                (arrow(language, delta)) (size)
                @if let Some(percent) = percent { " (" (percent) "\u{a0}%)" }
            }
        }
    }

    fn class(&self, delta: f64) -> &'static str {
        match self.direction {
            Direction::Neutral => "",
            _ if delta == 0.0 => "",
            Direction::Higher if delta > 0.0 => "good",
            Direction::Lower if delta < 0.0 => "good",
            Direction::Higher | Direction::Lower => "bad",
        }
    }
}

/// An arrow with a word for those who do not see it.
fn arrow(language: PageLanguage, delta: f64) -> Markup {
    let (sign, word) = if delta > 0.0 {
        ("▲", language.say("tăng", "up"))
    } else if delta < 0.0 {
        ("▼", language.say("giảm", "down"))
    } else {
        ("=", language.say("không đổi", "unchanged"))
    };
    html! { span aria-hidden="true" { (sign) " " } span.unseen { (word) " " } }
}

/// The name of a state in class names.
#[must_use]
pub fn status_class(status: TargetStatus) -> &'static str {
    match status {
        TargetStatus::Met => "good",
        TargetStatus::Close => "fair",
        TargetStatus::Behind => "bad",
        TargetStatus::NoData => "none",
    }
}

/// A badge with the state of a value. Where its figures do not cover all units yet, it says how
/// many of them they cover.
#[must_use]
pub fn status_badge(
    language: PageLanguage,
    status: Option<TargetStatus>,
    covered: Option<(usize, usize)>,
) -> Markup {
    html! {
        @if let Some(status) = status {
            span class={ "badge " (status_class(status)) } {
                (language.status(status))
                @if let Some((covered, all)) = covered {
                    span.provisional {
                        ", " (language.say("tạm, ", "so far, ")) (covered) "/" (all)
                        (language.say(" đơn vị", " units"))
                    }
                }
            }
        }
    }
}

/// How many of the lowest units below a unit the value of a measure covers, and how many there are;
/// `None` where it covers all of them.
#[must_use]
pub fn covered_units(
    asked: &PageRequest,
    measure: &str,
    unit: &str,
    month: Month,
    coverage: Option<f64>,
) -> Option<(usize, usize)> {
    coverage.filter(|coverage| *coverage < 1.0)?;
    let state = asked.state();
    let program =
        Program::of_measure(&state.catalogue, &state.view(), &Measure::parse(measure).ok()?)?;
    let geography = asked.snapshot.geography(asked.is("geography", "current"));
    let source = state.source().with_geography(geography);
    source.leaf_counts(&program, state.units.position(unit)?, month)
}

/// The files that a page with figures offers: paths of GET requests.
pub struct PageFiles {
    /// The figures for programs.
    pub json: String,
    /// The figures as CSV.
    pub csv: String,
    /// The figures as an Excel file.
    pub xlsx: String,
}

impl PageFiles {
    /// The formats of a request that responds with a table.
    #[must_use]
    pub fn of_table<'q>(
        path: &str,
        query: impl IntoIterator<Item = (&'q str, &'q str)> + Clone,
        language: PageLanguage,
    ) -> Self {
        let path = format!("{API}/{path}");
        let with = |more: &[(&'q str, &'q str)]| {
            address(&path, query.clone().into_iter().chain(more.iter().copied()))
        };
        let lang = match language {
            PageLanguage::Vi => "vi",
            PageLanguage::En => "en",
        };
        Self {
            json: with(&[]),
            csv: with(&[("format", "csv")]),
            xlsx: with(&[("format", "xlsx"), ("lang", lang)]),
        }
    }

    /// The addresses that the foot of the page names.
    #[must_use]
    pub fn sources(&self) -> Vec<(&'static str, String)> {
        vec![("JSON", self.json.clone()), ("CSV", self.csv.clone())]
    }

    /// The buttons of the page: the monthly report of the unit as a Word file, the figures as
    /// files, printing, and the address for programs.
    #[must_use]
    pub fn buttons(&self, asked: &PageRequest, unit: &str, month: Month, more: &Markup) -> Markup {
        let (language, units) = (asked.language, &asked.state().units);
        let report = format!("{API}/reports/{unit}/{month}?format=docx");
        let exists = units.position(unit).is_some_and(|unit| units.exists(unit, month));
        html! {
            div.actions {
                @if exists {
                    a.button href=(report) download {
                        (language.say("Báo cáo Word", "Word report"))
                    }
                }
                a.button href=(self.xlsx) download { "Excel" }
                a.button href=(self.csv) download { "CSV" }
                (more)
                button.button type="button" data-print hidden { (language.say("In", "Print")) }
                a.button href=(self.json)
                    data-copy=(language.say("Đã chép địa chỉ", "Address copied")) {
                    (language.say("Chép địa chỉ API", "Copy the API address"))
                }
            }
        }
    }
}

/// How many figures of a submission are new, changed, unchanged and withdrawn.
#[must_use]
pub fn counts_line(language: PageLanguage, counts: &SubmissionCounts) -> Markup {
    html! {
        (counts.created) (language.say(" số mới, ", " new, "))
        (counts.revised) (language.say(" số sửa, ", " changed, "))
        (counts.unchanged) (language.say(" không đổi, ", " unchanged, "))
        (counts.withdrawn) (language.say(" rút", " withdrawn"))
    }
}

/// A note above the content.
#[must_use]
pub fn notice(class: &str, content: &Markup) -> Markup {
    html! { div class={ "notice " (class) } role="status" { (content) } }
}
