// Uses the generated client: records a figure, reads it back, reads a trend, and gets an error.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"strconv"

	egovkpi "egovkpi/client"
)

const (
	outgoing = "ioffice.documents.outgoing"
	unit     = "sample.finance"
	month    = "2022-02"
)

func submission(unit string, value float64) egovkpi.SubmissionBody {
	figure := egovkpi.FigureBody{Float64: &value}
	observation := egovkpi.NewObservationBody(outgoing, unit, month, *egovkpi.NewNullableFigureBody(&figure))
	return *egovkpi.NewSubmissionBody([]egovkpi.ObservationBody{*observation})
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	value, err := strconv.ParseFloat(os.Args[2], 64)
	check(err)
	configuration := egovkpi.NewConfiguration()
	configuration.Servers = egovkpi.ServerConfigurations{{URL: os.Args[1]}}
	client := egovkpi.NewAPIClient(configuration)
	ctx := context.Background()

	send := func() *egovkpi.Receipt {
		request := client.FiguresAPI.PostObservations(ctx).IdempotencyKey("go-" + os.Args[2])
		receipt, _, err := request.SubmissionBody(submission(unit, value)).Execute()
		check(err)
		return receipt
	}
	first, again := send(), send()
	if !first.GetRecorded() || first.GetSubmission() != again.GetSubmission() {
		log.Fatalf("recorded twice: %v %v", first, again)
	}

	page, _, err := client.FiguresAPI.GetObservations(ctx).Unit(unit).Indicator(outgoing).From(month).Execute()
	check(err)
	if len(page.Observations) != 1 || *page.Observations[0].Value.Get().Float64 != value {
		log.Fatalf("not the figure: %v", page)
	}

	trend, _, err := client.QuestionsAPI.GetSeries(ctx).Measure([]string{outgoing}).Unit([]string{unit}).Last(3).Execute()
	check(err)
	points := trend.SeriesPage.Series[0].Points
	if last := points[len(points)-1]; last.GetPeriod() != month || last.GetValue() != value {
		log.Fatalf("not the last point: %v", last)
	}

	_, _, err = client.FiguresAPI.PostObservations(ctx).SubmissionBody(submission("nowhere", 1)).Execute()
	var refused *egovkpi.GenericOpenAPIError
	if !errors.As(err, &refused) {
		log.Fatalf("not refused: %v", err)
	}
	problem, isProblem := refused.Model().(egovkpi.Problem)
	if !isProblem || problem.Status != 422 || problem.Errors[0].Code != "unknown_unit" {
		log.Fatalf("not the error: %s", refused.Body())
	}
}
