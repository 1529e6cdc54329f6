//! Who somebody is and what they may do: roles, units, closed months. The same rules hold however figures come in.
//!
//! | role | may |
//! |---|---|
//! | `reader` | read |
//! | `reporter` | besides, record and withdraw figures of its unit and those below, in months that are open |
//! | `steward` | besides, record for every unit, change figures of closed months with a reason, change units, catalogue, targets and annotations, close and reopen months |
//! | `admin` | besides, see and change keys and read the audit |

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::App;
use super::state::{Closed, Frame};
use super::time_text;
use crate::domain::fault::Fault;
use crate::domain::observation::Submission;
use crate::domain::period::Month;
use crate::domain::unit::Units;
use crate::error::Error;

/// Who a request is that needs no key.
pub const ANONYMOUS: &str = "anonymous";
/// Most units and months that a refusal names.
const MAX_NAMED: usize = 100;
/// Most units that `GET /me` lists.
pub const MAX_UNITS_LISTED: usize = 10_000;

/// What a key or a token lets its holder do; each role may what the ones before it may.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Reader,
    /// Records figures of its unit and those below it.
    Reporter,
    /// Records for every unit, keeps units, catalogue, targets, annotations and closed months.
    Steward,
    /// Keeps keys, reads the audit.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Reporter, Self::Steward, Self::Admin];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Reporter => "reporter",
            Self::Steward => "steward",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| "a role is reader, reporter, steward or admin".to_owned())
    }
}

/// How somebody has signed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignedIn {
    /// Not at all: on this machine, before there is a first key; or where reading is open to everybody.
    Nobody,
    /// By a key of the ledger.
    Key,
    /// By a token of the single sign-on (OIDC).
    Token,
    /// By a command on a machine that reaches the database.
    Command,
}

/// From where a change comes; kept with its revision, under the hash chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// How its sender signed in.
    pub how: SignedIn,
    /// The key's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The address it came from, as far as it can be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What the sender's program calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// Somebody who asks for something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The name, for people.
    pub name: String,
    /// Who it is in the ledger: name and, in parentheses, what tells it from others of that name.
    pub actor: String,
    /// Whose answers to `Idempotency-Key` and whose submissions are its own; the same before and after a key's rotation.
    pub holder: String,
    /// What it may do.
    pub role: Role,
    /// The unit that a reporter reports for.
    pub unit: Option<String>,
    /// Until when it is signed in, in microseconds since 1970; without end when absent.
    pub expires_at: Option<i64>,
    /// From where it comes.
    pub origin: Origin,
}

impl Identity {
    /// A command of this program on a machine that reaches the database: whoever can start it can change the database anyway.
    #[must_use]
    pub fn command(actor: &str) -> Self {
        let origin = Origin { how: SignedIn::Command, key: None, address: None, agent: None };
        Self {
            name: actor.to_owned(),
            actor: actor.to_owned(),
            holder: actor.to_owned(),
            role: Role::Admin,
            unit: None,
            expires_at: None,
            origin,
        }
    }

    /// Somebody who has not signed in, with the role that is everybody's there.
    #[must_use]
    pub fn anonymous(role: Role) -> Self {
        let command = Self::command(ANONYMOUS);
        Self { role, origin: Origin { how: SignedIn::Nobody, ..command.origin }, ..command }
    }

    /// The same from an address, by a program.
    #[must_use]
    pub fn from(self, address: Option<String>, agent: Option<String>) -> Self {
        Self { origin: Origin { address, agent, ..self.origin }, ..self }
    }

    /// Whether it may write figures of a unit, by its position.
    #[must_use]
    pub fn may_write(&self, units: &Units, position: usize) -> bool {
        match self.role {
            Role::Reader => false,
            Role::Reporter => self.own(units).is_some_and(|own| own.contains(&position)),
            Role::Steward | Role::Admin => true,
        }
    }

    /// Whether it may change figures of closed months, with a reason.
    #[must_use]
    pub fn may_change_closed(&self) -> bool {
        self.role >= Role::Steward
    }

