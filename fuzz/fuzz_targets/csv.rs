//! Any bytes as a CSV of figures, against the shipped catalogue and units.
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use egov_kpi::app::{catalogue, units};
use egov_kpi::domain::catalogue::Catalogue;
use egov_kpi::domain::observation::Parser;
use egov_kpi::domain::unit::Units;
use egov_kpi::intake::csv::read;
use libfuzzer_sys::fuzz_target;

static DECLARED: LazyLock<(Catalogue, Units)> =
    LazyLock::new(|| (Catalogue::new(catalogue::shipped().unwrap()).unwrap(), Units::new((1..).zip(units::shipped().unwrap()).collect()).unwrap()));

fuzz_target!(|bytes: &[u8]| {
    let (catalogue, units) = &*DECLARED;
    let month = "2021-12".parse().unwrap();
    let mut parser = Parser::new(catalogue, units, month);
    read(bytes, catalogue, &mut parser);
    match parser.finish() {
        Err(faults) => assert!(!faults.is_empty()),
        Ok(submission) => {
            assert!(!submission.figures.is_empty());
            assert!(submission.figures.iter().all(|figure| figure.month <= month && units.exists(figure.unit, figure.month)));
            let different: HashSet<_> = submission.figures.iter().map(|figure| (figure.measure, figure.unit, figure.month)).collect();
            assert_eq!(different.len(), submission.figures.len());
        }
    }
});
