//! The sample province of the demo: 36 months with mergers, a gap and one contradiction.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use super::*;
use kpi::annotation::AnnotationDocument;
use kpi::catalogue::{ExpectationDocument, TargetDocument};

/// An invented province: units, figures, expectations, targets and annotations.
#[derive(Clone, PartialEq, Debug)]
pub struct SampleProvince {
    /// Its units: `sample`, departments and districts, and communes of most districts.
    pub units: Vec<UnitDocument>,
    /// Its figures, as a CSV body of `POST /observations`.
    pub csv: String,
    /// Which of its units are expected to report what.
    pub expectations: Vec<ExpectationDocument>,
    /// Its targets.
    pub targets: Vec<TargetDocument>,
    /// Notes beside its figures.
    pub annotations: Vec<AnnotationDocument>,
}

/// Figures that arrived at the same time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampleReport {
    /// The month of the figures.
    pub period: Month,
    /// The day on which they arrived.
    pub received: NaiveDate,
    /// The figures, as a CSV body of `POST /observations`.
    pub csv: String,
}

/// A unit below the sample province.
pub(super) struct SampleUnit {
    pub(super) code: &'static str,
    pub(super) kind: UnitKind,
    vi: &'static str,
    en: &'static str,
    /// The first month in which it exists.
    from: Option<(i32, u32)>,
    /// The last month in which it exists, and the code of its successor.
    until: Option<((i32, u32), &'static str)>,
}

const fn place(
    code: &'static str,
    kind: UnitKind,
    vi: &'static str,
    en: &'static str,
) -> SampleUnit {
    SampleUnit { code, kind, vi, en, from: None, until: None }
}

impl SampleUnit {
    const fn from(self, year: i32, month: u32) -> Self {
        Self { from: Some((year, month)), ..self }
    }

