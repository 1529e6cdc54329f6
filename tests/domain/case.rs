//! Small worlds written as text, for cases computed by hand. The model's random worlds can be used
//! in the same form.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use kpi::catalogue::{Catalogue, CatalogueDocument};
use kpi::change::{
    ChangeResult, MeasureSeries, PeriodPoint, UnavailableReason, ValueReason, ValueResult,
};
use kpi::cube::{Cube, CubeEntry, CubeView, MeasureDictionary, RevisionStamp};
use kpi::geography::Geography;
use kpi::measure::{Measure, Members};
use kpi::number::{Decimal64, NOT_APPLICABLE, Rounded, Statement};
use kpi::period::{Month, Period};
use kpi::program::Program;
use kpi::rules::{CurrentFindings, Finding, RuleBook};
use kpi::unit::{UnitDocument, UnitForest, UnitKind};
use kpi::value::{Origin, ValueSource};
use proptest::prelude::ProptestConfig;
use serde_json::{Map, Value, json};

use crate::model::{self, World};

/// A number from the environment, for the comparison with the model: `EGOV_KPI_MODEL_WORLDS` sets
/// the number of random worlds, `EGOV_KPI_MODEL_SEED` the first seed, `EGOV_KPI_MODEL_SHOWN` how
/// many differences are printed.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A property that is tried in this number of random worlds. A world takes far longer than the
/// inputs that `PROPTEST_CASES` counts.
pub fn random_worlds(worlds: u32) -> ProptestConfig {
    ProptestConfig {
        cases: worlds,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    }
}

/// One figure of a table: measure, unit, month, digits.
pub type Figure = (Measure, String, Month, Option<Statement>);

/// A world: catalogue, units and figures.
pub struct Case {
    pub catalogue: Catalogue,
    pub units: UnitForest,
    pub measures: MeasureDictionary,
    pub cube: Cube,
    /// In which units values are given.
    pub geography: Geography,
}

/// A catalogue written as text, with one entry on each line:
///
/// - `flow CODE [.DECIMALS] [%] [-] [break@MONTH] [opened@FLOW] [closed@FLOW]
///   [DIMENSION[*]=a|b[~FROM..TO][@HOST:MEMBER]]`, and in the same way `stock` and `average`; `*`
///   means complete, `-` that figures may be negative, and `~` begins the dates of a member;
/// - `kpi CODE [%] = FORMULA`;
/// - `expectation CODE [UNIT] = MEASURE ...`: each unit, or UNIT and those below it, reports these;
/// - `rule CODE [~TOLERANCE] [unit@UNIT] [rolled_up] [error] = CHECK`.
pub fn catalogue(text: &str) -> CatalogueDocument {
    let (mut dimensions, mut indicators) = (BTreeMap::new(), Vec::new());
    let (mut kpis, mut rules, mut expectations) = (Vec::new(), Vec::new(), Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, tail) = line.split_once(" = ").unwrap_or((line, ""));
        let words: Vec<&str> = head.split_whitespace().collect();
        let (what, code, words) = (words[0], words[1], &words[2..]);
        let of_measure = if words.contains(&"%") { "percent" } else { "count" };
        match what {
            "kpi" => {
                kpis.push(json!({ "code": code, "formula": tail, "unit_of_measure": of_measure }))
            }
            "expectation" => {
                let measures: Vec<&str> = tail.split_whitespace().collect();
                expectations.push(json!({
                    "code": code, "unit_kinds": ["agency"], "unit": words.first(),
                    "measures": measures, "due_day": 5,
                }));
            }
            "rule" => {
                let tolerance: f64 = words
                    .iter()
                    .find_map(|word| word.strip_prefix('~'))
                    .map_or(0.0, |number| number.parse().expect("a tolerance"));
                let severity = if words.contains(&"error") { "error" } else { "warning" };
                let name = json!({ "vi": code, "en": code });
                let rolled_up = words.contains(&"rolled_up");
                rules.push(json!({
                    "code": code, "name": name, "check": tail, "tolerance": tolerance,
                    "severity": severity, "rolled_up": rolled_up,
                    "unit": words.iter().find_map(|word| word.strip_prefix("unit@")),
                }));
            }
            kind => {
                let mut entry = json!({
                    "code": code, "kind": kind, "unit_of_measure": of_measure,
                    "may_be_negative": words.contains(&"-"), "dimensions": [], "breaks": [],
                });
                words.iter().for_each(|word| qualify(word, &mut entry, &mut dimensions));
                indicators.push(entry);
            }
        }
    }
    let dimensions: Vec<Value> = dimensions
        .into_iter()
        .map(|(code, members): (String, Vec<Value>)| json!({ "code": code, "members": members }))
        .collect();
    let document = json!({
        "dimensions": dimensions, "indicators": indicators, "kpis": kpis, "rules": rules,
        "expectations": expectations,
    });
    CatalogueDocument::from_value(document).expect("the catalogue is well formed")
}

