//! Queries at the size of a country: 63 provinces of 180 units, 20 indicators, 60 months. That is
//! 13.6 million figures in a cube in memory, without a ledger. `cargo bench -p country-bench`
//!
//! Every iteration queries another unit or province, so that the data is not yet in the processor's
//! caches. Without `--bench` (`cargo test --benches`) everything runs once, with little data.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use egov_kpi::app::write::catalogue;
use egov_kpi::clock::Clock;
use egov_kpi::generate::{self, DatasetSize};
use egov_kpi::intake::csv::{CsvRows, RowOutcome};
use indicatif::{HumanBytes, HumanCount};
use kpi::catalogue::Catalogue;
use kpi::change::{MeasureSeries, PeriodPoint};
use kpi::cube::{Cube, CubeEntry, CubeView, MeasureDictionary, MeasureId, RevisionStamp};
use kpi::measure::Measure;
use kpi::observation::{MAX_OBSERVATIONS, ObservationIndex, ObservationParser};
use kpi::period::Period;
use kpi::program::Program;
use kpi::unit::{UnitForest, UnitPosition};
use kpi::value::ValueSource;

/// The same allocator as in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A rate of two flows, one flow, and the months that the generator fills.
const RATE: &str = "ioffice.documents.signed_rate";
const FLOW: &str = "ioffice.documents.outgoing";
const MONTHS: [&str; 2] = ["2021-01", "2025-12"];

/// The data that responses are computed from.
struct Country {
    catalogue: Catalogue,
    units: UnitForest,
    measures: MeasureDictionary,
    cube: Cube,
}

impl Country {
    /// Generates figures on one thread and imports them on another.
    fn load(size: DatasetSize) -> Self {
        let catalogue = Catalogue::new(catalogue::shipped().unwrap()).unwrap();
        let units = UnitForest::numbered(generate::units(size)).unwrap();
        let mut country = Self {
            catalogue,
            units,
            measures: MeasureDictionary::default(),
            cube: Cube::default(),
        };
        let (figures, mut generated) = std::io::pipe().unwrap();
        let generator =
            std::thread::spawn(move || generate::write_csv(size, 1, &mut generated).unwrap());
        let mut rows = CsvRows::open(figures, &country.catalogue).unwrap();
        while country.take_in(&mut rows) {}
        generator.join().unwrap();
        assert_eq!(country.cube.len(), usize::try_from(size.rows()).unwrap());
        country
    }

    /// Imports the next part; returns false after the last one.
    fn take_in(&mut self, rows: &mut CsvRows<std::io::PipeReader>) -> bool {
        let mut parser =
            ObservationParser::new(&self.catalogue, &self.units, Clock::default().this_month());
        let taken = (0..MAX_OBSERVATIONS)
            .map(ObservationIndex::new)
            .take_while(|index| rows.next(*index, &mut parser) != RowOutcome::End)
            .count();
        if taken == 0 {
            return false;
        }
        let submission = parser.finish().unwrap();
        let (measures, cube) = (&mut self.measures, &mut self.cube);
        let mut declared = |measure: &Measure, decimals| {
            let id = measures.intern(measure);
            assert!(cube.set_decimals(id, decimals));
            id
        };
        let ids: Vec<MeasureId> = submission
            .measures
            .iter()
            .map(|named| declared(&named.measure, named.decimals.unwrap()))
            .collect();
        for figure in submission.figures {
            let measure = *ids.get(figure.measure.index()).unwrap();
            self.cube.set(
                &CubeEntry {
                    measure,
                    unit: figure.unit,
                    month: figure.month,
                    written: figure.written,
                },
                RevisionStamp::new(1),
            );
        }
        true
    }

    fn source(&self) -> ValueSource<'_> {
        ValueSource::new(
            &self.units,
            CubeView { measures: &self.measures, cube: &self.cube, overlay: None },
        )
    }

    fn program(&self, measure: &str) -> Program {
        Program::of_measure(&self.catalogue, &self.source().view, &Measure::parse(measure).unwrap())
            .unwrap()
    }

    /// Computes all points of a series with all their fields.
    fn trend(
        &self,
        measure: &str,
        unit: UnitPosition,
        [from, to]: [Period; 2],
    ) -> Vec<PeriodPoint> {
        let program = self.program(measure);
        let series = MeasureSeries::new(self.source(), &program, unit, from, to);
        std::iter::successors(Some(from), |period| Some(period.next()))
            .take_while(|period| *period <= to)
            .map(|period| series.point(period))
            .collect()
    }

    /// Computes value and delta of the children of a unit in a period, highest value first.
    fn ranking(
        &self,
        measure: &str,
        parent: UnitPosition,
        period: Period,
    ) -> Vec<(UnitPosition, f64, Option<f64>)> {
        let program = self.program(measure);
        let one = |unit: UnitPosition| {
            let point =
                MeasureSeries::new(self.source(), &program, unit, period, period).point(period);
            Some((unit, point.value?, point.delta.ok()))
        };
        let mut ranked: Vec<_> = self.units.children(parent).filter_map(one).collect();
        ranked.sort_by(|one, other| other.1.total_cmp(&one.1));
        ranked
    }
}

fn main() {
    let size = if std::env::args().any(|argument| argument == "--bench") {
        DatasetSize::Country
    } else {
        DatasetSize::Custom { provinces: 2, units: 180 }
    };
    let started = Instant::now();
    let country = Country::load(size);
    let (figures, bytes) =
        (HumanCount(size.rows()), HumanBytes(u64::try_from(country.cube.bytes()).unwrap()));
    println!(
        "{figures} figures of {} units generated, parsed and put into a cube of {bytes} in {:.1} s",
        country.units.len(),
        started.elapsed().as_secs_f64()
    );

    let months = MONTHS.map(|month| month.parse::<Period>().unwrap());
    let provinces: Vec<UnitPosition> = country
        .units
        .all()
        .iter()
        .filter(|unit| country.units.ancestors(*unit).next().is_none())
        .collect();
    let leaves: Vec<UnitPosition> =
        provinces.iter().flat_map(|province| country.units.children(*province)).collect();
    for measure in [RATE, FLOW] {
        assert!(
            country
                .trend(measure, provinces[0], months)
                .iter()
                .all(|point| point.value.is_some() && point.is_whole()),
            "every point has a value"
        );
    }
    assert_eq!(country.ranking(RATE, provinces[0], months[1]).len(), 180);

    let mut criterion = Criterion::default()
        .sample_size(40)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    // 181 and the number of leaves have no common divisor, so this visits all leaves, each far from
    // the one before.
    let mut units = leaves.iter().cycle().step_by(181);
    criterion.bench_function("trend of one unit, 60 months", |bench| {
        bench.iter_with_large_drop(|| {
            country.trend(RATE, black_box(*units.next().unwrap()), months)
        });
    });
    for (measure, kind) in [(RATE, "a rate"), (FLOW, "a flow")] {
        let mut provinces = provinces.iter().cycle();
        criterion.bench_function(&format!("roll-up of 180 units, 60 months, {kind}"), |bench| {
            bench.iter_with_large_drop(|| {
                country.trend(measure, black_box(*provinces.next().unwrap()), months)
            });
        });
    }
    let mut parents = provinces.iter().cycle();
    criterion.bench_function("ranking of 180 units, value and delta", |bench| {
        bench.iter_with_large_drop(|| {
            country.ranking(RATE, black_box(*parents.next().unwrap()), months[1])
        });
    });
    criterion.final_summary();
}
