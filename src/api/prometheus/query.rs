//! `query`, `query_range` and `format_query`.

use super::call::ApiCall;
use super::response::{ApiResult, success, written};
use promql::{MAX_STEPS, QueryError, evaluate_instant, evaluate_range};

/// `query`: at one time.
pub(super) fn query(mut call: ApiCall) -> ApiResult {
    let (time, until) = (call.time("time")?.unwrap_or_else(|| call.now()), call.until);
    let (plan, series) = call.plan_query(time, time, until)?;
    let answer = evaluate_instant(&plan, &series, time, until, &mut call.memory)?;
    drop(series);
    written(call.memory, &answer)
}

/// `query_range`: at each step of a range.
pub(super) fn query_range(mut call: ApiCall) -> ApiResult {
    let until = call.until;
    let time = |name: &str| {
        call.time(name)?
            .ok_or_else(|| QueryError::bad(format!("invalid parameter \"{name}\": it is missing")))
    };
    let (start, end) = (time("start")?, time("end")?);
    if end < start {
        return Err(QueryError::bad(
            "invalid parameter \"end\": end timestamp must not be before start time",
        ));
    }
    let step = promql::parse_duration(call.needed("step")?)
        .map_err(|error| QueryError::bad(format!("invalid parameter \"step\": {error}")))?;
    if step <= 0 {
        return Err(QueryError::bad(
            "invalid parameter \"step\": zero or negative query resolution step widths are not \
             accepted. Try a positive integer",
        ));
    }
    if (end - start) / step > MAX_STEPS {
        return Err(QueryError::bad(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query \
             resolution (?step=XX)",
        ));
    }
    let (plan, series) = call.plan_query(start, end, until)?;
    let answer = evaluate_range(&plan, &series, (start, end, step), until, &mut call.memory)?;
    drop(series);
    written(call.memory, &answer)
}

/// `format_query`: the query with line breaks and spaces as Prometheus has them.
pub(super) fn format_query(call: ApiCall) -> ApiResult {
    let text = promql::format_query(call.needed("query")?)?;
    success(call.memory, &text)
}
