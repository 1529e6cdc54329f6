//! The samples of a series in a range.

/// The samples of one series in a range, with the edges of the range; times are in milliseconds
/// since 1970.
#[derive(Clone, Copy, Debug)]
pub struct SampleWindow<'a> {
    /// Times and values, in order of time.
    pub points: &'a [(i64, f64)],
    /// Beginning of the range.
    pub start: i64,
    /// End of the range.
    pub end: i64,
    /// The time at which the function is evaluated.
    pub time: i64,
}

impl SampleWindow<'_> {
    /// The first and the last sample; none for fewer than two.
    #[must_use]
    pub fn ends(&self) -> Option<((i64, f64), (i64, f64))> {
        let [first, .., last] = self.points else { return None };
        Some((*first, *last))
    }
}
