//! Query parameters: one type for each endpoint, made by
//! [`query_params!`](crate::api::query::query_params). Its fields are the parameters; their types
//! read them, and give the OpenAPI document. An unknown parameter is an error, and all errors are
//! reported at once.

use std::borrow::Cow;
use std::str::FromStr;

use actix_web::http::header::ACCEPT;
use actix_web::{HttpMessage, HttpRequest};
use utoipa::PartialSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, Required};

use super::cursor::read_cursor;
use super::entity_tag::newest_tag;
use super::language::ResponseLanguage;
use super::problem::Problem;
use super::response_format::ResponseFormat;
use crate::app::snapshot::{AsOf, ReadConsistency};
use crate::app::{RevisionNumber, RevisionRef};
use crate::clock::TimestampMicros;
use kpi::fault::{Fault, quoted};
use kpi::measure::Measure;
use kpi::period::{Month, Period, PeriodName, Step};

/// Maximum number of parameters in a query.
const MAX_PARAMETERS: usize = 2_500;
/// The parameters that many endpoints share: in the OpenAPI document they come last, in this order.
const SHARED: [&str; 6] = ["as_of", "min_revision", "limit", "cursor", "format", "full"];

/// A month, as a regular expression of JSON Schema.
pub const MONTH: &str = "^(19[0-9]{2}|2[01][0-9]{2})-(0[1-9]|1[0-2])$";
/// A period.
pub const PERIOD: &str = "^(19[0-9]{2}|2[01][0-9]{2})(-(0[1-9]|1[0-2])|-Q[1-4]|-H[12]|-9M)?$";
/// A period, or a name relative to the current month.
const PERIOD_NAME: &str = "^((19[0-9]{2}|2[01][0-9]{2})\
    (-(0[1-9]|1[0-2])|-Q[1-4]|-H[12]|-9M)?\
    |(this|last)_(month|quarter|half|year)\
    |last_([1-9][0-9]?|[1-5][0-9]{2}|600)_(months|quarters|halves|years))$";
/// The same, where it must be one period.
const SINGLE_PERIOD: &str = "^((19[0-9]{2}|2[01][0-9]{2})\
    (-(0[1-9]|1[0-2])|-Q[1-4]|-H[12]|-9M)?\
    |(this|last)_(month|quarter|half|year)\
    |last_1_(months|quarters|halves|years))$";
/// A revision: its number, or also its hash.
const REVISION: &str = "^[0-9]{1,18}(-[0-9a-f]{8,64})?$";
/// A revision, or a time with its zone.
const AS_OF: &str = "^([0-9]{1,18}(-[0-9a-f]{8,64})?|[0-9]{4}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|\
    2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)T([01][0-9]|\
    2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))$";

/// Defines the parameters of an endpoint, or a group of parameters. They are read in the order of
/// the fields, which is the order of errors. The text of a field is the description of the
/// parameter in the OpenAPI document.
macro_rules! query_params {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($field:ident: $type:ty $(= $description:literal)?),* $(,)?
    }) => {
        $(#[$meta])*
        $vis struct $name {
            $($vis $field: $type),*
        }

        impl $crate::api::query::QueryField for $name {
            fn read(
                reader: &mut $crate::api::query::QueryReader<'_>,
                _group: &'static str,
            ) -> Option<Self> {
                $(let $field = <$type as $crate::api::query::QueryField>::read(
                    reader,
                    stringify!($field),
                );)*
                Some(Self { $($field: $field?),* })
            }

            fn describe(
                _group: &'static str,
                _description: &str,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                [$(<$type as $crate::api::query::QueryField>::describe(
                    stringify!($field),
                    concat!($($description)?),
                )),*]
                .concat()
            }
        }

        impl utoipa::IntoParams for $name {
            fn into_params(
                _place: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                $crate::api::query::describe::<Self>()
            }
        }
    };
}
pub(in crate::api) use query_params;

/// A field of a type made by [`query_params!`]: a parameter, or a group of them.
pub trait QueryField: Sized {
    /// Reads it and reports its errors; `None` if there is no value because of them.
    fn read(reader: &mut QueryReader<'_>, name: &'static str) -> Option<Self>;

