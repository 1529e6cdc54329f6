//! Any text as a kpi's formula, a rule's comparison and a measure: what is read is written and read again, and is the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use egov_kpi::domain::formula::{Check, Expression};
use egov_kpi::domain::measure::Measure;
use libfuzzer_sys::fuzz_target;

/// Most bytes and open parentheses of a formula; one that is written out may go beyond them by the parentheses that it gets.
const BOUNDS: (usize, usize) = (4_000, 32);

fn there_and_back<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Debug,
{
    let Ok(read) = text.parse::<T>() else { return };
    let written = read.to_string();
    match written.parse::<T>() {
        Ok(again) => assert_eq!(again, read, "{text:?} is written {written:?}"),
        Err(error) => assert!(written.len() > BOUNDS.0 || written.matches('(').count() > BOUNDS.1, "{text:?} is written {written:?}: {error:?}"),
    }
}

fuzz_target!(|text: &str| {
    there_and_back::<Expression>(text);
    there_and_back::<Check>(text);
    if let Ok(measure) = Measure::parse(text) {
        assert_eq!(Measure::parse(&measure.to_string()), Ok(measure));
    }
});
