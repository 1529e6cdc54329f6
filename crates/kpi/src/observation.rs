//! Parsing of raw observations into valid figures, with all errors at once
//! (docs/specification.md#recording-figures).

use std::borrow::Cow;
use std::fmt;

use ahash::AHashMap;

use super::catalogue::Catalogue;
use super::cube::{CubeEntry, CubeView, MeasureId, Overlay};
use super::fault::{Fault, FaultList, quoted};
use super::measure::{Measure, Members};
use super::number::{
    Decimal64, FIGURE_BOUND, MAX_DECIMALS, NOT_APPLICABLE, NumberError, Statement,
};
use super::period::Month;
use super::unit::{UnitForest, UnitPosition};
use super::vietnamese::folding::folded;

/// Most observations in one submission.
pub const MAX_OBSERVATIONS: usize = 50_000;

/// A text field of the input.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum RawText<'a> {
    /// The field is absent.
    #[default]
    Absent,
    /// A text.
    Text(Cow<'a, str>),
    /// The field is not a text.
    WrongType,
}

/// A value of the input.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum RawNumber<'a> {
    /// The field is absent.
    #[default]
    Absent,
    /// `null`, which withdraws the figure.
    Null,
    /// Digits as written.
    Digits(Cow<'a, str>),
    /// The figure does not apply to the unit.
    NotApplicable,
    /// Digits of a text in groups of three, such as `7.401`. The separator may be a thousands
    /// separator or a decimal point: the text, and its digits if it is a decimal point.
    Grouped(Cow<'a, str>, Cow<'a, str>),
    /// The field is not a number.
    WrongType,
}

/// The number of an observation in its submission, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct ObservationIndex(usize);

impl ObservationIndex {
    /// The number of the observation with `before` others before it.
    #[must_use]
    pub const fn new(before: usize) -> Self {
        Self(before)
    }

    /// The number of the observation after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for ObservationIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an observation is in the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceLocation<'a> {
    /// Its number in the submission, from 0.
    pub index: ObservationIndex,
    /// Its line, in CSV.
    pub line: Option<u64>,
    /// The place in a document where it was found, such as `Sheet1!B7`. All its errors point there.
    pub found_at: Option<&'a str>,
}

impl SourceLocation<'_> {
    /// An error of one of the observation's fields; with an empty field, of the observation itself.
    #[must_use]
    pub fn fault(&self, field: &str, code: &'static str, detail: impl Into<String>) -> Fault {
        let pointer = match self.found_at {
            Some(place) => place.to_owned(),
            None if field.is_empty() => format!("/observations/{}", self.index),
            None => format!("/observations/{}/{field}", self.index),
        };
        let column = self
            .line
            .map(|_| field.strip_prefix("dimensions/").unwrap_or(field).to_owned())
            .filter(|column| !column.is_empty());
        Fault { line: self.line, column, ..Fault::new(pointer, code, detail) }
    }
}

/// Whether a cell of a table says that its figure does not apply: `n/a` or `không áp dụng`.
#[must_use]
pub fn names_not_applicable(cell: &str) -> bool {
    cell.eq_ignore_ascii_case(NOT_APPLICABLE)
        || cell.split_whitespace().map(folded).eq(["không", "áp", "dụng"])
}

/// One observation of the input, before validation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawObservation<'a> {
    /// Where it is in the input.
    pub place: SourceLocation<'a>,
    /// Code of an indicator or kpi.
    pub indicator: RawText<'a>,
    /// Code of a unit, or an official code that a unit has in the month.
    pub unit: RawText<'a>,
    /// The month.
    pub period: RawText<'a>,
    /// Dimensions with their members.
    pub dimensions: Vec<(Cow<'a, str>, RawText<'a>)>,
    /// The value.
    pub value: RawNumber<'a>,
}

/// An observation found in a document, of which all but the unit is parsed already.
#[derive(Clone, PartialEq, Debug)]
pub struct FoundObservation {
    /// The measure.
    pub measure: Measure,
    /// The unit's code.
    pub unit: String,
    /// The month.
    pub month: Month,
    /// What it says; `None` withdraws the figure.
    pub value: Option<Statement>,
    /// Its place, for errors: `sheet!cell`, or a JSON pointer.
    pub place: String,
}

/// A measure that a submission names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedMeasure {
    /// The measure.
    pub measure: Measure,
    /// Decimals of an indicator; `None` for a kpi, because stated rates keep their printed digits.
    pub decimals: Option<u32>,
    may_be_negative: bool,
}