    /// The parameters in the OpenAPI document.
    fn describe(name: &'static str, description: &str) -> Vec<Parameter>;
}

/// The value of a parameter. A field of type `Option<T>` is an optional parameter, one of type `T`
/// a required one.
pub trait QueryValue: Sized {
    /// The description of fields without a text.
    const DESCRIPTION: &'static str = "";
    /// The error when the parameter is required and absent.
    const MISSING: &'static str = "";

    /// Parses the value.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    fn parse(name: &str, text: &str) -> Result<Self, String>;

    /// The schema in the OpenAPI document.
    #[must_use]
    fn value_schema() -> RefOr<Schema> {
        String::schema()
    }
}

/// Reads the parameters of an endpoint.
///
/// # Errors
/// 422 with all errors, including one for each unknown parameter.
pub fn read_query<T: QueryField>(request: &HttpRequest) -> Result<T, Problem> {
    let mut reader = QueryReader::of(request)?;
    let params = reader.read();
    reader.finish(params)
}

/// Refuses every parameter.
///
/// # Errors
/// 422 if there is any.
pub fn refuse_query(request: &HttpRequest) -> Result<(), Problem> {
    QueryReader::of(request)?.finish(Some(()))
}

/// The parameters of an endpoint in the OpenAPI document.
#[must_use]
pub fn describe<T: QueryField>() -> Vec<Parameter> {
    let mut parameters = T::describe("", "");
    parameters.sort_by_key(|parameter| SHARED.iter().position(|name| *name == parameter.name));
    parameters
}

/// A parameter in the OpenAPI document.
#[must_use]
pub fn parameter(
    name: &str,
    description: &str,
    required: Required,
    schema: RefOr<Schema>,
) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .description(Some(description))
        .required(required)
        .schema(Some(schema))
        .build()
}

/// The parameter `lang`, which every endpoint has.
#[must_use]
pub fn language_parameter() -> Parameter {
    let about = "Language of messages: vi or en. Default: from Accept-Language, otherwise en";
    parameter("lang", about, Required::False, words(&ResponseLanguage::NAMES))
}

/// The schema of a word of a list.
#[must_use]
pub fn words(words: &[&'static str]) -> RefOr<Schema> {
    Schema::Object(
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(words.iter().copied()))
            .build(),
    )
    .into()
}

/// The schema of a whole number within limits.
fn whole_number(least: i32, most: Option<i32>) -> RefOr<Schema> {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(most);
    Schema::Object(number.build()).into()
}

/// The schema of a text with a pattern.
#[must_use]
pub fn patterned(pattern: &str) -> RefOr<Schema> {
    Schema::Object(ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build())
        .into()
}

/// A query string while it is read, with the errors found so far.
pub struct QueryReader<'r> {
    request: &'r HttpRequest,
    parameters: Vec<QueryParameter<'r>>,
    faults: Vec<Fault>,
}

/// A parameter of a query string.
struct QueryParameter<'r> {
    name: Cow<'r, str>,
    value: Cow<'r, str>,
    is_read: bool,
}

impl<'r> QueryReader<'r> {
    /// Splits the query string.
    ///
    /// # Errors
    /// 422 when it has too many parameters.
    pub fn of(request: &'r HttpRequest) -> Result<Self, Problem> {
        let parameters: Vec<QueryParameter<'_>> =
            form_urlencoded::parse(request.query_string().as_bytes())
                .map(|(name, value)| QueryParameter { name, value, is_read: false })
                .collect();
        if parameters.len() > MAX_PARAMETERS {
            return Err(Problem::parameter(
                "",
                "too_many",
                format!("the query has more than {MAX_PARAMETERS} parameters"),
            )
            .of_bound("parameters"));
        }
        let mut reader = Self { request, parameters, faults: Vec::new() };
        // Every endpoint has `lang`; `ResponseLanguage::of` reads it.
        let _language: Option<ResponseLanguage> = reader.optional("lang");
        Ok(reader)
    }

    /// Reads the parameters of an endpoint, or a group of parameters; `None` after errors without
    /// which there is no value.
    pub fn read<T: QueryField>(&mut self) -> Option<T> {
        T::read(self, "")
    }

    /// Every value of a repeatable parameter.
    pub fn many(&mut self, name: &str) -> Vec<String> {
        self.values(name).map(Cow::into_owned).collect()
    }

