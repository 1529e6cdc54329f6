import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.type.LogicalType;
import egovkpi.ApiClient;
import egovkpi.ApiException;
import egovkpi.api.FiguresApi;
import egovkpi.api.QuestionsApi;
import egovkpi.model.Fault;
import egovkpi.model.FigureBody;
import egovkpi.model.ObservationBody;
import egovkpi.model.Problem;
import egovkpi.model.Receipt;
import egovkpi.model.SubmissionBody;
import java.util.List;

/** Uses the generated client: records a figure, reads it back, reads a trend, and gets an error. */
public class Program {
    static final String OUTGOING = "ioffice.documents.outgoing";
    static final String UNIT = "sample.finance";
    static final String MONTH = "2022-02";

    static SubmissionBody submission(String unit, double value) {
        ObservationBody observation = new ObservationBody();
        observation.indicator(OUTGOING).unit(unit).period(MONTH).value(new FigureBody(value));
        return new SubmissionBody().observations(List.of(observation));
    }

    static void check(boolean isRight, Object found) {
        if (!isRight) {
            throw new AssertionError(found);
        }
    }

    public static void main(String[] arguments) throws Exception {
        double value = Double.parseDouble(arguments[1]);
        ApiClient client = new ApiClient();
        client.updateBaseUri(arguments[0]);
        // Series and rows differ in their fields, and a number is no text: without these settings,
        // Jackson takes a value for both, and the client fails.
        var mapper = client.getObjectMapper();
        mapper.enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
        mapper.coercionConfigFor(LogicalType.Textual)
                .setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
                .setCoercion(CoercionInputShape.Float, CoercionAction.Fail);
        client.setObjectMapper(mapper);
        FiguresApi figures = new FiguresApi(client);
        QuestionsApi questions = new QuestionsApi(client);

        String key = "java-" + value;
        var body = submission(UNIT, value);
        Receipt first = figures.postObservations(body, key, null, null, null, null);
        Receipt again = figures.postObservations(body, key, null, null, null, null);
        check(first.getRecorded(), first);
        check(first.getSubmission().equals(again.getSubmission()), again);

        var page = figures.getObservations(UNIT, null, MONTH, null, null, null, null, null, null,
                OUTGOING, null, null, null, null, null, null, null);
        check(page.getObservations().size() == 1, page);
        check(page.getObservations().get(0).getValue().getDouble() == value, page);

        var trend = questions.getSeries(List.of(OUTGOING), null, null, List.of(UNIT), null, null,
                null, null, null, 3, null, null, null, null, null, null, null, null, null, null,
                null, null).getSeriesPage();
        var last = trend.getSeries().get(0).getPoints().get(2);
        check(last.getPeriod().equals(MONTH) && last.getValue() == value, last);

        try {
            figures.postObservations(submission("nowhere", 1), null, null, null, null, null);
            throw new AssertionError("the unit was accepted");
        } catch (ApiException refused) {
            check(refused.getCode() == 422, refused);
            Problem problem =
                    client.getObjectMapper().readValue(refused.getResponseBody(), Problem.class);
            Fault fault = problem.getErrors().get(0);
            check(fault.getCode().equals("unknown_unit"), fault);
            check(fault.getPointer().equals("/observations/0/unit"), fault);
        }
    }
}
