//! Small figures as SVG: lines of a trend, spark lines and bars. Colours are attributes, so that a
//! picture also stands alone; the style sheet of the pages overrides them for dark screens.

use std::fmt::Write as _;

use maud::{Markup, html};

use kpi::number::float;

/// The colours of the lines of a chart, chosen so that they can be distinguished without red and
/// green.
const COLOURS: [&str; 8] =
    ["#0b5cad", "#c2570c", "#5b3a9e", "#0d7d74", "#a01d5f", "#6b5b00", "#37474f", "#8d4a2f"];
/// The colour of targets.
const TARGET: &str = "#b3261e";
/// Size of a chart, in units of the picture.
const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 320.0;
/// Space around the plot: left, top, right, bottom.
const SPACE: (f64, f64, f64, f64) = (70.0, 16.0, 32.0, 28.0);
/// About how many lines a scale has.
const TICKS: f64 = 5.0;
/// Most decimals of the numbers at the lines of a scale.
const MAX_DECIMALS: u32 = 6;
/// Size of a spark line.
const SPARK: (f64, f64) = (240.0, 48.0);

/// A place as a coordinate.
fn place(count: usize) -> f64 {
    float(i64::try_from(count).unwrap_or(i64::MAX))
}

/// One line of a chart.
#[derive(Clone, PartialEq, Debug)]
pub struct ChartLine {
    /// Its name.
    pub name: String,
    /// A value for each place of the horizontal axis; a gap where it is missing.
    pub values: Vec<Option<f64>>,
    /// The text of each value, as a person reads it.
    pub texts: Vec<String>,
}

/// Something that happened at a place of the horizontal axis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChartMark {
    /// The place.
    pub at: usize,
    /// What happened, in a few words.
    pub text: String,
    /// Whether values before and after it cannot be compared.
    pub is_break: bool,
}

/// A chart of lines over time.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct LineChart {
    /// What it shows, for those who cannot see it.
    pub title: String,
    /// The lines.
    pub lines: Vec<ChartLine>,
    /// The names of the places of the horizontal axis.
    pub places: Vec<String>,
    /// The target, and its text.
    pub target: Option<(f64, String)>,
    /// What happened.
    pub marks: Vec<ChartMark>,
    /// The line that is lit up among the others, which are then quiet.
    pub lit: Option<usize>,
}

/// The vertical scale: its ends and the distance of its lines.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct ChartScale {
    low: f64,
    high: f64,
    step: f64,
}

