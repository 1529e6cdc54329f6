//! The parameters `fields=` and `rolling=` of `/series`, `/ranking` and `/scorecard`, and tables of
//! the fields that they name (`docs/specification.md#fields`).

use std::marker::PhantomData;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, Required};

use super::language::ResponseLanguage;
use super::query::{QueryField, QueryReader, QueryValue, one_of, parameter, words};
use crate::app::read::fields::{Field, FieldChoice, FieldSet, RequestedFields, RollingMonths};
use crate::render::table::{ResponseCell, cell};
use kpi::number::Decimal64;

/// An endpoint that takes `fields=`.
pub trait FieldEndpoint {
    /// Its fields.
    const CHOICE: FieldChoice;
}

/// The fields that a request of an endpoint wants.
pub struct FieldParams<E> {
    requested: RequestedFields,
    /// The fields that the query names, without the reasons that follow them.
    named: Option<FieldSet>,
    endpoint: PhantomData<E>,
}

impl<E> FieldParams<E> {
    /// The fields.
    pub fn requested(&self) -> RequestedFields {
        self.requested
    }

    /// The fields that the query names; `None` without `fields=`.
    pub fn named(&self) -> Option<FieldSet> {
        self.named
    }
}

/// `rolling=`: the number of months.
struct RollingParam(RollingMonths);

impl RollingParam {
    const WORDS: [&'static str; 3] = ["3", "6", "12"];
}

impl QueryValue for RollingParam {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let word = one_of(name, text, &Self::WORDS)?;
        let months = RollingMonths::ALL.into_iter().zip(Self::WORDS);
        let found = months.into_iter().find(|(_, named)| *named == word);
        found.map(|(months, _)| Self(months)).ok_or_else(|| word.to_owned())
    }

    fn value_schema() -> RefOr<Schema> {
        words(&Self::WORDS)
    }
}

impl<E: FieldEndpoint> QueryField for FieldParams<E> {
    fn read(reader: &mut QueryReader<'_>, name: &'static str) -> Option<Self> {
        let named = match reader.text(name).map(|text| E::CHOICE.parse(&text)) {
            None => Some(None),
            Some(Ok(named)) => Some(Some(named)),
            Some(Err(faults)) => {
                faults.into_iter().for_each(|fault| reader.fault(name, fault.code, fault.detail));
                None
            }
        };
        let is_given = reader.has("rolling");
        let rolling = reader.optional("rolling").map(|RollingParam(months)| months);
        let named = named?;
        let set = named.map_or(E::CHOICE.default, |named| E::CHOICE.complete(named));
        if set.intersects(&[Field::Rolling, Field::RollingReason, Field::RollingCoverage])
            && !is_given
        {
            let detail = "rolling needs the number of months: rolling=3, 6 or 12";
            reader.fault("rolling", "missing", detail);
            return None;
        }
        let mut requested = RequestedFields::new(set);
        requested.in_vietnamese = ResponseLanguage::current() == ResponseLanguage::Vi;
        let requested = match rolling {
            Some(months) => requested.with_rolling(months),
            None => requested,
        };
        Some(Self { requested, named, endpoint: PhantomData })
    }

    fn describe(name: &'static str, _description: &str) -> Vec<Parameter> {
        let names: Vec<&str> = E::CHOICE.known.iter().map(Field::name).collect();
        let field = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        let list = ArrayBuilder::new().items(field).min_items(Some(1)).unique_items(true);
        let fields = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .description(Some(
                "Names of the fields to return, separated by commas; a number is returned with its \
                 reason. Default: all fields except those described as “on request”",
            ))
            .required(Required::False)
            .schema(Some(Schema::Array(list.build())))
            .style(Some(ParameterStyle::Form))
            .explode(Some(false))
            .build();
        let about = "Adds rolling, rolling_reason and rolling_coverage: the value over the last \
                     3, 6 or 12 months; for months only";
        vec![fields, parameter("rolling", about, Required::False, RollingParam::value_schema())]
    }
}

/// The names of the columns of fields; the caller gives those of a field with several columns.
pub fn columns(fields: FieldSet, several: impl Fn(Field) -> Option<String>) -> String {
    let names = fields.iter().map(|field| {
        if field == Field::Name {
            return "name_vi name_en".to_owned();
        }
        several(field).unwrap_or_else(|| field.name().to_owned())
    });
    names.collect::<Vec<_>>().join(" ")
}

/// The cells of a row of fields, in the order of [`columns`]. A stated rate keeps its digits as
/// reported, including zeros at the end.
pub fn field_cells(
    row: &impl Serialize,
    fields: FieldSet,
    stated: Option<Decimal64>,
    several: impl Fn(Field) -> Option<Vec<ResponseCell>>,
) -> Vec<ResponseCell> {
    let json = match serde_json::to_value(row) {
        Ok(Value::Object(json)) => json,
        Ok(_) | Err(_) => Map::new(),
    };
    let of = |field: Field| match (field, json.get(field.name()).unwrap_or(&Value::Null)) {
        (Field::Name, name) => ["vi", "en"].map(|language| cell(&name[language])).into(),
        (Field::Stated, _) => vec![ResponseCell::number(stated)],
        (Field::Operands, Value::Object(operands)) => vec![ResponseCell::Text(
            operands
                .iter()
                .map(|(operand, value)| format!("{operand} = {value}"))
                .collect::<Vec<_>>()
                .join("; "),
        )],
        (other, value) => several(other).unwrap_or_else(|| vec![cell(value)]),
    };
    fields.iter().flat_map(of).collect()
}
