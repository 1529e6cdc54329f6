//! The sample province of the demo: 36 months with a merger, a gap, and one contradiction.

use super::*;

/// The sample province.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Its units: `sample`, eight departments and districts, and the communes of three of them.
    pub units: Vec<UnitDocument>,
    /// Its figures, as `POST /observations` takes them.
    pub csv: String,
}

/// The units below the sample province, each after its parent.
pub(super) const PLACES: [(&str, UnitKind, &str, &str); 20] = [
    ("sample.finance", UnitKind::Department, "Sở Tài chính (mẫu)", "Department of Finance (sample)"),
    ("sample.health", UnitKind::Department, "Sở Y tế (mẫu)", "Department of Health (sample)"),
    ("sample.home_affairs", UnitKind::Department, "Sở Nội vụ (mẫu)", "Department of Home Affairs (sample)"),
    ("sample.justice", UnitKind::Department, "Sở Tư pháp (mẫu)", "Department of Justice (sample)"),
    ("sample.east", UnitKind::District, "Huyện mẫu Đông", "Sample District East"),
    ("sample.east.c1", UnitKind::Commune, "Xã mẫu Đông 1", "Sample Commune East 1"),
    ("sample.east.c2", UnitKind::Commune, "Xã mẫu Đông 2", "Sample Commune East 2"),
    ("sample.east.c3", UnitKind::Commune, "Xã mẫu Đông 3", "Sample Commune East 3"),
    ("sample.east.c4", UnitKind::Commune, "Xã mẫu Đông 4", "Sample Commune East 4"),
    (MERGED, UnitKind::Commune, "Xã mẫu Đông 2 và 3", "Sample Commune East 2 and 3"),
    ("sample.north", UnitKind::District, "Huyện mẫu Bắc", "Sample District North"),
    ("sample.north.c1", UnitKind::Commune, "Xã mẫu Bắc 1", "Sample Commune North 1"),
    ("sample.north.c2", UnitKind::Commune, "Xã mẫu Bắc 2", "Sample Commune North 2"),
    ("sample.north.c3", UnitKind::Commune, "Xã mẫu Bắc 3", "Sample Commune North 3"),
    ("sample.south", UnitKind::District, "Huyện mẫu Nam", "Sample District South"),
    ("sample.south.c1", UnitKind::Commune, "Xã mẫu Nam 1", "Sample Commune South 1"),
    ("sample.south.c2", UnitKind::Commune, "Xã mẫu Nam 2", "Sample Commune South 2"),
    ("sample.south.c3", UnitKind::Commune, "Xã mẫu Nam 3", "Sample Commune South 3"),
    ("sample.south.c4", UnitKind::Commune, "Xã mẫu Nam 4", "Sample Commune South 4"),
    (TOWN, UnitKind::District, "Thị xã mẫu", "Sample Town"),
];
/// The communes that end on 30 June 2020.
pub(super) const MERGING: [&str; 2] = ["sample.east.c2", "sample.east.c3"];
/// The commune they go on as.
pub(super) const MERGED: &str = "sample.east.c5";
/// A district without communes; it states rates.
pub(super) const TOWN: &str = "sample.town";
/// The unit that owes two months, and the first of them.
pub(super) const LATE: (&str, i32, u32) = ("sample.health", 2021, 5);
/// Where the one contradiction is: the signed rate is stated too high.
pub(super) const CONTRADICTION: (&str, i32, u32) = ("sample.finance", 2021, 9);

