//! Raw input parsed into valid figures, all faults at once (contract section 3, `POST /observations`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use ahash::AHashMap;

use super::catalogue::Catalogue;
use super::cube::{Entry, MeasureId, Overlay, View};
use super::fault::{Fault, Faults, quoted};
use super::measure::{Measure, Members};
use super::number::{FIGURE_BOUND, MAX_DECIMALS, NumberError, Written};
use super::period::Month;
use super::unit::Units;

/// Most observations in one submission.
pub const MAX_OBSERVATIONS: usize = 50_000;

/// A text field as it came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum RawText<'a> {
    /// Not there.
    #[default]
    Absent,
    /// A text.
    Text(Cow<'a, str>),
    /// Something that is no text.
    WrongType,
}

/// A value as it came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum RawNumber<'a> {
    /// Not there.
    #[default]
    Absent,
    /// A withdrawal.
    Null,
    /// Digits as written.
    Digits(Cow<'a, str>),
    /// Digits of a sheet in threes, so that what stands between them may part thousands or decimals; and as what they are if decimals.
    Grouped(&'a str, Cow<'a, str>),
    /// Something that is no number.
    WrongType,
}

/// Where an observation stands in its source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its number in the submission, from 0.
    pub index: usize,
    /// Its line in a CSV.
    pub line: Option<u64>,
}

impl Place {
    /// A fault of one of its fields.
    #[must_use]
    pub fn fault(&self, field: &str, code: &'static str, detail: impl Into<String>) -> Fault {
        let pointer = if field.is_empty() {
            format!("/observations/{}", self.index)
        } else {
            format!("/observations/{}/{field}", self.index)
        };
        let column = self
            .line
            .map(|_| field.strip_prefix("dimensions/").unwrap_or(field).to_owned())
            .filter(|column| !column.is_empty());
        Fault { line: self.line, column, ..Fault::new(pointer, code, detail) }
    }
}

/// One observation as it came, before any judgement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawObservation<'a> {
    /// Where it stands.
    pub place: Place,
    /// An indicator's or kpi's code.
    pub indicator: RawText<'a>,
    /// A unit's code, or an official code valid in the month.
    pub unit: RawText<'a>,
    /// The month.
    pub period: RawText<'a>,
    /// Dimension and member.
    pub dimensions: Vec<(Cow<'a, str>, RawText<'a>)>,
    /// The value.
    pub value: RawNumber<'a>,
}

/// A measure that a submission names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedMeasure {
    /// The measure.
    pub measure: Measure,
    /// An indicator's decimals; none for a kpi, whose stated figures keep the digits printed.
    pub decimals: Option<u32>,
    may_be_negative: bool,
}

/// A valid figure of a submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewFigure {
    /// Which of the submission's measures.
    pub measure: usize,
    /// The unit's position.
    pub unit: usize,
    /// The month.
    pub month: Month,
    /// The digits; none to withdraw.
    pub written: Option<Written>,
}

/// A submission that is valid against a catalogue and a forest of units.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Submission {
    /// The measures named, each once.
    pub measures: Vec<NamedMeasure>,
    /// The figures, in the order they came.
    pub figures: Vec<NewFigure>,
}

/// Parses observations one by one and keeps every fault.
pub struct Parser<'a> {
    catalogue: &'a Catalogue,
    units: &'a Units,
    this_month: Month,
    closed: Option<&'a BTreeMap<Month, i64>>,
    in_closed: Vec<Fault>,
    known: AHashMap<String, usize>,
    key: String,
    last: Option<(String, usize)>,
    seen: AHashMap<(usize, usize, Month), usize>,
    submission: Submission,
    faults: Faults,
}

