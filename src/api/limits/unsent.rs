//! Responses on their way to the client: written in pieces that count towards the memory budget
//! until they are sent.
//!
//! The HTTP library copies a body that it gets whole into the buffer of the connection. Here it
//! gets one piece after the other, and asks for the next one only when the client has read most of
//! the previous one. A client that reads nothing for [`IDLE`], or less than
//! [`MIN_BYTES_PER_SECOND`] bytes per second, loses the rest of the response, and its connection
//! when it reads on.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use super::account::{MemoryAccount, short};
use crate::api::problem::Problem;
use crate::memory::{MemoryExhausted, MemoryKind, MemoryPermit};
use crate::sync::Mutex;
use actix_web::ResponseError;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Bytes;

/// Size of a piece, in bytes.
pub const PIECE: usize = 32 << 10;
/// Responses up to this size, in bytes, are not counted: each connection has at most one, within
/// the memory reserved for connections.
pub const UNCOUNTED: usize = 8 << 10;
/// How long a client may read nothing of a response.
pub const IDLE: Duration = Duration::from_secs(30);
/// How long sending a response may take in any case; each [`MIN_BYTES_PER_SECOND`] bytes that were
/// read add a second.
pub const GRACE: Duration = Duration::from_secs(60);
/// The minimum speed of reading a response after [`GRACE`], in bytes per second.
pub const MIN_BYTES_PER_SECOND: usize = 16 << 10;
/// Interval of checking whether responses are read.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// A response while it is written: pieces, and the permit for their memory, which is reserved
/// before it is allocated.
pub struct ResponsePieces {
    pieces: VecDeque<Bytes>,
    current: Vec<u8>,
    length: usize,
    permit: MemoryPermit,
    /// Bytes of the permit that are reserved for the response and not used yet.
    spare: usize,
    exhausted: bool,
}

impl ResponsePieces {
    /// An empty response; `permit` already covers other memory that is held while the response is
    /// written.
    #[must_use]
    pub fn new(permit: MemoryPermit) -> Self {
        Self {
            pieces: VecDeque::new(),
            current: Vec::new(),
            length: 0,
            permit,
            spare: 0,
            exhausted: false,
        }
    }

    /// An empty response for which `spare` bytes of the permit are reserved.
    #[must_use]
    pub fn with_spare(permit: MemoryPermit, spare: usize) -> Self {
        Self { spare, ..Self::new(permit) }
    }

    fn piece(&mut self) -> Result<(), MemoryExhausted> {
        let full = std::mem::take(&mut self.current);
        if !full.is_empty() {
            self.pieces.push_back(Bytes::from(full));
        }
        if self.spare >= PIECE {
            self.spare -= PIECE;
        } else if let Err(exhausted) = self.permit.try_grow(PIECE) {
            self.exhausted = true;
            return Err(exhausted);
        }
        self.current.reserve_exact(PIECE);
        Ok(())
    }

    /// Whether writing failed because memory was short.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// The body of the response. The memory for computing it is released.
    #[must_use]
    pub fn into_body(mut self) -> BoxBody {
        let mut taken: usize = self.pieces.iter().map(Bytes::len).sum();
        if !self.current.is_empty() {
            let mut last = std::mem::take(&mut self.current);
            // Copying takes time, so that only a short text is moved to memory of its own.
            if last.len() <= UNCOUNTED {
                last.shrink_to_fit();
            }
            taken += last.capacity();
            self.pieces.push_back(Bytes::from(last));
        }
        self.permit.shrink_to(taken);
        if self.length <= UNCOUNTED {
            return BoxBody::new(self.pieces.pop_front().unwrap_or_default());
        }
        self.permit.set_kind(MemoryKind::Unsent);
        UnsentBody::start(self.pieces, self.permit, true)
    }
}

impl io::Write for ResponsePieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.current.len() >= self.current.capacity()
            || self.current.is_empty() && self.current.capacity() < PIECE
        {
            self.piece().map_err(io::Error::other)?;
        }
        let room = self.current.capacity() - self.current.len();
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.current.extend_from_slice(taken);
        self.length += taken.len();
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The body of a response, sent in pieces.
struct UnsentBody {
    rest: Arc<Mutex<UnsentPieces>>,
    length: usize,
}

/// The unsent rest of a response.
struct UnsentPieces {
    pieces: VecDeque<Bytes>,
    /// `None` after the response was given up.
    permit: Option<MemoryPermit>,
    /// Whether the memory of each piece can be released by itself.
    separate: bool,
    /// Length of the piece that the connection holds, in bytes.
    with_connection: usize,
    given: usize,
    began: Instant,
    last: Instant,
}

