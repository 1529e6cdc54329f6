//! Series as text: Prometheus' format 0.0.4 for scraping, OpenMetrics for a whole history.

use std::collections::HashMap;
use std::io::{self, Write};

use super::labels::{Labels, NAME};
use super::metadata::metadata;
use super::promql::{first_second, format_value};
use super::select::{Series, history};
use crate::app::state::State;

/// Label values and help texts in quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn labels_of(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .filter(|(name, _)| *name != NAME)
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

/// Writes families with their head, each once; series of a family follow one another.
struct Writer<W> {
    out: W,
    help: HashMap<String, String>,
    family: String,
}

impl<W: Write> Writer<W> {
    fn new(state: &State, out: W) -> Self {
        let help = metadata(state)
            .into_iter()
            .map(|described| (described.metric, described.help))
            .collect();
        Self { out, help, family: String::new() }
    }

    fn head(&mut self, series: &Series) -> io::Result<()> {
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

/// Series at their newest month, for scraping: Prometheus' text format 0.0.4.
///
/// # Errors
/// Never into memory.
pub fn text(state: &State, series: &[Series]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new(state, Vec::new());
    for series in series {
        writer.head(series)?;
        if let Some((_, value)) = series.iter().last() {
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

/// The history of every measure as OpenMetrics, each month's value at its first instant; says how many samples were written.
///
/// `promtool tsdb create-blocks-from openmetrics` reads it.
///
/// # Errors
/// The writer's.
pub fn openmetrics(state: &State, out: impl Write) -> io::Result<u64> {
    let mut writer = Writer::new(state, out);
    let mut samples = 0;
    history(state, |series| {
        writer.head(series)?;
        let (name, labels) = (series.labels.get(NAME).to_owned(), labels_of(&series.labels));
        for (month, value) in series.iter() {
            samples += 1;
            writeln!(writer.out, "{name}{labels} {} {}", format_value(value), first_second(month))?;
        }
        Ok::<_, io::Error>(())
    })?;
    writeln!(writer.out, "# EOF")?;
    writer.out.flush()?;
    Ok(samples)
}
