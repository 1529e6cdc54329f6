//! The check of what was typed: each field, the rules, and the kpis that follow.

use std::collections::BTreeMap;

use serde::Serialize;

use super::TypedForm;
use super::number::{FieldKind, read};
use crate::api::Problem;
use crate::app::App;
use crate::app::read::findings::FindingView;
use crate::app::templates::{FormRow, ReportingForm};
use crate::app::write::preview::{PreviewedKpi, SubmissionPreview};
use crate::app::write::submission::SubmissionInput;
use crate::error::Error;
use crate::intake::SubmissionEnvelope;
use crate::web::language::{PageLanguage, sentence};
use crate::web::parts::unit_name;
use crate::web::request::PageRequest;
use kpi::fault::Fault;
use kpi::measure::Measure;
use kpi::number::{Rounded, Statement};
use kpi::observation::FoundObservation;

/// The result for one field.
#[derive(Clone, Debug, Default)]
pub struct CheckedRow {
    /// The text of the field.
    pub text: String,
    /// The number that it says, if it can be read.
    pub entered: Option<Statement>,
    /// What is recorded, as a text.
    pub before: String,
    is_touched: bool,
    recorded: Option<Statement>,
    /// `bad` for an error, `fair` for a warning, otherwise empty.
    pub level: &'static str,
    /// What to say about it.
    pub message: String,
    /// The change since the month before.
    pub change: String,
    /// Whether the recorded figure is to be withdrawn.
    pub is_withdrawn: bool,
    written: String,
}

impl CheckedRow {
    /// Whether something is entered.
    pub fn is_filled(&self) -> bool {
        !self.text.is_empty()
    }

    /// Whether a figure is entered where none was.
    pub fn is_new(&self) -> bool {
        self.is_touched && self.entered.is_some() && self.before.is_empty() && self.level != "bad"
    }

    /// Whether a recorded figure becomes another.
    pub fn is_changed(&self) -> bool {
        self.is_touched
            && self.entered.is_some()
            && !self.before.is_empty()
            && !self.is_same()
            && self.level != "bad"
    }

    /// Whether the recorded figure stays.
    pub fn is_unchanged(&self) -> bool {
        !self.before.is_empty() && (!self.is_touched || self.is_same())
    }

    /// Whether the field of a recorded figure is empty now.
    pub fn is_emptied(&self) -> bool {
        self.is_touched && self.text.is_empty() && !self.before.is_empty()
    }

    /// The number as it will be read, or the text that cannot be read.
    pub fn shown(&self) -> &str {
        if self.written.is_empty() { &self.text } else { &self.written }
    }

    fn is_same(&self) -> bool {
        match (self.entered, self.recorded) {
            (Some(Statement::Number(entered)), Some(Statement::Number(recorded))) => {
                entered.to_f64() == recorded.to_f64()
            }
            (Some(Statement::NotApplicable), Some(Statement::NotApplicable)) => true,
            _ => false,
        }
    }
}

/// A kpi beside the fields.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedKpi {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its value in the month before.
    pub previous: String,
    /// Its value with what is typed.
    pub value: String,
    /// The change.
    pub change: String,
}

/// The check of a form.
#[derive(Clone, Debug)]
pub struct CheckedEntry {
    rows: BTreeMap<String, CheckedRow>,
    nothing: CheckedRow,
    /// What was typed.
    pub typed: TypedForm,
    /// The figures that sending would record.
    pub found: Vec<FoundObservation>,
    /// The kpis.
    pub kpis: Vec<CheckedKpi>,
    /// Warnings about other figures.
    pub other_warnings: Vec<String>,
    /// What is wrong with the whole form.
    pub trouble: Option<Problem>,
}

/// What the script of the form shows.
#[derive(Serialize)]
pub struct LiveCheck<'c> {
    rows: BTreeMap<&'c str, LiveRow<'c>>,
    kpis: &'c [CheckedKpi],
    saved: &'c str,
}

/// What the script shows at a field.
#[derive(Serialize)]
struct LiveRow<'c> {
    level: &'c str,
    message: &'c str,
    change: &'c str,
}

