"""Uses the generated client: records a figure, reads it back, reads a trend, and gets an error."""

import sys

from egov_kpi import Client
from egov_kpi.api.figures import get_observations, post_observations
from egov_kpi.api.questions import get_series
from egov_kpi.models import ObservationBody, ObservationsPage, Problem, Receipt, SeriesPage
from egov_kpi.models import SubmissionBody as Submission

OUTGOING, UNIT, MONTH = "ioffice.documents.outgoing", "sample.finance", "2022-02"


def submission(unit: str, value: float) -> Submission:
    return Submission([ObservationBody(OUTGOING, unit, MONTH, value)])


def main() -> None:
    client, value = Client(sys.argv[1]), float(sys.argv[2])
    key = f"python-{value}"
    with client as client:
        first, again = (
            post_observations.sync(client=client, body=submission(UNIT, value), idempotency_key=key)
            for _ in range(2)
        )
        assert isinstance(first, Receipt) and isinstance(again, Receipt)
        assert first.recorded and first.submission == again.submission, (first, again)

        page = get_observations.sync(client=client, unit=UNIT, indicator=OUTGOING, from_=MONTH)
        assert isinstance(page, ObservationsPage), page
        assert [figure.value for figure in page.observations] == [value], page

        trend = get_series.sync(client=client, measure=[OUTGOING], unit=[UNIT], last=3)
        assert isinstance(trend, SeriesPage), trend
        last = trend.series[0].points[-1]
        assert (last.period, last.value) == (MONTH, value), last

        refused = post_observations.sync_detailed(client=client, body=submission("nowhere", 1))
        assert refused.status_code == 422 and isinstance(refused.parsed, Problem), refused
        assert refused.parsed.errors, refused
        fault = refused.parsed.errors[0]
        assert (fault.pointer, fault.code) == ("/observations/0/unit", "unknown_unit"), fault


main()
