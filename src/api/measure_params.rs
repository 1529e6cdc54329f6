//! The parameters `measure=` and `dimensions=`, with `*` for every measure and every member.

use utoipa::PartialSchema;
use utoipa::openapi::Required;
use utoipa::openapi::path::Parameter;

use super::query::{QueryField, QueryReader, parameter};
use crate::app::read::measure_choice::MeasureChoice;
use kpi::fault::quoted;
use kpi::measure::{Measure, Members};

/// The requested measures, at least one.
impl QueryField for MeasureChoice {
    fn read(reader: &mut QueryReader<'_>, _group: &'static str) -> Option<Self> {
        let texts = reader.many(MEASURE);
        if texts.is_empty() {
            reader.fault(MEASURE, "missing", "name at least one measure");
        }
        let mut named = Vec::new();
        for text in texts {
            match Measure::parse(&text) {
                Ok(measure) => named.push(measure),
                Err(detail) => reader.fault(MEASURE, "malformed", detail),
            }
        }
        let dimensions = reader.text(DIMENSIONS).map(|text| parse_dimensions(&text));
        let dimensions = match dimensions.unwrap_or_else(|| Ok(Members::none())) {
            Ok(dimensions) => dimensions,
            Err(detail) => {
                reader.fault(DIMENSIONS, "malformed", detail);
                Members::none()
            }
        };
        Some(Self { named, dimensions })
    }

    fn describe(_group: &'static str, _description: &str) -> Vec<Parameter> {
        let about = "Code of an indicator or kpi, with or without members; may be repeated. \
                     measure=* stands for every indicator and kpi, and a member * for every member \
                     of its dimension, as in igate.dossiers.received{channel=*}";
        let split = "Members that are added to each measure, separated by commas: channel:* for \
                     every member of the dimension channel, channel:online for one of them. With \
                     measure=* only the measures that have these members are returned";
        vec![
            parameter(MEASURE, about, Required::True, Vec::<String>::schema()),
            parameter(DIMENSIONS, split, Required::False, String::schema()),
        ]
    }
}

/// The parameters of [`MeasureChoice`].
const MEASURE: &str = "measure";
const DIMENSIONS: &str = "dimensions";

/// Members as `dimensions=` has them: `channel:*,service_level:4`.
fn parse_dimensions(text: &str) -> Result<Members, String> {
    let pairs = text.split(',').map(|pair| match pair.split_once(':') {
        Some((dimension, member)) if !dimension.trim().is_empty() && !member.trim().is_empty() => {
            Ok((dimension.trim().to_owned(), member.trim().to_owned()))
        }
        _ => Err(format!("{} is not of the form dimension:member", quoted(pair))),
    });
    Members::new(pairs.collect::<Result<_, _>>()?)
        .map_err(|twice| format!("dimension {} is named twice", quoted(&twice)))
}