/// Applies one word after an indicator's code.
fn qualify(word: &str, entry: &mut Value, dimensions: &mut BTreeMap<String, Vec<Value>>) {
    if let Some(decimals) = word.strip_prefix('.') {
        entry["decimals"] =
            json!(decimals.parse::<u32>().expect("the number of decimals is a number"));
    } else if let Some(month) = word.strip_prefix("break@") {
        entry["breaks"].as_array_mut().expect("a list").push(json!({ "from": month }));
    } else if let Some((side @ ("opened" | "closed"), flow)) = word.split_once('@') {
        if entry.get("movement").is_none() {
            entry["movement"] = json!({});
        }
        entry["movement"][side] = json!(flow);
    } else if let Some((name, members)) = word.split_once('=') {
        let (members, host) = members
            .split_once('@')
            .map_or((members, None), |(members, host)| (members, host.split_once(':')));
        let members: Vec<&str> = members.split('|').collect();
        let code = name.trim_end_matches('*');
        let known = dimensions.entry(code.to_owned()).or_default();
        let dated = |member: &&str| {
            let (code, dates) = member.split_once('~').unwrap_or((member, ".."));
            let (from, to) = dates.split_once("..").expect("the dates of a member have two ends");
            let month = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            json!({ "code": code, "from": month(from), "to": month(to) })
        };
        for member in members.iter().map(dated) {
            if !known.contains(&member) {
                known.push(member);
            }
        }
        let members: Vec<&str> =
            members.iter().map(|member| member.split('~').next().unwrap_or_default()).collect();
        let mut used = json!({ "code": code, "complete": name.ends_with('*'), "members": members });
        if let Some((host, member)) = host {
            used["within"] = json!({ host: member });
        }
        entry["dimensions"].as_array_mut().expect("a list").push(used);
    }
}

/// The catalogue of a random world as text. Rules and kpis can be added to it.
pub fn catalogue_of(world: &World) -> String {
    let decimals = |code: &str| {
        world
            .indicators
            .iter()
            .find(|indicator| indicator.code == code)
            .map(|indicator| indicator.decimals)
    };
    let mut text = String::new();
    for indicator in &world.indicators {
        text += &format!(
            "{} {} .{}",
            format!("{:?}", indicator.kind).to_lowercase(),
            indicator.code,
            indicator.decimals
        );
        text += if indicator.percent { " %" } else { "" };
        indicator.breaks.iter().for_each(|from| text += &format!(" break@{}", month(*from)));
        for dimension in &indicator.dimensions {
            let end = |end: Option<i32>| end.map(|at| month(at).to_string()).unwrap_or_default();
            let dated = |member: &String| match dimension.dates.get(member) {
                Some((from, to)) => format!("{member}~{}..{}", end(*from), end(*to)),
                None => member.clone(),
            };
            text += &format!(
                " {}{}={}",
                dimension.code,
                if dimension.complete { "*" } else { "" },
                dimension.members.iter().map(dated).collect::<Vec<_>>().join("|")
            );
            dimension.within.iter().for_each(|(host, member)| text += &format!("@{host}:{member}"));
        }
        if indicator.code == "test.stock.a" {
            let flow = |code: &str| decimals(code) == Some(indicator.decimals);
            text += if flow("test.flow.a") { " opened@test.flow.a" } else { "" };
            text +=
                if flow("test.flow.a") && flow("test.flow.b") { " closed@test.flow.b" } else { "" };
        }
        text.push('\n');
    }
    for kpi in &world.kpis {
        text += &format!(
            "kpi {} {} = {}\n",
            kpi.code,
            if kpi.percent { "%" } else { "" },
            kpi.formula.text()
        );
    }
    text
}

