//! Any bytes as the JSON body of a submission, checked with the shipped catalogue and units.
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use egov_kpi::app::write::{catalogue, units};
use egov_kpi::intake::json::read;
use kpi::catalogue::Catalogue;
use kpi::observation::ObservationParser;
use kpi::unit::UnitForest;
use libfuzzer_sys::fuzz_target;

static DECLARED: LazyLock<(Catalogue, UnitForest)> = LazyLock::new(|| {
    (
        Catalogue::new(catalogue::shipped().unwrap()).unwrap(),
        UnitForest::numbered(units::shipped().unwrap()).unwrap(),
    )
});

fuzz_target!(|bytes: &[u8]| {
    let (catalogue, units) = &*DECLARED;
    let month = "2021-12".parse().unwrap();
    let mut parser = ObservationParser::new(catalogue, units, month);
    if read(bytes, &mut parser).is_err() {
        return;
    }
    match parser.finish() {
        Err(faults) => assert!(
            !faults.is_empty()
                && faults
                    .iter()
                    .all(|fault| fault.pointer.is_empty() || fault.pointer.starts_with('/'))
        ),
        Ok(submission) => {
            assert!(!submission.figures.is_empty());
            assert!(
                submission
                    .figures
                    .iter()
                    .all(|figure| figure.month <= month && units.exists(figure.unit, figure.month))
            );
            let different: HashSet<_> = submission
                .figures
                .iter()
                .map(|figure| (figure.measure, figure.unit, figure.month))
                .collect();
            assert_eq!(different.len(), submission.figures.len());
        }
    }
});
