//! Names of measures in Prometheus. A name has the characters `a-z A-Z 0-9 _`, and some endings are
//! reserved for other kinds of metrics.

/// Prefix of every metric.
pub const PREFIX: &str = "egov_";

/// Prefix of the metrics about the service itself.
pub const HEALTH: &str = "egov_kpi_";

/// Endings that Prometheus and OpenMetrics reserve for counters, histograms, summaries and similar
/// metrics. Tools refuse or misread a gauge with such an ending.
const RESERVED_SUFFIXES: [&str; 6] = ["_total", "_count", "_sum", "_bucket", "_info", "_created"];

/// A number that is derived from a measure. Its metric has the measure's name and a suffix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DerivedMetric {
    /// Change from the month before.
    MomDelta,
    /// The same in percent.
    MomPercent,
    /// Change from the month before over the leaves covered in both months.
    MomLikeForLikeDelta,
    /// The same in percent.
    MomLikeForLikePercent,
    /// Change from the same month one year before.
    YoyDelta,
    /// The same in percent.
    YoyPercent,
    /// The value of the same month of the year before.
    YearBefore,
    /// January up to the end of the month.
    YearToDate,
    /// Change of the year to date from that of the year before, in percent.
    YearToDatePercent,
    /// The value over the last twelve months.
    RollingYear,
    /// The target in force.
    Target,
    /// How much of the target is reached, in percent: from 100 on it is met, whether a higher or a
    /// lower value is better.
    Attainment,
    /// The rate that a report states, beside the computed one.
    Stated,
    /// Share of the leaves covered, 0 to 1.
    Coverage,
    /// The newest value, at most three months old.
    Latest,
    /// Beginning of the month of the newest value.
    LatestPeriod,
    /// The attainment of the newest value.
    AttainmentLatest,
    /// How much worse the newest value is than that of the month before.
    DeclineLatest,
}

impl DerivedMetric {
    /// All derived numbers.
    pub const ALL: [Self; 18] = [
        Self::MomDelta,
        Self::MomPercent,
        Self::MomLikeForLikeDelta,
        Self::MomLikeForLikePercent,
        Self::YoyDelta,
        Self::YoyPercent,
        Self::YearBefore,
        Self::YearToDate,
        Self::YearToDatePercent,
        Self::RollingYear,
        Self::Target,
        Self::Attainment,
        Self::Stated,
        Self::Coverage,
        Self::Latest,
        Self::LatestPeriod,
        Self::AttainmentLatest,
        Self::DeclineLatest,
    ];

    /// The suffix of the metric's name.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::MomDelta => "_mom_delta",
            Self::MomPercent => "_mom_percent",
            Self::MomLikeForLikeDelta => "_mom_like_for_like_delta",
            Self::MomLikeForLikePercent => "_mom_like_for_like_percent",
            Self::YoyDelta => "_yoy_delta",
            Self::YoyPercent => "_yoy_percent",
            Self::YearBefore => "_year_before",
            Self::YearToDate => "_ytd",
            Self::YearToDatePercent => "_year_to_date_percent",
            Self::RollingYear => "_rolling12",
            Self::Target => "_target",
            Self::Attainment => "_attainment",
            Self::Stated => "_stated",
            Self::Coverage => "_coverage",
            Self::Latest => "_latest",
            Self::LatestPeriod => "_latest_period_timestamp_seconds",
            Self::AttainmentLatest => "_attainment_latest",
            Self::DeclineLatest => "_decline_latest",
        }
    }
}

/// Metrics that do not belong to a measure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ServiceLevelMetric {
    /// Figures reported in percent of those expected.
    Completeness,
    /// Units with a late or missing report.
    LateUnits,
    /// Current findings.
    Findings,
}

impl ServiceLevelMetric {
    /// All of these metrics.
    pub const ALL: [Self; 3] = [Self::Completeness, Self::LateUnits, Self::Findings];

    /// The name of the metric.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completeness => "egov_completeness_percent",
            Self::LateUnits => "egov_late_units",
            Self::Findings => "egov_findings",
        }
    }
}

/// Metrics about the current catalogue, the months and the units, by Prometheus' convention for
/// information: every series has the value 1, and the information is in its labels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum InfoMetric {
    /// The indicators and kpis.
    Measure,
    /// The combinations of members that split measures have.
    Split,
    /// The months that have a figure.
    Month,
    /// The units.
    Unit,
}

impl InfoMetric {
    /// All of these metrics.
    pub const ALL: [Self; 4] = [Self::Measure, Self::Split, Self::Month, Self::Unit];

    /// The name of the metric. No measure can have it, because the ending is reserved.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Measure => "egov_measure_info",
            Self::Split => "egov_split_info",
            Self::Month => "egov_month_info",
            Self::Unit => "egov_unit_info",
        }
    }
}

/// Labels that every series may have. A dimension with one of these codes gets another label.
pub const LABELS: [&str; 7] =
    ["unit", "unit_name", "unit_kind", "parent", "level", "rule", "severity"];

/// Labels of `egov_split_info` besides those of its dimensions, which get other labels likewise.
const SPLIT_LABELS: [&str; 4] = ["measure", "metric", "name", "name_en"];

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The label for a dimension.
///
/// ```
/// use kpi::metric::label_name;
/// assert_eq!(
///     ["service_level", "a-b", "2021", "level", "name"].map(label_name),
///     ["service_level", "a_b", "_2021", "dimension_level", "dimension_name"]
/// );
/// ```
#[must_use]
pub fn label_name(dimension: &str) -> String {
    let label = plain(dimension);
    match label.as_str() {
        taken if LABELS.contains(&taken) || SPLIT_LABELS.contains(&taken) => {
            format!("dimension_{label}")
        }
        digit if digit.starts_with(|c: char| c.is_ascii_digit()) => format!("_{label}"),
        _ => label,
    }
}

/// The metric for an indicator or kpi, split by dimensions in catalogue order. The total and each
/// split have different names, so that `sum()` over one metric does not count a figure twice.
///
/// ```
/// use kpi::metric::name;
/// assert_eq!(name("ioffice.documents.outgoing", &[]), "egov_ioffice_documents_outgoing");
/// // A gauge may not end in _total.
/// assert_eq!(name("ioffice.users.total", &[]), "egov_ioffice_users_total_figure");
/// assert_eq!(
///     name("igate.dossiers.received", &["channel", "service_level"]),
///     "egov_igate_dossiers_received_by_channel_service_level"
/// );
/// ```
#[must_use]
pub fn name(code: &str, dimensions: &[&str]) -> String {
    let kept = |name: String| {
        if RESERVED_SUFFIXES.iter().any(|end| name.ends_with(end)) {
            name + "_figure"
        } else {
            name
        }
    };
    let total = kept(format!("{PREFIX}{}", plain(code)));
    if dimensions.is_empty() {
        return total;
    }
    let split: Vec<String> = dimensions.iter().map(|dimension| plain(dimension)).collect();
    kept(format!("{total}_by_{}", split.join("_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_metric_suffixes_are_avoided() {
        for code in
            ["x.total", "x.count", "x.sum", "x.bucket", "x.info", "x.created", "x.grand_total"]
        {
            assert!(name(code, &[]).ends_with("_figure"), "{code}");
        }
        assert_eq!(name("x.total", &["a"]), "egov_x_total_figure_by_a");
        assert_eq!(name("x.totals", &[]), "egov_x_totals");
    }
}
