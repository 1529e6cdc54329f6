//! Invented figures for demos and benchmarks: the commands `generate` and `demo`
//! (docs/specification.md#command-line).
//!
//! Units and figures are invented. The same seed gives the same figures on every machine, because
//! only whole numbers and a random generator of this module are used, no floating-point numbers and
//! no clock. A [`InventedUnit`] is one invented organisation that grows, has seasons and carries
//! its stocks from month to month, so that every rule of the shipped catalogue holds.

use std::io::{self, Write};
use std::str::FromStr;

use kpi::number::Decimal64;
use kpi::period::{FIRST_MONTH, Month};
use kpi::unit::{LocalizedName, UnitDocument, UnitKind};

/// Number of months for which [`write_csv`] writes figures: 2021-01 to 2025-12.
const MONTHS: i32 = 60;
/// Number of months for which [`sample`] makes figures: 2019-01 to 2021-12.
const SAMPLE_MONTHS: i32 = 36;
/// Number of figures of a unit in a month.
const FIGURES: usize = 20;

/// How much to generate.
///
/// ```
/// use egov_kpi::generate::DatasetSize;
/// let custom = DatasetSize::Custom { provinces: 10, units: 180 };
/// assert_eq!("10x180".parse::<DatasetSize>().unwrap(), custom);
/// assert_eq!("country".parse::<DatasetSize>().unwrap().rows(), 13_608_000);
/// assert!("100x1".parse::<DatasetSize>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DatasetSize {
    /// One province of 180 units.
    Province,
    /// 63 provinces of 180 units, as the country was before July 2025.
    Country,
    /// Any number of provinces and units. Numbers beyond the limits of [`DatasetSize::from_str`]
    /// are replaced by the limit.
    Custom {
        /// The number of provinces, 1 to 99.
        provinces: u32,
        /// The number of units in each province, 1 to 999.
        units: u32,
    },
}

/// Why a size cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "\"{0}\" is not a size: province (1x180), country (63x180), or PROVINCESxUNITS such as 10x180 \
     with 1 to 99 provinces of 1 to 999 units each"
)]
pub struct DatasetSizeError(String);

impl DatasetSize {
    /// The number of provinces, and of units in each.
    fn counts(self) -> (u32, u32) {
        match self {
            Self::Province => (1, 180),
            Self::Country => (63, 180),
            Self::Custom { provinces, units } => (provinces.clamp(1, 99), units.clamp(1, 999)),
        }
    }

    /// The number of rows that [`write_csv`] writes below the header.
    #[must_use]
    pub fn rows(self) -> u64 {
        let (provinces, units) = self.counts();
        u64::from(provinces)
            * u64::from(units)
            * u64::from(MONTHS.unsigned_abs())
            * u64::try_from(FIGURES).unwrap_or(0)
    }
}

impl FromStr for DatasetSize {
    type Err = DatasetSizeError;

    fn from_str(text: &str) -> Result<Self, DatasetSizeError> {
        let fault = || DatasetSizeError(text.chars().take(40).collect());
        let number = |digits: &str, most: u32| {
            let number = digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| digits.parse::<u32>().ok())
                .flatten();
            number.filter(|number| (1..=most).contains(number)).ok_or_else(fault)
        };
        match (text, text.split_once('x')) {
            ("province", _) => Ok(Self::Province),
            ("country", _) => Ok(Self::Country),
            (_, Some((provinces, units))) => {
                Ok(Self::Custom { provinces: number(provinces, 99)?, units: number(units, 999)? })
            }
            (_, None) => Err(fault()),
        }
    }
}

/// The units of a size: provinces such as `gen.p01`, and below each its departments, districts and
/// communes such as `gen.p01.u001`.
#[must_use]
pub fn units(size: DatasetSize) -> Vec<UnitDocument> {
    let (provinces, below) = size.counts();
    let mut found = Vec::new();
    for province in 1..=provinces {
        let root = province_code(province);
        found.push(unit(
            &root,
            UnitKind::Province,
            format!("Tỉnh mẫu {province:02}"),
            format!("Sample province {province:02}"),
            None,
        ));
        for number in 1..=below {
            let kind = kind_of(number, below);
            let (vi, en) = match kind {
                UnitKind::Province | UnitKind::Department | UnitKind::Agency => {
                    ("Sở", "department")
                }
                UnitKind::District => ("Huyện", "district"),
                UnitKind::Commune => ("Xã", "commune"),
            };
            let names = (format!("{vi} mẫu {number:03}"), format!("Sample {en} {number:03}"));
            found.push(unit(&unit_code(&root, number), kind, names.0, names.1, Some(&root)));
        }
    }
    found
}

