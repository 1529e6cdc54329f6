//! The measures of a query for trends: named ones, every measure of the catalogue, and every member
//! of a split (`docs/specification.md#every-measure-and-every-member`).

use std::collections::HashSet;

use crate::app::state::State;
use crate::error::Error;
use kpi::fault::Fault;
use kpi::measure::{Measure, Members};

use super::series::{MAX_NAMED, too_many_named};

/// The text that stands for every measure, or for every member of a dimension.
const EVERY: &str = "*";
/// Most measures that `*` may stand for in a query.
pub const MAX_CHOSEN: usize = 20_000;

/// The measures that a query chooses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeasureChoice {
    /// The measures as they are named: the code and each member may be `*`.
    pub named: Vec<Measure>,
    /// Members that are added to each of them, if it names no member of the dimension.
    pub dimensions: Members,
}

impl MeasureChoice {
    /// The chosen measures, in the order in which they are named; those of `*` in catalogue order.
    ///
    /// # Errors
    /// [`Error::Invalid`] for too many measures, and for members that no measure has. Measures that
    /// are not declared are left for the query to report.
    pub fn measures(&self, state: &State) -> Result<Vec<Measure>, Error> {
        let Self { named, dimensions } = self;
        if named.len() > MAX_NAMED {
            return Err(Error::Invalid(vec![too_many_named()]));
        }
        let (mut chosen, mut is_choice) = (Vec::new(), false);
        for measure in named {
            let added = dimensions.iter().filter(|(of, _)| measure.members.get(of).is_none());
            let members =
                added.fold(measure.members.clone(), |all, (of, member)| all.with(of, member));
            let pattern = Measure { code: measure.code.clone(), members };
            let found = choose(state, &pattern);
            if found.is_empty() {
                let detail = format!("no measure has the members {}", pattern.members);
                return Err(Error::Invalid(vec![Fault::new("/measure", "unknown_member", detail)]));
            }
            is_choice |= found.as_slice() != [pattern];
            chosen.extend(found);
            if chosen.len() > MAX_CHOSEN {
                let detail =
                    format!("the query stands for more than {MAX_CHOSEN} measures; name fewer");
                return Err(Error::Invalid(vec![Fault::new("/measure", "too_many", detail)]));
            }
        }
        if is_choice {
            let mut known = HashSet::new();
            chosen.retain(|measure| known.insert(measure.clone()));
        }
        Ok(chosen)
    }
}

impl MeasureChoice {
    /// As [`MeasureChoice::measures`], all of them declared.
    ///
    /// # Errors
    /// [`Error::Invalid`] also for measures that are not declared.
    pub fn declared(&self, state: &State) -> Result<Vec<Measure>, Error> {
        let measures = self.measures(state)?;
        let faults: Vec<Fault> =
            measures.iter().flat_map(|measure| state.measure_faults(measure)).collect();
        if faults.is_empty() { Ok(measures) } else { Err(Error::Invalid(faults)) }
    }
}

/// The declared measures that a pattern stands for. A measure with a code that names no declared
/// measure is returned as it is.
fn choose(state: &State, pattern: &Measure) -> Vec<Measure> {
    let catalogue = &state.catalogue;
    if pattern.code == EVERY {
        let indicators = catalogue.indicators.iter().map(|indicator| &indicator.code);
        let codes = indicators.chain(catalogue.kpis.iter().map(|kpi| &kpi.code));
        return codes.flat_map(|code| declared(state, code, &pattern.members)).collect();
    }
    if pattern.members.iter().all(|(_, member)| member != EVERY) {
        return vec![pattern.clone()];
    }
    let found = declared(state, &pattern.code, &pattern.members);
    if found.is_empty() { vec![pattern.clone()] } else { found }
}

/// The declared measures of a code with these members, in catalogue order. A member `*` stands for
/// every member of its dimension.
fn declared(state: &State, code: &str, members: &Members) -> Vec<Measure> {
    let catalogue = &state.catalogue;
    let known: Vec<(&str, &[String])> = match (catalogue.indicator(code), catalogue.kpi(code)) {
        (Some(indicator), _) => {
            let dimensions = indicator.dimensions.iter();
            dimensions.map(|of| (of.code.as_str(), of.members.as_slice())).collect()
        }
        (None, Some(kpi)) => {
            kpi.dimensions.iter().map(|(of, members)| (of.as_str(), members.as_slice())).collect()
        }
        (None, None) => Vec::new(),
    };
    let mut found = vec![members.clone()];
    for (dimension, all) in known.iter().filter(|(of, _)| members.get(of) == Some(EVERY)) {
        let each = |members: &Members| -> Vec<Members> {
            all.iter().map(|member| members.with(dimension, member)).collect()
        };
        found = found.iter().flat_map(each).take(MAX_CHOSEN + 1).collect();
    }
    let measures = found.into_iter().map(|members| Measure { code: code.to_owned(), members });
    measures.filter(|measure| catalogue.measure_faults(measure).is_empty()).collect()
}
