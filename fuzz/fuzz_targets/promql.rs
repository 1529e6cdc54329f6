//! Any text as a PromQL query: planned, then evaluated at a time and over a range. Its selectors
//! find no series.
#![no_main]

use std::time::{Duration, Instant};

use egov_kpi::prometheus::memory::QueryMemory;
use egov_kpi::prometheus::select::MetricSeries;
use libfuzzer_sys::fuzz_target;
use promql::{
    evaluate_instant, evaluate_range, format_query, parse_duration, parse_time, plan, selector,
};

fuzz_target!(|text: &str| {
    let _ = (parse_time(text), parse_duration(text), format_query(text));
    if let Ok(selector) = selector(text) {
        let (first, last) = selector.months(0, 1_640_000_000_000);
        assert!(first <= last);
    }
    let Ok(plan) = plan(text) else { return };
    let series = vec![Vec::<MetricSeries>::new(); plan.selectors.len()];
    let until = Instant::now() + Duration::from_secs(10);
    let Ok(mut memory) = QueryMemory::unlimited() else { return };
    let _ = evaluate_instant(&plan, &series, 1_634_688_000_000, until, &mut memory);
    let _ = evaluate_range(
        &plan,
        &series,
        (1_630_000_000_000, 1_640_000_000_000, 86_400_000),
        until,
        &mut memory,
    );
});