/// The units of a random world.
pub fn units_of(world: &World) -> Vec<UnitDocument> {
    let one = |of: &model::Unit| {
        let mut unit = unit(of.code.clone(), of.parent.clone(), of.successors.clone());
        unit.valid_from = of.exists_from.map(|from| month(from).first_day());
        unit.valid_to = of.exists_to.map(|to| month(to).last_day());
        unit.shares = of
            .shares
            .iter()
            .map(|(code, part)| (code.clone(), Decimal64 { mantissa: *part, scale: 2 }))
            .collect();
        unit
    };
    world.units.iter().map(one).collect()
}

/// The figures of a random world.
pub fn figures_of(world: &World) -> Vec<Figure> {
    let decimals: BTreeMap<&str, u32> = world
        .indicators
        .iter()
        .map(|indicator| (indicator.code.as_str(), indicator.decimals))
        .collect();
    let one = |((indicator, members, unit, at), value): (model::FigureKey, Option<i64>)| {
        let members =
            Members::new(members.into_iter().collect()).expect("each dimension is named once");
        let scale = decimals[indicator.as_str()];
        let number = |mantissa| Statement::Number(Decimal64 { mantissa, scale });
        let written = Some(value.map_or(Statement::NotApplicable, number));
        (Measure { code: indicator, members }, unit, month(at), written)
    };
    world.stated().map(one).collect()
}

pub fn month(number: model::Month) -> Month {
    Month::from_number(number).expect("the month is known")
}

/// Units written as text, separated by `;`: `CODE [PARENT|-] [FROM..TO] [SUCCESSOR[:SHARE] ...]`.
/// FROM and TO are days, or months, which mean their first and last day.
pub fn units(text: &str) -> Vec<UnitDocument> {
    let day = |text: &str, last: bool| {
        (!text.is_empty()).then(|| match text.parse::<Month>() {
            Ok(month) if last => month.last_day(),
            Ok(month) => month.first_day(),
            Err(_) => text.parse::<NaiveDate>().expect("FROM or TO is a month or a day"),
        })
    };
    let one = |text: &str| {
        let mut words = text.split_whitespace();
        let code = words.next().expect("a code").to_owned();
        let parent = words.next().filter(|parent| *parent != "-").map(str::to_owned);
        let (from, to) = words.next().and_then(|span| span.split_once("..")).unwrap_or_default();
        let successors: Vec<(&str, Option<&str>)> = words
            .map(|word| {
                word.split_once(':').map_or((word, None), |(code, share)| (code, Some(share)))
            })
            .collect();
        let mut unit =
            unit(code, parent, successors.iter().map(|(code, _)| (*code).to_owned()).collect());
        let share = |(code, share): (&str, Option<&str>)| {
            Some(((*code).to_owned(), Decimal64::parse(share?).expect("a share")))
        };
        unit.shares = successors.into_iter().filter_map(share).collect();
        (unit.valid_from, unit.valid_to) = (day(from, false), day(to, true));
        unit
    };
    text.split(';').map(str::trim).filter(|text| !text.is_empty()).map(one).collect()
}

pub fn unit(code: String, parent: Option<String>, successors: Vec<String>) -> UnitDocument {
    let (name, official_codes) = (Default::default(), Vec::new());
    UnitDocument {
        code,
        parent,
        successors,
        name,
        official_codes,
        kind: UnitKind::Agency,
        shares: BTreeMap::new(),
        valid_from: None,
        valid_to: None,
        labels: Vec::new(),
    }
}

/// Figures written as text, separated by `;` or line ends:
/// `MEASURE UNIT MONTH FIGURE [FIGURE OF THE NEXT MONTH ...]`; `-` means no figure, `n/a` one that
/// does not apply.
pub fn figures(text: &str) -> Vec<Figure> {
    let mut found = Vec::new();
    for line in text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let measure = Measure::parse(words[0]).expect("a measure");
        let first: Month = words[2].parse().expect("a month");
        for (month, digits) in
            (0..).map(|n| first.plus(n)).zip(&words[3..]).filter(|(_, digits)| **digits != "-")
        {
            found.push((
                measure.clone(),
                words[1].to_owned(),
                month,
                Some(match *digits {
                    NOT_APPLICABLE => Statement::NotApplicable,
                    digits => Decimal64::parse(digits).expect("digits").into(),
                }),
            ));
        }
    }
    found
}

impl Case {
    /// A world from texts; see [`catalogue`], [`units`] and [`figures`].
    pub fn new(catalogue: &str, units: &str, figures: &str) -> Self {
        let mut case = Self::of(self::catalogue(catalogue), self::units(units));
        self::figures(figures).iter().for_each(|figure| case.put(figure));
        case
    }

