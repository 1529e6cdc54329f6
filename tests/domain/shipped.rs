//! The shipped catalogue and units.

use egov_kpi::app::write::{catalogue, units};
use kpi::catalogue::{Catalogue, CatalogueDocument, Severity};
use kpi::formula::{Expression, RuleCondition};
use kpi::measure::{Measure, Members};
use kpi::number::Decimal64;
use kpi::period::Month;
use kpi::unit::{LocalizedName, UnitForest};

const FIGURES: &str = include_str!("../../catalogue/travinh-2021-10.csv");

fn shipped() -> (CatalogueDocument, Catalogue, UnitForest) {
    let document = catalogue::shipped().unwrap();
    let units = UnitForest::numbered(units::shipped().unwrap()).unwrap();
    (document.clone(), Catalogue::new(document).unwrap(), units)
}

/// The rows of the shipped figures: measure, unit, month, digits.
pub fn rows() -> Vec<(Measure, String, Month, Decimal64)> {
    let mut reader = csv::Reader::from_reader(FIGURES.as_bytes());
    let header = reader.headers().unwrap().clone();
    let row = |row: csv::StringRecord| {
        let at =
            |column: &str| row[header.iter().position(|name| name == column).unwrap()].to_owned();
        let members = header.iter().zip(&row).skip(4).filter(|(_, member)| !member.is_empty());
        let members = Members::new(
            members.map(|(dimension, member)| (dimension.to_owned(), member.to_owned())).collect(),
        )
        .unwrap();
        (
            Measure { code: at("indicator"), members },
            at("unit"),
            at("period").parse().unwrap(),
            Decimal64::parse(&at("value")).unwrap(),
        )
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn every_figure_of_the_real_report_is_declared() {
    let (_, catalogue, units) = shipped();
    let rows = rows();
    assert!(rows.len() > 80, "{} rows", rows.len());
    let mut seen = std::collections::BTreeSet::new();
    for (measure, unit, month, written) in rows {
        assert_eq!(catalogue.measure_faults(&measure), Vec::new(), "{measure}");
        let position = units
            .position(&unit)
            .unwrap_or_else(|| panic!("the catalogue does not ship the unit {unit}"));
        assert!(units.exists(position, month), "{unit} in {month}");
        if let Some(indicator) = catalogue.indicator(&measure.code) {
            assert!(
                written.at_scale(indicator.decimals).is_some(),
                "{measure}: {written} with {} decimals",
                indicator.decimals
            );
        }
        assert_eq!(month.to_string(), "2021-10");
        assert!(seen.insert((measure.clone(), unit.clone())), "{measure} of {unit} is a duplicate");
    }
}

#[test]
fn every_formula_and_check_parses_and_prints_back() {
    let (document, catalogue, _) = shipped();
    assert_eq!(
        (catalogue.kpis.len(), catalogue.rules.len(), catalogue.targets.len()),
        (document.kpis.len(), document.rules.len(), document.targets.len())
    );
    for kpi in &document.kpis {
        let formula: Expression =
            kpi.formula.parse().unwrap_or_else(|error| panic!("{}: {error}", kpi.code));
        assert_eq!(formula.to_string().parse::<Expression>().unwrap(), formula);
        assert!(!formula.references().is_empty(), "{} must name an indicator", kpi.code);
        assert!(
            formula
                .references()
                .iter()
                .all(|reference| catalogue.indicator(&reference.indicator).is_some()),
            "{}",
            kpi.code
        );
    }
    for rule in &document.rules {
        let check: RuleCondition =
            rule.check.parse().unwrap_or_else(|error| panic!("{}: {error}", rule.code));
        assert_eq!(check.to_string().parse::<RuleCondition>().unwrap(), check);
    }
    assert!(
        catalogue.rules.iter().all(|rule| rule.severity == Severity::Warning),
        "the shipped catalogue must have no rule with the severity error"
    );
}

#[test]
fn everything_has_a_name_in_both_languages() {
    let (document, _, units) = shipped();
    let named = |what: String, name: &LocalizedName| {
        assert!(
            !name.vi.trim().is_empty() && !name.en.trim().is_empty(),
            "{what} has no name: {name:?}"
        )
    };
    document.systems.iter().for_each(|system| named(system.code.clone(), &system.name));
    document.indicators.iter().for_each(|indicator| named(indicator.code.clone(), &indicator.name));
    document.kpis.iter().for_each(|kpi| named(kpi.code.clone(), &kpi.name));
    document.rules.iter().for_each(|rule| named(rule.code.clone(), &rule.name));
    for dimension in &document.dimensions {
        named(dimension.code.clone(), &dimension.name);
        dimension
            .members
            .iter()
            .for_each(|member| named(format!("{}={}", dimension.code, member.code), &member.name));
    }
    units.iter().for_each(|unit| named(unit.document.code.clone(), &unit.document.name));
    let notes = document
        .indicators
        .iter()
        .filter_map(|indicator| indicator.note.as_ref())
        .chain(document.kpis.iter().filter_map(|kpi| kpi.note.as_ref()));
    notes.for_each(|note| named("a note".to_owned(), note));
    document
        .indicators
        .iter()
        .flat_map(|indicator| &indicator.breaks)
        .for_each(|broken| named(broken.from.clone(), &broken.reason));
}

#[test]
fn every_indicator_and_kpi_has_a_system_and_every_target_a_source() {
    let (document, catalogue, units) = shipped();
    assert!(document.indicators.iter().all(|indicator| indicator.system.is_some()));
    assert!(document.kpis.iter().all(|kpi| kpi.system.is_some()));
    for target in &document.targets {
        assert!(target.source.is_some(), "{}", target.code);
    }
    for target in &catalogue.targets {
        assert!(
            target.unit.as_ref().is_none_or(|unit| units.position(unit).is_some()),
            "{}",
            target.code
        );
    }
}

#[test]
fn service_levels_changed_in_august_2022() {
    let (_, catalogue, _) = shipped();
    for code in ["igate.dossiers.received", "igate.services.provided"] {
        let indicator = catalogue.indicator(code).unwrap();
        assert_eq!(
            indicator.breaks.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["2022-08"],
            "{code}"
        );
        let levels = indicator.dimension("service_level").unwrap();
        assert!(
            ["3", "4"].iter().all(|level| levels.members.iter().any(|member| member == level)),
            "{:?}",
            levels.members
        );
        assert!(
            levels.members.len() >= 4,
            "there must be members for both sides of the change: {:?}",
            levels.members
        );
    }
}

#[test]
fn the_province_is_continued_by_vinh_long_on_1_july_2025() {
    let (_, _, units) = shipped();
    let month = |text: &str| text.parse::<Month>().unwrap();
    let new = units.position("vinhlong-2025").unwrap();
    assert!(!units.exists(new, month("2025-06")) && units.exists(new, month("2025-07")));
    for code in ["travinh", "vinhlong", "bentre"] {
        let old = units.position(code).unwrap();
        assert!(
            units.exists(old, month("2025-06")) && !units.exists(old, month("2025-07")),
            "{code}"
        );
        assert_eq!(units.successors_at(old, month("2025-07")), [new], "{code}");
    }
    assert!(
        units.iter().all(|unit| unit.document.official_codes.is_empty()),
        "the shipped units have no official codes, because there is no source for them"
    );
}
