//! Drafts that people keep on the web pages (`docs/pages.md`).

use super::App;
use super::lookup::ask;
use crate::clock::process_time;
use crate::error::Error;
use ledger::{DraftRow, PageChange, TimestampMicros};

/// Time for which a draft is kept, in microseconds.
pub(super) const RETENTION: i64 = 30 * 24 * 3_600 * 1_000_000;
/// Longest draft, in bytes.
pub const MAX_DRAFT: usize = 24 << 20;
/// Characters of a draft that a list of drafts reads.
const HEAD: i32 = 400;

/// A draft in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedDraft {
    /// Its code.
    pub code: String,
    /// When it was saved.
    pub saved_at: TimestampMicros,
    /// The first characters of its document.
    pub head: String,
}

impl App {
    /// A draft of somebody, and when it was saved.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn draft(
        &self,
        holder: &str,
        code: &str,
    ) -> Result<Option<(String, TimestampMicros)>, Error> {
        let (holder, code) = (holder.to_owned(), code.to_owned());
        let found =
            ask(self.store(), move |store| store.draft(&holder, &code).map_err(Error::from));
        let lasts = |row: &DraftRow| process_time().since(row.saved_at) < RETENTION;
        Ok(found.await?.filter(lasts).map(|row| (row.document, row.saved_at)))
    }

    /// The drafts of somebody, the newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn drafts(&self, holder: &str) -> Result<Vec<ListedDraft>, Error> {
        let holder = holder.to_owned();
        let found =
            ask(self.store(), move |store| store.drafts_of(&holder, HEAD).map_err(Error::from));
        let oldest = process_time().plus(-RETENTION);
        Ok(found
            .await?
            .into_iter()
            .filter(|(_, saved_at, _)| *saved_at > oldest)
            .map(|(code, saved_at, head)| ListedDraft { code, saved_at, head })
            .collect())
    }

    /// Saves a draft, which replaces the one with its code. The 20 newest of a person are kept, for
    /// 30 days. Returns when it was saved.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_DRAFT`], and those of the store.
    pub async fn save_draft(
        &self,
        holder: &str,
        code: &str,
        document: String,
    ) -> Result<TimestampMicros, Error> {
        if document.len() > MAX_DRAFT {
            return Err(Error::TooLarge(format!("a draft has at most {MAX_DRAFT} bytes")));
        }
        let saved_at = process_time();
        let (holder, code) = (holder.to_owned(), code.to_owned());
        let change = PageChange::SaveDraft(DraftRow { holder, code, saved_at, document });
        ask(self.store(), move |store| store.change_pages(&change).map_err(Error::from)).await?;
        Ok(saved_at)
    }

    /// Deletes a draft, if there is one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete_draft(&self, holder: &str, code: &str) -> Result<(), Error> {
        let (holder, code) = (holder.to_owned(), code.to_owned());
        let change = PageChange::DeleteDraft { holder, code };
        ask(self.store(), move |store| store.change_pages(&change).map_err(Error::from)).await
    }
}