    /// A world without figures.
    pub fn of(catalogue: CatalogueDocument, units: Vec<UnitDocument>) -> Self {
        let catalogue = Catalogue::new(catalogue).expect("the catalogue is valid");
        let units = UnitForest::numbered(units).expect("the units are valid");
        Self {
            catalogue,
            units,
            measures: MeasureDictionary::default(),
            cube: Cube::default(),
            geography: Geography::AsReported,
        }
    }

    /// A figure as an entry of the cube. Its measure is added to the dictionary.
    pub fn entry(&mut self, (measure, unit, month, written): &Figure) -> CubeEntry {
        let errors = self.catalogue.measure_faults(measure);
        assert!(errors.is_empty(), "{measure}: {errors:?}");
        let id = self.measures.intern(measure);
        if let Some(indicator) = self.catalogue.indicator(&measure.code) {
            assert!(self.cube.set_decimals(id, indicator.decimals));
        }
        let unit = self.units.position(unit).unwrap_or_else(|| panic!("no unit {unit}"));
        CubeEntry { measure: id, unit, month: *month, written: *written }
    }

    /// Sets or clears a figure.
    pub fn put(&mut self, figure: &Figure) {
        let entry = self.entry(figure);
        match self.catalogue.indicator(&figure.0.code) {
            Some(_) => self.cube.set(&entry, RevisionStamp::new(1)),
            None => self.cube.set_stated(&entry, RevisionStamp::new(1)),
        }
    }

    pub fn view(&self) -> CubeView<'_> {
        CubeView { measures: &self.measures, cube: &self.cube, overlay: None }
    }

    pub fn source(&self) -> ValueSource<'_> {
        ValueSource::new(&self.units, self.view()).with_geography(self.geography)
    }

    /// The points of a measure at a unit for the periods `from` to `to`.
    pub fn points(
        &self,
        measure: &Measure,
        unit: &str,
        from: Period,
        to: Period,
    ) -> Vec<PeriodPoint> {
        let program = Program::of_measure(&self.catalogue, &self.view(), measure)
            .unwrap_or_else(|| panic!("{measure} is not declared"));
        let series = MeasureSeries::new(
            self.source(),
            &program,
            self.units.position(unit).unwrap_or_else(|| panic!("no unit {unit}")),
            from,
            to,
        );
        std::iter::successors(Some(from), |period| Some(period.next()))
            .take_while(|period| *period <= to)
            .map(|period| series.point(period))
            .collect()
    }

    /// One point, given as `MEASURE UNIT PERIOD`.
    pub fn at(&self, what: &str) -> PeriodPoint {
        let words: Vec<&str> = what.split_whitespace().collect();
        let (measure, period) =
            (Measure::parse(words[0]).expect("a measure"), Period::of_display(words[2]));
        let period = period.expect("a period");
        self.points(&measure, words[1], period, period).remove(0)
    }

    /// Compares a point with the expected fields:
    /// `value=39 coverage=0.666667 delta=coverage_changed`. Numbers are compared as responses show
    /// them, with six decimals; `-` is null. Other fields are not compared.
    #[track_caller]
    pub fn is(&self, what: &str, expected: &str) {
        let mut shown = fields(&self.at(what));
        shown.extend(self.on_request(what));
        for pair in expected.split_whitespace() {
            let (field, wanted) = pair.split_once('=').expect("field=value");
            let found = shown
                .iter()
                .find(|(name, _)| *name == field)
                .map_or("no such field", |(_, value)| value.as_str());
            assert_eq!(found, wanted, "{field} of {what}\n{shown:?}");
        }
    }

    /// The fields of a point that are only given on request, with their names in [`Case::is`].
    fn on_request(&self, what: &str) -> Vec<(&'static str, String)> {
        let words: Vec<&str> = what.split_whitespace().collect();
        let measure = Measure::parse(words[0]).expect("a measure");
        let period = Period::of_display(words[2]).expect("a period");
        let program = Program::of_measure(&self.catalogue, &self.view(), &measure)
            .unwrap_or_else(|| panic!("{measure} is not declared"));
        let unit = self.units.position(words[1]).unwrap_or_else(|| panic!("no unit {}", words[1]));
        let series = MeasureSeries::new(self.source(), &program, unit, period, period);
        let point = series.compute(period);
        let operands = point.operands().map_or("-".to_owned(), |values| {
            values.iter().map(|value| number(*value)).collect::<Vec<_>>().join(",")
        });
        let (delta, percent) = point.year_to_date_change();
        let [three, six, twelve] = [3, 6, 12].map(|months| point.rolling(months));
        vec![
            ("previous", value_or_reason(point.previous())),
            ("year_before", value_or_reason(point.year_before())),
            ("operands", operands),
            ("ytd_delta", change(delta)),
            ("ytd_percent", change(percent)),
            ("rolling3", change(three.value)),
            ("rolling3_coverage", maybe(three.coverage)),
            ("rolling6", change(six.value)),
            ("rolling6_coverage", maybe(six.coverage)),
            ("rolling12", change(twelve.value)),
            ("rolling12_coverage", maybe(twelve.coverage)),
        ]
    }

    /// The rules, prepared for the figures.
    pub fn book(&self) -> RuleBook {
        RuleBook::new(&self.catalogue, &self.view())
    }

    /// A finding as text: `RULE MEASURE UNIT MONTH STATED COMPUTED`.
    pub fn worded(&self, finding: &Finding) -> String {
        let Finding { rule, measure, month, stated, computed, .. } = finding;
        format!("{rule} {measure} {} {month} {stated} {computed}", self.units.code(finding.unit))
    }

    /// All current findings as text.
    pub fn all_worded(&self, standing: &CurrentFindings) -> Vec<String> {
        standing.within(self.units.all()).map(|finding| self.worded(finding)).collect()
    }

    /// The findings of all figures, evaluated at once.
    pub fn found(&self) -> Vec<String> {
        self.all_worded(&self.book().all(&self.source()))
    }
}