impl UnsentPieces {
    /// Gives up a response that the client reads too slowly and returns its memory, to be released
    /// outside the lock; otherwise `None`.
    fn give_up(&mut self, now: Instant) -> Option<(VecDeque<Bytes>, Option<MemoryPermit>)> {
        let earned = u64::try_from(self.given / MIN_BYTES_PER_SECOND).unwrap_or(u64::MAX);
        let slow = now.saturating_duration_since(self.began) > GRACE + Duration::from_secs(earned);
        let idle = now.saturating_duration_since(self.last) > IDLE;
        (slow || idle || self.permit.is_none())
            .then(|| (std::mem::take(&mut self.pieces), self.permit.take()))
    }

    /// The next piece, and the memory of the previous one, to be released outside the lock.
    fn next(&mut self, now: Instant) -> (Option<Result<Bytes, GivenUp>>, Option<MemoryPermit>) {
        let Some(permit) = &mut self.permit else { return (Some(Err(GivenUp)), None) };
        let taken = self.separate.then(|| permit.split(self.with_connection));
        self.last = now;
        let piece = self.pieces.pop_front();
        self.with_connection = piece.as_ref().map_or(0, Bytes::len);
        self.given += self.with_connection;
        (piece.map(Ok), taken)
    }
}

/// The client read the response too slowly.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the client did not read the response in time")]
struct GivenUp;

impl UnsentBody {
    fn start(pieces: VecDeque<Bytes>, permit: MemoryPermit, separate: bool) -> BoxBody {
        let (length, now) = (pieces.iter().map(Bytes::len).sum(), Instant::now());
        let rest = UnsentPieces {
            pieces,
            permit: Some(permit),
            separate,
            with_connection: 0,
            given: 0,
            began: now,
            last: now,
        };
        let rest = Arc::new(Mutex::new("response", rest));
        if length > PIECE {
            let watched = Arc::downgrade(&rest);
            tokio::spawn(watch_client(watched));
        }
        BoxBody::new(Self { rest, length })
    }
}

/// Gives up a response when its client does not read it.
async fn watch_client(rest: Weak<Mutex<UnsentPieces>>) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let Some(rest) = rest.upgrade() else { return };
        let given_up = rest.lock().give_up(Instant::now());
        if given_up.is_some() {
            return;
        }
    }
}

impl MessageBody for UnsentBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.length).unwrap_or(u64::MAX))
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let (piece, taken) = self.rest.lock().next(Instant::now());
        drop(taken);
        Poll::Ready(piece.map(|piece| piece.map_err(Into::into)))
    }
}

/// Sends every larger response in pieces and counts its memory. This middleware runs inside the
/// compression, which then compresses piece by piece.
///
/// # Errors
/// Those of inner services; 503 when memory is short.
pub async fn count(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let (request, response) = next.call(request).await?.map_into_boxed_body().into_parts();
    let (head, body) = response.into_parts();
    let response = match body.try_into_bytes() {
        Ok(whole) if whole.len() > UNCOUNTED => match counted(whole) {
            Ok(body) => head.set_body(body),
            Err(problem) => problem.error_response(),
        },
        Ok(whole) => head.set_body(BoxBody::new(whole)),
        Err(body) => head.set_body(body),
    };
    Ok(ServiceResponse::new(request, response))
}

