//! What a page is asked for: language, person, snapshot and parameters; and the fields of a form.

use std::fmt::Write as _;

use actix_web::http::Method;
use actix_web::web::{Bytes, Data, Query};
use actix_web::{HttpMessage, HttpRequest};
use chrono::FixedOffset;

use super::language::PageLanguage;
use crate::api::access::{identity, session_cookie};
use crate::api::{Problem, ServiceContext};
use crate::app::snapshot::{ReadConsistency, Snapshot};
use crate::app::state::State;
use crate::auth::identity::{Identity, SignInMethod};
use crate::auth::role::Role;
use crate::auth::sessions::SessionCookie;
use kpi::measure::Measure;
use kpi::period::Month;
use kpi::unit::UnitPosition;

/// Most fields of a form.
const MAX_FIELDS: usize = 6_000;

/// The request of a page.
#[derive(Clone)]
pub struct PageRequest {
    /// The language.
    pub language: PageLanguage,
    /// Who asks.
    pub identity: Identity,
    /// The session, if the browser is signed in.
    pub session: Option<SessionCookie>,
    /// The state that the page is computed from.
    pub snapshot: Snapshot,
    /// The path of the page.
    pub path: String,
    /// Whether the page is for a screen on a wall.
    pub is_wall: bool,
    parameters: Vec<(String, String)>,
}

impl PageRequest {
    /// Reads the request of a page.
    ///
    /// # Errors
    /// 503 until the ledger is loaded, 422 for a query that cannot be read.
    pub async fn of(
        request: &HttpRequest,
        context: &Data<ServiceContext>,
    ) -> Result<Self, Problem> {
        let parameters = Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|_e| Problem::parameter("", "malformed", "the query string cannot be read"))?
            .into_inner();
        let mut consistency = ReadConsistency::default();
        if let Some((_, text)) = parameters.iter().find(|(name, _)| name == "min_revision") {
            let named = text.parse().ok();
            consistency.min_revision = named;
        }
        let snapshot = context.read_snapshot(&consistency).await?;
        let is_wall = parameters.iter().any(|(name, value)| name == "tv" && value == "1");
        Ok(Self {
            language: PageLanguage::of(request),
            identity: identity(request)?,
            session: session_cookie(request.headers(), context),
            snapshot,
            path: page_of_form(request),
            is_wall,
            parameters,
        })
    }

    /// Sets a parameter that a form has brought.
    pub fn set(&mut self, name: &str, value: &str) {
        self.parameters.retain(|(of, _)| of != name);
        self.parameters.push((name.to_owned(), value.to_owned()));
    }

    /// The state that the page is computed from.
    #[must_use]
    pub fn state(&self) -> &State {
        self.snapshot.state()
    }

    /// The value of a parameter; none where it is empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// All values of a parameter that may be repeated.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let found = self.parameters.iter().filter(|(of, _)| of == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty()).collect()
    }

    /// Whether a parameter has a value.
    #[must_use]
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.text(name) == Some(value)
    }

    /// The month that a parameter names.
    ///
    /// # Errors
    /// 422 for a text that is not a month.
    pub fn month(&self, name: &str) -> Result<Option<Month>, Problem> {
        let parsed = self.text(name).map(str::parse::<Month>).transpose();
        parsed.map_err(|error| Problem::parameter(name, "malformed_period", error.to_string()))
    }

    /// The measures that a parameter names.
    ///
    /// # Errors
    /// 422 for a text that is not a measure, or one that the catalogue does not have.
    pub fn measures(&self, name: &str) -> Result<Vec<Measure>, Problem> {
        let mut found = Vec::new();
        for text in self.texts(name) {
            let measure = Measure::parse(text)
                .map_err(|detail| Problem::parameter(name, "malformed", detail))?;
            let faults: Vec<_> = self.state().measure_faults(&measure).collect();
            if !faults.is_empty() {
                return Err(Problem::invalid(faults));
            }
            found.push(measure);
        }
        Ok(found)
    }

    /// The position of the unit of the page: the one that is asked for, otherwise the person's own,
    /// otherwise the province with the newest figures.
    ///
    /// # Errors
    /// 404 for an unknown unit, or without any units.
    pub fn unit(&self) -> Result<UnitPosition, Problem> {
        let state = self.state();
        if let Some(code) = self.text("unit").or(self.identity.unit.as_deref()) {
            return Ok(state.find_unit(code)?);
        }
        let day = self.snapshot.day();
        let newest = |unit: &UnitPosition| {
            let units = state.units.subtree(*unit);
            let exists = state.units.get(*unit).is_some_and(|unit| unit.exists_on(day));
            (state.newest(units), exists, units.len(), std::cmp::Reverse(*unit))
        };
        let root = state.units.roots().max_by_key(newest);
        root.ok_or_else(|| {
            crate::error::Error::NotFound("there are no units yet".to_owned()).into()
        })
    }

    /// The month of the page: the one that is asked for, otherwise the newest that most units below
    /// the unit have reported.
    ///
    /// # Errors
    /// 422 for a text that is not a month.
    pub fn month_of(&self, unit: &str) -> Result<Month, Problem> {
        let units = &self.state().units;
        let newest = || self.state().newest_whole(units.subtree(units.position(unit)?));
        Ok(self.month("period")?.or_else(newest).unwrap_or_else(|| self.snapshot.month()))
    }

    /// The zone of the service.
    #[must_use]
    pub fn zone(&self) -> FixedOffset {
        self.state().calendar.offset()
    }

    /// Whether the person may do what needs a role.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        self.identity.role >= role
    }

    /// Whether the person has signed in.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        self.identity.origin.how != SignInMethod::Nobody
    }

    /// The token that forms carry; empty without a session.
    #[must_use]
    pub fn form_token(&self) -> String {
        self.session.as_ref().map(SessionCookie::form_token).unwrap_or_default()
    }

    /// The address of this page with some parameters changed; an empty value removes one.
    #[must_use]
    pub fn link(&self, changes: &[(&str, &str)]) -> String {
        let kept = self.parameters.iter().filter(|(name, value)| {
            !value.is_empty() && name != "lang" && changes.iter().all(|(of, _)| of != name)
        });
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        let added = changes.iter().copied().filter(|(_, value)| !value.is_empty());
        address(&self.path, kept.chain(added))
    }
}

