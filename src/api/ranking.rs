//! `GET /ranking`: the children of a unit in order of one measure.

use std::io::Write;

use actix_web::{HttpRequest, get, web};

use super::context::ServiceContext;
use super::fields::{FieldEndpoint, FieldParams, columns, field_cells};
use super::json_text::JsonBuffer;
use super::limits::unsent::ResponsePieces;
use super::point_text::{write_members, write_value};
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{RequestedView, SinglePeriod, UnitsOfToday, query_params, read_query};
use super::respond::{TableContent, respond};
use super::series::HEAVY;
use crate::app::read::fields::{Field, FieldChoice};
use crate::app::read::ranking::{RankingQuery, RankingRow, RankingView};
use crate::app::snapshot::Snapshot;
use crate::render::sheet_plan::{ChartKind, SheetPlan, SheetSubject};
use crate::render::table::{ResponseCell, ResponseTable, text};
use kpi::measure::Measure;
use kpi::period::Step;
use kpi::target::TargetStatus;

query_params! {
    /// The parameters of `GET /ranking`.
    struct RankingParams {
        view: RequestedView,
        measure: Measure = "An indicator or kpi, with or without members",
        parent: Option<String> =
            "Rank the children of this unit; default: rank the units without a parent",
        period: SinglePeriod,
        geography: Option<UnitsOfToday>,
        fields: FieldParams<RankingFields>,
    }
}

/// The fields of `GET /ranking`.
struct RankingFields;

impl FieldEndpoint for RankingFields {
    const CHOICE: FieldChoice = FieldChoice::RANKING;
}