impl CheckedEntry {
    /// The result for the field of a measure.
    pub fn row(&self, measure: &Measure) -> &CheckedRow {
        self.rows.get(&measure.to_string()).unwrap_or(&self.nothing)
    }

    /// Whether anything keeps the form from being sent.
    pub fn has_errors(&self) -> bool {
        self.trouble.is_some() || self.rows.values().any(|row| row.level == "bad")
    }

    /// The check for the script of the form.
    pub fn live<'c>(&'c self, saved: &'c str) -> LiveCheck<'c> {
        let rows = self.rows.iter().map(|(measure, row)| {
            let live = LiveRow { level: row.level, message: &row.message, change: &row.change };
            (measure.as_str(), live)
        });
        LiveCheck { rows: rows.collect(), kpis: &self.kpis, saved }
    }
}

/// Checks what was typed.
pub fn check(
    app: &App,
    asked: &PageRequest,
    form: &ReportingForm,
    typed: TypedForm,
    withdrawn: &[String],
) -> CheckedEntry {
    let language = asked.language;
    let mut checked = CheckedEntry {
        rows: BTreeMap::new(),
        nothing: CheckedRow::default(),
        typed,
        found: Vec::new(),
        kpis: Vec::new(),
        other_warnings: Vec::new(),
        trouble: None,
    };
    for row in form.groups.iter().flat_map(|group| &group.rows) {
        let name = row.measure.to_string();
        let is_withdrawn = withdrawn.contains(&name);
        let one = checked_row(&checked.typed, row, &name, is_withdrawn);
        if one.entered.is_some() && !one.is_unchanged() || one.is_emptied() && one.is_withdrawn {
            checked.found.push(FoundObservation {
                measure: row.measure.clone(),
                unit: form.unit.clone(),
                month: form.month,
                value: one.entered,
                place: name.clone(),
            });
        }
        checked.rows.insert(name, one);
    }
    let place = (form.unit.as_str(), form.month);
    // Without a reason a closed month would be refused, which hides all else.
    let envelope =
        SubmissionEnvelope { reason: Some("check".to_owned()), ..SubmissionEnvelope::default() };
    let rows = form.groups.iter().flat_map(|group| &group.rows);
    let codes = rows.map(|row| row.measure.code.clone()).collect();
    let kpis = if checked.found.is_empty() {
        app.current_kpis(place, &codes).unwrap_or_default()
    } else {
        let input = SubmissionInput::Found(checked.found.clone(), envelope);
        match app.preview(&input, &asked.identity, place, &codes) {
            Ok(SubmissionPreview { receipt, kpis }) => {
                receipt.findings.iter().for_each(|one| checked.warn(asked, one));
                kpis
            }
            Err(error) => {
                checked.refuse(language, error);
                app.current_kpis(place, &codes).unwrap_or_default()
            }
        }
    };
    checked.kpis = kpis.iter().map(|kpi| checked_kpi(asked, kpi)).collect();
    checked
}