/// The path of the page that a form belongs to; of other requests their own path.
#[must_use]
pub fn page_of_form(request: &HttpRequest) -> String {
    const ACTIONS: [&str; 6] = ["check", "send", "reopening", "remarks", "merge", "restore"];
    match request.path().rsplit_once('/') {
        Some((page, action))
            if *request.method() == Method::POST
                && !page.is_empty()
                && ACTIONS.contains(&action) =>
        {
            page.to_owned()
        }
        _ => request.path().to_owned(),
    }
}

/// Where the browser continues after signing in, from the address of the form.
#[must_use]
pub fn sign_in_target(request: &HttpRequest) -> String {
    let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string());
    let pairs = pairs.map(Query::into_inner).unwrap_or_default();
    let found = pairs.into_iter().find(|(name, _)| name == "target");
    found.map_or_else(|| "/".to_owned(), |(_, target)| target)
}

/// A path of this service: never another site.
#[must_use]
pub fn own_path(target: &str) -> String {
    let is_own = target.starts_with('/')
        && !target.starts_with("//")
        && !target.contains('\\')
        && !target.starts_with("/sign-")
        && !target.contains(|c: char| c.is_control());
    if is_own { target.to_owned() } else { "/".to_owned() }
}

/// An address: a path and its parameters.
#[must_use]
pub fn address<'p>(path: &str, parameters: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let mut text = path.to_owned();
    for (n, (name, value)) in parameters.into_iter().enumerate() {
        text.push(if n == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        encode(&mut text, value);
    }
    text
}

/// Percent-encodes all but the characters that a query may contain as they are.
fn encode(text: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b',' | b':') {
            text.push(char::from(byte));
        } else {
            let _infallible = write!(text, "%{byte:02X}");
        }
    }
}

/// The fields of a form.
#[derive(Clone, Debug, Default)]
pub struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// Reads a form that a page has sent (`application/x-www-form-urlencoded`) and checks its
    /// token.
    ///
    /// # Errors
    /// 403 without the token of the session, 413 with too many fields, 422 for a body that is no
    /// form.
    pub fn read(request: &HttpRequest, body: &Bytes) -> Result<Self, Problem> {
        let fields = Self::unchecked(body)?;
        let token = fields.text("form_token").unwrap_or_default();
        check_token(request, token)?;
        Ok(fields)
    }

    /// Reads a form without a session.
    ///
    /// # Errors
    /// As for [`FormFields::read`], without those of the token.
    pub fn unchecked(body: &Bytes) -> Result<Self, Problem> {
        let unreadable = || Problem::malformed("the form cannot be read");
        let text = std::str::from_utf8(body).map_err(|_e| unreadable())?;
        if text.bytes().filter(|byte| *byte == b'&').count() >= MAX_FIELDS {
            return Err(Problem::too_large(format!("a form has at most {MAX_FIELDS} fields")));
        }
        let pairs = Query::<Vec<(String, String)>>::from_query(text);
        Ok(Self(pairs.map_err(|_e| unreadable())?.into_inner()))
    }

    /// A field without blanks around it; none where it is empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(of, _)| of == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// All values of a field that may be repeated.
    pub fn texts<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// Whether a box is ticked.
    #[must_use]
    pub fn is_ticked(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The fields with a prefix in their names, without the prefix.
    pub fn with_prefix<'f>(&'f self, prefix: &'f str) -> impl Iterator<Item = (&'f str, &'f str)> {
        self.0
            .iter()
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// The month in a field.
    ///
    /// # Errors
    /// 422 where it is missing or not a month.
    pub fn month(&self, name: &str) -> Result<Month, Problem> {
        let text = self.text(name).unwrap_or_default();
        text.parse().map_err(|error: kpi::period::PeriodError| {
            Problem::parameter(name, "malformed_period", error.to_string())
        })
    }
}

/// Checks the token of a form. A request without a session needs none: it presents its key by
/// itself, or the service has no keys yet.
///
/// # Errors
/// 403 for another token, or a form of another site.
pub fn check_token(request: &HttpRequest, token: &str) -> Result<(), Problem> {
    let context = request.app_data::<Data<ServiceContext>>().ok_or_else(Problem::internal)?;
    let by_session = session_cookie(request.headers(), context)
        .filter(|_| !request.headers().contains_key("authorization"));
    let Some(session) = by_session else { return Ok(()) };
    let signed_in = request
        .extensions()
        .get::<Identity>()
        .is_some_and(|identity| identity.origin.how != SignInMethod::Nobody);
    if !signed_in || session.has_form_token(token) {
        return Ok(());
    }
    Err(Problem::forbidden("the form is not of this session; open the page again")
        .in_vietnamese("biểu mẫu không thuộc phiên đăng nhập này; hãy mở lại trang"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_a_browser_stays_on_this_site() {
        assert_eq!(own_path("/entry?unit=a"), "/entry?unit=a");
        for other in ["//evil.example", "https://evil.example", "/\\evil", "evil", "", "/sign-out"]
        {
            assert_eq!(own_path(other), "/", "{other}");
        }
    }
}
