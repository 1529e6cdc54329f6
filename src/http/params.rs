//! Query parameters, read strictly: an unknown one is a fault, and every fault is named at once.

use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::web::Query;

use super::problem::Problem;
use super::reply::Format;
use crate::app::moment::Wanted;
use crate::domain::fault::{Fault, quoted};
use crate::domain::measure::Measure;
use crate::domain::period::Period;

/// Most parameters in one query.
const MAX_PARAMETERS: usize = 2_500;

/// The parameters of a request, taken one by one.
pub struct Params {
    pairs: Vec<(String, String)>,
    faults: Vec<Fault>,
}

impl Params {
    /// Reads the query string.
    ///
    /// # Errors
    /// 422 when it cannot be read.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let unreadable =
            |_e| Problem::parameter("", "malformed", "the query string cannot be read");
        let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(unreadable)?
            .into_inner();
        if pairs.len() > MAX_PARAMETERS {
            return Err(Problem::parameter(
                "",
                "too_many",
                format!("at most {MAX_PARAMETERS} parameters"),
            )
            .of_bound("parameters"));
        }
        Ok(Self { pairs, faults: Vec::new() })
    }

    /// Every value of a parameter that may repeat.
    pub fn many(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) =
            std::mem::take(&mut self.pairs).into_iter().partition(|(key, _)| key == name);
        self.pairs = rest;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// Whether a parameter stands in the query.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(key, _)| key == name)
    }

    /// The value of a parameter that may stand once.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let mut values = self.many(name);
        if values.len() > 1 {
            self.fault(name, "duplicate", format!("{name} may stand once"));
        }
        values.pop()
    }

    /// A parameter that has to be there.
    pub fn needed(&mut self, name: &str, sentence: &str) -> Option<String> {
        let found = self.text(name);
        if found.is_none() {
            self.fault(name, "missing", sentence);
        }
        found
    }

    /// A measure that has to be named.
    pub fn measure(&mut self, name: &str) -> Option<Measure> {
        let text = self.needed(name, "name a measure")?;
        Measure::parse(&text).map_err(|detail| self.fault(name, "malformed", detail)).ok()
    }

    /// A period that has to be named.
    pub fn period(&mut self, name: &str) -> Option<Period> {
        if !self.has(name) {
            self.fault(
                name,
                "missing",
                "name a month, such as 2021-10, or a wider period: 2021-Q3, 2021-H1, 2021-9M, 2021",
            );
        }
        self.parse(name)
    }

    /// A parameter of a type that can be read from text.
    pub fn parse<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(name, "malformed", format!("{name}={}: {error}", quoted(&text)));
                None
            }
        }
    }

    /// A parameter that is one of a few words.
    pub fn word<'w>(&mut self, name: &str, words: &[&'w str]) -> Option<&'w str> {
        let text = self.text(name)?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            self.fault(name, "malformed", format!("{name} is one of {}", words.join(", ")));
        }
        found
    }

    /// `true` or `false`; absent is the default.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.word(name, &["true", "false"]).map_or(default, |word| word == "true")
    }

    /// The state that the answer is wanted from: `as_of`, `min_revision`, and what the cursor and the entity tags say the client has seen.
    pub fn wanted(&mut self, request: &HttpRequest) -> Wanted {
        let min_revision = self.parse::<i64>("min_revision");
        if min_revision.is_some_and(|revision| revision < 0) {
            self.fault("min_revision", "out_of_range", "a revision is a whole number from 0");
        }
        let cursor = self
            .pairs
            .iter()
            .find(|(name, _)| name == "cursor")
            .and_then(|(_, text)| read_cursor(text)?.first().copied());
        let by_day = self
            .pairs
            .iter()
            .any(|(name, value)| name == "last" || (name == "geography" && value == "current"));
        Wanted {
            as_of: self.parse("as_of"),
            min_revision,
            cursor,
            tag: super::reply::newest_tag(request),
            by_day,
        }
    }

    /// A time with its zone, in microseconds since 1970.
    pub fn time(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        // A plus sign in a query is a space by the time it is read.
        match chrono::DateTime::parse_from_rfc3339(&text.replace(' ', "+")) {
            Ok(time) => Some(time.timestamp_micros()),
            Err(_malformed) => {
                self.fault(
                    name,
                    "malformed",
                    "a time such as 2021-11-05T00:00:00Z or 2021-11-05T07:00:00%2B07:00",
                );
                None
            }
        }
    }

    /// In which units the answer is to be given: whether in those of today.
    pub fn in_units_of_today(&mut self) -> bool {
        self.word("geography", &["as_reported", "current"]) == Some("current")
    }

    /// A page's size. A table is as long as it may be unless somebody says otherwise: who opens it does not see that more follow.
    pub fn limit(&mut self, format: Format, default: usize, most: usize) -> usize {
        let limit = self.parse::<usize>("limit").unwrap_or(if format == Format::Json {
            default
        } else {
            most
        });
        if limit == 0 || limit > most {
            self.fault("limit", "out_of_range", format!("limit is 1 to {most}"));
        }
        limit.clamp(1, most)
    }

    /// A text of at most so many characters without control characters, such as a reason; an empty one is none.
    pub fn note(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        self.noted(name, text)
    }

    /// The same for a text that was sent another way.
    pub fn noted(&mut self, name: &str, text: String) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        if let Some((code, detail)) = crate::intake::note_fault(&text) {
            self.fault(name, code, detail);
        }
        Some(text)
    }

    /// How much a cursor of [`cursor`] says to pass over.
    pub fn offset(&mut self) -> usize {
        let Some(text) = self.text("cursor") else { return 0 };
        let found = read_cursor(&text).and_then(|numbers| match numbers.as_slice() {
            [_revision, offset] => usize::try_from(*offset).ok(),
            _ => None,
        });
        found.unwrap_or_else(|| {
            self.fault("cursor", "malformed", "this is no cursor of ours");
            0
        })
    }

    /// Adds a fault.
    pub fn fault(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        // The pointer of the whole is the empty one.
        let pointer = if name.is_empty() { String::new() } else { format!("/{name}") };
        self.faults.push(Fault::new(pointer, code, detail));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// 422 with every fault, parameters that nobody asked for among them.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            let name: String = name.chars().take(60).collect();
            self.fault(
                &name,
                "unknown_parameter",
                format!("there is no parameter {}", quoted(&name)),
            );
        }
        match self.faults.len() {
            0 => Ok(()),
            1 => Err(Problem::invalid(self.faults)),
            faults => Err(Problem {
                detail: format!("{faults} faults in the query"),
                ..Problem::invalid(self.faults)
            }),
        }
    }
}

/// A URL-safe cursor from numbers, the revision that the page before was computed from first.
#[must_use]
pub fn cursor(numbers: &[i64]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join("~")
}

/// The cursor of the page behind `offset` entries.
#[must_use]
pub fn offset_cursor(revision: i64, offset: Option<usize>) -> Option<String> {
    Some(cursor(&[revision, i64::try_from(offset?).ok()?]))
}

/// The numbers of a cursor.
#[must_use]
pub fn read_cursor(text: &str) -> Option<Vec<i64>> {
    text.split('~').map(|number| number.parse().ok().filter(|number| *number >= 0)).collect()
}