impl<'a> Parser<'a> {
    /// A parser against a catalogue and units; months after `this_month` are in the future.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue, units: &'a Units, this_month: Month) -> Self {
        Self {
            catalogue,
            units,
            this_month,
            closed: None,
            in_closed: Vec::new(),
            known: AHashMap::new(),
            key: String::new(),
            last: None,
            seen: AHashMap::new(),
            submission: Submission::default(),
            faults: Faults::default(),
        }
    }

    /// Has figures of these months noted (each with the revision that closed it): they need a reason.
    #[must_use]
    pub fn with_closed(self, closed: &'a BTreeMap<Month, i64>) -> Self {
        Self { closed: Some(closed), ..self }
    }

    /// The figures of closed months, as faults: what stands against a submission without a reason.
    pub fn in_closed(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.in_closed)
    }

    /// Adds a fault found by the reader of the bytes.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Judges one observation.
    pub fn push(&mut self, raw: &RawObservation<'_>) {
        let place = raw.place;
        if place.index >= MAX_OBSERVATIONS {
            if place.index == MAX_OBSERVATIONS {
                self.faults.insist(Fault::new(
                    "/observations",
                    "too_many",
                    format!("at most {MAX_OBSERVATIONS} observations in a submission"),
                ));
            }
            return;
        }
        let measure = self.measure(raw);
        let month = self.month(raw);
        let unit = self.unit(raw, month);
        let written = self.value(raw, measure);
        let (Some(measure), Some(month), Some(unit), Some(written)) =
            (measure, month, unit, written)
        else {
            return;
        };
        if let Some(earlier) = self.seen.insert((measure, unit, month), place.index) {
            self.faults.push(place.fault(
                "",
                "duplicate",
                format!("the same figure stands at /observations/{earlier} already"),
            ));
            return;
        }
        if self.closed.is_some_and(|closed| closed.contains_key(&month)) {
            self.in_closed.push(place.fault(
                "period",
                "month_closed",
                format!("{month} is closed; a figure of it needs a reason"),
            ));
        }
        self.submission.figures.push(NewFigure { measure, unit, month, written });
    }

    /// The submission, or every fault of it.
    ///
    /// # Errors
    /// The faults, in the order of the observations.
    pub fn finish(mut self) -> Result<Submission, Vec<Fault>> {
        if self.faults.is_empty() && self.submission.figures.is_empty() {
            self.faults.push(Fault::new(
                "/observations",
                "empty",
                "a submission needs at least one observation",
            ));
        }
        if self.faults.is_empty() { Ok(self.submission) } else { Err(self.faults.into_list()) }
    }

    /// A field as text, or its fault.
    fn text<'r>(&mut self, place: Place, field: &str, raw: &'r RawText<'_>) -> Option<&'r str> {
        match raw {
            RawText::Text(text) if !text.is_empty() => return Some(text),
            RawText::WrongType => {
                self.faults.push(place.fault(field, "wrong_type", format!("{field} is a text")))
            }
            RawText::Absent | RawText::Text(_) => {
                self.faults.push(place.fault(field, "missing", format!("{field} is missing")))
            }
        }
        None
    }

    fn measure(&mut self, raw: &RawObservation<'_>) -> Option<usize> {
        self.key.clear();
        if let RawText::Text(code) = &raw.indicator {
            self.key.push_str(code);
        }
        for (dimension, member) in &raw.dimensions {
            self.key.push('\n');
            self.key.push_str(dimension);
            self.key.push('=');
            if let RawText::Text(member) = member {
                self.key.push_str(member);
            }
        }
        if let Some((key, index)) = &self.last
            && *key == self.key
        {
            return Some(*index);
        }
        if let Some(index) = self.known.get(&self.key) {
            self.last = Some((self.key.clone(), *index));
            return Some(*index);
        }
        let named = self.named(raw)?;
        let found = self.submission.measures.iter().position(|known| *known == named);
        let index = found.unwrap_or(self.submission.measures.len());
        if found.is_none() {
            self.submission.measures.push(named);
        }
        self.known.insert(self.key.clone(), index);
        Some(index)
    }

    /// The measure an observation names, or its faults.
    fn named(&mut self, raw: &RawObservation<'_>) -> Option<NamedMeasure> {
        let place = raw.place;
        let code = self.text(place, "indicator", &raw.indicator);
        let mut pairs = Vec::new();
        for (dimension, member) in &raw.dimensions {
            let field = format!("dimensions/{dimension}");
            pairs.push((
                dimension.to_string(),
                self.text(place, &field, member).unwrap_or_default().to_owned(),
            ));
        }
        let members = Members::new(pairs)
            .map_err(|twice| {
                self.faults.push(place.fault(
                    &format!("dimensions/{twice}"),
                    "duplicate",
                    "the dimension is named twice",
                ))
            })
            .ok()?;
        let code = code?;
        let (faults, decimals, may_be_negative) = if let Some(indicator) =
            self.catalogue.indicator(code)
        {
            (indicator.member_faults(&members), Some(indicator.decimals), indicator.may_be_negative)
        } else if let Some(kpi) = self.catalogue.kpi(code) {
            (kpi.member_faults(&members), None, true)
        } else {
            self.faults.push(place.fault(
                "indicator",
                "unknown_indicator",
                format!("the catalogue declares no indicator or kpi {}", quoted(code)),
            ));
            return None;
        };
        let sound = faults.is_empty() && members.iter().all(|(_, member)| !member.is_empty());
        self.faults.extend(faults.into_iter().map(|(dimension, fault, detail)| {
            place.fault(&format!("dimensions/{dimension}"), fault, detail)
        }));
        sound.then(|| NamedMeasure {
            measure: Measure { code: code.to_owned(), members },
            decimals,
            may_be_negative,
        })
    }

    fn month(&mut self, raw: &RawObservation<'_>) -> Option<Month> {
        let text = self.text(raw.place, "period", &raw.period)?;
        match text.parse::<Month>() {
            Ok(month) if month > self.this_month => {
                self.faults.push(raw.place.fault(
                    "period",
                    "future_month",
                    format!("{month} has not begun; this month is {}", self.this_month),
                ));
                None
            }
            Ok(month) => Some(month),
            Err(error) => {
                self.faults.push(raw.place.fault("period", "malformed_period", error.to_string()));
                None
            }
        }
    }

    fn unit(&mut self, raw: &RawObservation<'_>, month: Option<Month>) -> Option<usize> {
        let text = self.text(raw.place, "unit", &raw.unit)?;
        let Some(position) = self.units.position(text) else {
            return self.unit_by_official_code(raw.place, text, month);
        };
        if month.is_some_and(|month| !self.units.exists(position, month)) {
            let month = month.map(|month| month.to_string()).unwrap_or_default();
            self.faults.push(raw.place.fault(
                "unit",
                "unit_not_valid",
                format!("{} did not exist at the end of {month}", quoted(text)),
            ));
            return None;
        }
        Some(position)
    }

    fn unit_by_official_code(
        &mut self,
        place: Place,
        text: &str,
        month: Option<Month>,
    ) -> Option<usize> {
        let candidates =
            month.map(|month| self.units.with_official_code(text, month)).unwrap_or_default();
        match candidates.as_slice() {
            [one] => return Some(*one),
            [] => self.faults.push(place.fault(
                "unit",
                "unknown_unit",
                format!(
                    "no unit has the code {}, nor the official code in that month",
                    quoted(text)
                ),
            )),
            [first, second, ..] => {
                let detail = format!(
                    "{} is an official code of {} and of {} in that month",
                    quoted(text),
                    self.units.code(*first),
                    self.units.code(*second)
                );
                self.faults.push(place.fault("unit", "ambiguous_unit", detail));
            }
        }
        None
    }

    fn value(
        &mut self,
        raw: &RawObservation<'_>,
        measure: Option<usize>,
    ) -> Option<Option<Written>> {
        let decimals = measure
            .and_then(|measure| self.submission.measures.get(measure))
            .and_then(|named| named.decimals);
        let mut fault =
            |code, detail: String| self.faults.push(raw.place.fault("value", code, detail));
        let digits = match &raw.value {
            RawNumber::Null => return Some(None),
            RawNumber::Digits(digits) => digits,
            RawNumber::Grouped(text, _) if decimals.is_some_and(|decimals| decimals < 3) => {
                fault(
                    "ambiguous_thousands",
                    format!(
                        "{} may be thousands or decimals; write the figure without separators between thousands",
                        quoted(text)
                    ),
                );
                return None;
            }
            RawNumber::Grouped(_, digits) => digits,
            RawNumber::Absent => {
                fault("missing", "value is missing; null withdraws a figure".to_owned());
                return None;
            }
            RawNumber::WrongType => {
                fault("wrong_type", "a value is a number, a decimal string or null".to_owned());
                return None;
            }
        };
        let written = match Written::parse(digits) {
            Ok(written) => written,
            Err(error) => {
                let code =
                    if error == NumberError::TooLarge { "out_of_range" } else { "not_a_number" };
                fault(code, format!("{}: {error}", quoted(digits)));
                return None;
            }
        };
        let named = measure.and_then(|measure| self.submission.measures.get(measure))?;
        if written.mantissa < 0 && !named.may_be_negative {
            fault("negative", format!("{written} is below zero"));
            return None;
        }
        let decimals = named.decimals.unwrap_or(MAX_DECIMALS.min(written.scale));
        match written.at_scale(decimals) {
            // Zeros behind the indicator's last decimal say nothing and are dropped; all other digits are kept.
            Some(mantissa) if written.scale > decimals => {
                Some(Some(Written { mantissa, scale: decimals }))
            }
            Some(_) => Some(Some(written)),
            None if written.scale > decimals => {
                fault("too_many_decimals", format!("{written} has more than {decimals} decimals"));
                None
            }
            None => {
                fault(
                    "out_of_range",
                    format!("a figure stays below {FIGURE_BOUND} in units of its last decimal"),
                );
                None
            }
        }
    }
}

