//! Reading the whole ledger from its beginning: what a start of the program waits for.
//!
//! One thread reads some 1.7 million figures a second from SQLite, most of that time spent stepping and decoding, while the one who takes
//! them waits. So the revisions are cut into short windows, which two threads read in turn and ahead; the windows are handed over in order.

use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::error::StoreError;
use super::rows::ObservationRow;

/// Threads that read.
const READERS: usize = 2;
/// Revisions of a window: enough that small revisions do not cost a statement each, few enough that windows of large ones fit into what
/// may be read ahead.
const WINDOW: i64 = 4;
/// So many figures are handed on at a time: half a megabyte.
const PAGE: usize = 8192;
/// So many pages may be read ahead by each thread: 7 megabytes.
const PAGES_AHEAD: usize = 16;

/// Takes a page; `false` when nobody wants any more.
pub type Take<'a> = &'a mut dyn FnMut(Vec<ObservationRow>) -> bool;
/// Reads the figures behind a revision up to another, in pages of a size.
pub type Read<'a> = &'a (dyn Fn(Range<i64>, usize, Take<'_>) -> Result<(), StoreError> + Sync);
/// What a reading thread sends: a page, or `None` at the end of a window.
type Sent = Result<Option<Vec<ObservationRow>>, StoreError>;

/// Hands every figure of the revisions behind `after` up to `up_to` to `each`, in the ledger's order.
pub fn replay(
    after: i64,
    up_to: i64,
    read: Read<'_>,
    each: &mut dyn FnMut(ObservationRow),
) -> Result<(), StoreError> {
    if up_to.saturating_sub(after) <= WINDOW {
        // Catching up with a few revisions is no work for threads.
        return read(after..up_to, PAGE, &mut |page| {
            page.into_iter().for_each(&mut *each);
            true
        });
    }
    thread::scope(|scope| {
        let mut readers = Vec::with_capacity(READERS);
        for first in 0..READERS {
            let (sender, receiver) = sync_channel(PAGES_AHEAD);
            scope.spawn(move || {
                read_windows(windows(after, up_to).skip(first).step_by(READERS), read, &sender)
            });
            readers.push(receiver);
        }
        for (_, reader) in windows(after, up_to).zip(readers.iter().cycle()) {
            // A reader that is gone has panicked, which leaving the scope passes on.
            while let Ok(sent) = reader.recv() {
                match sent? {
                    Some(page) => page.into_iter().for_each(&mut *each),
                    None => break,
                }
            }
        }
        Ok(())
    })
}

/// The windows, each behind its start and up to its end.
fn windows(after: i64, up_to: i64) -> impl Iterator<Item = Range<i64>> {
    let mut start = after;
    std::iter::from_fn(move || {
        let window = start..start.saturating_add(WINDOW).min(up_to);
        start = window.end;
        (!window.is_empty()).then_some(window)
    })
}

/// Reads some windows one after another, until all are read or nobody receives them any more.
fn read_windows(
    windows: impl Iterator<Item = Range<i64>>,
    read: Read<'_>,
    sender: &SyncSender<Sent>,
) {
    for window in windows {
        let end = read(window, PAGE, &mut |page| sender.send(Ok(Some(page))).is_ok());
        let failed = end.is_err();
        if sender.send(end.map(|()| None)).is_err() || failed {
            break;
        }
    }
}