fn province_code(province: u32) -> String {
    format!("gen.p{province:02}")
}

fn unit_code(root: &str, number: u32) -> String {
    format!("{root}.u{number:03}")
}

/// Of 180 units the first 20 are departments, the next 12 districts, and the others communes.
fn kind_of(number: u32, of: u32) -> UnitKind {
    let departments = of.div_ceil(9);
    match number {
        number if number <= departments => UnitKind::Department,
        number if number <= departments + of / 15 => UnitKind::District,
        _ => UnitKind::Commune,
    }
}

fn unit(code: &str, kind: UnitKind, vi: String, en: String, parent: Option<&str>) -> UnitDocument {
    UnitDocument {
        code: code.to_owned(),
        kind,
        name: LocalizedName { vi, en },
        parent: parent.map(ToOwned::to_owned),
        valid_from: None,
        valid_to: None,
        successors: Vec::new(),
        official_codes: Vec::new(),
        labels: Vec::new(),
        shares: std::collections::BTreeMap::new(),
    }
}

/// Writes `indicator,unit,period,value`: 20 figures for each unit below a province in each of 60
/// months, in order of province, unit, month and indicator.
///
/// # Errors
/// Errors of the writer.
pub fn write_csv(size: DatasetSize, seed: u64, out: &mut impl Write) -> io::Result<()> {
    let (provinces, below) = size.counts();
    let months: Vec<(Month, String)> = (0..MONTHS)
        .map(|n| january(2021).plus(n))
        .map(|month| (month, month.to_string()))
        .collect();
    let (mut rows, mut middle) = (Vec::with_capacity(1 << 17), Vec::new());
    rows.extend_from_slice(b"indicator,unit,period,value\n");
    for province in 1..=provinces {
        let root = province_code(province);
        let wealth = SplitMix64::new(seed, u64::from(province) << 32).between(700, 1500);
        for number in 1..=below {
            let code = unit_code(&root, number);
            let mut reporter = InventedUnit::new(
                SplitMix64::new(seed, u64::from(province) << 32 | u64::from(number)),
                kind_of(number, below),
                wealth,
            );
            for (month, label) in &months {
                middle.clear();
                for piece in [",", &code, ",", label, ","] {
                    middle.extend_from_slice(piece.as_bytes());
                }
                for (indicator, value) in reporter.month(*month).by_indicator() {
                    rows.extend_from_slice(indicator.as_bytes());
                    rows.extend_from_slice(&middle);
                    write_number(&mut rows, value);
                    rows.push(b'\n');
                }
            }
            out.write_all(&rows)?;
            rows.clear();
        }
    }
    Ok(())
}

/// Appends the decimal digits of a number.
fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

fn january(year: i32) -> Month {
    FIRST_MONTH.plus((year - FIRST_MONTH.year()) * 12)
}

/// The random generator SplitMix64: small, fast and the same everywhere. No crate guarantees that
/// its numbers never change.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator for a seed and a stream; each pair has its own sequence.
    fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed);
        let start = dice.next();
        Self(start ^ Self(stream).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number of a range, both ends included.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// A count near an expectation given in thousandths, at most `per_mille` per mille away. A
    /// remaining fraction is rounded at random, so that small counts vary too and keep their mean.
    fn count(&mut self, thousandths: u64, per_mille: u64) -> u64 {
        let near = thousandths * self.between(1000 - per_mille, 1000 + per_mille) / 1000;
        (near + self.between(0, 999)) / 1000
    }
}

/// The figures that a unit reports in a month.
#[derive(Clone, Copy, Debug)]
struct MonthFigures {
    outgoing: u64,
    signed: u64,
    users_created: u64,
    users: u64,
    issued: u64,
    certificates: u64,
    mailboxes_created: u64,
    mailboxes: u64,
    received: u64,
    resolved: u64,
    backlog: u64,
    services: u64,
    procedures: u64,
    meetings: u64,
    sessions: u64,
    items: u64,
    visitors: u64,
    petitions: u64,
    answered: u64,
    complaints: u64,
}

