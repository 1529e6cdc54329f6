//! How many lines of the log refusals may write: whoever floods the service must not fill its disk.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Most lines a second about requests that were refused; of the others only the number is told.
pub const LINES: u32 = 20;
/// The time that they count in.
const WINDOW: Duration = Duration::from_secs(1);

/// Lines that were written, and those that were not.
#[derive(Default)]
pub struct Lines {
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Lines {
    /// Whether a line may be written; with the first one of a second goes how many could not be before.
    pub fn may_write(&self) -> bool {
        let (may, left_out) = self.at(Instant::now());
        if left_out > 0 {
            tracing::warn!(
                left_out,
                "more requests were refused than lines are written; egov_kpi_refused_total counts them all"
            );
        }
        may
    }

    fn at(&self, now: Instant) -> (bool, u64) {
        let mut window = self.window.lock();
        let mut left_out = 0;
        if window.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            left_out = window.left_out;
            *window = Window { since: Some(now), ..Window::default() };
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
    fn a_flood_writes_so_many_lines_a_second_and_then_how_many_it_did_not() {
        let (lines, began) = (Lines::default(), Instant::now());
        let written = (0..1_000).filter(|_| lines.at(began).0).count();
        assert_eq!(written, usize::try_from(LINES).unwrap());
        assert_eq!(lines.at(began + WINDOW), (true, 1_000 - u64::from(LINES)));
        assert_eq!(lines.at(began + WINDOW), (true, 0));
    }
}