/// The sample province: 36 months from 2019-01 with splits by member, a merger in July 2020, a gap of
/// two months, stated rates that agree with the figures, and exactly one that does not.
#[must_use]
pub fn sample(seed: u64) -> Sample {
    let units = sample_units();
    let mut sheet = Sheet(String::from("indicator,unit,period,value,channel,service_level,certificate_holder,token\n"));
    let mut ended: Option<Local> = None;
    let leaves = units.iter().filter(|unit| !units.iter().any(|other| other.parent.as_deref() == Some(&unit.code)));
    for (stream, unit) in (1..).zip(leaves) {
        let heir = if unit.valid_from.is_some() { ended.take() } else { None };
        let mut local = heir.unwrap_or_else(|| Local::new(Dice::new(seed, stream), unit.kind));
        for n in 0..SAMPLE_MONTHS {
            let month = january(2019).plus(n);
            let exists = unit.valid_from.is_none_or(|from| from <= month.last_day()) && unit.valid_to.is_none_or(|to| month.last_day() <= to);
            if exists {
                local.report(&unit.code, month, n.unsigned_abs().into(), &mut sheet);
            }
        }
        if unit.valid_to.is_some() {
            ended = Some(match ended.take() {
                None => local,
                Some(other) => other.joined(local),
            });
        }
    }
    Sample { units, csv: sheet.0 }
}

fn sample_units() -> Vec<UnitDocument> {
    let merger = january(2020).plus(6);
    let province = unit("sample", UnitKind::Province, "Tỉnh mẫu".to_owned(), "Sample province".to_owned(), None);
    let below = PLACES.iter().map(|(code, kind, vi, en)| {
        let parent = code.rsplit_once('.').map(|(parent, _)| parent);
        let mut document = unit(code, *kind, (*vi).to_owned(), (*en).to_owned(), parent);
        if MERGING.contains(code) {
            document.valid_to = Some(merger.plus(-1).last_day());
            document.successors = vec![MERGED.to_owned()];
        } else if *code == MERGED {
            document.valid_from = Some(merger.first_day());
        }
        document
    });
    std::iter::once(province).chain(below).collect()
}

/// Rows of the sample's CSV.
struct Sheet(String);

impl Sheet {
    /// One row; members in the order channel, service level, certificate holder, token.
    fn row(&mut self, measure: &str, unit: &str, month: Month, value: &str, members: [&str; 4]) {
        self.0.push_str(&format!("{measure},{unit},{month},{value},{}\n", members.join(",")));
    }

    fn count(&mut self, measure: &str, unit: &str, month: Month, value: u64, members: [&str; 4]) {
        self.row(measure, unit, month, &value.to_string(), members);
    }
}

/// A reporter of the sample with what only the sample has.
struct Local {
    reporter: Reporter,
    stations: u64,
    /// Minutes of own programme a day, in tenths.
    minutes: u64,
}

impl Local {
    fn new(mut dice: Dice, kind: UnitKind) -> Self {
        let stations = match kind {
            UnitKind::Province | UnitKind::Department | UnitKind::Agency => 0,
            UnitKind::District => 6,
            UnitKind::Commune => dice.between(1, 2),
        };
        Self { stations, minutes: dice.between(350, 800), reporter: Reporter::new(dice, kind, 1000) }
    }

    fn joined(self, other: Self) -> Self {
        let minutes = self.minutes.midpoint(other.minutes);
        Self { stations: self.stations + other.stations, minutes, reporter: self.reporter.joined(other.reporter) }
    }