impl MonthFigures {
    /// Every figure with the code of its indicator in the shipped catalogue.
    fn by_indicator(&self) -> [(&'static str, u64); FIGURES] {
        [
            ("ioffice.documents.outgoing", self.outgoing),
            ("ioffice.documents.signed", self.signed),
            ("ioffice.users.created", self.users_created),
            ("ioffice.users.total", self.users),
            ("pki.certificates.issued", self.issued),
            ("pki.certificates.total", self.certificates),
            ("mail.mailboxes.created", self.mailboxes_created),
            ("mail.mailboxes.total", self.mailboxes),
            ("igate.dossiers.received", self.received),
            ("igate.dossiers.resolved", self.resolved),
            ("igate.dossiers.backlog", self.backlog),
            ("igate.services.provided", self.services),
            ("dvcqg.procedures.published", self.procedures),
            ("conference.meetings.operated", self.meetings),
            ("conference.jitsi.sessions", self.sessions),
            ("web.items.published", self.items),
            ("citizen_reception.visitors", self.visitors),
            ("petitions.received", self.petitions),
            ("petitions.answered", self.answered),
            ("complaints.received", self.complaints),
        ]
    }
}

/// An invented organisation from month to month.
#[derive(Clone, Debug)]
struct InventedUnit {
    dice: SplitMix64,
    /// The number of months that it has reported.
    age: u64,
    /// Growth each month, in per mille of the start.
    growth: u64,
    /// Outgoing documents that are not signed yet but will be later, in parts per million.
    unsigned: u64,
    /// Events of an ordinary month, in thousandths: outgoing documents, dossiers, meetings, Jitsi
    /// sessions, website items, visitors, petitions, complaints.
    pace: [u64; 8],
    /// Users, certificates, mailboxes, backlog, services, procedures, petitions without a response.
    stocks: [u64; 7],
}

/// January to December in per mille of an ordinary month: quiet at Tết, busy at the end of the
/// year.
const SEASON: [u64; 12] = [960, 720, 1030, 1000, 1000, 990, 980, 1000, 1020, 1060, 1080, 1160];

impl InventedUnit {
    /// An organisation of a kind. `wealth` is the size of its province in per mille of an ordinary
    /// one.
    fn new(mut dice: SplitMix64, kind: UnitKind, wealth: u64) -> Self {
        let (pace, users, services) = match kind {
            UnitKind::Province | UnitKind::Department | UnitKind::Agency => {
                ([300, 120, 6, 4, 70, 14, 6, 2], 90, 60)
            }
            UnitKind::District => ([600, 450, 9, 6, 60, 60, 18, 7], 260, 210),
            UnitKind::Commune => ([70, 55, 2, 2, 12, 22, 5, 1], 32, 110),
        };
        let size = dice.between(600, 1600) * wealth / 1000;
        let pace = pace.map(|ordinary: u64| ordinary * size * dice.between(850, 1150) / 1000);
        let [_, dossiers, ..] = pace;
        let users = (users * size / 1000).max(8);
        let services = services * dice.between(850, 1150) / 1000;
        let certificates = users * dice.between(180, 320) / 1000;
        let mailboxes = users * dice.between(950, 1150) / 1000;
        let stocks = [
            users,
            certificates,
            mailboxes,
            dossiers * 4 / 10_000,
            services,
            services * 21 / 20,
            1,
        ];
        Self {
            growth: dice.between(3, 9),
            unsigned: dice.between(350_000, 550_000),
            age: 0,
            pace,
            stocks,
            dice,
        }
    }

    /// The organisation into which two organisations merge.
    fn joined(self, other: Self) -> Self {
        let (mut pace, mut stocks) = (self.pace, self.stocks);
        pace.iter_mut().zip(other.pace).for_each(|(mine, theirs)| *mine += theirs);
        stocks.iter_mut().zip(other.stocks).for_each(|(mine, theirs)| *mine += theirs);
        Self {
            growth: self.growth.midpoint(other.growth),
            unsigned: self.unsigned.midpoint(other.unsigned),
            pace,
            stocks,
            ..self
        }
    }

