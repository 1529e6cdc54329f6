//! Figures that stay the same for a long time, and stocks that their flows do not explain. Such a
//! figure may be right; it deserves a check. [`crate::outlier`] finds figures far from the history
//! of their unit.

/// The number of months for which a flow or average, and for which a stock, must have the same
/// value to be listed. Stocks often stay the same.
pub const SAME: (usize, usize) = (6, 12);
/// The smallest repeated figure that is listed, because smaller ones repeat by chance.
pub const LEAST_SAME: i64 = 10;
/// Where the closing flow is not reported: a stock that lost more than one tenth (1 / `LOST`) is
/// listed.
const LOST: i64 = 10;

/// A stock and the flows that changed it in a month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StockMovement {
    /// The stock of the month before, if it is known.
    pub before: Option<i64>,
    /// The opening flow of the month.
    pub opened: i64,
    /// The closing flow of the month, if it is reported.
    pub closed: Option<i64>,
    /// The stock of the month.
    pub now: i64,
}

impl StockMovement {
    /// The stock of the month before that follows from this month:
    /// `total[t-1] = total[t] - created + closed`. Where the closing flow is not reported, this is
    /// the least possible stock. `None` when it is below zero.
    #[must_use]
    pub fn opening(&self) -> Option<i64> {
        Some(self.now - self.opened + self.closed.unwrap_or(0)).filter(|opening| *opening >= 0)
    }

    /// The stock that the flows lead to, if the reported stock differs. Where the closing flow is
    /// not reported, a loss of up to a tenth of the stock is taken as closed and not listed.
    #[must_use]
    pub fn unexplained(&self) -> Option<i64> {
        let before = self.before?;
        let expected = before + self.opened - self.closed.unwrap_or(0);
        let lost = expected - self.now;
        let explained = if self.closed.is_none() {
            lost >= 0 && lost.saturating_mul(LOST) <= before
        } else {
            lost == 0
        };
        (!explained).then_some(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opening_level_follows_from_a_stock_and_its_flows() {
        let movement = |opened, closed, now| StockMovement { before: None, opened, closed, now };
        // October 2021: 92 accounts created, 7,401 in all; 9 mailboxes created, 7,729 in all.
        assert_eq!(movement(92, None, 7_401).opening(), Some(7_309));
        assert_eq!(movement(9, None, 7_729).opening(), Some(7_720));
        assert_eq!(movement(92, Some(10), 7_401).opening(), Some(7_319));
        assert_eq!(movement(92, None, 50).opening(), None);
    }

    #[test]
    fn a_jump_is_a_level_that_the_flows_do_not_explain() {
        let movement = |before, opened, closed, now| {
            StockMovement { before: Some(before), opened, closed, now }.unexplained()
        };
        assert_eq!(movement(100, 5, Some(2), 103), None);
        assert_eq!(movement(100, 5, Some(2), 104), Some(103));
        assert_eq!(
            movement(100, 5, None, 106),
            Some(105),
            "the stock grew by more than were created"
        );
        assert_eq!(
            movement(100, 5, None, 95),
            None,
            "a loss of ten, a tenth, may have been closed"
        );
        assert_eq!(movement(100, 5, None, 94), Some(105), "a loss of eleven is more than a tenth");
        assert_eq!(
            StockMovement { before: None, opened: 5, closed: None, now: 7 }.unexplained(),
            None
        );
    }
}