    /// Writes the month that is `n` months after the first.
    fn report(&mut self, unit: &str, month: Month, n: u64, sheet: &mut Sheet) {
        let figures = self.reporter.month(month);
        let dice = &mut self.reporter.dice;
        let dossiers = Dossiers::split(&figures, n, dice);
        let endpoints = dice.between(80, 140) + 2 * n;
        let minutes = self.minutes + 3 * n + dice.between(0, 60);
        let missing = Month::new(LATE.1, LATE.2).is_some_and(|first| unit == LATE.0 && (0..2).contains(&month.since(first)));
        if missing {
            return;
        }
        for (indicator, value) in figures.in_order() {
            sheet.count(indicator, unit, month, value, [""; 4]);
        }
        dossiers.write(unit, month, sheet);
        let individual = certificates(&figures, unit, month, n, sheet);
        for (level, value) in services(&figures, n) {
            sheet.count("igate.services.provided", unit, month, value, ["", level, "", ""]);
        }
        sheet.row("conference.jitsi.endpoints_per_session", unit, month, &tenths(endpoints), [""; 4]);
        if self.stations > 0 {
            sheet.count("radio.stations.total", unit, month, self.stations, [""; 4]);
            sheet.row("radio.own_programme.minutes_per_day", unit, month, &tenths(minutes), [""; 4]);
        }
        stated(&figures, &dossiers, individual, (unit, month), n, sheet);
    }
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

/// Dossiers received at level 4, at level 3 and without either, each online and in all.
struct Dossiers([(&'static str, u64, u64); 3]);

impl Dossiers {
    /// Fully online services win dossiers, and more of these come online, month by month.
    fn split(figures: &Figures, n: u64, dice: &mut Dice) -> Self {
        let part = |whole: u64, per_mille: u64| whole * per_mille / 1000;
        let four = part(figures.received, 300 + 8 * n + dice.between(0, 20));
        let three = part(figures.received, 260 - 3 * n + dice.between(0, 20));
        let rest = figures.received - four - three;
        let online = [part(four, 120 + 11 * n + dice.between(0, 30)), part(three, 60 + 5 * n + dice.between(0, 20)), part(rest, 20 + n)];
        let [first, second, third] = online;
        Self([("4", first, four), ("3", second, three), ("", third, rest)])
    }

    fn write(&self, unit: &str, month: Month, sheet: &mut Sheet) {
        let mut row = |channel, level, value| sheet.count("igate.dossiers.received", unit, month, value, [channel, level, "", ""]);
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

/// Writes the certificates by holder and token; gives those of individuals.
fn certificates(figures: &Figures, unit: &str, month: Month, n: u64, sheet: &mut Sheet) -> u64 {
    let organisation = figures.certificates * 200 / 1000;
    let individual = figures.certificates - organisation;
    let sim = individual * (20 + 4 * n) / 1000;
    let mut row = |holder, token, value| sheet.count("pki.certificates.total", unit, month, value, ["", "", holder, token]);
    row("organisation", "", organisation);
    row("individual", "", individual);
    row("individual", "usb", individual - sim);
    row("individual", "sim_pki", sim);
    individual
}

/// Services of levels 3 and 4; the others of all services have a lower level.
fn services(figures: &Figures, n: u64) -> [(&'static str, u64); 2] {
    [("3", figures.services * (380 - 3 * n) / 1000), ("4", figures.services * (280 + 9 * n) / 1000)]
}

/// Writes the rates that a unit states in a month: departments the signed rate in December, each year
/// with a decimal more; the town several at the end of 2021's quarters; and the one that contradicts.
fn stated(figures: &Figures, dossiers: &Dossiers, individual: u64, (unit, month): (&str, Month), n: u64, sheet: &mut Sheet) {
    const SIGNED: &str = "ioffice.documents.signed_rate";
    let department = PLACES.iter().any(|(code, kind, ..)| *code == unit && *kind == UnitKind::Department);
    let mut row = |kpi, level, written: Written| sheet.row(kpi, unit, month, &written.to_string(), ["", level, "", ""]);
    if department && month.month() == 12 {
        let decimals = (month.year() - 2018).unsigned_abs();
        row(SIGNED, "", percent(figures.signed, figures.outgoing, decimals));
    }
    if (unit, month.year(), month.month()) == CONTRADICTION {
        let right = percent(figures.signed, figures.outgoing, 1);
        row(SIGNED, "", Written { mantissa: right.mantissa + 15, ..right });
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

/// A percentage rounded to so many decimals, halves up.
fn percent(part: u64, whole: u64, decimals: u32) -> Written {
    let whole = whole.max(1);
    let rounded = (part * 200 * 10_u64.pow(decimals) + whole) / (2 * whole);
    Written { mantissa: i64::try_from(rounded).unwrap_or(i64::MAX), scale: decimals }
}
