//! Reading of submissions in JSON (docs/specification.md#recording-figures). Numbers are kept as
//! text, so that `78.950` keeps its three decimals. Each field is checked by itself, so that all
//! errors are reported at once.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::csv::is_grouped;
use super::utf16::without_mark;
use super::{SubmissionEnvelope, UnreadableBody};
use kpi::fault::{Fault, quoted};
use kpi::number::NOT_APPLICABLE;
use kpi::observation::{
    MAX_OBSERVATIONS, ObservationIndex, ObservationParser, RawNumber, RawObservation, RawText,
    SourceLocation,
};

/// Most fields of an object that are read. A valid object never has this many.
const MAX_FIELDS: usize = 1_000;

/// An object with unread values. Keys may occur twice. Fields beyond the limit are skipped, because
/// unknown ones are among the first already.
struct JsonObject<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for JsonObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = JsonObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(6);
                while fields.len() < MAX_FIELDS
                    && let Some((JsonText(key), value)) = map.next_entry()?
                {
                    fields.push((key, value));
                }
                while let Some((IgnoredAny, IgnoredAny)) = map.next_entry()? {}
                Ok(JsonObject(fields))
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// A list with unread entries. It holds one more than a submission may have, so that too many are
/// noticed.
struct JsonList<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for JsonList<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;
        impl<'de> Visitor<'de> for ListVisitor {
            type Value = JsonList<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while entries.len() <= MAX_OBSERVATIONS
                    && let Some(entry) = list.next_element()?
                {
                    entries.push(entry);
                }
                while let Some(IgnoredAny) = list.next_element()? {}
                Ok(JsonList(entries))
            }
        }
        deserializer.deserialize_seq(ListVisitor)
    }
}

/// A text, borrowed from the body if it has no escapes.
#[derive(serde::Deserialize)]
struct JsonText<'a>(#[serde(borrow)] Cow<'a, str>);

fn text(raw: &RawValue) -> RawText<'_> {
    serde_json::from_str::<JsonText<'_>>(raw.get())
        .map_or(RawText::WrongType, |JsonText(text)| RawText::Text(text))
}

fn number(raw: &RawValue) -> RawNumber<'_> {
    match raw.get().as_bytes().first() {
        Some(b'n') => RawNumber::Null,
        Some(b'-' | b'0'..=b'9') => RawNumber::Digits(Cow::Borrowed(raw.get())),
        Some(b'"') => serde_json::from_str::<JsonText<'_>>(raw.get()).map_or(
            RawNumber::WrongType,
            |JsonText(text)| {
                if text.eq_ignore_ascii_case(NOT_APPLICABLE) {
                    RawNumber::NotApplicable
                } else if is_grouped(&text) {
                    // A text may come from a table, in which `12.000` is twelve thousand.
                    RawNumber::Grouped(text.clone(), text)
                } else {
                    RawNumber::Digits(text)
                }
            },
        ),
        _ => RawNumber::WrongType,
    }
}

/// The known fields seen so far, to find duplicates. An unknown field is an error in any case.
#[derive(Default)]
struct SeenFields(u16);

impl SeenFields {
    const KNOWN: [&'static str; 10] = [
        "indicator",
        "unit",
        "period",
        "value",
        "dimensions",
        "observations",
        "reason",
        "source",
        "kind",
        "reference",
    ];

    fn twice(&mut self, key: &str) -> bool {
        let Some(place) = Self::KNOWN.iter().position(|known| *known == key) else { return false };
        let before = self.0;
        self.0 |= 1 << place;
        before == self.0
    }
}

