//! The roles of senders (`docs/access.md`).

use serde::{Deserialize, Serialize};

/// The role of a key or token. Each role includes the permissions of the roles before it.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Reader,
    /// Records figures of its unit and the units below it.
    Reporter,
    /// Records for every unit; changes units, catalogue, targets, annotations and closed months.
    Steward,
    /// Changes keys and reads the audit log.
    Admin,
}

impl Role {
    /// Every role, in order of increasing permissions.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Reporter, Self::Steward, Self::Admin];

    /// The role's name in JSON and on the command line.
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
            .ok_or_else(|| "the role must be reader, reporter, steward or admin".to_owned())
    }
}