    /// Its unit and those below, in tree order.
    fn own(&self, units: &Units) -> Option<std::ops::Range<usize>> {
        Some(units.subtree(units.position(self.unit.as_deref()?)?))
    }

    /// Refuses a submission with figures that it may not write.
    ///
    /// # Errors
    /// [`Error::Forbidden`] with every unit that is not its own and every closed month, the first hundred.
    pub fn may_record(&self, frame: &Frame, submission: &Submission) -> Result<(), Error> {
        self.may_change(
            &frame.units,
            &frame.closed,
            submission.figures.iter().map(|figure| (figure.unit, figure.month)),
        )
    }

    /// Refuses a change of figures, each a unit's position and a month, that it may not make.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn may_change(
        &self,
        units: &Units,
        closed: &Closed,
        figures: impl Iterator<Item = (usize, Month)>,
    ) -> Result<(), Error> {
        if self.role >= Role::Steward {
            return Ok(());
        }
        let (mut foreign, mut shut) = (BTreeSet::new(), BTreeSet::new());
        let mut known = BTreeMap::new();
        for (unit, month) in figures {
            if !*known.entry(unit).or_insert_with(|| self.may_write(units, unit)) {
                foreign.insert(unit);
            }
            if closed.contains_key(&month) {
                shut.insert(month);
            }
        }
        if foreign.is_empty() && shut.is_empty() {
            return Ok(());
        }
        let own = self
            .unit
            .as_deref()
            .map_or_else(|| "no unit".to_owned(), |unit| format!("{unit} and the units below it"));
        let of_units = foreign.iter().map(|unit| {
            let code = units.code(*unit);
            Fault::new(
                "/observations",
                "foreign_unit",
                format!("{code} is not among the units that {} reports for: {own}", self.name),
            )
        });
        let of_months = shut.iter().map(|month| {
            Fault::new(
                "/observations",
                "month_closed",
                format!("{month} is closed; its figures are changed by a steward"),
            )
        });
        let obstacles: Vec<Fault> = of_units.chain(of_months).take(MAX_NAMED).collect();
        let detail = match obstacles.as_slice() {
            [one] => one.detail.clone(),
            many => format!(
                "{} of these figures' units and months are not {}'s to change; nothing was recorded",
                many.len(),
                self.name
            ),
        };
        Err(Error::Forbidden { detail, obstacles })
    }
}

impl From<&str> for Identity {
    /// A command by its name.
    fn from(actor: &str) -> Self {
        Self::command(actor)
    }
}

impl From<&Self> for Identity {
    fn from(identity: &Self) -> Self {
        identity.clone()
    }
}

/// What somebody may do, as `GET /me` tells it.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct Me {
    /// The name.
    pub name: String,
    /// Who it is in the ledger.
    pub actor: String,
    /// The role.
    pub role: Role,
    /// How it signed in; `nobody` where no key is needed.
    pub signed_in: SignedIn,
    /// The key's identifier.
    #[schema(required)]
    pub key: Option<String>,
    /// Until when it is signed in; without end when null.
    #[schema(required)]
    pub expires_at: Option<String>,
    /// The unit that it reports for.
    #[schema(required)]
    pub unit: Option<String>,
    /// Whether it may write figures of every unit.
    pub writes_every_unit: bool,
    /// The units whose figures it may write, the first 10,000; empty when it may write none or every one.
    pub units: Vec<String>,
    /// The newest month that figures can be of.
    pub this_month: String,
    /// The months that are closed.
    pub closed_periods: Vec<String>,
    /// Whether it may change figures of closed months, with a reason.
    pub writes_closed_periods: bool,
    /// What everybody on this machine should know while no key is needed; null otherwise.
    #[schema(required)]
    pub notice: Option<String>,
}

