//! Protection of the service from hostile PDF files: a thread with its own stack, a deadline, and a
//! handler for panics of the library.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::malformed;
use crate::{DocumentError, limits};

/// How long to wait after the deadline for a reader that does not check it.
const GRACE: Duration = Duration::from_secs(5);

/// The time until which a file must have been read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadDeadline(Instant);

impl ReadDeadline {
    /// A deadline after a duration from now.
    pub(super) fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Checks that the deadline has not passed.
    ///
    /// # Errors
    /// `too_slow` when it has.
    pub(super) fn check(self) -> Result<(), DocumentError> {
        if Instant::now() < self.0 { Ok(()) } else { Err(too_slow()) }
    }
}

fn too_slow() -> DocumentError {
    DocumentError::new(
        "too_slow",
        format!("the PDF was not read within {} seconds", limits::TIME.as_secs()),
    )
}

/// Aborts the library from inside a callback that cannot return an error. [`run`] returns the
/// refusal.
pub(super) fn abort(refusal: DocumentError) -> ! {
    resume_unwind(Box::new(refusal))
}

/// Runs a reader in its own thread.
///
/// # Errors
/// Those of the reader, `malformed_document` when it panics, `too_slow` when it does not end.
pub(super) fn run<T: Send + 'static>(
    reader: impl FnOnce(ReadDeadline) -> Result<T, DocumentError> + Send + 'static,
) -> Result<T, DocumentError> {
    let (sender, receiver) = channel();
    let deadline = ReadDeadline::after(limits::TIME);
    let work = move || {
        let result = catch_unwind(AssertUnwindSafe(|| reader(deadline))).unwrap_or_else(|panic| {
            match panic.downcast::<DocumentError>() {
                Ok(refusal) => Err(*refusal),
                Err(_) => Err(malformed("the reader fails on it")),
            }
        });
        sender.send(result).ok();
    };
    Builder::new()
        .name("pdf".to_owned())
        .stack_size(limits::PDF_STACK)
        .spawn(work)
        .map_err(|error| DocumentError::new("too_busy", error.to_string()))?;
    receiver.recv_timeout(limits::TIME + GRACE).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => Err(too_slow()),
        RecvTimeoutError::Disconnected => Err(malformed("the reader fails on it")),
    })
}