    /// The values of a parameter, which is thereby read.
    fn values<'p>(&'p mut self, name: &'p str) -> impl Iterator<Item = Cow<'r, str>> + 'p {
        let named = self.parameters.iter_mut().filter(move |parameter| parameter.name == name);
        named.map(|parameter| {
            parameter.is_read = true;
            parameter.value.clone()
        })
    }

    /// Whether the query has a parameter.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|parameter| parameter.name == name)
    }

    /// The value of a parameter that must not be repeated.
    pub fn text(&mut self, name: &str) -> Option<Cow<'r, str>> {
        let mut values = self.values(name);
        let first = values.next()?;
        match values.last() {
            Some(last) => {
                self.fault(name, "duplicate", format!("{name} is repeated"));
                Some(last)
            }
            None => Some(first),
        }
    }

    /// The value of an optional parameter.
    pub fn optional<T: QueryValue>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        T::parse(name, &text).map_err(|detail| self.fault(name, "malformed", detail)).ok()
    }

    /// Checks a text that is shown to people, such as a reason: at most
    /// [`crate::intake::MAX_NOTE`] visible characters. A blank text counts as absent.
    pub fn note(&mut self, name: &str, text: String) -> Option<String> {
        if kpi::text::is_blank(&text) {
            return None;
        }
        let fault = crate::intake::note_fault(&format!("/{name}"), &text);
        self.faults.extend(fault);
        Some(text)
    }

    /// The month or wider period in the path of the request.
    pub fn path_period<T: FromStr>(&mut self, text: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        text.parse()
            .map_err(|error: T::Err| self.fault("period", "malformed_period", error.to_string()))
            .ok()
    }

    /// Adds an error.
    pub fn fault(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        // The JSON pointer of the whole document is empty.
        let pointer = if name.is_empty() { String::new() } else { format!("/{name}") };
        self.faults.push(Fault::new(pointer, code, detail));
    }

    /// Ends the reading with the value that was read.
    ///
    /// # Errors
    /// 422 with all errors, including one for each unknown parameter.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        let unknown = self.parameters.iter().filter(|parameter| !parameter.is_read);
        let unknown: Vec<String> =
            unknown.map(|parameter| parameter.name.chars().take(60).collect()).collect();
        for name in unknown {
            self.fault(&name, "unknown_parameter", format!("unknown parameter {}", quoted(&name)));
        }
        match self.faults.len() {
            0 => value.ok_or_else(Problem::internal),
            1 => Err(Problem::invalid(self.faults)),
            count => Err(Problem {
                detail: format!("{count} errors in the query").into_boxed_str(),
                ..Problem::invalid(self.faults)
            }),
        }
    }
}

impl<T: QueryValue> QueryField for Option<T> {
    fn read(reader: &mut QueryReader<'_>, name: &'static str) -> Option<Self> {
        Some(reader.optional(name))
    }

    fn describe(name: &'static str, description: &str) -> Vec<Parameter> {
        let description = if description.is_empty() { T::DESCRIPTION } else { description };
        vec![parameter(name, description, Required::False, T::value_schema())]
    }
}

impl<T: QueryValue> QueryField for T {
    fn read(reader: &mut QueryReader<'_>, name: &'static str) -> Option<Self> {
        if !reader.has(name) {
            reader.fault(name, "missing", T::MISSING);
        }
        reader.optional(name)
    }

    fn describe(name: &'static str, description: &str) -> Vec<Parameter> {
        let description = if description.is_empty() { T::DESCRIPTION } else { description };
        vec![parameter(name, description, Required::True, T::value_schema())]
    }
}

/// A repeatable parameter; an empty list if it is absent.
impl QueryField for Vec<String> {
    fn read(reader: &mut QueryReader<'_>, name: &'static str) -> Option<Self> {
        Some(reader.many(name))
    }

    fn describe(name: &'static str, description: &str) -> Vec<Parameter> {
        vec![parameter(name, description, Required::False, Self::schema())]
    }
}

impl QueryValue for String {
    // The only required text is the code of a unit.
    const MISSING: &'static str = "name a unit";