/// The place of a measure among those that a submission names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct MeasurePlace(usize);

impl MeasurePlace {
    /// The index, for lists in the order of [`Submission::measures`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// A valid figure of a submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewFigure {
    /// The measure, by its place in [`Submission::measures`].
    pub measure: MeasurePlace,
    /// The unit's position.
    pub unit: UnitPosition,
    /// The month.
    pub month: Month,
    /// What it says; `None` withdraws the figure.
    pub written: Option<Statement>,
}

/// A submission that is valid against a catalogue and units.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Submission {
    /// The measures that it names, each once.
    pub measures: Vec<NamedMeasure>,
    /// The figures, in the order of the input.
    pub figures: Vec<NewFigure>,
    /// The figures of closed months: the place in `figures`, and the error if the figure changes
    /// without a reason (docs/specification.md#closed-months).
    pub in_closed: Vec<(usize, Fault)>,
}

/// Validates observations one by one and collects all errors.
pub struct ObservationParser<'a> {
    catalogue: &'a Catalogue,
    units: &'a UnitForest,
    this_month: Month,
    is_closed: Option<Box<dyn Fn(Month) -> bool + 'a>>,
    known: AHashMap<String, MeasurePlace>,
    key: String,
    last: Option<(String, MeasurePlace)>,
    seen: AHashMap<(MeasurePlace, UnitPosition, Month), ObservationIndex>,
    /// Of observations found in a document: where each of them is.
    found_at: Vec<String>,
    submission: Submission,
    faults: FaultList,
}