    /// The figures of the next month.
    fn month(&mut self, month: Month) -> MonthFigures {
        let season = usize::try_from(month.month() - 1)
            .ok()
            .and_then(|place| SEASON.get(place))
            .copied()
            .unwrap_or(1000);
        let trend = (1000 + self.growth * self.age) * season / 1000;
        let dice = &mut self.dice;
        let [outgoing, received, meetings, sessions, items, visitors, petitions, complaints] =
            self.pace.map(|pace| {
                // Small numbers vary more than large ones.
                let noise = if pace < 30_000 { 350 } else { 90 };
                dice.count(pace * trend / 1000, noise)
            });
        let [users, certificates, mailboxes, backlog, services, procedures, unanswered] =
            self.stocks;

        let share = 985_000 - self.unsigned - dice.between(0, 20_000);
        let signed = dice.count(outgoing * share / 1000, 5).min(outgoing);
        let users_created = dice.count(users * 6 * season / 1000, 400);
        // Certificates and mailboxes approach what the users need, so their growth slows down.
        let issued = dice.count(users.saturating_sub(certificates) * 18 * season / 1000, 400);
        let mailboxes_created =
            dice.count((users * 12 / 10).saturating_sub(mailboxes) * 25 + users_created * 500, 400);
        let resolved = dice.count(received * 960 + backlog * 100, 60).min(received + backlog);
        let answered = dice.count((petitions + unanswered) * 850, 100).min(petitions + unanswered);
        let more =
            |dice: &mut SplitMix64| if dice.between(0, 99) < 15 { dice.between(1, 3) } else { 0 };
        let (services, procedures) = (services + more(dice), procedures + more(dice));

        let (users, certificates, mailboxes) =
            (users + users_created, certificates + issued, mailboxes + mailboxes_created);
        let backlog = backlog + received - resolved;
        self.stocks = [
            users,
            certificates,
            mailboxes,
            backlog,
            services,
            procedures,
            petitions + unanswered - answered,
        ];
        self.unsigned = self.unsigned * 97 / 100;
        self.age += 1;
        MonthFigures {
            outgoing,
            signed,
            users_created,
            users,
            issued,
            certificates,
            mailboxes_created,
            mailboxes,
            received,
            resolved,
            backlog,
            services,
            procedures,
            meetings,
            sessions: sessions.max(1),
            items,
            visitors,
            petitions,
            answered,
            complaints,
        }
    }
}

mod sample;

pub use sample::{SampleProvince, SampleReport, sample};

#[cfg(test)]
mod tests {
    use super::sample::*;
    use super::*;
    use crate::intake::csv;
    use kpi::catalogue::Catalogue;
    use kpi::cube::{Cube, CubeEntry, CubeView, MeasureDictionary, RevisionStamp};
    use kpi::number::Statement;
    use kpi::observation::{ObservationParser, Submission};
    use kpi::rules::RuleBook;
    use kpi::unit::UnitForest;
    use kpi::value::ValueSource;

    const SMALL: DatasetSize = DatasetSize::Custom { provinces: 1, units: 12 };