    fn parse(_name: &str, text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl QueryValue for bool {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        one_of(name, text, &["true", "false"]).map(|word| word == "true")
    }

    fn value_schema() -> RefOr<Schema> {
        <Self as PartialSchema>::schema()
    }
}

/// The word of the list that equals the text.
///
/// # Errors
/// The words of the list, if the text is another word.
pub fn one_of(name: &str, text: &str, words: &[&'static str]) -> Result<&'static str, String> {
    words
        .iter()
        .find(|word| **word == text)
        .copied()
        .ok_or_else(|| format!("{name} must be one of {}", words.join(", ")))
}

/// Values that are parsed from text, with the schema of the second type.
macro_rules! parsed_values {
    ($($type:ty: $schema:expr, $missing:literal;)*) => {
        $(impl QueryValue for $type {
            const MISSING: &'static str = $missing;

            fn parse(name: &str, text: &str) -> Result<Self, String> {
                text.parse().map_err(|error| format!("{name}={}: {error}", quoted(text)))
            }

            fn value_schema() -> RefOr<Schema> {
                $schema
            }
        })*
    };
}

parsed_values! {
    i32: whole_number(1, Some(600)), "";
    i64: i64::schema(), "";
    usize: usize::schema(), "";
    AsOf: patterned(AS_OF), "";
    RevisionRef: patterned(REVISION), "";
    Month: patterned(MONTH), "";
    Step: words(&["month", "quarter", "half", "9m", "year"]), "";
    Period: patterned(PERIOD), "";
    PeriodName: patterned(PERIOD_NAME), "";
}

/// One period: of the calendar, or relative to the current month.
#[derive(Clone, Copy)]
pub struct SinglePeriod(PeriodName);

impl SinglePeriod {
    /// The period, seen from the current month.
    #[must_use]
    pub fn at(self, current: Month) -> Period {
        let (period, _) = self.0.at(current);
        period
    }
}

impl QueryValue for SinglePeriod {
    const DESCRIPTION: &'static str = "A month or a wider period; or a name relative to the \
                                       current month, such as last_month, this_quarter or \
                                       last_year";
    const MISSING: &'static str =
        "name a month, such as 2021-10, or a wider period: 2021-Q3, 2021-H1, 2021-9M, 2021";

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let named = PeriodName::parse(name, text)?;
        if named.is_single() {
            Ok(Self(named))
        } else {
            Err(format!("{name}={}: one period is expected", quoted(text)))
        }
    }

    fn value_schema() -> RefOr<Schema> {
        patterned(SINGLE_PERIOD)
    }
}

impl QueryValue for ResponseLanguage {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let name = one_of(name, text, &Self::NAMES)?;
        Ok(if name == "vi" { Self::Vi } else { Self::En })
    }
}

impl QueryValue for Measure {
    const MISSING: &'static str = "name a measure";

    fn parse(_name: &str, text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

/// A time with its zone.
pub struct QueryTime(pub TimestampMicros);

impl QueryValue for QueryTime {
    fn parse(_name: &str, text: &str) -> Result<Self, String> {
        // In a query string a plus sign decodes to a space.
        chrono::DateTime::parse_from_rfc3339(&text.replace(' ', "+"))
            .map(|time| Self(TimestampMicros::new(time.timestamp_micros())))
            .map_err(|_malformed| {
                "expected a time such as 2021-11-05T00:00:00Z or 2021-11-05T07:00:00%2B07:00"
                    .to_owned()
            })
    }
}

/// A text that is shown to people, such as a reason; see [`QueryReader::note`].
pub struct QueryNote(pub Option<String>);

impl QueryField for QueryNote {
    fn read(reader: &mut QueryReader<'_>, name: &'static str) -> Option<Self> {
        let text = reader.text(name);
        Some(Self(text.and_then(|text| reader.note(name, text.into_owned()))))
    }

    fn describe(name: &'static str, description: &str) -> Vec<Parameter> {
        vec![parameter(name, description, Required::False, String::schema())]
    }
}

/// The number of a revision. The list continues after it; 0 gives the whole list.
pub struct AfterRevision(pub RevisionNumber);

impl QueryField for AfterRevision {
    fn read(reader: &mut QueryReader<'_>, name: &'static str) -> Option<Self> {
        let after = reader.optional(name).map(RevisionNumber::new).unwrap_or_default();
        if after < RevisionNumber::BEGINNING {
            reader.fault(name, "out_of_range", "must be a whole number of at least 0");
        }
        Some(Self(after))
    }

    fn describe(name: &'static str, description: &str) -> Vec<Parameter> {
        vec![parameter(name, description, Required::False, whole_number(0, None))]
    }
}

/// Whether an Excel file has all columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FullColumns(pub bool);

impl QueryValue for FullColumns {
    const DESCRIPTION: &'static str = "For XLSX only. true: all columns, with the names of the \
        fields, as in CSV. false (default): a sheet for people, with fewer columns and with names \
        instead of codes";

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        bool::parse(name, text).map(Self)
    }

    fn value_schema() -> RefOr<Schema> {
        bool::value_schema()
    }
}

/// Whether the response is given in the units of today.
pub struct UnitsOfToday(pub bool);

impl QueryValue for UnitsOfToday {
    const DESCRIPTION: &'static str = "as_reported (default), or current: values for the units of \
        today, including the history of their predecessors";

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        one_of(name, text, &["as_reported", "current"]).map(|word| Self(word == "current"))
    }

