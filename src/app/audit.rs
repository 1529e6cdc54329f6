//! The audit: every change of the ledger with who, when and from where, as its hash chain covers it.

use serde::Serialize;

use super::access::{Origin, SignedIn};
use super::ledger::RevisionView;
use super::moment::Moment;
use crate::error::Error;

/// Most entries on a page.
pub const MAX_PAGE: usize = 1_000;
/// Most revisions that are looked through for one page.
pub const MAX_LOOKED_AT: usize = 50_000;

/// A change, and from where it came.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct AuditView {
    /// How its sender signed in; null of a revision that an older program wrote.
    #[schema(required)]
    pub signed_in: Option<SignedIn>,
    /// The key's identifier.
    #[schema(required)]
    pub key: Option<String>,
    /// The address it came from.
    #[schema(required)]
    pub address: Option<String>,
    /// What the sender's program called itself.
    #[schema(required)]
    pub agent: Option<String>,
    /// What changed.
    #[serde(flatten)]
    pub change: RevisionView,
}

/// Which changes are asked for; what is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Behind this revision.
    pub after: i64,
    /// Of this kind, such as `keys`.
    pub kind: Option<String>,
    /// By this actor.
    pub actor: Option<String>,
    /// By this key.
    pub key: Option<String>,
    /// From this address.
    pub address: Option<String>,
    /// At this time or later, in microseconds since 1970.
    pub from: Option<i64>,
    /// Before this time.
    pub to: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// A page of the audit.
#[derive(Clone, PartialEq, Debug)]
pub struct AuditPage {
    /// The revision that it is the state of.
    pub revision: i64,
    /// The changes in order.
    pub changes: Vec<AuditView>,
    /// The revision that the next page goes on behind. Also where a page has found little among many revisions.
    pub next: Option<i64>,
}

impl Moment {
    /// The changes that a query asks for, in order. Blocks on the store.
    ///
    /// # Errors
    /// The store's.
    pub fn audit(&self, query: &AuditQuery) -> Result<AuditPage, Error> {
        let newest = self.look().revision;
        // Nothing was recorded before the revision that stood when the time began.
        let before = query.from.map_or(Ok(0), |from| {
            self.store().head_at(from.saturating_sub(1)).map(|head| head.revision)
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
                    .and_then(|text| serde_json::from_str::<Origin>(text).ok());
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
        revision: i64,
        found: Vec<(i64, Option<Origin>)>,
        next: Option<i64>,
    ) -> Result<AuditPage, Error> {
        let numbers: Vec<i64> = found.iter().map(|(number, _)| *number).collect();
        let changes =
            self.happened(self.store().revisions_of(&numbers)?)?.into_iter().zip(found).map(
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
        Ok(AuditPage { revision, changes: changes.collect(), next })
    }
}
