//! Kept roll-ups give what the plain walk over the units gives: over random forests with their
//! mergers, after any changes of figures, and for readers of an earlier state.

use kpi::change::{MeasureSeries, PeriodPoint};
use kpi::cube::{Cube, CubeView, MeasureId, RevisionStamp};
use kpi::geography::Geography;
use kpi::measure::Measure;
use kpi::number::{Decimal64, Statement};
use kpi::period::{Period, Step};
use kpi::program::Program;
use kpi::roll_up::RollUps;
use kpi::unit::UnitPosition;
use kpi::value::ValueSource;
use proptest::prelude::*;

use crate::case::{self, Case, Dice, Figure};
use crate::model::{self, World};

/// Figures with the roll-ups that are kept of them, as the service holds them.
#[derive(Clone)]
struct Kept {
    cube: Cube,
    roll_ups: RollUps,
}

impl Kept {
    fn of(case: &Case) -> Self {
        let mut roll_ups = RollUps::default();
        roll_ups.extend_to(case.measures.len());
        Self { cube: case.cube.clone(), roll_ups }
    }

    /// Sets or clears a figure as the writer does.
    fn put(&mut self, case: &mut Case, figure: &Figure, revision: u32) {
        let entry = case.entry(figure);
        self.roll_ups.forget(&case.units, (entry.measure, entry.unit, entry.month));
        self.cube.set(&entry, RevisionStamp::new(revision));
    }

    /// Compares all points of a measure at a unit with those of the plain walk.
    fn check(
        &self,
        case: &Case,
        measure: &Measure,
        unit: UnitPosition,
        geography: Geography,
        step: Step,
    ) -> Result<(), TestCaseError> {
        let view = CubeView { measures: &case.measures, cube: &self.cube, overlay: None };
        let plain = ValueSource::new(&case.units, view).with_geography(geography);
        let program = Program::of_measure(&case.catalogue, &view, measure).unwrap();
        let points = |source: ValueSource<'_>| -> Vec<PeriodPoint> {
            let from = Period::containing(step, case::month(model::FIRST));
            let to = Period::containing(step, case::month(model::LAST)).next();
            let series = MeasureSeries::new(source, &program, unit, from, to);
            std::iter::successors(Some(from), |period| Some(period.next()))
                .take_while(|period| *period <= to)
                .map(|period| series.point(period))
                .collect()
        };
        prop_assert_eq!(
            points(plain.with_roll_ups(&self.roll_ups)),
            points(plain),
            "{} of {}",
            measure,
            case.units.code(unit)
        );
        Ok(())
    }
}

fn world_of(kind: usize, seed: u64) -> (World, Case) {
    let world = match kind {
        0 => model::random_world(seed),
        1 => model::random_world_of_today(seed),
        _ => model::random_world_of_merges(seed),
    };
    let mut found = Case::of(case::catalogue(&case::catalogue_of(&world)), case::units_of(&world));
    case::figures_of(&world).iter().for_each(|figure| found.put(figure));
    (world, found)
}

fn measures_of(case: &Case) -> Vec<Measure> {
    let indicators = case.measures.iter().flat_map(|(_, measure)| {
        let members = measure.members.subsets().into_iter();
        members.map(|members| Measure { code: measure.code.clone(), members }).collect::<Vec<_>>()
    });
    let kpis = case.catalogue.kpis.iter().map(|kpi| Measure::parse(&kpi.code).unwrap());
    indicators.chain(kpis).collect()
}

proptest! {
    #![proptest_config(case::random_worlds(3))]

    #[test]
    fn kept_roll_ups_give_what_the_plain_walk_gives(
        (kind, seed) in (0_usize..3, any::<u64>()),
        step in 0_usize..5,
    ) {
        let (world, case) = world_of(kind, seed);
        let kept = Kept::of(&case);
        let geography = world.today.map_or(Geography::AsReported, |today| {
            Geography::Current(case::month(today).last_day())
        });
        for measure in measures_of(&case) {
            for unit in case.units.all() {
                // The first question makes the sums, the second one finds them.
                for step in [Step::Month, Step::ALL[step]] {
                    kept.check(&case, &measure, unit, geography, step)?;
                }
            }
        }
    }

    #[test]
    fn a_change_of_figures_reaches_the_new_state_and_no_earlier_one(
        (kind, seed) in (0_usize..3, any::<u64>()),
    ) {
        let (world, mut case) = world_of(kind, seed);
        let (figures, mut dice) = (case::figures_of(&world), Dice(seed));
        prop_assume!(!figures.is_empty());
        let mut states = vec![Kept::of(&case)];
        let measures = measures_of(&case);
        for revision in 2..40 {
            let mut next = states.last().unwrap().clone();
            for _ in 0..=dice.below(3) {
                let mut figure = figures[dice.below(figures.len())].clone();
                if dice.below(4) == 0 {
                    // Also where there has been none, above leaves, and in years without figures.
                    let unit = UnitPosition::new(dice.below(case.units.len()));
                    figure.1 = case.units.code(unit).to_owned();
                    let later = i32::try_from(dice.below(30)).unwrap() - 12;
                    figure.2 = figure.2.plus(later);
                }
                let decimals = case.catalogue.indicator(&figure.0.code).unwrap().decimals;
                let mantissa = i64::try_from(dice.below(1_000)).unwrap();
                let number = Statement::Number(Decimal64 { mantissa, scale: decimals });
                figure.3 = (dice.below(3) > 0).then_some(number);
                next.put(&mut case, &figure, revision);
            }
            states.push(next);
            // Readers of any state ask at any time, and the sums that one makes may serve others.
            for _ in 0..6 {
                let state = &states[states.len() - 1 - dice.below(states.len().min(4))];
                let measure = &measures[dice.below(measures.len())];
                let unit = UnitPosition::new(dice.below(case.units.len()));
                state.check(&case, measure, unit, Geography::AsReported, Step::Month)?;
            }
        }
        let last = states.last().unwrap();
        for measure in &measures {
            for unit in case.units.all() {
                last.check(&case, measure, unit, Geography::AsReported, Step::Month)?;
            }
        }
    }
}

#[test]
fn kept_roll_ups_release_their_memory() {
    let (_, case) = world_of(0, 7);
    let kept = Kept::of(&case);
    for measure in measures_of(&case) {
        for unit in case.units.all() {
            kept.check(&case, &measure, unit, Geography::AsReported, Step::Month).unwrap();
        }
    }
    let taken = kept.roll_ups.bytes();
    assert!(taken > 0, "a unit with units below it has kept sums");
    let mut later = kept.roll_ups.clone();
    let all = (0..case.measures.len()).map(MeasureId::new);
    all.for_each(|measure| later.forget_measure(measure));
    assert_eq!(later.bytes(), taken, "the earlier state still holds them");
    drop(kept);
    assert_eq!(later.bytes(), 0);
}
