//! The audit log: every change of the ledger with sender, time and address, as the hash chain
//! covers it.

use ledger::{RevisionNumber, TimestampMicros};
use serde::Serialize;

use super::ledger::RevisionView;
use crate::app::snapshot::Snapshot;
use crate::auth::identity::{ChangeOrigin, SignInMethod};
use crate::error::Error;

/// Most entries on a page.
pub const MAX_PAGE: usize = 1_000;
/// Most revisions that are searched for one page.
pub const MAX_LOOKED_AT: usize = 50_000;

/// A change, and where it came from.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct AuditView {
    /// How the sender signed in; null for a revision of an older program.
    #[schema(required)]
    pub signed_in: Option<SignInMethod>,
    /// Identifier of the sender's API key.
    #[schema(required)]
    pub key: Option<String>,
    /// The sender's network address.
    #[schema(required)]
    pub address: Option<String>,
    /// The `User-Agent` of the sender's program.
    #[schema(required)]
    pub agent: Option<String>,
    /// What changed.
    #[serde(flatten)]
    pub change: RevisionView,
}

/// A query for changes; an absent field does not restrict.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only changes after this revision.
    pub after: RevisionNumber,
    /// Only changes of this kind, such as `keys`.
    pub kind: Option<String>,
    /// Only changes by this actor.
    pub actor: Option<String>,
    /// Only changes with this API key.
    pub key: Option<String>,
    /// Only changes from this address.
    pub address: Option<String>,
    /// Only changes at this time or later.
    pub from: Option<TimestampMicros>,
    /// Only changes before this time.
    pub to: Option<TimestampMicros>,
    /// At most this many changes.
    pub limit: usize,
}

/// A page of the audit log.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditPage {
    /// The revision of the snapshot.
    pub revision: RevisionNumber,
    /// The changes in order.
    pub changes: Vec<AuditView>,
    /// The revision after which the next page begins. Also given when many revisions were searched
    /// and few changes found.
    pub next: Option<RevisionNumber>,
}

impl Snapshot {
    /// The changes that match a query, in order. Blocks on the store.
    ///
    /// # Errors
    /// Those of the store.
    pub fn audit(&self, query: &AuditQuery) -> Result<AuditPage, Error> {
        let newest = self.state().revision;
        // No change since `from` can have a lower number than the revision that was the newest just
        // before.
        let before = query.from.map_or(Ok(RevisionNumber::BEGINNING), |from| {
            self.store().head_at(from.plus(-1)).map(|head| head.revision)
        })?;
        let (mut after, mut found, mut looked_at) = (query.after.max(before), Vec::new(), 0);
        let limit = query.limit.clamp(1, MAX_PAGE);
        while found.len() < limit && looked_at < MAX_LOOKED_AT {
            let rows =
                self.store().revisions(after, u32::try_from(MAX_PAGE).unwrap_or(u32::MAX))?;
            let Some(last) = rows.last().map(|row| row.revision) else {
                return self.audited(newest, found, None);
            };
            looked_at += rows.len();
            for row in rows {
                if row.revision > newest || query.to.is_some_and(|to| row.recorded_at >= to) {
                    return self.audited(newest, found, None);
                }
                after = row.revision;
                let origin = row
                    .origin
                    .as_deref()
                    .and_then(|text| serde_json::from_str::<ChangeOrigin>(text).ok());
                let of = |wanted: &Option<String>, is: Option<&str>| {
                    wanted.as_deref().is_none_or(|wanted| is == Some(wanted))
                };
                let fits = of(&query.kind, Some(&row.kind))
                    && of(&query.actor, Some(&row.actor))
                    && of(&query.key, origin.as_ref().and_then(|origin| origin.key.as_deref()))
                    && of(
                        &query.address,
                        origin.as_ref().and_then(|origin| origin.address.as_deref()),
                    );
                if fits {
                    found.push((row.revision, origin));
                }
                if found.len() == limit {
                    break;
                }
            }
            after = if found.len() == limit { after } else { last };
        }
        let next = (after < newest).then_some(after);
        self.audited(newest, found, next)
    }

    fn audited(
        &self,
        revision: RevisionNumber,
        found: Vec<(RevisionNumber, Option<ChangeOrigin>)>,
        next: Option<RevisionNumber>,
    ) -> Result<AuditPage, Error> {
        let numbers: Vec<RevisionNumber> = found.iter().map(|(number, _)| *number).collect();
        let changes =
            self.revision_views(self.store().revisions_of(&numbers)?)?.into_iter().zip(found).map(
                |(change, (_, origin))| {
                    let origin = origin.as_ref();
                    AuditView {
                        signed_in: origin.map(|origin| origin.how),
                        key: origin.and_then(|origin| origin.key.clone()),
                        address: origin.and_then(|origin| origin.address.clone()),
                        agent: origin.and_then(|origin| origin.agent.clone()),
                        change,
                    }
                },
            );
        let changes = changes.collect();
        self.confirm()?;
        Ok(AuditPage { revision, changes, next })
    }
}