    const fn until(self, year: i32, month: u32, successor: &'static str) -> Self {
        Self { until: Some(((year, month), successor)), ..self }
    }
}

/// The units below the sample province. Each comes after its parent and after its predecessors. Two
/// communes merge in July 2020. Two districts merge in January 2021, and their communes, including
/// the merged one, continue below the new district.
pub(super) const PLACES: [SampleUnit; 27] = {
    use UnitKind::{Commune, Department, District};
    [
        place("sample.finance", Department, "Sở Tài chính (mẫu)", "Department of Finance (sample)"),
        place("sample.health", Department, "Sở Y tế (mẫu)", "Department of Health (sample)"),
        place(
            "sample.home_affairs",
            Department,
            "Sở Nội vụ (mẫu)",
            "Department of Home Affairs (sample)",
        ),
        place("sample.justice", Department, "Sở Tư pháp (mẫu)", "Department of Justice (sample)"),
        place("sample.east", District, "Huyện mẫu Đông", "Sample District East")
            .until(2020, 12, NORTHEAST),
        place("sample.east.c1", Commune, "Xã mẫu Đông 1", "Sample Commune East 1").until(
            2020,
            12,
            "sample.northeast.c1",
        ),
        place("sample.east.c2", Commune, "Xã mẫu Đông 2", "Sample Commune East 2")
            .until(2020, 6, MERGED),
        place("sample.east.c3", Commune, "Xã mẫu Đông 3", "Sample Commune East 3")
            .until(2020, 6, MERGED),
        place("sample.east.c4", Commune, "Xã mẫu Đông 4", "Sample Commune East 4").until(
            2020,
            12,
            "sample.northeast.c2",
        ),
        place(MERGED, Commune, "Xã mẫu Đông 2 và 3", "Sample Commune East 2 and 3")
            .from(2020, 7)
            .until(2020, 12, THIRD_GENERATION),
        place("sample.north", District, "Huyện mẫu Bắc", "Sample District North")
            .until(2020, 12, NORTHEAST),
        place("sample.north.c1", Commune, "Xã mẫu Bắc 1", "Sample Commune North 1").until(
            2020,
            12,
            "sample.northeast.c4",
        ),
        place("sample.north.c2", Commune, "Xã mẫu Bắc 2", "Sample Commune North 2").until(
            2020,
            12,
            "sample.northeast.c5",
        ),
        place("sample.north.c3", Commune, "Xã mẫu Bắc 3", "Sample Commune North 3").until(
            2020,
            12,
            "sample.northeast.c6",
        ),
        place(NORTHEAST, District, "Huyện mẫu Đông Bắc", "Sample District Northeast").from(2021, 1),
        place("sample.northeast.c1", Commune, "Xã mẫu Đông Bắc 1", "Sample Commune Northeast 1")
            .from(2021, 1),
        place("sample.northeast.c2", Commune, "Xã mẫu Đông Bắc 2", "Sample Commune Northeast 2")
            .from(2021, 1),
        place(THIRD_GENERATION, Commune, "Xã mẫu Đông Bắc 3", "Sample Commune Northeast 3")
            .from(2021, 1),
        place("sample.northeast.c4", Commune, "Xã mẫu Đông Bắc 4", "Sample Commune Northeast 4")
            .from(2021, 1),
        place("sample.northeast.c5", Commune, "Xã mẫu Đông Bắc 5", "Sample Commune Northeast 5")
            .from(2021, 1),
        place("sample.northeast.c6", Commune, "Xã mẫu Đông Bắc 6", "Sample Commune Northeast 6")
            .from(2021, 1),
        place("sample.south", District, "Huyện mẫu Nam", "Sample District South"),
        place("sample.south.c1", Commune, "Xã mẫu Nam 1", "Sample Commune South 1"),
        place("sample.south.c2", Commune, "Xã mẫu Nam 2", "Sample Commune South 2"),
        place("sample.south.c3", Commune, "Xã mẫu Nam 3", "Sample Commune South 3"),
        place("sample.south.c4", Commune, "Xã mẫu Nam 4", "Sample Commune South 4"),
        place(TOWN, District, "Thị xã mẫu", "Sample Town"),
    ]
};
/// The commune into which two communes merge.
pub(super) const MERGED: &str = "sample.east.c5";
/// The commune that continues the merged one.
pub(super) const THIRD_GENERATION: &str = "sample.northeast.c3";
/// The district into which two districts merge.
pub(super) const NORTHEAST: &str = "sample.northeast";
/// A district without communes. It states rates.
pub(super) const TOWN: &str = "sample.town";
/// The unit without figures for two months, and the first of these months.
pub(super) const OWING: (&str, i32, u32) = ("sample.health", 2021, 5);
/// The unit that reports late at the end of each quarter.
const LATE: &str = "sample.justice";
/// The days of the next month on which reports arrive: those on time, and the late ones.
const DAYS: (u32, u32) = (3, 12);
/// The last day of the next month on which a report is on time.
const DUE_DAY: u32 = 5;
/// The unit and month of the one contradiction: a stated rate that is too high.
pub(super) const CONTRADICTION: (&str, i32, u32) = ("sample.finance", 2021, 9);

/// Makes the sample province: 36 months from 2019-01 with splits by member, merged communes and
/// districts, a gap of two months, stated rates that agree with the figures, and exactly one that
/// does not. The same seed gives the same figures.
#[must_use]
pub fn sample(seed: u64) -> SampleProvince {
    let units = sample_units();
    let mut sheet = SampleCsv(format!("{COLUMNS}\n"));
    let mut ended: HashMap<String, SampleReporter> = HashMap::new();
    let leaves = units
        .iter()
        .filter(|unit| !units.iter().any(|other| other.parent.as_deref() == Some(&unit.code)));
    for (stream, unit) in (1..).zip(leaves) {
        let mut local = ended
            .remove(&unit.code)
            .unwrap_or_else(|| SampleReporter::new(SplitMix64::new(seed, stream), unit.kind));
        for n in 0..SAMPLE_MONTHS {
            let month = january(2019).plus(n);
            let exists = unit.valid_from.is_none_or(|from| from <= month.last_day())
                && unit.valid_to.is_none_or(|to| month.last_day() <= to);
            if exists {
                local.report(&unit.code, month, n.unsigned_abs().into(), &mut sheet);
            }
        }
        if let Some(successor) = unit.successors.first() {
            let local = match ended.remove(successor) {
                None => local,
                Some(other) => other.joined(local),
            };
            ended.insert(successor.clone(), local);
        }
    }
    SampleProvince {
        units,
        csv: sheet.0,
        expectations: expectations(),
        targets: targets(),
        annotations: annotations(),
    }
}

impl SampleProvince {
    /// The figures as they arrived, in order: those of a month on a day of the next month, late
    /// ones on a later day.
    #[must_use]
    pub fn reports(&self) -> Vec<SampleReport> {
        let mut found: BTreeMap<(NaiveDate, Month), String> = BTreeMap::new();
        for line in self.csv.lines().skip(1) {
            let mut cells = line.split(',').skip(1);
            let (Some(unit), Some(Ok(month))) =
                (cells.next(), cells.next().map(str::parse::<Month>))
            else {
                continue;
            };
            let day = if unit == LATE && month.month().is_multiple_of(3) { DAYS.1 } else { DAYS.0 };
            let received = month.plus(1).first_day() + chrono::Days::new(u64::from(day - 1));
            let csv = found.entry((received, month)).or_insert_with(|| format!("{COLUMNS}\n"));
            csv.push_str(line);
            csv.push('\n');
        }
        found
            .into_iter()
            .map(|((received, period), csv)| SampleReport { period, received, csv })
            .collect()
    }
}

fn name(vi: &str, en: &str) -> LocalizedName {
    LocalizedName { vi: vi.to_owned(), en: en.to_owned() }
}

fn sample_units() -> Vec<UnitDocument> {
    let month =
        |(year, month): (i32, u32)| january(year).plus(i32::try_from(month).unwrap_or(1) - 1);
    let province = unit(
        "sample",
        UnitKind::Province,
        "Tỉnh mẫu".to_owned(),
        "Sample province".to_owned(),
        None,
    );
    let below = PLACES.iter().map(|place| UnitDocument {
        valid_from: place.from.map(|from| month(from).first_day()),
        valid_to: place.until.map(|(until, _)| month(until).last_day()),
        successors: place.until.iter().map(|(_, successor)| (*successor).to_owned()).collect(),
        ..unit(
            place.code,
            place.kind,
            place.vi.to_owned(),
            place.en.to_owned(),
            place.code.rsplit_once('.').map(|(parent, _)| parent),
        )
    });
    std::iter::once(province).chain(below).collect()
}

/// Departments, communes and the town report; districts with communes do not.
fn expectations() -> Vec<ExpectationDocument> {
    const MEASURES: [&str; 8] = [
        "ioffice.documents.outgoing",
        "ioffice.documents.signed",
        "ioffice.users.total",
        "pki.certificates.total",
        "mail.mailboxes.total",
        "igate.dossiers.received",
        "igate.dossiers.resolved",
        "igate.dossiers.backlog",
    ];
    let expected = |code: &str, unit: &str, unit_kinds: Vec<UnitKind>| ExpectationDocument {
        code: code.to_owned(),
        name: name("Báo cáo tháng của tỉnh mẫu", "Monthly report of the sample province"),
        unit_kinds,
        unit: Some(unit.to_owned()),
        measures: MEASURES.map(ToOwned::to_owned).to_vec(),
        due_day: DUE_DAY,
        window_from_day: 1,
        ..ExpectationDocument::default()
    };
    vec![
        expected("sample.monthly", "sample", vec![UnitKind::Department, UnitKind::Commune]),
        expected("sample.monthly_town", TOWN, vec![UnitKind::District]),
    ]
}

/// Targets of the province, and a higher one for one district.
fn targets() -> Vec<TargetDocument> {
    let target = |code: &str, measure: &str, unit: &str, value: &str| TargetDocument {
        code: code.to_owned(),
        measure: measure.to_owned(),
        unit: Some(unit.to_owned()),
        from: Some("2021-01".to_owned()),
        value: value.to_owned(),
        note: Some(name("Chỉ tiêu mẫu", "Invented for the sample")),
        ..TargetDocument::default()
    };
    vec![
        target("sample.signed_rate", "ioffice.documents.signed_rate", "sample", "82"),
        target("sample.signed_rate_northeast", "ioffice.documents.signed_rate", NORTHEAST, "84"),
        target("sample.online_rate", "igate.dossiers.online_rate", "sample", "25"),
    ]
}

fn annotations() -> Vec<AnnotationDocument> {
    let note =
        |code: &str, unit: &str, from: &str, to: Option<&str>, text: &str| AnnotationDocument {
            code: code.to_owned(),
            measure: None,
            unit: unit.to_owned(),
            from: from.to_owned(),
            to: to.map(ToOwned::to_owned),
            text: text.to_owned(),
        };
    vec![
        note(
            "sample.merger",
            NORTHEAST,
            "2021-01",
            None,
            "Hợp nhất huyện mẫu Đông và huyện mẫu Bắc",
        ),
        note(
            "sample.merger_province",
            "sample",
            "2021-01",
            None,
            "Huyện mẫu Đông và huyện mẫu Bắc hợp nhất thành huyện mẫu Đông Bắc",
        ),
        note(
            "sample.outage",
            OWING.0,
            "2021-05",
            Some("2021-06"),
            "Hệ thống báo cáo ngừng hoạt động",
        ),
    ]
}

/// The header of the sample's CSV.
const COLUMNS: &str = "indicator,unit,period,value,channel,service_level,certificate_holder,token";

/// Rows of the sample's CSV.
struct SampleCsv(String);

impl SampleCsv {
    /// One row; members in the order channel, service level, certificate holder, token.
    fn row(&mut self, measure: &str, unit: &str, month: Month, value: &str, members: [&str; 4]) {
        self.0.push_str(&format!("{measure},{unit},{month},{value},{}\n", members.join(",")));
    }

