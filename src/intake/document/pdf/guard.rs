//! What keeps a PDF from taking the service down: a thread with a stack of its own, a deadline, and panics of the library caught.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::malformed;
use crate::intake::document::{Refusal, limits};

/// How long a reader that does not look at its deadline is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// When a file has to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    /// A deadline that far from now.
    pub(super) fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Whether there is time left.
    ///
    /// # Errors
    /// `too_slow` when there is none.
    pub(super) fn check(self) -> Result<(), Refusal> {
        if Instant::now() < self.0 { Ok(()) } else { Err(too_slow()) }
    }
}

fn too_slow() -> Refusal {
    Refusal::new(
        "too_slow",
        format!("the PDF was not read within {} seconds", limits::TIME.as_secs()),
    )
}

/// Leaves the library from within, where it takes no error.
pub(super) fn leave(refusal: Refusal) -> ! {
    resume_unwind(Box::new(refusal))
}

/// Runs a reader.
///
/// # Errors
/// Its own, `malformed_document` when it panics, `too_slow` when it does not end.
pub(super) fn run<T: Send + 'static>(
    reader: impl FnOnce(Deadline) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let (sender, receiver) = channel();
    let deadline = Deadline::after(limits::TIME);
    let work = move || {
        let result =
            catch_unwind(AssertUnwindSafe(|| reader(deadline))).unwrap_or_else(|panic| match panic
                .downcast::<Refusal>(
            ) {
                Ok(refusal) => Err(*refusal),
                Err(_) => Err(malformed("it breaks the reader")),
            });
        sender.send(result).ok();
    };
    Builder::new()
        .name("pdf".to_owned())
        .stack_size(limits::PDF_STACK)
        .spawn(work)
        .map_err(|error| Refusal::new("too_busy", error.to_string()))?;
    receiver.recv_timeout(limits::TIME + GRACE).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => Err(too_slow()),
        RecvTimeoutError::Disconnected => Err(malformed("it breaks the reader")),
    })
}
