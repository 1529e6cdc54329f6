//! Any text as the formula of a kpi, the comparison of a rule, and a measure: a parsed text is
//! written and parsed again, and is then equal.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use kpi::formula::{Expression, RuleCondition};
use kpi::measure::Measure;
use libfuzzer_sys::fuzz_target;

/// Most bytes and open parentheses of a formula. A formula that is written gets further parentheses
/// and may exceed them.
const BOUNDS: (usize, usize) = (4_000, 32);

fn there_and_back<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Debug,
{
    let Ok(read) = text.parse::<T>() else { return };
    let written = read.to_string();
    match written.parse::<T>() {
        Ok(again) => assert_eq!(again, read, "{text:?} is written {written:?}"),
        Err(error) => assert!(
            written.len() > BOUNDS.0 || written.matches('(').count() > BOUNDS.1,
            "{text:?} is written {written:?}: {error:?}"
        ),
    }
}

fuzz_target!(|text: &str| {
    there_and_back::<Expression>(text);
    there_and_back::<RuleCondition>(text);
    if let Ok(measure) = Measure::parse(text) {
        assert_eq!(Measure::parse(&measure.to_string()), Ok(measure));
    }
});
