//! Ranks of units by one measure (docs/specification.md#ranking).

use super::catalogue::Direction;
use super::number::rounded;

/// The rank of each value, the best first by the direction; with neutral the largest first. Values
/// that are equal when rounded share a rank, and the next rank counts them all: 1, 1, 3. A missing
/// value has no rank.
#[must_use]
pub fn places(direction: Direction, values: &[Option<f64>]) -> Vec<Option<usize>> {
    let shown =
        values.iter().enumerate().filter_map(|(n, value)| Some((n, value.and_then(rounded)?)));
    let mut order: Vec<(usize, f64)> = shown.collect();
    order.sort_by(|(_, one), (_, other)| match direction {
        Direction::Lower => one.total_cmp(other),
        Direction::Higher | Direction::Neutral => other.total_cmp(one),
    });
    let mut found = vec![None; values.len()];
    let mut last: Option<(f64, usize)> = None;
    for (place, (n, value)) in (1..).zip(order) {
        let place = last
            .filter(|(before, _)| before.total_cmp(&value).is_eq())
            .map_or(place, |(_, shared)| shared);
        last = Some((value, place));
        found.get_mut(n).into_iter().for_each(|slot| *slot = Some(place));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_value_ranks_first_and_equal_values_share_a_rank() {
        let values = [Some(80.0), None, Some(90.0), Some(90.0), Some(70.0)];
        assert_eq!(places(Direction::Higher, &values), [Some(3), None, Some(1), Some(1), Some(4)]);
        assert_eq!(places(Direction::Neutral, &values), places(Direction::Higher, &values));
        assert_eq!(places(Direction::Lower, &values), [Some(2), None, Some(3), Some(3), Some(1)]);
    }

    #[test]
    fn values_that_round_to_the_same_number_rank_equally() {
        assert_eq!(
            places(Direction::Higher, &[Some(1.000_000_1), Some(1.0), Some(0.0), Some(-0.0)]),
            [Some(1), Some(1), Some(3), Some(3)]
        );
    }
}