fn checked_row(typed: &TypedForm, row: &FormRow, name: &str, is_withdrawn: bool) -> CheckedRow {
    let language = typed.language();
    let is_percent = row.unit_of_measure == "%";
    let kind = FieldKind { decimals: row.decimals, is_percent };
    let before = row.recorded.map_or_else(String::new, |said| language.statement(said));
    let touched = typed.figures.get(name).filter(|typed| typed.text != before);
    let mut one = CheckedRow {
        text: touched.map_or_else(|| before.clone(), |typed| typed.text.clone()),
        is_touched: touched.is_some(),
        before,
        recorded: row.recorded,
        is_withdrawn,
        ..CheckedRow::default()
    };
    match read(&one.text, kind, language) {
        Ok(entered) => one.entered = entered,
        Err((vi, en)) => (one.level, one.message) = ("bad", language.say(vi, en)),
    }
    // Somebody else has changed the figure since the field was filled.
    if touched.is_some_and(|typed| typed.shown != one.before) {
        let now = if one.before.is_empty() { "–" } else { &one.before };
        let vi = format!("Số đã ghi vừa được đổi thành {now}; hãy xem lại rồi gửi.");
        let en = format!("The recorded figure has just become {now}; look at it again.");
        (one.level, one.message) = ("bad", language.say(vi, en));
    }
    if let Some(entered) = one.entered {
        one.written = language.statement(entered);
    }
    let numbers = one.entered.and_then(Statement::number).zip(row.previous);
    if let Some((now, before)) = numbers {
        let (now, before) = (now.to_f64(), before.to_f64());
        let unit_of_measure = if is_percent { "percent" } else { "count" };
        let percent = (before != 0.0 && !is_percent).then(|| (now - before) / before.abs() * 100.0);
        one.change = change(language, now - before, percent, unit_of_measure);
        if one.is_touched && one.level.is_empty() && !is_percent && is_striking(now, before) {
            let before = language.number(before, unit_of_measure);
            let vi = format!("Khác nhiều so với tháng trước ({before}).");
            let en = format!("Far from the month before ({before}).");
            (one.level, one.message) = ("fair", language.say(vi, en));
        }
    }
    one
}

/// Whether a figure is so far from the month before that the person should look at it again: at
/// least five times as much, or at most a fifth, and by at least ten.
fn is_striking(now: f64, before: f64) -> bool {
    (now - before).abs() >= 10.0 && (now >= before * 5.0 || now <= before / 5.0)
}

/// A change as a text: `+26 (5,3 %)`.
fn change(
    language: PageLanguage,
    delta: f64,
    percent: Option<f64>,
    unit_of_measure: &str,
) -> String {
    let sign = if delta > 0.0 {
        "+"
    } else if delta < 0.0 {
        "−"
    } else {
        ""
    };
    let size = language.change(delta, unit_of_measure);
    let percent = percent
        .filter(|_| delta != 0.0)
        .map(|percent| format!(" ({}\u{a0}%)", language.number(percent.abs(), "percent")));
    format!("{sign}{size}{}", percent.unwrap_or_default())
}

fn checked_kpi(asked: &PageRequest, kpi: &PreviewedKpi) -> CheckedKpi {
    let (language, catalogue) = (asked.language, &asked.state().catalogue);
    let unit_of_measure = catalogue.unit_of_measure(&kpi.code);
    let written = |value: Option<Rounded>| {
        value
            .map_or_else(|| "–".to_owned(), |value| language.quantity(value.get(), unit_of_measure))
    };
    let delta = kpi.value.zip(kpi.previous).map(|(now, before)| now.get() - before.get());
    CheckedKpi {
        code: kpi.code.clone(),
        name: catalogue.name(&kpi.code).map_or("", |name| language.name(name)).to_owned(),
        previous: written(kpi.previous),
        value: written(kpi.value),
        change: delta
            .map_or_else(String::new, |delta| change(language, delta, None, unit_of_measure)),
    }
}

impl CheckedEntry {
    /// Puts a warning of the rules at its field.
    fn warn(&mut self, asked: &PageRequest, finding: &FindingView) {
        let language = asked.language;
        let text = sentence(language.say(&finding.detail_vi, &finding.detail));
        match self.rows.get_mut(&finding.measure).filter(|row| row.level.is_empty()) {
            Some(row) => (row.level, row.message) = ("fair", text),
            None => self
                .other_warnings
                .push(format!("{}: {text}", unit_name(asked.state(), &finding.unit, language))),
        }
    }

    /// Puts errors at their fields; what belongs to none is about the whole form.
    fn refuse(&mut self, language: PageLanguage, error: Error) {
        let Error::Invalid(faults) = error else {
            self.trouble = Some(Problem::from(error));
            return;
        };
        let mut others: Vec<Fault> = Vec::new();
        for fault in faults.into_iter().map(crate::messages::translated) {
            match self.rows.get_mut(&fault.pointer) {
                Some(row) => (row.level, row.message) = ("bad", language.fault(&fault)),
                None => others.push(fault),
            }
        }
        if !others.is_empty() {
            self.trouble = Some(Problem::invalid(others));
        }
    }
}