/// Reads a body, passes its observations to the parser, and returns its other fields.
///
/// # Errors
/// [`UnreadableBody`] when the bytes are not JSON. All other errors are recorded by the parser.
pub fn read(
    body: &[u8],
    parser: &mut ObservationParser<'_>,
) -> Result<SubmissionEnvelope, UnreadableBody> {
    let raw: &RawValue = serde_json::from_slice(without_mark(body))
        .map_err(|error| UnreadableBody(format!("the body is not JSON: {error}")))?;
    let mut envelope = SubmissionEnvelope::default();
    let Ok(JsonObject(fields)) = serde_json::from_str::<JsonObject<'_>>(raw.get()) else {
        parser.fault(Fault::new(
            "",
            "wrong_type",
            "a submission must be an object with a list \"observations\"",
        ));
        return Ok(envelope);
    };
    let (mut observations, mut seen) = (None, SeenFields::default());
    for (key, value) in fields {
        if seen.twice(&key) {
            parser.fault(Fault::new(format!("/{key}"), "duplicate", "the field is a duplicate"));
        }
        match key.as_ref() {
            "observations" => observations = Some(value),
            "reason" => envelope.reason = note("/reason", value, parser),
            "source" => match serde_json::from_str::<JsonObject<'_>>(value.get()) {
                Ok(JsonObject(fields)) => source(fields, &mut envelope, parser),
                Err(_) if value.get() == "null" => {}
                Err(_) => {
                    parser.fault(Fault::new("/source", "wrong_type", "source must be an object"))
                }
            },
            // Fields of `GET /observations`: its response can be sent back as it is.
            "recorded" | "revision" | "revision_hash" | "next_cursor" => {}
            other => parser.fault(Fault::new(
                format!("/{other}"),
                "unknown_field",
                format!("a submission has no field {}", quoted(other)),
            )),
        }
    }
    match observations.map(|list| serde_json::from_str::<JsonList<'_>>(list.get())) {
        Some(Ok(JsonList(list))) => {
            let places = (0..).map(ObservationIndex::new);
            places.zip(list).for_each(|(index, raw)| observation(index, raw, parser))
        }
        Some(Err(_)) => {
            parser.fault(Fault::new("/observations", "wrong_type", "observations must be a list"))
        }
        None => parser.fault(Fault::new("/observations", "missing", "observations is missing")),
    }
    envelope.faults().into_iter().for_each(|fault| parser.fault(fault));
    Ok(envelope)
}

fn note(pointer: &str, value: &RawValue, parser: &mut ObservationParser<'_>) -> Option<String> {
    match text(value) {
        RawText::Text(text) => return Some(text.into_owned()),
        RawText::WrongType if value.get() == "null" => {}
        RawText::WrongType | RawText::Absent => {
            parser.fault(Fault::new(pointer, "wrong_type", "a text is expected"))
        }
    }
    None
}

fn source(
    fields: Vec<(Cow<'_, str>, &RawValue)>,
    envelope: &mut SubmissionEnvelope,
    parser: &mut ObservationParser<'_>,
) {
    let mut seen = SeenFields::default();
    for (key, value) in fields {
        if seen.twice(&key) {
            parser.fault(Fault::new(
                format!("/source/{key}"),
                "duplicate",
                "the field is a duplicate",
            ));
        }
        match key.as_ref() {
            "kind" => envelope.source_kind = note("/source/kind", value, parser),
            "reference" => envelope.reference = note("/source/reference", value, parser),
            other => parser.fault(Fault::new(
                format!("/source/{other}"),
                "unknown_field",
                format!("source has no field {}", quoted(other)),
            )),
        }
    }
}

fn observation(index: ObservationIndex, raw: &RawValue, parser: &mut ObservationParser<'_>) {
    let place = SourceLocation { index, line: None, found_at: None };
    let Ok(JsonObject(fields)) = serde_json::from_str::<JsonObject<'_>>(raw.get()) else {
        parser.fault(place.fault("", "wrong_type", "an observation must be an object"));
        return;
    };
    let mut found = RawObservation {
        place,
        indicator: RawText::Absent,
        unit: RawText::Absent,
        period: RawText::Absent,
        dimensions: Vec::new(),
        value: RawNumber::Absent,
    };
    let mut seen = SeenFields::default();
    // The reason of an exported figure is that of its submission; alone it would be lost.
    let exported = fields.iter().any(|(key, _)| key == "submission");
    for (key, value) in fields {
        if seen.twice(&key) {
            parser.fault(place.fault(&key, "duplicate", "the field is a duplicate"));
        }
        match key.as_ref() {
            "indicator" => found.indicator = text(value),
            "unit" => found.unit = text(value),
            "period" => found.period = text(value),
            "value" => found.value = number(value),
            "dimensions" => match serde_json::from_str::<JsonObject<'_>>(value.get()) {
                Ok(JsonObject(members)) => {
                    found.dimensions = members
                        .into_iter()
                        .map(|(dimension, member)| (dimension, text(member)))
                        .collect()
                }
                Err(_) if value.get() == "null" => {}
                Err(_) => parser.fault(place.fault(
                    "dimensions",
                    "wrong_type",
                    "dimensions must be an object of dimensions and members",
                )),
            },
            // Fields that `GET /observations` adds.
            "submission" | "revision" | "valid_to_revision" | "recorded_at" | "actor" => {}
            "reason" if exported => {}
            other => parser.fault(place.fault(
                other,
                "unknown_field",
                format!("an observation has no field {}", quoted(other)),
            )),
        }
    }
    parser.push(&found);
}
