//! Series as text: Prometheus' format 0.0.4 for scraping, OpenMetrics for the whole history.

use std::collections::HashMap;
use std::io::{self, Write};

use chrono::NaiveDate;

use super::metadata::metadata;
use super::select::{MetricSeries, history};
use crate::app::state::State;
use kpi::period::FIRST_MONTH;
use promql::labels::{LabelSet, NAME};
use promql::{first_second, format_value};

/// Escapes a label value or a help text.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn labels_of(labels: &LabelSet) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .filter(|(name, _)| *name != NAME)
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

/// Writes series with the head of their metric family, which must appear once: the series of a
/// family must be written one after another.
struct ExpositionWriter<W> {
    out: W,
    help: HashMap<String, String>,
    family: String,
}

impl<W: Write> ExpositionWriter<W> {
    fn new(state: &State, out: W) -> Self {
        let help = metadata(state)
            .into_iter()
            .map(|described| (described.metric, described.help))
            .collect();
        Self { out, help, family: String::new() }
    }

    fn head(&mut self, series: &MetricSeries) -> io::Result<()> {
        let name = series.labels.get(NAME);
        if self.family != name {
            name.clone_into(&mut self.family);
            let help = self
                .help
                .get(name)
                .map(|help| escaped(help).replace("\\\"", "\""))
                .unwrap_or_default();
            writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
        }
        Ok(())
    }
}

/// Writes the newest value of each series for scraping, in Prometheus' text format 0.0.4.
///
/// # Errors
/// Never, because it writes into memory.
pub fn text(state: &State, series: &[MetricSeries]) -> io::Result<Vec<u8>> {
    let mut writer = ExpositionWriter::new(state, Vec::new());
    for series in series {
        writer.head(series)?;
        if let Some(value) = series.newest() {
            writeln!(
                writer.out,
                "{}{} {}",
                series.labels.get(NAME),
                labels_of(&series.labels),
                format_value(value)
            )?;
        }
    }
    Ok(writer.out)
}

/// Writes the history of every measure as OpenMetrics, each value at the first instant of its
/// month. Returns the number of samples.
///
/// `promtool tsdb create-blocks-from openmetrics` reads it.
///
/// # Errors
/// When `out` cannot be written.
pub fn openmetrics(state: &State, today: NaiveDate, out: impl Write) -> io::Result<u64> {
    let mut writer = ExpositionWriter::new(state, out);
    let mut samples = 0;
    let (first, last) = state.cube.span().unwrap_or((FIRST_MONTH, FIRST_MONTH));
    history(state, today, |series| {
        writer.head(series)?;
        let (name, labels) = (series.labels.get(NAME).to_owned(), labels_of(&series.labels));
        for (month, value) in series.months(first, last) {
            samples += 1;
            writeln!(writer.out, "{name}{labels} {} {}", format_value(value), first_second(month))?;
        }
        Ok::<_, io::Error>(())
    })?;
    writeln!(writer.out, "# EOF")?;
    writer.out.flush()?;
    Ok(samples)
}
