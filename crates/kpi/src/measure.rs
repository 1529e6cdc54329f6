//! Measures: an indicator or kpi, with or without members, written as
//! `igate.dossiers.received{channel=online,service_level=4}` (docs/specification.md#measures).

use std::fmt;

use super::fault::quoted;

/// Members of dimensions, sorted by dimension because their order does not matter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Members(Vec<(String, String)>);

impl Members {
    /// No members: the total.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Sorts members given in any order.
    ///
    /// # Errors
    /// The dimension that is named more than once.
    pub fn new(mut members: Vec<(String, String)>) -> Result<Self, String> {
        members.sort();
        match members.windows(2).find_map(|pair| match pair {
            [(one, _), (other, _)] if one == other => Some(one.clone()),
            _ => None,
        }) {
            Some(twice) => Err(twice),
            None => Ok(Self(members)),
        }
    }

    /// The member that is named for a dimension.
    #[must_use]
    pub fn get(&self, dimension: &str) -> Option<&str> {
        self.0.iter().find(|(code, _)| code == dimension).map(|(_, member)| member.as_str())
    }

    /// The same members with a member added for a dimension, or replaced.
    #[must_use]
    pub fn with(&self, dimension: &str, member: &str) -> Self {
        let mut members = self.without(dimension).0;
        members.push((dimension.to_owned(), member.to_owned()));
        members.sort();
        Self(members)
    }

    /// The same members without a dimension.
    #[must_use]
    pub fn without(&self, dimension: &str) -> Self {
        Self(self.0.iter().filter(|(code, _)| code != dimension).cloned().collect())
    }

    /// Pairs of dimension and member, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(dimension, member)| (dimension.as_str(), member.as_str()))
    }

    /// The number of dimensions named.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no dimension is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All subsets of these members, beginning with all of them and ending with none.
    #[must_use]
    pub fn subsets(&self) -> Vec<Self> {
        let mut found = vec![self.clone()];
        for (dimension, _) in &self.0 {
            let fewer: Vec<Self> = found.iter().map(|members| members.without(dimension)).collect();
            found.extend(fewer);
        }
        found
    }

    /// Parses the text between braces: `channel=online,service_level=4`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::none());
        }
        let pairs = text.split(',').map(|pair| match pair.split_once('=') {
            Some((dimension, member))
                if !dimension.trim().is_empty() && !member.trim().is_empty() =>
            {
                Ok((dimension.trim().to_owned(), member.trim().to_owned()))
            }
            _ => Err(format!("{} is not of the form dimension=member", quoted(pair))),
        });
        Self::new(pairs.collect::<Result<_, _>>()?)
            .map_err(|twice| format!("dimension {} is named twice", quoted(&twice)))
    }
}

impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> =
            self.0.iter().map(|(dimension, member)| format!("{dimension}={member}")).collect();
        write!(f, "{}", pairs.join(","))
    }
}

impl serde::Serialize for Members {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// A measure. Only the catalogue knows whether its codes are declared.
///
/// ```
/// use kpi::measure::Measure;
/// let measure = Measure::parse("a.b{y=2, x=1}").unwrap();
/// assert_eq!(measure.to_string(), "a.b{x=1,y=2}");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Measure {
    /// The code of an indicator or kpi.
    pub code: String,
    /// The members named.
    pub members: Members,
}

impl Measure {
    /// Parses `code` or `code{dimension=member,...}`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (code, members) = match text.split_once('{') {
            None => (text, ""),
            Some((code, rest)) => (
                code,
                rest.strip_suffix('}')
                    .ok_or_else(|| format!("{} has no closing brace", quoted(text)))?,
            ),
        };
        if code.trim().is_empty() {
            return Err("a measure must have a code".to_owned());
        }
        Ok(Self { code: code.trim().to_owned(), members: Members::parse(members)? })
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.members.is_empty() {
            write!(f, "{}", self.code)
        } else {
            write!(f, "{}{{{}}}", self.code, self.members)
        }
    }
}
