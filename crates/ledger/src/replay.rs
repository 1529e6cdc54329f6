//! Reads the whole ledger from its beginning, which is what the start of the program waits for.
//!
//! One thread reads about 1.7 million figures a second from SQLite, most of that time in stepping
//! and decoding, while the consumer waits. So the revisions are divided into short windows, which
//! two threads read alternately and ahead; the windows are passed on in order.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::error::StoreError;
use super::numbers::RevisionSpan;

/// Number of reading threads.
const READERS: usize = 2;
/// Revisions in a window: enough that small revisions do not cost a statement each, and few enough
/// that windows of large ones fit into what may be read ahead.
const WINDOW: i64 = 4;
/// Figures in a page: half a megabyte.
const PAGE: usize = 8192;
/// Pages that each thread may read ahead: 7 megabytes.
const PAGES_AHEAD: usize = 16;

/// Receives a part of what is read, such as a page of figures; returns `false` when no more is
/// wanted.
pub type PartSink<'a, T> = &'a mut dyn FnMut(T) -> bool;
/// Reads the data of the revisions after one up to another, in parts of at most the given number of
/// rows.
pub type WindowReader<'a, T> =
    &'a (dyn Fn(RevisionSpan, usize, PartSink<'_, T>) -> Result<(), StoreError> + Sync);
/// A message of a reading thread: a part, or `None` at the end of a window.
type SentPart<T> = Result<Option<T>, StoreError>;

/// Passes the data of the revisions of a span to `each`, in the order of the revisions.
///
/// # Errors
/// Those of `read` and of `each`.
pub fn replay<T: Send>(
    span: RevisionSpan,
    read: WindowReader<'_, T>,
    each: &mut dyn FnMut(T) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    in_windows(&windows(span).collect::<Vec<_>>(), read, each)
}

/// As [`replay`], with windows chosen by the caller.
///
/// # Errors
/// Those of `read` and of `each`.
pub fn in_windows<T: Send>(
    windows: &[RevisionSpan],
    read: WindowReader<'_, T>,
    each: &mut dyn FnMut(T) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if let [window] = windows {
        // For a few revisions threads are not worth their cost.
        let mut taken = Ok(());
        read(*window, PAGE, &mut |part| {
            taken = each(part);
            taken.is_ok()
        })?;
        return taken;
    }
    thread::scope(|scope| {
        let mut readers = Vec::with_capacity(READERS);
        for first in 0..READERS {
            let (sender, receiver) = sync_channel(PAGES_AHEAD);
            scope.spawn(move || {
                read_windows(windows.iter().skip(first).step_by(READERS).copied(), read, &sender)
            });
            readers.push(receiver);
        }
        for (_, reader) in windows.iter().zip(readers.iter().cycle()) {
            // A thread that has ended has panicked; the end of the scope passes the panic on.
            while let Ok(sent) = reader.recv() {
                match sent? {
                    Some(part) => each(part)?,
                    None => break,
                }
            }
        }
        Ok(())
    })
}

/// The windows of a span.
fn windows(mut rest: RevisionSpan) -> impl Iterator<Item = RevisionSpan> {
    std::iter::from_fn(move || {
        let window = rest.beginning(WINDOW);
        rest.after = window.up_to;
        (!window.is_empty()).then_some(window)
    })
}

/// Reads windows one after another, until all are read or nobody receives them any more.
fn read_windows<T>(
    windows: impl Iterator<Item = RevisionSpan>,
    read: WindowReader<'_, T>,
    sender: &SyncSender<SentPart<T>>,
) {
    for window in windows {
        let end = read(window, PAGE, &mut |part| sender.send(Ok(Some(part))).is_ok());
        let failed = end.is_err();
        if sender.send(end.map(|()| None)).is_err() || failed {
            break;
        }
    }
}
