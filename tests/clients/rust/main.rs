//! Uses the generated client: records a figure, reads it back, reads a trend, and gets an error.

use egov_kpi_client::apis::configuration::Configuration;
use egov_kpi_client::apis::figures_api::{
    PostObservationsError, get_observations, post_observations,
};
use egov_kpi_client::apis::questions_api::get_series;
use egov_kpi_client::apis::{Error, ResponseContent};
use egov_kpi_client::models::{FigureBody, ObservationBody, SeriesResponse, SubmissionBody};

const OUTGOING: &str = "ioffice.documents.outgoing";
const UNIT: &str = "sample.finance";
const MONTH: &str = "2022-02";

fn submission(unit: &str, value: f64) -> SubmissionBody {
    let figure = Some(FigureBody::Number(value));
    let observation = ObservationBody::new(OUTGOING.into(), unit.into(), MONTH.into(), figure);
    SubmissionBody::new(vec![observation])
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value: f64 = arguments[2].parse().unwrap();
    let service = Configuration { base_path: arguments[1].clone(), ..Configuration::new() };
    let key = format!("rust-{value}");

    let send =
        || post_observations(&service, submission(UNIT, value), Some(&key), None, None, None, None);
    let (first, again) = (send().await.unwrap(), send().await.unwrap());
    assert!(first.recorded);
    assert_eq!(first.submission, again.submission);

    let page = get_observations(
        &service,
        Some(UNIT),
        None,
        Some(MONTH),
        None,
        None,
        None,
        None,
        None,
        None,
        Some(OUTGOING),
        None,
        None,
        None,
        None,
        None,
        None,
        None,
    );
    let figures = page.await.unwrap().observations;
    assert_eq!(figures.len(), 1);
    assert_eq!(serde_json::to_value(&figures[0].value).unwrap().as_f64(), Some(value));

    let trend = get_series(
        &service,
        vec![OUTGOING.into()],
        None,
        None,
        Some(vec![UNIT.into()]),
        None,
        None,
        None,
        None,
        None,
        Some(3),
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
    );
    let SeriesResponse::SeriesPage(trend) = trend.await.unwrap() else { panic!("no series") };
    let last = trend.series[0].points.last().unwrap();
    assert_eq!((last.period.as_deref(), last.value), (Some(MONTH), Some(Some(value))));

    let refused =
        post_observations(&service, submission("nowhere", 1.0), None, None, None, None, None);
    let Err(Error::ResponseError(ResponseContent { status, entity, .. })) = refused.await else {
        panic!("the unit was accepted")
    };
    let Some(PostObservationsError::Status4XX(problem)) = entity else { panic!("{entity:?}") };
    assert_eq!(status.as_u16(), 422);
    assert_eq!(problem.errors.unwrap()[0].code, "unknown_unit");
}
