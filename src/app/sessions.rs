//! Beginning, using and ending sessions of the web pages (`docs/pages.md`).

use super::App;
use super::drafts;
use super::lookup::ask;
use crate::auth::sessions::{
    AGE_LIMIT, IDLE_LIMIT, SessionCookie, has_not_ended, has_use_to_record,
};
use crate::clock::process_time;
use crate::error::Error;
use ledger::PageChange;

impl App {
    /// Begins a session for the holder of a key, which the caller has accepted. Sessions and drafts
    /// that are too old are deleted.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn begin_session(&self, key: &str) -> Result<SessionCookie, Error> {
        let (cookie, now) = (SessionCookie::new()?, process_time());
        let row = cookie.begin(key, now)?;
        let purge = PageChange::Purge {
            unused_since: now.plus(-IDLE_LIMIT),
            begun_before: now.plus(-AGE_LIMIT),
            saved_before: now.plus(-drafts::RETENTION),
        };
        ask(self.store(), move |store| {
            store.change_pages(&purge)?;
            store.change_pages(&PageChange::BeginSession(row)).map_err(Error::from)
        })
        .await?;
        Ok(cookie)
    }

    /// The key of a session; `None` when it has ended or never began.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn session_key(&self, cookie: &SessionCookie) -> Result<Option<String>, Error> {
        let now = process_time();
        if let Some(key) = self.inner.sessions.trusted_key(cookie, now) {
            return Ok(Some(key));
        }
        let id = cookie.id();
        let row = ask(self.store(), move |store| {
            let row = store.session(&id).map_err(Error::from)?;
            Ok(row.filter(|row| has_not_ended(row, now)))
        });
        let mut row = row.await?;
        if let Some(row) = row.as_mut().filter(|row| has_use_to_record(row, now)) {
            row.last_used_at = now;
            // Recorded while the request continues: the database may be busy with a long change.
            let (store, change) =
                (self.store().clone(), PageChange::UseSession { id: cookie.id(), at: now });
            tokio::spawn(crate::sync::blocking(move || store.change_pages(&change)));
        }
        Ok(self.inner.sessions.remember(cookie, row))
    }

    /// Whether this instance has read a session so recently that it need not read it again.
    #[must_use]
    pub fn remembers_session(&self, cookie: &SessionCookie) -> bool {
        self.inner.sessions.contains(cookie)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn end_session(&self, cookie: &SessionCookie) -> Result<(), Error> {
        self.inner.sessions.forget(cookie);
        let change = PageChange::EndSession(cookie.id());
        ask(self.store(), move |store| store.change_pages(&change).map_err(Error::from)).await
    }
}
