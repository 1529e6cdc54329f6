//! Limits the lines of the log about refusals, so that a flood of requests cannot fill the disk.

use std::time::{Duration, Instant};

use crate::sync::Mutex;

/// Maximum number of lines per second about refused requests; of further ones only the count is
/// logged.
pub const LINES: u32 = 20;
/// The window of that limit.
const WINDOW: Duration = Duration::from_secs(1);

/// The number of written and omitted lines.
#[derive(Default)]
pub struct LogLineLimiter {
    window: Mutex<LineWindow>,
}

#[derive(Default)]
struct LineWindow {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl LogLineLimiter {
    /// Whether a line may be written. The first call in a window logs the number of lines omitted
    /// before it.
    pub fn may_write(&self) -> bool {
        let (may, left_out) = self.at(Instant::now());
        if left_out > 0 {
            tracing::warn!(
                left_out,
                "lines about refused requests were omitted; egov_kpi_refused_total counts all \
                 refusals"
            );
        }
        may
    }

    fn at(&self, now: Instant) -> (bool, u64) {
        let mut window = self.window.lock();
        let mut left_out = 0;
        if window.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            left_out = window.left_out;
            *window = LineWindow { since: Some(now), ..LineWindow::default() };
        }
        let may = window.written < LINES;
        if may {
            window.written += 1;
        } else {
            window.left_out += 1;
        }
        (may, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_limited_and_the_omitted_lines_are_counted() {
        let (lines, began) = (LogLineLimiter::default(), Instant::now());
        let written = (0..1_000).filter(|_| lines.at(began).0).count();
        assert_eq!(written, usize::try_from(LINES).unwrap());
        assert_eq!(lines.at(began + WINDOW), (true, 1_000 - u64::from(LINES)));
        assert_eq!(lines.at(began + WINDOW), (true, 0));
    }
}
