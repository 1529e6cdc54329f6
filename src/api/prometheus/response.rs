//! Responses in the form of the Prometheus HTTP API.

use serde::Serialize;
use serde::ser::SerializeSeq;
use serde_json::value::RawValue;

use crate::api::limits::unsent::ResponsePieces;
use crate::prometheus::memory::QueryMemory;
use promql::labels::LabelSet;
use promql::{MAX_ANSWER_BYTES, QueryError, QueryOutput, format_seconds, format_value};

/// A writer with a limit of bytes.
struct LimitedWriter<'a> {
    pieces: &'a mut ResponsePieces,
    left: usize,
}

impl std::io::Write for LimitedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.pieces.write(bytes)?;
        self.left = self.left.checked_sub(written).ok_or(std::io::ErrorKind::FileTooLarge)?;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A complete JSON response.
pub(super) type ApiResult = Result<ResponsePieces, QueryError>;

/// The warning of a list that `limit` has cut.
const TRUNCATED: &str = "results truncated due to limit";

/// A successful response.
pub(super) fn success(memory: QueryMemory, data: &impl Serialize) -> ApiResult {
    success_with(memory, data, &[])
}

/// A successful response with a list, of which at most `limit` entries are shown.
pub(super) fn limited<T: Serialize>(
    memory: QueryMemory,
    limit: usize,
    list: impl IntoIterator<Item = T>,
) -> ApiResult {
    let mut list = list.into_iter();
    let shown: Vec<T> = list.by_ref().take(limit).collect();
    let warnings: &[&str] = if list.next().is_some() { &[TRUNCATED] } else { &[] };
    success_with(memory, &shown, warnings)
}

/// A successful response with warnings.
pub(super) fn success_with(
    memory: QueryMemory,
    data: &impl Serialize,
    warnings: &[&str],
) -> ApiResult {
    #[derive(Serialize)]
    struct SuccessBody<'a, T> {
        status: &'static str,
        data: &'a T,
        #[serde(skip_serializing_if = "<[&str]>::is_empty")]
        warnings: &'a [&'a str],
    }
    let mut pieces = ResponsePieces::new(memory.into_permit());
    let written = serde_json::to_writer(
        LimitedWriter { pieces: &mut pieces, left: MAX_ANSWER_BYTES },
        &SuccessBody { status: "success", data, warnings },
    );
    match written {
        Ok(()) => Ok(pieces),
        Err(_short) if pieces.is_exhausted() => Err(QueryError::memory()),
        Err(error) if error.io_error_kind() == Some(std::io::ErrorKind::FileTooLarge) => {
            Err(QueryError::too_much(format!(
                "the response would be longer than {MAX_ANSWER_BYTES} bytes: query fewer series, \
                 or use a longer step"
            )))
        }
        Err(error) => Err(QueryError::execution(error.to_string())),
    }
}

/// The result of a query.
#[derive(Serialize)]
struct QueryData<T> {
    #[serde(rename = "resultType")]
    kind: &'static str,
    result: T,
}

/// A timestamp and a value: `[1633046400, "78.9"]`.
struct SamplePoint(i64, f64);

/// A timestamp in milliseconds, written in seconds.
struct UnixSeconds(i64);

impl Serialize for UnixSeconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1000 == 0 {
            return serializer.serialize_i64(self.0 / 1000);
        }
        RawValue::from_string(format_seconds(self.0))
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl Serialize for SamplePoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (UnixSeconds(self.0), format_value(self.1)).serialize(serializer)
    }
}

#[derive(Serialize)]
struct InstantSeries<'a> {
    metric: &'a LabelSet,
    value: SamplePoint,
}

#[derive(Serialize)]
struct RangeSeries<'a> {
    metric: &'a LabelSet,
    #[serde(serialize_with = "points")]
    values: &'a [(i64, f64)],
}

/// A value holds for its month, so the points of a range repeat it: its text is made once.
fn points<S: serde::Serializer>(values: &[(i64, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(values.len()))?;
    let mut last: Option<(u64, String)> = None;
    for (time, value) in values {
        let bits = value.to_bits();
        let text = match last.take().filter(|(before, _)| *before == bits) {
            Some((_, text)) => text,
            None => format_value(*value),
        };
        list.serialize_element(&(UnixSeconds(*time), &text))?;
        last = Some((bits, text));
    }
    list.end()
}

/// The result of a query.
pub(super) fn written(memory: QueryMemory, answer: &QueryOutput) -> ApiResult {
    match answer {
        QueryOutput::Scalar(time, value) => {
            success(memory, &QueryData { kind: "scalar", result: SamplePoint(*time, *value) })
        }
        QueryOutput::Text(time, text) => {
            success(memory, &QueryData { kind: "string", result: (UnixSeconds(*time), text) })
        }
        QueryOutput::Vector(time, samples) => {
            let vector: Vec<InstantSeries<'_>> = samples
                .iter()
                .map(|sample| InstantSeries {
                    metric: &sample.labels,
                    value: SamplePoint(*time, sample.value),
                })
                .collect();
            success(memory, &QueryData { kind: "vector", result: vector })
        }
        QueryOutput::Matrix(series) => {
            let matrix: Vec<RangeSeries<'_>> = series
                .iter()
                .map(|(labels, values)| RangeSeries { metric: labels, values })
                .collect();
            success(memory, &QueryData { kind: "matrix", result: matrix })
        }
    }
}
