//! The current state and the only lock that protects it.
//!
//! Readers take a [`snapshot`](CurrentState::snapshot): the lock is held only while a reference is
//! counted, and no code of the reader runs meanwhile. A snapshot never changes and blocks nobody.
//! Only the writer's thread changes the state.

use std::sync::Arc;

use super::state::State;
use crate::error::Error;
use crate::sync::RwLock;

/// Holder of the current state, from which responses are computed.
pub(super) struct CurrentState {
    latest: RwLock<Arc<State>>,
}

impl CurrentState {
    /// Holds the state that was loaded at the start.
    pub fn new(state: State) -> Self {
        Self { latest: RwLock::new("current state", Arc::new(state)) }
    }

    /// The current state; later changes do not appear in it.
    pub fn snapshot(&self) -> Arc<State> {
        Arc::clone(&self.latest.read())
    }

    /// Applies a change that takes a few milliseconds at most. When no reader holds a snapshot, the
    /// state is changed in place; otherwise the parts that change are copied first.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut latest = self.latest.write();
        if let Some(state) = Arc::get_mut(&mut latest) {
            return change(state);
        }
        drop(latest);
        self.replace(change)
    }

    /// Applies a change that may take longer: readers continue with the previous state until the
    /// changed copy replaces it.
    pub fn replace<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut next = State::clone(&self.snapshot());
        let outcome = change(&mut next);
        self.put(next);
        outcome
    }

    /// As [`CurrentState::replace`], but nothing changes when `change` fails.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn try_replace<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut next = State::clone(&self.snapshot());
        let outcome = change(&mut next)?;
        self.put(next);
        Ok(outcome)
    }

    /// Replaces the state by another one.
    pub fn put(&self, next: State) {
        let before = std::mem::replace(&mut *self.latest.write(), Arc::new(next));
        // freed without holding the lock
        drop(before);
    }
}