impl ChartScale {
    /// The scale of some values, with round numbers at its lines.
    pub(super) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        if !low.is_finite() || !high.is_finite() {
            return Self { low: 0.0, high: 1.0, step: 0.5 };
        }
        // Values near zero are shown from zero, so that their sizes compare as they look.
        let low = if low > 0.0 && low < high * 0.5 { 0.0 } else { low };
        let width = if high > low { high - low } else { high.abs().max(1.0) };
        let rough = width / TICKS;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough)
            .unwrap_or(power);
        let (first, last) = ((low / step).floor() * step, (high / step).ceil() * step);
        Self { low: first, high: if last > first { last } else { first + step }, step }
    }

    /// The numbers at its lines.
    pub(super) fn ticks(self) -> Vec<f64> {
        let mut ticks = Vec::new();
        let mut n = 0;
        while n <= 20 {
            let tick = self.low + self.step * place(n);
            if tick > self.high + self.step / 2.0 {
                break;
            }
            ticks.push(tick);
            n += 1;
        }
        ticks
    }

    /// The decimals with which the numbers at its lines differ as they should.
    pub(super) fn decimals(self) -> u32 {
        let is_exact = |decimals: &u32| {
            let shown = self.step * 10_f64.powi(i32::try_from(*decimals).unwrap_or(0));
            (shown - shown.round()).abs() < 1e-6 * shown
        };
        (0..MAX_DECIMALS).find(is_exact).unwrap_or(MAX_DECIMALS)
    }

    /// The share of the height at which a value stands.
    pub(super) fn share(self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

impl LineChart {
    /// Draws the chart; `show` writes a number of the vertical axis with some decimals.
    #[must_use]
    pub fn draw(&self, show: &dyn Fn(f64, u32) -> String) -> Markup {
        let drawn = self.lines.iter().flat_map(|line| line.values.iter().flatten());
        let target = self.target.as_ref().map(|(value, _)| value);
        let scale = ChartScale::of(drawn.chain(target).copied());
        let (left, top, right, bottom) = SPACE;
        let (wide, high) = (WIDTH - left - right, HEIGHT - top - bottom);
        let steps = self.places.len().saturating_sub(1).max(1);
        let x = |at: usize| left + wide * place(at) / place(steps);
        let y = |value: f64| top + high * (1.0 - scale.share(value));
        // At most about 12 names below the axis.
        let every = self.places.len().div_ceil(12).max(1);
        let names = self.places.iter().enumerate().filter(|(at, _)| at % every == 0);
        html! {
            svg class="chart" xmlns="http://www.w3.org/2000/svg" role="img"
                data-places=(self.places.join("|"))
                data-plot=(format!("{left} {} {top} {}", WIDTH - right, HEIGHT - bottom))
                viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } font-family="sans-serif" font-size="12" {
                title { (self.title) }
                g class="axis" stroke="#c9d3dc" fill="#4a5a68" {
                    @for tick in scale.ticks() {
                        line x1=(left) x2=(WIDTH - right) y1=(cut(y(tick))) y2=(cut(y(tick))) {}
                        text x=(left - 8.0) y=(cut(y(tick) + 4.0)) text-anchor="end" stroke="none" {
                            (show(tick, scale.decimals()))
                        }
                    }
                    @for (at, name) in names {
                        // Where the chart is small, every other name is left out.
                        text class=[(at / every % 2 == 1).then_some("more")] x=(cut(x(at)))
                            y=(HEIGHT - bottom + 18.0) text-anchor="middle" stroke="none" {
                            (name)
                        }
                    }
                }
                @for mark in &self.marks {
                    g class="mark" stroke="#7a5a00" fill="#7a5a00" {
                        line x1=(cut(x(mark.at))) x2=(cut(x(mark.at))) y1=(top) y2=(HEIGHT - bottom)
                            stroke-dasharray=[mark.is_break.then_some("2 4")]
                            stroke-width="1.5" { title { (mark.text) } }
                        circle cx=(cut(x(mark.at))) cy=(top) r="4" { title { (mark.text) } }
                    }
                }
                @if let Some((value, text)) = &self.target {
                    g class="target" stroke=(TARGET) fill=(TARGET) {
                        line x1=(left) x2=(WIDTH - right) y1=(cut(y(*value))) y2=(cut(y(*value)))
                            stroke-dasharray="6 4" {}
                        text x=(WIDTH - right) y=(cut(y(*value) - 5.0)) text-anchor="end"
                            stroke="none" { (text) }
                    }
                }
                @if self.lit.is_some() {
                    g class="others" stroke="#9aa7b3" fill="none" stroke-width="1" {
                        @for (n, line) in self.lines.iter().enumerate() {
                            @if self.lit != Some(n) {
                                path d=(trace(&line.values, &x, &y)) { title { (line.name) } }
                            }
                        }
                    }
                }
                @for (n, line) in self.lines.iter().enumerate()
                    .filter(|(n, _)| self.lit.is_none_or(|lit| lit == *n))
                {
                    @let n = if self.lit.is_some() { 0 } else { n };
                    @let colour = COLOURS.get(n % COLOURS.len()).copied().unwrap_or("#0b5cad");
                    g class={ "line l" (n) } stroke=(colour) fill=(colour) {
                        path d=(trace(&line.values, &x, &y)) fill="none" stroke-width="2.5" {}
                        @for (at, value) in line.values.iter().enumerate() {
                            @if let Some(value) = value {
                                circle class="point" cx=(cut(x(at))) cy=(cut(y(*value))) r="3.5" {
                                    title {
                                        @if self.lines.len() > 1 { (line.name) ": " }
                                        (self.places.get(at).map_or("", String::as_str)) ": "
                                        (line.texts.get(at).map_or("", String::as_str))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The colour of a line, for a legend.
    #[must_use]
    pub fn colour(line: usize) -> &'static str {
        COLOURS.get(line % COLOURS.len()).copied().unwrap_or("#0b5cad")
    }
}

/// The path of a line; it is interrupted where a value is missing.
fn trace(values: &[Option<f64>], x: &dyn Fn(usize) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut is_down = false;
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_down = false;
            continue;
        };
        let letter = if is_down { 'L' } else { 'M' };
        let _infallible = write!(path, "{letter}{} {}", cut(x(at)), cut(y(*value)));
        is_down = true;
    }
    path
}

/// A coordinate with one decimal, to keep pages small.
fn cut(coordinate: f64) -> f64 {
    (coordinate * 10.0).round() / 10.0
}

/// A line without axes: the last values, a gap where one is missing, the last one as a dot, and the
/// target. For screen readers the text beside it says what matters.
#[must_use]
pub fn spark(values: &[Option<f64>], target: Option<f64>) -> Markup {
    let drawn = values.iter().flatten().copied();
    let low = drawn.clone().chain(target).fold(f64::INFINITY, f64::min);
    let high = drawn.chain(target).fold(f64::NEG_INFINITY, f64::max);
    let (wide, tall) = SPARK;
    let width = if high > low { high - low } else { 1.0 };
    let x = |at: usize| 4.0 + (wide - 8.0) * place(at) / place(values.len().max(2) - 1);
    let y = |value: f64| tall - 5.0 - (tall - 10.0) * (value - low) / width;
    let last = values.iter().enumerate().rev().find_map(|(at, value)| Some((at, (*value)?)));
    html! {
        svg class="spark" xmlns="http://www.w3.org/2000/svg" aria-hidden="true"
            viewBox={ "0 0 " (wide) " " (tall) } preserveAspectRatio="none" {
            @if let Some((at, value)) = last {
                @if let Some(target) = target {
                    line class="target" x1="4" x2=(wide - 4.0)
                        y1=(cut(y(target))) y2=(cut(y(target)))
                        stroke=(TARGET) stroke-dasharray="4 3" {}
                }
                path class="line" d=(trace(values, &x, &y)) fill="none" stroke="#0b5cad"
                    stroke-width="2" vector-effect="non-scaling-stroke" {}
                circle class="point" cx=(cut(x(at))) cy=(cut(y(value))) r="3.5" fill="#0b5cad" {}
            }
        }
    }
}

/// A horizontal bar from 0 to `high` with the line of a target.
#[must_use]
pub fn bar(value: f64, high: f64, target: Option<f64>, class: &str) -> Markup {
    let share = |value: f64| cut((value / high * 100.0).clamp(0.0, 100.0));
    html! {
        svg class={ "bar " (class) } xmlns="http://www.w3.org/2000/svg" aria-hidden="true"
            viewBox="0 0 100 10" preserveAspectRatio="none" {
            rect class="ground" width="100" height="10" fill="#eef2f5" {}
            rect class="fill" width=(share(value)) height="10" fill="#0b5cad" {}
            @if let Some(target) = target {
                line class="target" x1=(share(target)) x2=(share(target)) y1="0" y2="10"
                    stroke=(TARGET) stroke-width="2" vector-effect="non-scaling-stroke" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_round_numbers_and_hold_all_values() {
        for (values, ticks, decimals) in [
            (&[81.2, 82.9][..], &[81.0, 81.5, 82.0, 82.5, 83.0][..], 1),
            (&[3.0, 977.0], &[0.0, 200.0, 400.0, 600.0, 800.0, 1000.0], 0),
            (&[0.001, 0.0042], &[0.0, 0.001, 0.002, 0.003, 0.004, 0.005], 3),
            (&[10.02, 10.13], &[10.0, 10.025, 10.05, 10.075, 10.1, 10.125, 10.15], 3),
            (&[5.0], &[5.0, 6.0], 0),
            (&[], &[0.0, 0.5, 1.0], 1),
        ] {
            let scale = ChartScale::of(values.iter().copied());
            assert_eq!(scale.decimals(), decimals, "{values:?}");
            let found = scale.ticks();
            assert!(
                found.len() == ticks.len()
                    && found.iter().zip(ticks).all(|(one, other)| (one - other).abs() < 1e-9),
                "{values:?}: {found:?}"
            );
            assert!(values.iter().all(|value| scale.low <= *value && *value <= scale.high));
        }
    }

    #[test]
    fn a_missing_value_is_a_gap() {
        let path = trace(&[Some(1.0), Some(2.0), None, Some(3.0)], &|at| place(at), &|value| value);
        assert_eq!(path, "M0 1L1 2M3 3");
    }
}
