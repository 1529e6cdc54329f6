//! Reports on the command line: printing what was read from one.

use std::path::Path;

use super::actor::ACTOR;
use super::{localised, wait};
use crate::app::App;
use crate::app::read::findings::FindingView;
use crate::app::reports::{ReportError, ReportFile, ReportQuery, ReportView};
use crate::config::Language;
use crate::error::Error;
use crate::intake::SubmissionEnvelope;

/// Maximum width of a column, in characters.
const WIDEST: usize = 70;

/// How to read and print a report.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// Unit and period, if given.
    pub query: ReportQuery,
    /// Whether the pattern and the sentence of each number are printed.
    pub explain: bool,
    /// The language of the output.
    pub lang: Language,
}

/// Converts an error of a report into an error of the command.
fn plain(error: ReportError) -> Error {
    match error {
        ReportError::Refused(refusal) => Error::Invalid(vec![refusal.to_fault()]),
        ReportError::Failed(error) => error,
    }
}

/// Prints the figures, skipped numbers and findings of a report, and returns the number of its
/// errors with the findings.
///
/// # Errors
/// When the report cannot be read.
pub fn check(
    app: &App,
    path: &Path,
    file: &ReportFile,
    asked: &ReportOptions,
) -> Result<(usize, Vec<FindingView>), Error> {
    let report = app.read_report(file, &asked.query).map_err(plain)?;
    let view = app.dry_run_report(&report, ACTOR)?;
    print(path, &view, asked);
    print_notes(path, &view);
    if asked.explain {
        say!(
            "{}:",
            if asked.lang == Language::Vi { "các mẫu câu đã xét" } else { "patterns tried" }
        );
        for (printed, pattern, verdict) in app.explain_report(file, &asked.query).map_err(plain)? {
            say!("      {printed:>14} {pattern}: {verdict}");
        }
    }
    let vi = asked.lang == Language::Vi;
    for fault in &view.faults {
        let detail = fault.detail_vi.as_ref().filter(|_| vi).unwrap_or(&fault.detail);
        say!("{}: {}: {detail} ({})", path.display(), fault.pointer, fault.code);
    }
    Ok((view.faults.len(), view.findings))
}

/// Records a report.
///
/// # Errors
/// When the report cannot be read or recorded.
pub fn import(
    app: &App,
    file: &ReportFile,
    query: &ReportQuery,
    envelope: SubmissionEnvelope,
    actor: &str,
) -> Result<ReportView, Error> {
    let report = app.read_report(file, query).map_err(plain)?;
    wait(app.record_report(&report, envelope, actor, None)).map(|(view, _)| view)
}

/// Prints how many figures were not recorded because they are not certain, and how to accept them.
pub fn print_uncertain(path: &Path, view: &ReportView) {
    let starts: Vec<String> = view
        .figures
        .iter()
        .filter(|figure| figure.needs_acceptance)
        .map(|figure| figure.start.to_string())
        .collect();
    if starts.is_empty() {
        return;
    }
    let message = format!(
        "{} figure(s) are not certain and were not recorded; `check` shows them, --accept {} \
         records them",
        starts.len(),
        starts.join(",")
    );
    say!("{}: {}", path.display(), localised(message));
}

/// Prints what the head of a report says differently from the options of the command.
pub fn print_notes(path: &Path, view: &ReportView) {
    for note in &view.notes {
        say!("{}: {} ({})", path.display(), localised(note.detail.clone()), note.code);
    }
}

fn print(path: &Path, view: &ReportView, asked: &ReportOptions) {
    let vi = asked.lang == Language::Vi;
    let (unit, period, figures, unclaimed) = if vi {
        ("đơn vị", "kỳ", "số liệu", "số bị bỏ qua")
    } else {
        ("unit", "period", "figure(s)", "skipped number(s)")
    };
    say!("{}: {unit} {}, {period} {}", path.display(), view.unit, view.period);
    say!("{} {figures}:", view.figures.len());
    for (n, figure) in view.figures.iter().enumerate() {
        let about = match (figure.approximate, vi) {
            (false, _) => "",
            (true, true) => " [gần đúng]",
            (true, false) => " [approximate]",
        };
        let held = match (figure.needs_acceptance, vi) {
            (false, _) => String::new(),
            (true, true) => format!(" [chỉ ghi khi có --accept {}]", figure.start),
            (true, false) => format!(" [recorded only with --accept {}]", figure.start),
        };
        let role = if figure.role == "figure" {
            about.to_owned()
        } else {
            let role = if vi { role_vi(&figure.role) } else { &figure.role };
            format!(" [{role} {}]{about}", figure.period)
        };
        say!(
            "  {n:>3} {:<WIDEST$} {:<12} {:>14} {:>12} {:.2}{role}{held}",
            figure.measure,
            figure.unit,
            figure.value.to_string(),
            figure.printed,
            figure.confidence
        );
        if asked.explain {
            say!("      {}: {}", figure.pattern, one_line(&figure.sentence));
        }
    }
    say!("{} {unclaimed}:", view.unclaimed.len());
    for number in &view.unclaimed {
        let measure =
            number.measure.as_deref().map(|measure| format!(" {measure}")).unwrap_or_default();
        say!("      {:>14} {}{measure}", number.printed, number.reason);
        if vi {
            say!("      {}", number.reason_detail_vi);
        }
        if asked.explain {
            say!("      {}", one_line(&number.sentence));
        }
    }
}

/// How a figure is used, in Vietnamese.
fn role_vi(role: &str) -> &str {
    match role {
        "rounded" => "làm tròn",
        "earlier" => "kỳ trước",
        "target" => "mục tiêu",
        other => other,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
