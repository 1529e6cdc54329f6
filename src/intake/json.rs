//! A submission as JSON. Values are kept as the text they were written as, so that `78.950` keeps its
//! three decimals; each field's shape is judged alone, so that every fault is named at once.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Envelope, Unreadable};
use crate::domain::fault::{Fault, quoted};
use crate::domain::observation::{
    MAX_OBSERVATIONS, Parser, Place, RawNumber, RawObservation, RawText,
};

/// Most fields of an object that are looked at; none that is meant has so many.
const MAX_FIELDS: usize = 1_000;

/// An object whose values are not looked into yet; keys may stand twice. Those beyond the bound are passed over: there are
/// unknown ones among the first already.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(6);
                while fields.len() < MAX_FIELDS
                    && let Some((Text(key), value)) = map.next_entry()?
                {
                    fields.push((key, value));
                }
                while let Some((IgnoredAny, IgnoredAny)) = map.next_entry()? {}
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A list whose entries are not looked into yet: one more than a submission may have, so that it is seen when there are too many.
struct List<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = List<'de>;

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
                Ok(List(entries))
            }
        }
        deserializer.deserialize_seq(Entries)
    }
}

/// A text, borrowed from the body where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn text(raw: &RawValue) -> RawText<'_> {
    serde_json::from_str::<Text<'_>>(raw.get())
        .map_or(RawText::WrongType, |Text(text)| RawText::Text(text))
}

fn number(raw: &RawValue) -> RawNumber<'_> {
    match raw.get().as_bytes().first() {
        Some(b'n') => RawNumber::Null,
        Some(b'-' | b'0'..=b'9') => RawNumber::Digits(Cow::Borrowed(raw.get())),
        Some(b'"') => serde_json::from_str::<Text<'_>>(raw.get())
            .map_or(RawNumber::WrongType, |Text(text)| RawNumber::Digits(text)),
        _ => RawNumber::WrongType,
    }
}

/// The fields that are known, for those that stand twice: which of the two is meant nobody can tell. Unknown ones are faults anyway.
#[derive(Default)]
struct Seen(u16);

impl Seen {
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

/// Reads a body, hands its observations to the parser, and returns what it says about itself.
///
/// # Errors
/// [`Unreadable`] when the bytes are no JSON; everything else is a fault of the parser.
pub fn read(body: &[u8], parser: &mut Parser<'_>) -> Result<Envelope, Unreadable> {
    let raw: &RawValue = serde_json::from_slice(body)
        .map_err(|error| Unreadable(format!("the body is no JSON: {error}")))?;
    let mut envelope = Envelope::default();
    let Ok(Object(fields)) = serde_json::from_str::<Object<'_>>(raw.get()) else {
        parser.fault(Fault::new(
            "",
            "wrong_type",
            "a submission is an object with a list \"observations\"",
        ));
        return Ok(envelope);
    };
    let (mut observations, mut seen) = (None, Seen::default());
    for (key, value) in fields {
        if seen.twice(&key) {
            parser.fault(Fault::new(format!("/{key}"), "duplicate", "the field stands twice"));
        }
        match key.as_ref() {
            "observations" => observations = Some(value),
            "reason" => envelope.reason = note("/reason", value, parser),
            "source" => match serde_json::from_str::<Object<'_>>(value.get()) {
                Ok(Object(fields)) => source(fields, &mut envelope, parser),
                Err(_) if value.get() == "null" => {}
                Err(_) => parser.fault(Fault::new("/source", "wrong_type", "source is an object")),
            },
            other => parser.fault(Fault::new(
                format!("/{other}"),
                "unknown_field",
                format!("a submission has no field {}", quoted(other)),
            )),
        }
    }
    match observations.map(|list| serde_json::from_str::<List<'_>>(list.get())) {
        Some(Ok(List(list))) => {
            list.into_iter().enumerate().for_each(|(index, raw)| observation(index, raw, parser))
        }
        Some(Err(_)) => {
            parser.fault(Fault::new("/observations", "wrong_type", "observations is a list"))
        }
        None => parser.fault(Fault::new("/observations", "missing", "observations is missing")),
    }
    envelope.faults().into_iter().for_each(|fault| parser.fault(fault));
    Ok(envelope)
}

fn note(pointer: &str, value: &RawValue, parser: &mut Parser<'_>) -> Option<String> {
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
    envelope: &mut Envelope,
    parser: &mut Parser<'_>,
) {
    let mut seen = Seen::default();
    for (key, value) in fields {
        if seen.twice(&key) {
            parser.fault(Fault::new(
                format!("/source/{key}"),
                "duplicate",
                "the field stands twice",
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

fn observation(index: usize, raw: &RawValue, parser: &mut Parser<'_>) {
    let place = Place { index, line: None };
    let Ok(Object(fields)) = serde_json::from_str::<Object<'_>>(raw.get()) else {
        parser.fault(place.fault("", "wrong_type", "an observation is an object"));
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
    let mut seen = Seen::default();
    for (key, value) in fields {
        if seen.twice(&key) {
            parser.fault(place.fault(&key, "duplicate", "the field stands twice"));
        }
        match key.as_ref() {
            "indicator" => found.indicator = text(value),
            "unit" => found.unit = text(value),
            "period" => found.period = text(value),
            "value" => found.value = number(value),
            "dimensions" => match serde_json::from_str::<Object<'_>>(value.get()) {
                Ok(Object(members)) => {
                    found.dimensions = members
                        .into_iter()
                        .map(|(dimension, member)| (dimension, text(member)))
                        .collect()
                }
                Err(_) if value.get() == "null" => {}
                Err(_) => parser.fault(place.fault(
                    "dimensions",
                    "wrong_type",
                    "dimensions is an object of dimension and member",
                )),
            },
            other => parser.fault(place.fault(
                other,
                "unknown_field",
                format!("an observation has no field {}", quoted(other)),
            )),
        }
    }
    parser.push(&found);
}