fn counted(whole: Bytes) -> Result<BoxBody, Problem> {
    // Taken as a response that is being written, as `ResponsePieces` does: responses that others do
    // not read may have used up the share of unsent ones.
    let mut permit = MemoryAccount::current().work(MemoryKind::Response)?;
    permit.shrink_to(whole.len());
    permit.try_grow(whole.len() - permit.bytes()).map_err(short)?;
    permit.set_kind(MemoryKind::Unsent);
    let pieces = (0..whole.len())
        .step_by(PIECE)
        .map(|at| whole.slice(at..whole.len().min(at + PIECE)))
        .collect();
    Ok(UnsentBody::start(pieces, permit, false))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::memory::{MemoryBudget, MemoryOwner, RESERVED};

    fn budget(bytes: usize) -> MemoryBudget {
        MemoryBudget::new(RESERVED + bytes)
    }

    fn taken(budget: &MemoryBudget) -> usize {
        budget.usage().by_kind.iter().map(|(_, bytes)| bytes).sum()
    }

    async fn next(body: &mut BoxBody) -> Option<Result<Bytes, String>> {
        std::future::poll_fn(|context| Pin::new(&mut *body).poll_next(context))
            .await
            .map(|piece| piece.map_err(|error| error.to_string()))
    }

    #[tokio::test]
    async fn a_response_counts_until_its_pieces_are_taken() {
        let budget = budget(64 << 20);
        let work = budget.try_take(MemoryKind::Response, &MemoryOwner::Service, 1 << 20).unwrap();
        let mut pieces = ResponsePieces::new(work);
        let text: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        pieces.write_all(&text).unwrap();
        assert!(
            taken(&budget) >= text.len() + (1 << 20),
            "the memory for computing it is still reserved"
        );
        let mut body = pieces.into_body();
        assert_eq!(body.size(), BodySize::Sized(1_200_000));
        assert!((text.len()..text.len() + PIECE).contains(&taken(&budget)));
        let mut sent = Vec::new();
        while let Some(piece) = next(&mut body).await {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE);
            sent.extend_from_slice(&piece);
            assert!(taken(&budget) <= text.len() - sent.len() + 2 * PIECE);
        }
        assert!(sent == text);
        drop(body);
        assert_eq!(taken(&budget), 0);
    }

    #[tokio::test]
    async fn a_response_beyond_the_memory_limit_is_not_written() {
        let budget = budget(16 << 20);
        let mut pieces = ResponsePieces::new(
            budget.try_take(MemoryKind::Response, &MemoryOwner::Service, 0).unwrap(),
        );
        let written = (0..100_000).try_for_each(|_| pieces.write_all(&[b'x'; 1_000]));
        assert!(written.is_err() && pieces.is_exhausted());
        assert!(taken(&budget) <= budget.usage().capacity * 5 / 8);
        drop(pieces);
        assert_eq!(taken(&budget), 0);
    }

    #[tokio::test]
    async fn memory_reserved_for_the_response_is_used_first() {
        let budget = budget(64 << 20);
        let mut pieces = ResponsePieces::with_spare(
            budget.try_take(MemoryKind::Response, &MemoryOwner::Service, 2 << 20).unwrap(),
            1 << 20,
        );
        pieces.write_all(&vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(taken(&budget), 2 << 20);
        pieces.write_all(b"x").unwrap();
        assert_eq!(taken(&budget), (2 << 20) + PIECE);
    }

    #[tokio::test]
    async fn a_small_response_is_sent_in_one_piece() {
        let budget = budget(16 << 20);
        let mut pieces = ResponsePieces::new(
            budget.try_take(MemoryKind::Response, &MemoryOwner::Service, 0).unwrap(),
        );
        pieces.write_all(b"{}").unwrap();
        let body = pieces.into_body();
        assert_eq!((body.size(), taken(&budget)), (BodySize::Sized(2), 0));
    }

    #[tokio::test]
    async fn a_response_is_sent_while_others_that_nobody_reads_exceed_their_share() {
        let budget = budget(64 << 20);
        let others: Vec<MemoryPermit> = (0..2_u8)
            .map(|number| {
                let owner = MemoryOwner::Holder(number.to_string().into());
                let mut permit = budget.try_take(MemoryKind::Response, &owner, 20 << 20).unwrap();
                permit.set_kind(MemoryKind::Unsent);
                permit
            })
            .collect();
        let mut third =
            budget.try_take(MemoryKind::Response, &MemoryOwner::Address(None), 15 << 20).unwrap();
        third.set_kind(MemoryKind::Unsent);
        assert!(taken(&budget) > 48 << 20, "beyond the share of a kind");
        let account = MemoryAccount::new(&budget, MemoryOwner::Holder("somebody who reads".into()));
        let body = account.run(async { counted(Bytes::from(vec![b'x'; 20_000])) }).await;
        assert_eq!(body.unwrap().size(), BodySize::Sized(20_000));
        drop((others, third));
    }

    #[test]
    fn a_response_that_the_client_does_not_read_is_dropped() {
        let budget = budget(64 << 20);
        let now = Instant::now();
        let rest = || UnsentPieces {
            pieces: [Bytes::from(vec![0; PIECE]), Bytes::from(vec![0; PIECE])].into(),
            permit: Some(
                budget.try_take(MemoryKind::Unsent, &MemoryOwner::Service, 2 * PIECE).unwrap(),
            ),
            separate: true,
            with_connection: 0,
            given: 0,
            began: now,
            last: now,
        };
        let mut idle = rest();
        assert!(idle.give_up(now + IDLE).is_none());
        assert!(idle.next(now + IDLE).0.unwrap().is_ok());
        assert!(idle.give_up(now + IDLE * 2).is_none());
        assert!(idle.give_up(now + IDLE * 2 + Duration::from_secs(1)).is_some());
        assert!(idle.next(now + IDLE * 3).0.unwrap().is_err());
        assert_eq!(taken(&budget), 0);
        // An occasional piece is not enough.
        let mut slow = rest();
        assert!(slow.next(now + Duration::from_secs(25)).0.unwrap().is_ok());
        assert!(slow.give_up(now + Duration::from_secs(50)).is_none());
        slow.last = now + Duration::from_secs(70);
        assert!(slow.give_up(now + GRACE + Duration::from_secs(3)).is_some());
    }
}