impl App {
    /// What somebody may do now.
    #[must_use]
    pub fn me(&self, who: &Identity) -> Me {
        const NOTICE: &str = "there is no key yet, so everybody on this machine may do everything; `egov-kpi keys add --name NAME --role admin` makes the first one";
        let state = self.state();
        let own = if who.role == Role::Reporter { who.own(&state.units) } else { None };
        let units = own
            .into_iter()
            .flatten()
            .take(MAX_UNITS_LISTED)
            .map(|unit| state.units.code(unit).to_owned());
        let open = who.origin.how == SignedIn::Nobody && who.role == Role::Admin;
        Me {
            name: who.name.clone(),
            actor: who.actor.clone(),
            role: who.role,
            signed_in: who.origin.how,
            key: who.origin.key.clone(),
            expires_at: who.expires_at.map(time_text),
            unit: who.unit.clone(),
            writes_every_unit: who.role >= Role::Steward,
            units: units.collect(),
            this_month: state.clock.this_month().to_string(),
            closed_periods: state.closed.keys().map(ToString::to_string).collect(),
            writes_closed_periods: who.may_change_closed(),
            notice: open.then(|| NOTICE.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::unit::UnitDocument;

    fn units() -> Units {
        let document = |text: &str| serde_json::from_str::<UnitDocument>(text).unwrap();
        let all = [
            r#"{"code":"p"}"#,
            r#"{"code":"p.a","parent":"p"}"#,
            r#"{"code":"p.a.x","parent":"p.a"}"#,
            r#"{"code":"q"}"#,
        ];
        Units::new((0..).zip(all.map(document)).collect()).unwrap()
    }

    fn reporter(unit: &str) -> Identity {
        Identity { role: Role::Reporter, unit: Some(unit.to_owned()), ..Identity::command("r") }
    }

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn each_role_may_what_the_ones_before_it_may() {
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        assert!("Admin".parse::<Role>().is_err());
    }

    #[test]
    fn a_reporter_writes_its_unit_and_those_below_and_nobody_elses() {
        let units = units();
        let may = |who: &Identity| -> Vec<String> {
            (0..units.len())
                .filter(|unit| who.may_write(&units, *unit))
                .map(|unit| units.code(unit).to_owned())
                .collect()
        };
        assert_eq!(may(&reporter("p.a")), ["p.a", "p.a.x"]);
        assert_eq!(may(&reporter("p.a.x")), ["p.a.x"]);
        assert_eq!(may(&reporter("gone")), Vec::<String>::new());
        assert_eq!(may(&Identity { unit: None, ..reporter("p") }), Vec::<String>::new());
        assert_eq!(may(&Identity { role: Role::Reader, ..reporter("p") }), Vec::<String>::new());
        assert_eq!(may(&Identity { role: Role::Steward, ..reporter("q") }).len(), 4);
    }

    #[test]
    fn a_refusal_names_every_foreign_unit_and_every_closed_month_once() {
        let units = units();
        let at = |code: &str| units.position(code).unwrap();
        let closed = Closed::from([(month("2021-09"), 1)]);
        let figures = [
            ("p.a", "2021-09"),
            ("q", "2021-10"),
            ("q", "2021-09"),
            ("p", "2021-10"),
            ("p.a.x", "2021-10"),
        ];
        let figures = || figures.iter().map(|(unit, text)| (at(unit), month(text)));
        let Err(Error::Forbidden { detail, obstacles }) =
            reporter("p.a").may_change(&units, &closed, figures())
        else {
            panic!()
        };
        assert_eq!(
            obstacles.iter().map(|fault| fault.code).collect::<Vec<_>>(),
            ["foreign_unit", "foreign_unit", "month_closed"]
        );
        assert!(
            obstacles[0].detail.starts_with("p is not")
                && obstacles[1].detail.starts_with("q is not"),
            "{obstacles:?}"
        );
        assert!(detail.starts_with("3 of"), "{detail}");
        assert!(
            Identity { role: Role::Steward, ..reporter("p") }
                .may_change(&units, &closed, figures())
                .is_ok()
        );
        assert!(
            reporter("p")
                .may_change(&units, &closed, [(at("p.a.x"), month("2021-10"))].into_iter())
                .is_ok()
        );
        assert!(
            Identity { role: Role::Reader, ..reporter("p") }
                .may_change(&units, &closed, [(at("p"), month("2021-10"))].into_iter())
                .is_err()
        );
    }
}