/// Rank the children of a unit.
///
/// Returns the children in order of one measure, the best first by the direction of the measure.
/// Equal values share a rank (1, 1, 3); units without a value come last, without a rank.
#[utoipa::path(
    operation_id = "get_ranking",
    tag = "questions",
    params(RankingParams),
    responses(
        (
            status = 200,
            description = "The ranking",
            content(
                (RankingView = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/ranking")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: RankingParams = read_query(&request)?;
    respond(&request, &context, &params.view, async |snapshot, _stamp| {
        let query = RankingQuery {
            measure: params.measure,
            parent: params.parent,
            period: params.period.at(snapshot.month()),
            of_today: params.geography.is_some_and(|UnitsOfToday(today)| today),
            fields: params.fields.requested(),
        };
        if is_light(&snapshot, &query) {
            return Ok(snapshot.ranking(&query)?);
        }
        context.compute(move || snapshot.ranking(&query)).await
    })
    .await
}

/// Whether a ranking takes no longer than a light query for series: of a month, without sums over
/// many months and counts of reports, and the ranked units with all units below them are few.
fn is_light(snapshot: &Snapshot, query: &RankingQuery) -> bool {
    let units = &snapshot.state().units;
    let below = match &query.parent {
        Some(parent) => units.position(parent).map_or(0, |parent| units.subtree(parent).len()),
        None => units.len(),
    };
    // The month, the one before and that of the year before.
    3 * below < HEAVY
        && !snapshot.state().catalogue.counts_reports(&query.measure)
        && query.period.step() == Step::Month
        && !query.fields.needs_many_months()
}

impl TableContent for RankingView {
    fn write_json(&self, pieces: &mut ResponsePieces) -> std::io::Result<()> {
        write(self, pieces)
    }

    fn into_table(mut self) -> ResponseTable {
        let rows = std::mem::take(&mut self.rows).into_iter();
        let (fields, plan) = (self.fields, plan(&self));
        if fields == FieldChoice::RANKING.default {
            return ResponseTable::new(COLUMNS, rows.map(move |row| cells(&self, &row)))
                .planned(plan);
        }
        let cells = move |row: RankingRow| field_cells(&row, fields, row.point.stated, |_| None);
        ResponseTable::new(&columns(fields, |_| None), rows.map(cells))
            .planned(plan.with_all_columns())
    }
}

/// Writes a ranking: the text that `serde_json` would write of it.
///
/// # Errors
/// Those of the writer.
fn write(ranking: &RankingView, out: &mut impl Write) -> std::io::Result<()> {
    let mut text = JsonBuffer::with_room();
    text.ready("{");
    text.member("revision", &ranking.revision);
    text.member("revision_hash", &ranking.revision_hash);
    text.member("measure", &ranking.measure);
    text.member("parent", &ranking.parent);
    text.member("period", &ranking.period);
    text.member("direction", &ranking.direction);
    text.member("unit_of_measure", &ranking.unit_of_measure);
    text.ready(",\"rows\":[");
    for row in &ranking.rows {
        text.comma();
        text.ready("{");
        write_members(&row.point, row.point.fields, &mut text, |field, text| {
            write_row_value(row, field, text);
        });
        text.ready("}");
        text.pass_full(out)?;
    }
    text.ready("]}");
    text.pass(out)
}

/// Writes the value of a field of a row.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are fields of the point")]
fn write_row_value(row: &RankingRow, field: Field, to: &mut JsonBuffer) {
    match field {
        Field::Unit => to.text(&row.unit),
        Field::Name => to.serialize(&row.name),
        Field::UnitName => to.serialize(&row.unit_name),
        Field::MeasureName => to.serialize(&row.measure_name),
        Field::Rank => to.count(row.rank),
        Field::PreviousRank => to.count(row.previous_rank),
        Field::Target => to.decimal(row.target),
        Field::TargetCode => to.serialize(&row.target_code),
        Field::Attainment => to.rounded(row.attainment),
        Field::Status => to.word(row.status.map(TargetStatus::name)),
        Field::Provisional => to.ready(if row.provisional { "true" } else { "false" }),
        of_point => write_value(&row.point, of_point, to),
    }
}

/// What an Excel file for people shows.
fn plan(ranking: &RankingView) -> SheetPlan {
    SheetPlan::new(
        "ranking",
        "unit rank previous_rank value delta target attainment status coverage reasons",
    )
    .about(SheetSubject::Measure(ranking.measure.clone()))
    .about(SheetSubject::Period(ranking.period.clone()))
    .with_chart(ChartKind::Bars)
}

const COLUMNS: &str = "rank previous_rank unit name_vi name_en value value_reason unit_of_measure \
                       coverage delta delta_reason target attainment status provisional measure \
                       period";

fn cells(ranking: &RankingView, row: &RankingRow) -> Vec<ResponseCell> {
    vec![
        ResponseCell::number(row.rank),
        ResponseCell::number(row.previous_rank),
        ResponseCell::Text(row.unit.clone()),
        ResponseCell::Text(row.name.vi.clone()),
        ResponseCell::Text(row.name.en.clone()),
        ResponseCell::number(row.point.value),
        text(&row.point.value_reason),
        ResponseCell::Text(ranking.unit_of_measure.clone()),
        ResponseCell::number(row.point.coverage),
        ResponseCell::number(row.point.delta),
        text(&row.point.delta_reason),
        ResponseCell::number(row.target),
        ResponseCell::number(row.attainment),
        text(&row.status),
        text(&row.provisional),
        ResponseCell::Text(ranking.measure.clone()),
        ResponseCell::Text(ranking.period.clone()),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::point_text::choices::Choices;
    use crate::app::RevisionNumber;
    use crate::app::read::fields::FieldSet;
    use kpi::catalogue::Direction;
    use kpi::number::Decimal64;
    use kpi::period::Period;
    use kpi::unit::LocalizedName;

    fn row(choices: &mut Choices, period: Period, fields: FieldSet) -> RankingRow {
        let states =
            [TargetStatus::Met, TargetStatus::Close, TargetStatus::Behind, TargetStatus::NoData];
        let place = |chosen: u64| usize::try_from(chosen % 400).unwrap();
        RankingRow {
            unit: choices.text(),
            name: LocalizedName { vi: choices.text(), en: choices.text() },
            unit_name: choices.some(|_| ()).map(|()| choices.text()),
            measure_name: choices.some(|_| ()).map(|()| choices.text()),
            rank: choices.some(place),
            previous_rank: choices.some(place),
            target: choices.some(|chosen| Decimal64 {
                mantissa: i64::try_from(chosen % 90_000).unwrap(),
                scale: u32::try_from(chosen % 4).unwrap(),
            }),
            target_code: choices.some(|_| ()).map(|()| choices.text()),
            attainment: choices.number(),
            status: choices.some(|chosen| states[place(chosen) % 4]),
            provisional: choices.some(|_| ()).is_some(),
            point: choices.point(period, fields),
        }
    }

    proptest! {
        #[test]
        fn a_ranking_has_the_text_of_serde(
            choices in prop::collection::vec(any::<u64>(), 1_000),
            chosen in any::<u64>(),
            rows in 0_usize..8,
        ) {
            let mut choices = Choices(choices);
            let period: Period = "2021-Q3".parse().unwrap();
            let known = FieldChoice::RANKING.known;
            let named = known.iter().enumerate().filter(|(n, _)| chosen >> n & 1 == 1);
            let some = named.fold(FieldSet::NONE, |set, (_, field)| set.with(field));
            for fields in [some, FieldChoice::RANKING.default, known] {
                let ranking = RankingView {
                    revision: RevisionNumber::new(7),
                    revision_hash: choices.text(),
                    measure: choices.text(),
                    parent: choices.some(|_| ()).map(|()| choices.text()),
                    period: period.to_string(),
                    direction: Direction::Lower,
                    unit_of_measure: choices.text(),
                    rows: (0..rows).map(|_| row(&mut choices, period, fields)).collect(),
                    fields,
                };
                let mut text = Vec::new();
                write(&ranking, &mut text).unwrap();
                prop_assert_eq!(
                    String::from_utf8(text).unwrap(),
                    serde_json::to_string(&ranking).unwrap()
                );
            }
        }
    }
}