    fn value_schema() -> RefOr<Schema> {
        words(&["as_reported", "current"])
    }
}

/// The requested format: from `format`, otherwise from `Accept`.
impl QueryField for ResponseFormat {
    fn read(reader: &mut QueryReader<'_>, name: &'static str) -> Option<Self> {
        if let Some(TableFormat(format)) = reader.optional(name) {
            return Some(format);
        }
        let accept = reader.request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
        Some(Self::of_accept(accept.unwrap_or_default()))
    }

    fn describe(name: &'static str, description: &str) -> Vec<Parameter> {
        Option::<TableFormat>::describe(name, description)
    }
}

/// A format of tables.
struct TableFormat(ResponseFormat);

impl QueryValue for TableFormat {
    const DESCRIPTION: &'static str = "json, csv or xlsx; overrides Accept";

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        Ok(Self(match one_of(name, text, &["json", "csv", "xlsx"])? {
            "csv" => ResponseFormat::Csv,
            "xlsx" => ResponseFormat::Xlsx,
            _ => ResponseFormat::Json,
        }))
    }

    fn value_schema() -> RefOr<Schema> {
        words(&["json", "csv", "xlsx"])
    }
}

/// The requested state: `as_of`, `min_revision`, and the revisions that cursor and entity tags show
/// the client to have seen.
impl QueryField for ReadConsistency {
    fn read(reader: &mut QueryReader<'_>, _group: &'static str) -> Option<Self> {
        let min_revision = reader.optional("min_revision");
        // Whether these parameters are read before or after does not matter.
        let cursor = reader
            .parameters
            .iter()
            .find(|parameter| parameter.name == "cursor")
            .and_then(|parameter| read_cursor(&parameter.value))
            .map(|cursor| cursor.revision);
        let by_day =
            reader.parameters.iter().any(|QueryParameter { name, value, .. }| match &**name {
                "last" => true,
                "geography" => value == "current",
                "period" => matches!(value.parse(), Ok(PeriodName::Relative(_))),
                _ => false,
            });
        Some(Self {
            as_of: reader.optional("as_of"),
            min_revision,
            changed_since: None,
            cursor,
            tag: newest_tag(reader.request),
            by_day,
        })
    }

    fn describe(_group: &'static str, _description: &str) -> Vec<Parameter> {
        let of = |name, pattern, description| {
            parameter(name, description, Required::False, patterned(pattern))
        };
        vec![
            of(
                "as_of",
                AS_OF,
                "Respond as of this earlier revision (N, or N-HASH) or RFC 3339 time; a future \
                 time means now",
            ),
            of(
                "min_revision",
                REVISION,
                "Wait up to 5 seconds for this revision (N, or N-HASH with at least 8 digits of \
                 the hash). 503 if it is not visible by then; 409 if revision N of the ledger has \
                 another hash",
            ),
        ]
    }
}

query_params! {
    /// The requested state of an endpoint that has no `as_of` and needs no other parameter.
    pub struct MinRevision {
        min_revision: Option<RevisionRef> =
            "Wait up to 5 seconds for this revision (N, or N-HASH); 503 if it is not visible by \
             then",
    }
}