    fn generated(size: DatasetSize, seed: u64) -> String {
        let mut out = Vec::new();
        write_csv(size, seed, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn world(units: Vec<UnitDocument>, csv: &str) -> (Catalogue, UnitForest, Submission) {
        let catalogue = Catalogue::new(crate::app::write::catalogue::shipped().unwrap()).unwrap();
        let units = UnitForest::numbered(units).unwrap();
        let mut parser = ObservationParser::new(&catalogue, &units, "2026-01".parse().unwrap());
        csv::read(csv.as_bytes(), &catalogue, &mut parser);
        let submission = parser.finish().unwrap();
        (catalogue, units, submission)
    }

    /// All findings as `rule unit month`.
    fn findings(
        (catalogue, units, submission): &(Catalogue, UnitForest, Submission),
    ) -> Vec<String> {
        let (mut measures, mut cube) = (MeasureDictionary::default(), Cube::default());
        let ids: Vec<_> = submission
            .measures
            .iter()
            .map(|named| (measures.intern(&named.measure), named.decimals))
            .collect();
        for (id, decimals) in &ids {
            decimals.iter().for_each(|decimals| assert!(cube.set_decimals(*id, *decimals)));
        }
        for figure in &submission.figures {
            let (measure, decimals) = ids[figure.measure.index()];
            let entry = CubeEntry {
                measure,
                unit: figure.unit,
                month: figure.month,
                written: figure.written,
            };
            let first = RevisionStamp::new(1);
            if decimals.is_some() {
                cube.set(&entry, first)
            } else {
                cube.set_stated(&entry, first)
            }
        }
        let view = CubeView { measures: &measures, cube: &cube, overlay: None };
        let standing = RuleBook::new(catalogue, &view).all(&ValueSource::new(units, view));
        standing
            .within(units.all())
            .map(|found| format!("{} {} {}", found.rule, units.code(found.unit), found.month))
            .collect()
    }

    /// The figures of a measure at a unit, in order of months.
    fn trend(
        (_, units, submission): &(Catalogue, UnitForest, Submission),
        measure: &str,
        unit: &str,
    ) -> Vec<(Month, i64)> {
        let place = submission
            .measures
            .iter()
            .position(|named| named.measure.to_string() == measure)
            .unwrap();
        let of_it = submission
            .figures
            .iter()
            .filter(|figure| figure.measure.index() == place && units.code(figure.unit) == unit);
        of_it
            .map(|figure| (figure.month, figure.written.unwrap().number().unwrap().mantissa))
            .collect()
    }

    #[test]
    fn a_seed_gives_the_same_bytes_each_time_and_another_seed_gives_others() {
        let size = DatasetSize::Custom { provinces: 2, units: 3 };
        assert_eq!(generated(size, 7), generated(size, 7));
        assert_ne!(generated(size, 7), generated(size, 8));
        assert_eq!(sample(7), sample(7));
        assert_ne!(sample(7).csv, sample(8).csv);
    }

    #[test]
    fn every_unit_month_and_indicator_has_a_row_in_order() {
        let size = DatasetSize::Custom { provinces: 2, units: 3 };
        let text = generated(size, 1);
        assert_eq!(size.rows(), 2 * 3 * 60 * 20);
        assert_eq!(text.lines().count(), 2 * 3 * 60 * 20 + 1);
        let keys: Vec<(&str, &str)> = text
            .lines()
            .skip(1)
            .step_by(20)
            .map(|line| line.split(',').collect::<Vec<_>>())
            .map(|cells| (cells[1], cells[2]))
            .collect();
        assert!(
            keys.is_sorted()
                && keys.first() == Some(&("gen.p01.u001", "2021-01"))
                && keys.last() == Some(&("gen.p02.u003", "2025-12"))
        );
    }

    #[test]
    fn sizes_are_parsed_within_their_limits() {
        assert_eq!("province".parse(), Ok(DatasetSize::Province));
        assert_eq!("country".parse::<DatasetSize>().map(DatasetSize::rows), Ok(63 * 180 * 60 * 20));
        assert_eq!("99x999".parse(), Ok(DatasetSize::Custom { provinces: 99, units: 999 }));
        for text in
            ["", "x", "0x5", "5x0", "100x1", "1x1000", "+1x2", "1x2x3", "Country", "99999999999x1"]
        {
            let error = text.parse::<DatasetSize>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("\"{text}\" is not a size"))
                    && error.contains("1 to 99 provinces"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_units_of_every_size_are_sound() {
        for (size, expected) in [
            (DatasetSize::Custom { provinces: 1, units: 1 }, 2),
            (DatasetSize::Province, 181),
            (DatasetSize::Country, 63 * 181),
            (DatasetSize::Custom { provinces: 1, units: 999 }, 1000),
        ] {
            let units = UnitForest::numbered(units(size)).unwrap();
            assert_eq!(units.len(), expected);
        }
        let of_kind =
            |kind| units(DatasetSize::Province).iter().filter(|unit| unit.kind == kind).count();
        assert_eq!(
            [UnitKind::Department, UnitKind::District, UnitKind::Commune].map(of_kind),
            [20, 12, 148]
        );
    }

    #[test]
    fn every_generated_row_is_valid_and_no_rule_is_broken() {
        for seed in [0, 1, u64::MAX] {
            let world = world(units(SMALL), &generated(SMALL, seed));
            assert_eq!(u64::try_from(world.2.figures.len()), Ok(SMALL.rows()));
            assert_eq!(findings(&world), Vec::<String>::new());
        }
    }

    #[test]
    fn a_wrong_figure_produces_a_finding() {
        let mut world = world(units(SMALL), &generated(SMALL, 2));
        let place =
            |measure: &str| world.2.measures.iter().position(|named| named.measure.code == measure);
        let (users, signed) = (place("ioffice.users.total"), place("ioffice.documents.signed"));
        let last = world.2.figures.iter().map(|figure| figure.month).max().unwrap();
        for figure in world
            .2
            .figures
            .iter_mut()
            .filter(|figure| figure.unit.index() == 1 && figure.month == last)
        {
            let place = Some(figure.measure.index());
            let wrong = place == users || place == signed;
            if let Some(Statement::Number(number)) = figure.written.as_mut().filter(|_| wrong) {
                number.mantissa += 10_000;
            }
        }
        let rules: Vec<_> = findings(&world)
            .into_iter()
            .map(|found| found.split(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(rules, ["ioffice.signed_within_outgoing", "stock_movement"]);
    }

    #[test]
    fn figures_grow_and_the_share_of_signed_documents_rises() {
        let world = world(units(SMALL), &generated(SMALL, 3));
        let year = |measure: &str, year: i32| -> i64 {
            trend(&world, measure, "gen.p01.u001")
                .iter()
                .filter(|(month, _)| month.year() == year)
                .map(|(_, value)| value)
                .sum()
        };
        let share = |at| {
            1000 * year("ioffice.documents.signed", at) / year("ioffice.documents.outgoing", at)
        };
        assert!(
            year("ioffice.documents.outgoing", 2021) < year("ioffice.documents.outgoing", 2025)
        );
        assert!(
            (2021..2025).all(|at| share(at) < share(at + 1)),
            "{:?}",
            (2021..=2025).map(share).collect::<Vec<_>>()
        );
        let users = trend(&world, "ioffice.users.total", "gen.p01.u001");
        let created = trend(&world, "ioffice.users.created", "gen.p01.u001");
        assert!(
            users
                .windows(2)
                .zip(&created[1..])
                .all(|(pair, created)| pair[1].1 == pair[0].1 + created.1)
        );
    }

    #[test]
    fn the_sample_has_exactly_one_contradiction() {
        for seed in 0..8 {
            let sample = sample(seed);
            assert_eq!(
                findings(&world(sample.units, &sample.csv)),
                ["stated_rate sample.finance 2021-09"],
                "seed {seed}"
            );
        }
    }

    #[test]
    fn the_sample_has_a_gap_and_three_generations_and_reports_only_at_leaves() {
        let sample = sample(5);
        let world = world(sample.units, &sample.csv);
        let months = |unit| {
            trend(&world, "ioffice.documents.outgoing", unit)
                .into_iter()
                .map(|(month, _)| month.to_string())
                .collect::<Vec<_>>()
        };
        let health = months("sample.health");
        assert_eq!(
            (
                health.len(),
                health.contains(&"2021-05".to_owned()),
                health.contains(&"2021-06".to_owned())
            ),
            (34, false, false)
        );
        assert_eq!(
            (months("sample.east.c2").len(), months(MERGED).len(), months(MERGED)[0].as_str()),
            (18, 6, "2020-07")
        );
        assert_eq!(
            (months(THIRD_GENERATION).len(), months(THIRD_GENERATION)[0].as_str()),
            (12, "2021-01")
        );
        let users = |unit, at: usize| trend(&world, "ioffice.users.total", unit)[at].1;
        let created = |unit| trend(&world, "ioffice.users.created", unit)[0].1;
        assert_eq!(
            users(MERGED, 0),
            users("sample.east.c2", 17) + users("sample.east.c3", 17) + created(MERGED)
        );
        assert_eq!(users(THIRD_GENERATION, 0), users(MERGED, 5) + created(THIRD_GENERATION));
        let (_, units, submission) = &world;
        assert!(submission.figures.iter().all(|figure| units.is_leaf(figure.unit, figure.month)));
        assert_eq!(submission.measures.iter().filter(|named| named.decimals.is_none()).count(), 6);
    }

    #[test]
    fn the_sample_reports_contain_each_figure_once_in_order_of_arrival() {
        let sample = sample(5);
        let reports = sample.reports();
        assert!(reports.is_sorted_by_key(|report| report.received));
        let mut lines: Vec<&str> =
            reports.iter().flat_map(|report| report.csv.lines().skip(1)).collect();
        let mut all: Vec<&str> = sample.csv.lines().skip(1).collect();
        lines.sort_unstable();
        all.sort_unstable();
        assert_eq!(lines, all);
        let of = |month: &str| {
            reports
                .iter()
                .filter(|report| report.period.to_string() == month)
                .map(|report| report.received.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(of("2021-08"), ["2021-09-03"]);
        // The Department of Justice is late
        assert_eq!(of("2021-12"), ["2022-01-03", "2022-01-12"]);
    }

    #[test]
    fn online_dossiers_of_the_sample_increase() {
        let sample = sample(9);
        let world = world(sample.units, &sample.csv);
        let year = |measure: &str, year: i32| -> i64 {
            trend(&world, measure, TOWN)
                .iter()
                .filter(|(month, _)| month.year() == year)
                .map(|(_, value)| value)
                .sum()
        };
        let rate = |at| {
            1000 * year("igate.dossiers.received{channel=online}", at)
                / year("igate.dossiers.received", at)
        };
        assert!(
            rate(2019) < rate(2020) && rate(2020) < rate(2021),
            "{:?}",
            [2019, 2020, 2021].map(rate)
        );
    }
}
