using System;
using System.Collections.Generic;
using EgovKpi.Api;
using EgovKpi.Client;
using EgovKpi.Model;
using Newtonsoft.Json;

// Uses the generated client: records a figure, reads it back, reads a trend, and gets an error.
public static class Program
{
    const string Outgoing = "ioffice.documents.outgoing", Unit = "sample.finance", Month = "2022-02";

    static SubmissionBody Submission(string unit, double value)
    {
        var observation = new ObservationBody(Outgoing, unit, Month, null, new FigureBody(value));
        return new SubmissionBody(observations: new List<ObservationBody> { observation });
    }

    static void Check(bool isRight, object found)
    {
        if (!isRight) throw new Exception(found.ToString());
    }

    public static void Main(string[] arguments)
    {
        var value = double.Parse(arguments[1]);
        var figures = new FiguresApi(arguments[0]);
        var questions = new QuestionsApi(arguments[0]);

        var key = "csharp-" + value;
        var first = figures.PostObservations(Submission(Unit, value), key);
        var again = figures.PostObservations(Submission(Unit, value), key);
        Check(first.Recorded && first.Submission == again.Submission, again);

        var page = figures.GetObservations(unit: Unit, indicator: Outgoing, from: Month);
        Check(page.Observations.Count == 1, page);
        // The generated client reads a number as null where the field may also be a text, so the
        // value comes from the trend.

        var measures = new List<string> { Outgoing };
        var trend = questions.GetSeries(measures, unit: new List<string> { Unit }, last: 3);
        var last = trend.GetSeriesPage().Series[0].Points[2];
        Check(last.Period == Month && last.Value == value, last);

        try
        {
            figures.PostObservations(Submission("nowhere", 1));
            throw new Exception("the unit was accepted");
        }
        catch (ApiException refused)
        {
            Check(refused.ErrorCode == 422, refused);
            var problem = JsonConvert.DeserializeObject<Problem>(refused.ErrorContent.ToString());
            Check(problem.Errors[0].Code == "unknown_unit", problem);
            Check(problem.Errors[0].Pointer == "/observations/0/unit", problem);
        }
    }
}