impl MinRevision {
    /// The requested state.
    #[must_use]
    pub fn consistency(&self) -> ReadConsistency {
        ReadConsistency { min_revision: self.min_revision, ..ReadConsistency::default() }
    }
}

query_params! {
    /// The parameters of a `PUT` of declarations.
    pub struct DryRun {
        dry_run: Option<bool> = "true: check the body and record nothing. Default: false",
    }
}

/// Whether a `PUT` only checks its body.
///
/// # Errors
/// As for [`read_query`].
pub fn is_dry_run(request: &HttpRequest) -> Result<bool, Problem> {
    read_query(request).map(|DryRun { dry_run }| dry_run.unwrap_or(false))
}

query_params! {
    /// The requested state, and the format of the response.
    pub struct RequestedView {
        format: ResponseFormat,
        full: Option<FullColumns>,
        consistency: ReadConsistency,
    }
}

impl RequestedView {
    /// Whether an Excel file has all columns.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.is_some_and(|FullColumns(full)| full)
    }
}

query_params! {
    /// The requested state of an endpoint that has one format and needs no other parameter.
    pub struct StateParams {
        consistency: ReadConsistency,
    }
}

impl StateParams {
    /// The requested state in the format of the endpoint.
    #[must_use]
    pub fn in_format(self, format: ResponseFormat) -> RequestedView {
        RequestedView { format, full: None, consistency: self.consistency }
    }
}

/// The largest page of an endpoint, attached to the request: a table must not be cut without
/// notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageBound {
    /// Maximum number of entries on a page.
    pub most: usize,
    /// Whether the request has `limit`.
    pub is_given: bool,
}

/// The size of a page, at most `MOST`. A CSV or XLSX table has the maximum by default, because its
/// reader does not see that more pages follow.
pub struct PageLimit<const DEFAULT: usize, const MOST: usize>(Option<usize>);

impl<const DEFAULT: usize, const MOST: usize> PageLimit<DEFAULT, MOST> {
    /// The size of a page in a format.
    #[must_use]
    pub fn of(&self, format: ResponseFormat) -> usize {
        self.0.unwrap_or(if format == ResponseFormat::Json { DEFAULT } else { MOST })
    }
}

impl<const DEFAULT: usize, const MOST: usize> QueryField for PageLimit<DEFAULT, MOST> {
    fn read(reader: &mut QueryReader<'_>, name: &'static str) -> Option<Self> {
        let limit = reader.optional(name);
        reader.request.extensions_mut().insert(PageBound { most: MOST, is_given: limit.is_some() });
        if limit.is_some_and(|limit| limit == 0 || limit > MOST) {
            reader.fault(name, "out_of_range", format!("{name} must be 1 to {MOST}"));
        }
        Some(Self(limit))
    }

    fn describe(name: &'static str, description: &str) -> Vec<Parameter> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(MOST))
            .build();
        vec![parameter(name, description, Required::False, Schema::Object(number).into())]
    }
}

/// The start of a page, from the cursor that the previous page gave: a position of `N` numbers.
pub struct PageStart<const N: usize>(pub [i64; N]);

impl PageStart<1> {
    /// The revision after which the page begins, where the list is one of revisions.
    pub fn revision(self) -> RevisionNumber {
        let Self([last]) = self;
        RevisionNumber::new(last)
    }
}

impl<const N: usize> QueryValue for PageStart<N> {
    const DESCRIPTION: &'static str = "next_cursor of the previous page";

    fn parse(_name: &str, text: &str) -> Result<Self, String> {
        read_cursor(text)
            .and_then(|cursor| cursor.places.try_into().ok())
            .map(Self)
            .ok_or_else(|| "unknown cursor".to_owned())
    }
}

/// The number of entries to skip, from a cursor made by [`super::cursor::offset_cursor`].
#[derive(Clone, Copy, Default)]
pub struct PageOffset(pub usize);

impl QueryValue for PageOffset {
    const DESCRIPTION: &'static str = PageStart::<1>::DESCRIPTION;

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let PageStart([offset]) = PageStart::parse(name, text)?;
        usize::try_from(offset).map(Self).map_err(|_negative| "unknown cursor".to_owned())
    }
}