    fn count(&mut self, measure: &str, unit: &str, month: Month, value: u64, members: [&str; 4]) {
        self.row(measure, unit, month, &value.to_string(), members);
    }
}

/// A reporter of the sample, with the figures that only the sample has.
struct SampleReporter {
    reporter: InventedUnit,
    stations: u64,
    /// Minutes a day of own programmes, in tenths.
    minutes: u64,
}

impl SampleReporter {
    fn new(mut dice: SplitMix64, kind: UnitKind) -> Self {
        let stations = match kind {
            UnitKind::Province | UnitKind::Department | UnitKind::Agency => 0,
            UnitKind::District => 6,
            UnitKind::Commune => dice.between(1, 2),
        };
        Self {
            stations,
            minutes: dice.between(350, 800),
            reporter: InventedUnit::new(dice, kind, 1000),
        }
    }

    fn joined(self, other: Self) -> Self {
        let minutes = self.minutes.midpoint(other.minutes);
        Self {
            stations: self.stations + other.stations,
            minutes,
            reporter: self.reporter.joined(other.reporter),
        }
    }

    /// Writes the figures of the month that is `n` months after the first.
    fn report(&mut self, unit: &str, month: Month, n: u64, sheet: &mut SampleCsv) {
        let figures = self.reporter.month(month);
        let dice = &mut self.reporter.dice;
        let dossiers = DossierCounts::split(&figures, n, dice);
        let endpoints = dice.between(80, 140) + 2 * n;
        let minutes = self.minutes + 3 * n + dice.between(0, 60);
        let missing = Month::new(OWING.1, OWING.2)
            .is_some_and(|first| unit == OWING.0 && (0..2).contains(&month.since(first)));
        if missing {
            return;
        }
        for (indicator, value) in figures.by_indicator() {
            sheet.count(indicator, unit, month, value, [""; 4]);
        }
        dossiers.write(unit, month, sheet);
        let individual = certificates(&figures, unit, month, n, sheet);
        for (level, value) in services(&figures, n) {
            sheet.count("igate.services.provided", unit, month, value, ["", level, "", ""]);
        }
        sheet.row(
            "conference.jitsi.endpoints_per_session",
            unit,
            month,
            &tenths(endpoints),
            [""; 4],
        );
        if self.stations > 0 {
            sheet.count("radio.stations.total", unit, month, self.stations, [""; 4]);
            sheet.row(
                "radio.own_programme.minutes_per_day",
                unit,
                month,
                &tenths(minutes),
                [""; 4],
            );
        }
        stated(&figures, &dossiers, individual, (unit, month), n, sheet);
    }
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

/// Dossiers received at level 4, at level 3 and at other levels: the code of the level, those
/// online, and all.
struct DossierCounts([(&'static str, u64, u64); 3]);

impl DossierCounts {
    /// From month to month more dossiers are at level 4, and more of these are online.
    fn split(figures: &MonthFigures, n: u64, dice: &mut SplitMix64) -> Self {
        let part = |whole: u64, per_mille: u64| whole * per_mille / 1000;
        let four = part(figures.received, 300 + 8 * n + dice.between(0, 20));
        let three = part(figures.received, 260 - 3 * n + dice.between(0, 20));
        let rest = figures.received - four - three;
        let online = [
            part(four, 120 + 11 * n + dice.between(0, 30)),
            part(three, 60 + 5 * n + dice.between(0, 20)),
            part(rest, 20 + n),
        ];
        let [first, second, third] = online;
        Self([("4", first, four), ("3", second, three), ("", third, rest)])
    }

    fn write(&self, unit: &str, month: Month, sheet: &mut SampleCsv) {
        let mut row = |channel, level, value| {
            sheet.count("igate.dossiers.received", unit, month, value, [channel, level, "", ""])
        };
        let online: u64 = self.0.iter().map(|(_, online, _)| online).sum();
        let all: u64 = self.0.iter().map(|(_, _, all)| all).sum();
        row("online", "", online);
        row("in_person", "", all - online);
        for (level, online, all) in self.0.iter().filter(|(level, ..)| !level.is_empty()) {
            row("", level, *all);
            row("online", level, *online);
            row("in_person", level, all - online);
        }
    }
}

/// Writes the certificates by holder and token, and returns those of individuals.
fn certificates(
    figures: &MonthFigures,
    unit: &str,
    month: Month,
    n: u64,
    sheet: &mut SampleCsv,
) -> u64 {
    let organisation = figures.certificates * 200 / 1000;
    let individual = figures.certificates - organisation;
    let sim = individual * (20 + 4 * n) / 1000;
    let mut row = |holder, token, value| {
        sheet.count("pki.certificates.total", unit, month, value, ["", "", holder, token])
    };
    row("organisation", "", organisation);
    row("individual", "", individual);
    row("individual", "usb", individual - sim);
    row("individual", "sim_pki", sim);
    individual
}

/// The numbers of services of levels 3 and 4. All other services have a lower level.
fn services(figures: &MonthFigures, n: u64) -> [(&'static str, u64); 2] {
    [("3", figures.services * (380 - 3 * n) / 1000), ("4", figures.services * (280 + 9 * n) / 1000)]
}

/// Writes the rates that a unit states in a month. Departments state the signed rate in December,
/// each year with one more decimal. In 2021 the town states several rates at the end of each
/// quarter. One rate contradicts the figures.
fn stated(
    figures: &MonthFigures,
    dossiers: &DossierCounts,
    individual: u64,
    (unit, month): (&str, Month),
    n: u64,
    sheet: &mut SampleCsv,
) {
    const SIGNED: &str = "ioffice.documents.signed_rate";
    let department =
        PLACES.iter().any(|place| place.code == unit && place.kind == UnitKind::Department);
    let mut row = |kpi, level, written: Decimal64| {
        sheet.row(kpi, unit, month, &written.to_string(), ["", level, "", ""])
    };
    if department && month.month() == 12 {
        let decimals = (month.year() - 2018).unsigned_abs();
        row(SIGNED, "", percent(figures.signed, figures.outgoing, decimals));
    }
    if (unit, month.year(), month.month()) == CONTRADICTION {
        let right = percent(figures.signed, figures.outgoing, 1);
        row(SIGNED, "", Decimal64 { mantissa: right.mantissa + 15, ..right });
    }
    if unit == TOWN && month.year() == 2021 && month.month().is_multiple_of(3) {
        for (level, online, all) in dossiers.0.iter().filter(|(level, ..)| !level.is_empty()) {
            row("igate.dossiers.online_rate", level, percent(*online, *all, 2));
        }
        for (level, value) in services(figures, n) {
            row("igate.services.level_share", level, percent(value, figures.services, 2));
        }
        row("pki.individual_coverage", "", percent(individual, figures.users, 1));
    }
}

/// A percentage rounded to `decimals` decimals, halves up.
fn percent(part: u64, whole: u64, decimals: u32) -> Decimal64 {
    let whole = whole.max(1);
    let rounded = (part * 200 * 10_u64.pow(decimals) + whole) / (2 * whole);
    Decimal64 { mantissa: i64::try_from(rounded).unwrap_or(i64::MAX), scale: decimals }
}