/// The fields of a point, with their names in [`Case::is`].
pub fn fields(point: &PeriodPoint) -> Vec<(&'static str, String)> {
    let origin = point.origin.map_or("-", |origin| match origin {
        Origin::Stated => "stated",
        Origin::Summed => "summed",
        Origin::RolledUp => "rolled_up",
        Origin::Computed => "computed",
    });
    vec![
        ("value", maybe(point.value)),
        ("coverage", maybe(point.coverage)),
        ("reason", point.value_reason.map_or("-", value_reason).to_owned()),
        ("origin", origin.to_owned()),
        ("taken", point.taken_from.map_or("-".to_owned(), |month| month.to_string())),
        ("delta", change(point.delta)),
        ("percent", change(point.delta_percent)),
        ("like", change(point.like_for_like_delta)),
        ("like_percent", change(point.like_for_like_percent)),
        ("like_coverage", maybe(point.like_for_like_coverage)),
        ("year", change(point.year_delta)),
        ("year_percent", change(point.year_delta_percent)),
        ("ytd", change(point.year_to_date)),
    ]
}

fn number(value: f64) -> String {
    Rounded::new(value).map_or("not finite".to_owned(), |shown| shown.to_string())
}

fn maybe(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), number)
}

fn change(change: ChangeResult) -> String {
    change.map_or_else(|reason| name(reason).to_owned(), number)
}

fn value_or_reason(value: ValueResult) -> String {
    value.map_or_else(|reason| value_reason(reason).to_owned(), number)
}

fn value_reason(reason: ValueReason) -> &'static str {
    match reason {
        ValueReason::Missing => "missing",
        ValueReason::NotApplicable => "not_applicable",
        ValueReason::Undefined => "undefined",
    }
}

fn name(reason: UnavailableReason) -> &'static str {
    match reason {
        UnavailableReason::NotApplicable => "not_applicable",
        UnavailableReason::Missing => "missing",
        UnavailableReason::DefinitionChanged => "definition_changed",
        UnavailableReason::NoPrior => "no_prior",
        UnavailableReason::CoverageChanged => "coverage_changed",
        UnavailableReason::StatedAbove => "stated_above",
        UnavailableReason::PriorZero => "prior_zero",
    }
}

/// A random generator for shuffles and choices that depend only on the seed: splitmix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(bound).expect("it fits")).expect("it fits")
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for place in (1..list.len()).rev() {
            list.swap(place, self.below(place + 1));
        }
    }
}

/// A JSON object from pairs.
pub fn object(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
    Value::Object(
        pairs.into_iter().map(|(key, value)| (key, Value::String(value))).collect::<Map<_, _>>(),
    )
}
