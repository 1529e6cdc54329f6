//! The order of the rows of a form by the numbers that they show, to notice rows with equal labels
//! ("Trực tuyến" below two totals) that were exchanged without their hidden codes.

use kpi::measure::Measure;

/// The measures of the codes, in the order of the row numbers that are shown beside them.
#[derive(Default)]
pub(super) struct FormOrder(Vec<(u32, Measure)>);

impl FormOrder {
    /// The order of rows with a number and a code; none if a row has no number, or two have the
    /// same.
    pub(super) fn new(mut rows: Vec<(Option<u32>, Measure)>) -> Self {
        rows.sort();
        let numbered = rows.iter().all(|(number, _)| number.is_some());
        let once = rows.windows(2).all(|pair| matches!(pair, [one, next] if one.0 != next.0));
        if !numbered || !once {
            return Self::default();
        }
        Self(rows.into_iter().filter_map(|(number, measure)| Some((number?, measure))).collect())
    }

    /// Whether the row with a number is below the row of the closest total of a measure. The form
    /// writes the parts of a total directly below it.
    pub(super) fn is_below_its_total(&self, number: Option<u32>, measure: &Measure) -> bool {
        let Some(number) = number.filter(|_| !self.0.is_empty()) else { return true };
        let totals = self.0.iter().filter(|(_, other)| is_total_of(other, measure));
        let closest = totals.map(|(_, total)| total.members.len()).max();
        let mut passed: Vec<&Measure> = Vec::new();
        let above = self.0.iter().rev().filter(|(other, _)| *other < number);
        for (_, other) in above {
            if is_total_of(other, measure) {
                return Some(other.members.len()) == closest
                    && passed.iter().all(|passed| is_total_of(other, passed));
            }
            if other.code != measure.code {
                return false;
            }
            passed.push(other);
        }
        false
    }
}

/// Whether a measure is a total that the other is a part of.
fn is_total_of(total: &Measure, part: &Measure) -> bool {
    total.code == part.code
        && total.members.len() < part.members.len()
        && total.members.iter().all(|(of, member)| part.members.get(of) == Some(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_below_their_total() {
        let measure = |text: &str| Measure::parse(text).unwrap();
        let order = |rows: &[(u32, &str)]| {
            FormOrder::new(rows.iter().map(|(n, text)| (Some(*n), measure(text))).collect())
        };
        let rows = [
            (1, "a.x"),
            (2, "a.x{c=on}"),
            (3, "a.x{c=on,l=3}"),
            (4, "a.x{c=off}"),
            (5, "a.x{c=off,l=3}"),
            (6, "a.y"),
            (7, "a.y{c=on}"),
        ];
        let sound = order(&rows);
        for (number, text) in rows.iter().filter(|(_, text)| text.contains('{')) {
            assert!(sound.is_below_its_total(Some(*number), &measure(text)), "{text}");
        }
        // Exchanged without their codes, across indicators and within one.
        for (one, other) in [(2, 7), (3, 5)] {
            let exchanged: Vec<(u32, &str)> = rows
                .iter()
                .map(|(n, text)| match *n {
                    n if n == one => (other, *text),
                    n if n == other => (one, *text),
                    n => (n, *text),
                })
                .collect();
            let order = order(&exchanged);
            for (number, text) in exchanged.iter().filter(|(n, _)| [one, other].contains(n)) {
                assert!(!order.is_below_its_total(Some(*number), &measure(text)), "{text}");
            }
        }
        assert!(FormOrder::default().is_below_its_total(Some(3), &measure("a.x{c=on}")));
    }
}
