//! The identity and permissions of the sender of a request.

use serde::Serialize;

use crate::app::App;
use crate::auth::identity::{Identity, SignInCredential, SignInMethod};
use crate::auth::role::Role;
use crate::clock::time_text;

/// Most units that [`App::me`] lists.
pub const MAX_UNITS_LISTED: usize = 10_000;

/// The identity and permissions of a sender, as `GET /me` reports them.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Identity)]
pub struct IdentityView {
    /// The name.
    pub name: String,
    /// The name in the ledger.
    pub actor: String,
    /// The role.
    pub role: Role,
    /// How the sender signed in; `nobody` where no key is needed.
    pub signed_in: SignInMethod,
    /// Identifier of the API key.
    #[schema(required)]
    pub key: Option<String>,
    /// When the key or token expires; null if it does not expire.
    #[schema(required)]
    pub expires_at: Option<String>,
    /// The unit that a reporter reports for.
    #[schema(required)]
    pub unit: Option<String>,
    /// Whether the sender may write figures of every unit.
    pub writes_every_unit: bool,
    /// The units that the sender may write figures of, at most 10,000. Empty if the sender may
    /// write no figures, or those of every unit.
    pub units: Vec<String>,
    /// The current month, the newest one that can have figures.
    pub this_month: String,
    /// The months that are closed.
    pub closed_periods: Vec<String>,
    /// Whether the sender may change figures of closed months, with a reason.
    pub writes_closed_periods: bool,
    /// A notice to everybody on this machine while there is no key; null otherwise.
    #[schema(required)]
    pub notice: Option<String>,
}

impl App {
    /// The identity and permissions of a sender at present.
    #[must_use]
    pub fn me(&self, identity: &Identity) -> IdentityView {
        const NOTICE: &str = "there is no key yet, so everybody on this machine has all \
            permissions; `egov-kpi keys add --name NAME --role admin` creates the first one";
        const READS: &str = "there is no key yet, so everybody on this machine may read; \
            everything else needs the one-time token that the service printed when it started; \
            `egov-kpi keys add --name NAME --role admin` creates the first key";
        let before_first_key =
            matches!(identity.credential, SignInCredential::BeforeFirstKey { .. });
        let state = self.state();
        let own = if identity.role == Role::Reporter { identity.own(&state.units) } else { None };
        let units = own
            .into_iter()
            .flatten()
            .take(MAX_UNITS_LISTED)
            .map(|unit| state.units.code(unit).to_owned());
        let open = identity.origin.how == SignInMethod::Nobody && identity.role == Role::Admin;
        let notice = if open { Some(NOTICE) } else { before_first_key.then_some(READS) };
        IdentityView {
            name: identity.name.clone(),
            actor: identity.actor.clone(),
            role: identity.role,
            signed_in: identity.origin.how,
            key: identity.origin.key.clone(),
            expires_at: identity.expires_at.map(time_text),
            unit: identity.unit.clone(),
            writes_every_unit: identity.role >= Role::Steward,
            units: units.collect(),
            this_month: self.clock().this_month().to_string(),
            closed_periods: state.closed.keys().map(ToString::to_string).collect(),
            writes_closed_periods: identity.may_change_closed(),
            notice: notice.map(ToOwned::to_owned),
        }
    }
}