impl<'a> ObservationParser<'a> {
    /// A parser for a catalogue and units. Months after `this_month` have not begun.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue, units: &'a UnitForest, this_month: Month) -> Self {
        Self {
            catalogue,
            units,
            this_month,
            is_closed: None,
            known: AHashMap::new(),
            key: String::new(),
            last: None,
            seen: AHashMap::new(),
            found_at: Vec::new(),
            submission: Submission::default(),
            faults: FaultList::default(),
        }
    }

    /// Sets which months are closed. Their figures are listed in [`Submission::in_closed`].
    #[must_use]
    pub fn with_closed(self, is_closed: impl Fn(Month) -> bool + 'a) -> Self {
        Self { is_closed: Some(Box::new(is_closed)), ..self }
    }

    /// Whether an error was found so far.
    #[must_use]
    pub fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Adds an error found while the input was decoded.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Validates one observation.
    pub fn push(&mut self, raw: &RawObservation<'_>) {
        let place = raw.place;
        if self.is_beyond_limit(place) {
            return;
        }
        let measure = self.measure(raw);
        let month = self.month(raw);
        let unit = self.text(place, "unit", &raw.unit);
        let unit = unit.and_then(|unit| self.unit(place, unit, month));
        let written = self.value(raw, measure);
        self.push_valid(place, measure, month, unit, written);
    }

    /// Validates observations found in a document.
    pub fn push_found(&mut self, found: &[FoundObservation]) {
        self.found_at = found.iter().map(|found| found.place.clone()).collect();
        for (index, found) in (0..).map(ObservationIndex).zip(found) {
            let place = SourceLocation { index, line: None, found_at: Some(&found.place) };
            self.push_one_found(place, found);
        }
    }

    fn push_one_found(&mut self, place: SourceLocation<'_>, found: &FoundObservation) {
        if self.is_beyond_limit(place) {
            return;
        }
        let measure = self.found_measure(place, &found.measure);
        let month = self.begun(place, found.month);
        let unit = self.unit(place, &found.unit, month);
        let written = match found.value {
            Some(Statement::Number(number)) => {
                self.fit(place, number, measure).map(|number| Some(number.into()))
            }
            Some(Statement::NotApplicable) => Some(Some(Statement::NotApplicable)),
            None => Some(None),
        };
        self.push_valid(place, measure, month, unit, written);
    }

    fn is_beyond_limit(&mut self, place: SourceLocation<'_>) -> bool {
        if place.index.0 == MAX_OBSERVATIONS {
            self.faults.push_required(Fault::new(
                "/observations",
                "too_many",
                format!("at most {MAX_OBSERVATIONS} observations in a submission"),
            ));
        }
        place.index.0 >= MAX_OBSERVATIONS
    }

    /// Adds a figure if all of its parts are valid and no other figure is the same.
    fn push_valid(
        &mut self,
        place: SourceLocation<'_>,
        measure: Option<MeasurePlace>,
        month: Option<Month>,
        unit: Option<UnitPosition>,
        written: Option<Option<Statement>>,
    ) {
        let (Some(measure), Some(month), Some(unit), Some(written)) =
            (measure, month, unit, written)
        else {
            return;
        };
        if let Some(earlier) = self.seen.insert((measure, unit, month), place.index) {
            let there = match self.found_at.get(earlier.0) {
                Some(there) => there.clone(),
                None => format!("/observations/{earlier}"),
            };
            let detail = format!("the same figure is at {there}");
            self.faults.push(place.fault("", "duplicate", detail));
            return;
        }
        if self.is_closed.as_ref().is_some_and(|is_closed| is_closed(month)) {
            let fault = place.fault(
                "period",
                "month_closed",
                format!("{month} is closed; changing its figures needs a reason"),
            );
            self.submission.in_closed.push((self.submission.figures.len(), fault));
        }
        if written == Some(Statement::NotApplicable)
            && !self.may_not_apply(place, measure, unit, month)
        {
            return;
        }
        self.submission.figures.push(NewFigure { measure, unit, month, written });
    }

    /// Whether a figure may be one that does not apply: an indicator's, at a leaf. Otherwise the
    /// error is recorded.
    fn may_not_apply(
        &mut self,
        place: SourceLocation<'_>,
        measure: MeasurePlace,
        unit: UnitPosition,
        month: Month,
    ) -> bool {
        let named = self.submission.measure(measure);
        if named.is_some_and(|named| named.decimals.is_none()) {
            self.faults.push(place.fault(
                "value",
                "not_applicable_kpi",
                "a kpi follows from its indicators; state n/a for these",
            ));
            return false;
        }
        if !self.units.is_leaf(unit, month) {
            self.faults.push(place.fault(
                "value",
                "not_applicable_above",
                format!(
                    "{} has units below it in {month}; only a unit without others below it may \
                     state n/a",
                    self.units.code(unit)
                ),
            ));
            return false;
        }
        true
    }

    /// The valid submission.
    ///
    /// # Errors
    /// All errors, in the order of the observations.
    pub fn finish(mut self) -> Result<Submission, Vec<Fault>> {
        if self.faults.is_empty() && self.submission.figures.is_empty() {
            self.faults.push(Fault::new(
                "/observations",
                "empty",
                "a submission must have at least one observation",
            ));
        }
        if self.faults.is_empty() { Ok(self.submission) } else { Err(self.faults.into_list()) }
    }

    /// A field as text; otherwise its error is recorded.
    fn text<'r>(
        &mut self,
        place: SourceLocation<'_>,
        field: &str,
        raw: &'r RawText<'_>,
    ) -> Option<&'r str> {
        match raw {
            RawText::Text(text) if !text.is_empty() => return Some(text),
            RawText::WrongType => self.faults.push(place.fault(
                field,
                "wrong_type",
                format!("{field} must be a text"),
            )),
            RawText::Absent | RawText::Text(_) => {
                self.faults.push(place.fault(field, "missing", format!("{field} is missing")))
            }
        }
        None
    }

    fn measure(&mut self, raw: &RawObservation<'_>) -> Option<MeasurePlace> {
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
        if let Some(index) = self.known_measure() {
            return Some(index);
        }
        let named = self.parse_measure(raw)?;
        Some(self.add_measure(named))
    }

    fn found_measure(
        &mut self,
        place: SourceLocation<'_>,
        measure: &Measure,
    ) -> Option<MeasurePlace> {
        self.key.clear();
        self.key.push_str(&measure.code);
        for (dimension, member) in measure.members.iter() {
            self.key.extend(["\n", dimension, "=", member]);
        }
        if let Some(index) = self.known_measure() {
            return Some(index);
        }
        let named = self.check_measure(place, &measure.code, measure.members.clone())?;
        Some(self.add_measure(named))
    }

    /// The place of the measure with the key `self.key`, if it was named before.
    fn known_measure(&mut self) -> Option<MeasurePlace> {
        if let Some((key, index)) = &self.last
            && *key == self.key
        {
            return Some(*index);
        }
        let index = *self.known.get(&self.key)?;
        self.last = Some((self.key.clone(), index));
        Some(index)
    }

    fn add_measure(&mut self, named: NamedMeasure) -> MeasurePlace {
        let found = self.submission.measures.iter().position(|known| *known == named);
        let index = MeasurePlace(found.unwrap_or(self.submission.measures.len()));
        if found.is_none() {
            self.submission.measures.push(named);
        }
        self.known.insert(self.key.clone(), index);
        index
    }

    /// The measure that an observation names; otherwise its errors are recorded.
    fn parse_measure(&mut self, raw: &RawObservation<'_>) -> Option<NamedMeasure> {
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
        self.check_measure(place, code?, members)
    }

    /// The measure with a code and members; otherwise its errors are recorded.
    fn check_measure(
        &mut self,
        place: SourceLocation<'_>,
        code: &str,
        members: Members,
    ) -> Option<NamedMeasure> {
        let (faults, decimals, may_be_negative) = if let Some(indicator) =
            self.catalogue.indicator(code)
        {
            (indicator.check_members(&members), Some(indicator.decimals), indicator.may_be_negative)
        } else if let Some(kpi) = self.catalogue.kpi(code) {
            (kpi.check_members(&members), None, true)
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
            Ok(month) => self.begun(raw.place, month),
            Err(error) => {
                self.faults.push(raw.place.fault("period", "malformed_period", error.to_string()));
                None
            }
        }
    }

    /// A month that has begun; otherwise the error is recorded.
    fn begun(&mut self, place: SourceLocation<'_>, month: Month) -> Option<Month> {
        if month > self.this_month {
            self.faults.push(place.fault(
                "period",
                "future_month",
                format!("{month} has not begun; this month is {}", self.this_month),
            ));
            return None;
        }
        Some(month)
    }

    fn unit(
        &mut self,
        place: SourceLocation<'_>,
        text: &str,
        month: Option<Month>,
    ) -> Option<UnitPosition> {
        let Some(position) = self.units.position(text) else {
            return self.unit_by_official_code(place, text, month);
        };
        if month.is_some_and(|month| !self.units.exists(position, month)) {
            let month = month.map(|month| month.to_string()).unwrap_or_default();
            self.faults.push(place.fault(
                "unit",
                "unit_not_valid",
                format!("{} does not exist on the last day of {month}", quoted(text)),
            ));
            return None;
        }
        Some(position)
    }

    fn unit_by_official_code(
        &mut self,
        place: SourceLocation<'_>,
        text: &str,
        month: Option<Month>,
    ) -> Option<UnitPosition> {
        let candidates =
            month.map(|month| self.units.with_official_code(text, month)).unwrap_or_default();
        match candidates.as_slice() {
            [one] => return Some(*one),
            [] => self.faults.push(place.fault(
                "unit",
                "unknown_unit",
                format!(
                    "no unit has the code {}, and none has this official code in that month",
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
        measure: Option<MeasurePlace>,
    ) -> Option<Option<Statement>> {
        let decimals = measure
            .and_then(|measure| self.submission.measure(measure))
            .and_then(|named| named.decimals);
        let mut fault =
            |code, detail: String| self.faults.push(raw.place.fault("value", code, detail));
        let digits = match &raw.value {
            RawNumber::Null => return Some(None),
            RawNumber::NotApplicable => return Some(Some(Statement::NotApplicable)),
            RawNumber::Digits(digits) => digits,
            RawNumber::Grouped(text, _) if decimals.is_some_and(|decimals| decimals < 3) => {
                fault(
                    "ambiguous_thousands",
                    format!(
                        "the separator in {} may be for thousands or for decimals; write the \
                         figure without thousands separators",
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
                fault(
                    "wrong_type",
                    "a value must be a number, a decimal string, \"n/a\" or null".to_owned(),
                );
                return None;
            }
        };
        let written = match Decimal64::parse(digits) {
            Ok(written) => written,
            Err(error) => {
                let code =
                    if error == NumberError::TooLarge { "out_of_range" } else { "not_a_number" };
                fault(code, format!("{}: {error}", quoted(digits)));
                return None;
            }
        };
        self.fit(raw.place, written, measure).map(|number| Some(number.into()))
    }

    /// A number with at most the decimals of its measure; otherwise the error is recorded.
    fn fit(
        &mut self,
        place: SourceLocation<'_>,
        written: Decimal64,
        measure: Option<MeasurePlace>,
    ) -> Option<Decimal64> {
        let named = measure.and_then(|measure| self.submission.measure(measure))?;
        let mut fault = |code, detail: String| self.faults.push(place.fault("value", code, detail));
        if written.mantissa < 0 && !named.may_be_negative {
            fault("negative", format!("{written} is below zero"));
            return None;
        }
        let decimals = named.decimals.unwrap_or(MAX_DECIMALS.min(written.scale));
        match written.at_scale(decimals) {
            // Zeros beyond the indicator's decimals are dropped; other further digits are an error.
            Some(mantissa) if written.scale > decimals => {
                Some(Decimal64 { mantissa, scale: decimals })
            }
            Some(_) => Some(written),
            None if written.scale > decimals => {
                fault("too_many_decimals", format!("{written} has more than {decimals} decimals"));
                None
            }
            None => {
                fault(
                    "out_of_range",
                    format!("a figure must be below {FIGURE_BOUND} in units of its last decimal"),
                );
                None
            }
        }
    }
}

/// The figures of a submission, counted by what it did (docs/specification.md#receipts).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SubmissionCounts {
    /// Figures that did not exist before.
    pub created: u64,
    /// Figures that replaced another value.
    pub revised: u64,
    /// Figures that were already recorded with the same value, and withdrawals of figures that did
    /// not exist.
    pub unchanged: u64,
    /// Figures that were withdrawn.
    pub withdrawn: u64,
}

/// A submission compared with the current figures: counts, the figures it names and the figures it
/// changes.
#[derive(Clone, Debug, Default)]
pub struct SubmissionDiff {
    /// The counts.
    pub counts: SubmissionCounts,
    /// The numbers of the measures it names, with the decimals of indicators.
    pub measures: Vec<(MeasureId, Option<u32>)>,
    /// Every figure that it names, changed or not.
    pub named: Vec<CubeEntry>,
    /// The figures that it changes.
    pub changed: Vec<CubeEntry>,
    /// Their places in [`Submission::figures`], in order.
    pub changed_at: Vec<usize>,
}

/// A statement with the decimals of an indicator; one of a kpi keeps its own.
fn at_scale(written: Statement, decimals: Option<u32>) -> Statement {
    let scaled = written
        .number()
        .zip(decimals)
        .and_then(|(number, scale)| Some(Decimal64 { mantissa: number.at_scale(scale)?, scale }));
    scaled.map_or(written, Statement::Number)
}

impl Submission {
    /// The measure at a place.
    #[must_use]
    pub fn measure(&self, place: MeasurePlace) -> Option<&NamedMeasure> {
        self.measures.get(place.index())
    }

    /// Compares the submission with the current figures (`view` with `overlay` applied) and adds
    /// its changes to `overlay`.
    pub fn apply_to(&self, view: &CubeView<'_>, overlay: &mut Overlay) -> SubmissionDiff {
        let measures: Vec<(MeasureId, Option<u32>)> = self
            .measures
            .iter()
            .map(|named| (overlay.intern(view.measures, &named.measure), named.decimals))
            .collect();
        let mut effect = SubmissionDiff {
            named: Vec::with_capacity(self.figures.len()),
            ..SubmissionDiff::default()
        };
        for (place, figure) in self.figures.iter().enumerate() {
            let Some((measure, decimals)) = measures.get(figure.measure.index()).copied() else {
                continue;
            };
            let entry = CubeEntry {
                measure,
                unit: figure.unit,
                month: figure.month,
                written: figure.written,
            };
            effect.named.push(entry);
            let standing = CubeView { overlay: Some(overlay), ..*view };
            // Figures of indicators are compared by value. Stated rates are also compared by their
            // digits.
            let stands = match decimals {
                Some(decimals) => {
                    standing.statement((measure, figure.unit, figure.month), decimals)
                }
                None => standing.stated(measure, figure.unit, figure.month).map(Statement::from),
            };
            let same = stands == figure.written.map(|written| at_scale(written, decimals));
            let counts = &mut effect.counts;
            match (same, stands.is_some(), figure.written.is_some()) {
                (true, ..) => counts.unchanged += 1,
                (false, false, _) => counts.created += 1,
                (false, true, true) => counts.revised += 1,
                (false, true, false) => counts.withdrawn += 1,
            }
            if !same {
                effect.changed.push(entry);
                effect.changed_at.push(place);
                match decimals {
                    Some(decimals) => overlay.set(&entry, decimals),
                    None => overlay.set_stated(&entry),
                }
            }
        }
        effect.measures = measures;
        effect
    }
}

impl Submission {
    /// The submission that withdraws figures, each given by measure number, unit and month. `name`
    /// gives the measure with a number, and its decimals if it is an indicator's.
    pub fn withdrawing(
        figures: impl Iterator<Item = (MeasureId, UnitPosition, Month)>,
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
                    let place = MeasurePlace(submission.measures.len() - 1);
                    places.insert(id, place);
                    place
                }
            };
            submission.figures.push(NewFigure { measure: place, unit, month, written: None });
        }
        submission
    }
}