/// What a submission did.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
pub struct Counts {
    /// Figures where there was none.
    pub created: u64,
    /// Figures that replaced another.
    pub revised: u64,
    /// Figures that stood already.
    pub unchanged: u64,
    /// Figures taken back.
    pub withdrawn: u64,
}

/// A submission against what stands: counts, the cells it names, and what it changes.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// What it does.
    pub counts: Counts,
    /// The measures it names by number, with the decimals of indicators.
    pub measures: Vec<(MeasureId, Option<u32>)>,
    /// Every figure named, changed or not.
    pub named: Vec<Entry>,
    /// The figures that change.
    pub changed: Vec<Entry>,
}

impl Submission {
    /// Compares a submission with what stands (the view with `overlay` over it), and lays its changes over.
    pub fn lay_over(&self, view: &View<'_>, overlay: &mut Overlay) -> Effect {
        let measures: Vec<(MeasureId, Option<u32>)> = self
            .measures
            .iter()
            .map(|named| (overlay.intern(view.measures, &named.measure), named.decimals))
            .collect();
        let mut effect =
            Effect { named: Vec::with_capacity(self.figures.len()), ..Effect::default() };
        for figure in &self.figures {
            let Some((measure, decimals)) = measures.get(figure.measure).copied() else { continue };
            let entry =
                Entry { measure, unit: figure.unit, month: figure.month, written: figure.written };
            effect.named.push(entry);
            let standing = View { overlay: Some(overlay), ..*view };
            // Of an indicator the number counts, of a stated rate the digits printed count as well.
            let (stands, same) = match decimals {
                Some(decimals) => {
                    let before = standing.figure(measure, figure.unit, figure.month);
                    (
                        before.is_some(),
                        before == figure.written.and_then(|written| written.at_scale(decimals)),
                    )
                }
                None => {
                    let before = standing.stated(measure, figure.unit, figure.month);
                    (before.is_some(), before == figure.written)
                }
            };
            let counts = &mut effect.counts;
            match (same, stands, figure.written.is_some()) {
                (true, ..) => counts.unchanged += 1,
                (false, false, _) => counts.created += 1,
                (false, true, true) => counts.revised += 1,
                (false, true, false) => counts.withdrawn += 1,
            }
            if !same {
                effect.changed.push(entry);
                match decimals {
                    Some(decimals) => overlay.set(
                        measure,
                        figure.unit,
                        figure.month,
                        figure.written.and_then(|written| written.at_scale(decimals)),
                    ),
                    None => overlay.set_stated(measure, figure.unit, figure.month, figure.written),
                }
            }
        }
        effect.measures = measures;
        effect
    }
}

impl Submission {
    /// The submission that withdraws figures, each by measure number, unit and month; `name` gives a
    /// number's measure and an indicator's decimals.
    pub fn withdrawing(
        figures: impl Iterator<Item = (MeasureId, usize, Month)>,
        name: impl Fn(MeasureId) -> Option<(Measure, Option<u32>)>,
    ) -> Self {
        let (mut submission, mut places) = (Self::default(), AHashMap::new());
        for (id, unit, month) in figures {
            let place = match places.get(&id) {
                Some(place) => *place,
                None => {
                    let Some((measure, decimals)) = name(id) else { continue };
                    submission.measures.push(NamedMeasure {
                        measure,
                        decimals,
                        may_be_negative: true,
                    });
                    places.insert(id, submission.measures.len() - 1);
                    submission.measures.len() - 1
                }
            };
            submission.figures.push(NewFigure { measure: place, unit, month, written: None });
        }
        submission
    }
}
