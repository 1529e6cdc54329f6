//! Responses that are sent while they are written, such as exports: whatever their length, only a
//! few pieces are in memory. A client that reads too slowly, by the rules of `unsent.rs`, loses the
//! rest. A response that cannot be finished ends its connection without its last chunk, so that no
//! client takes a part for the whole.

use std::io;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::unsent::{GRACE, IDLE, MIN_BYTES_PER_SECOND, PIECE};

/// Pieces that may wait for the client.
const PIECES: usize = 8;
/// Memory of the pieces of a response and of what writes them, in bytes.
pub const STREAM_BYTES: usize = 1 << 20;
/// After what time the writer first looks whether the client has read a piece. Each time is twice
/// the one before it, up to [`MOST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_micros(50);
const MOST_PAUSE: Duration = Duration::from_millis(5);

/// What the writer passes to the connection.
enum StreamPiece {
    /// The next bytes.
    Bytes(Bytes),
    /// The end of a complete response.
    End,
}

/// Writes a response, on a thread of its own.
pub struct StreamWriter {
    sender: Sender<StreamPiece>,
    current: Vec<u8>,
    sent: usize,
    /// Time in which the writer waited for the client.
    waited: Duration,
}

/// A response that is written while it is sent: the writer, and the body.
#[must_use]
pub fn streamed() -> (StreamWriter, BoxBody) {
    let (sender, receiver) = channel(PIECES);
    let writer = StreamWriter {
        sender,
        current: Vec::with_capacity(PIECE),
        sent: 0,
        waited: Duration::ZERO,
    };
    (writer, BoxBody::new(StreamedBody { receiver, is_complete: false }))
}

impl StreamWriter {
    /// Says whether the client has gone, also between two pieces.
    #[must_use]
    pub fn abandoned(&self) -> Box<dyn Fn() -> bool + Send + Sync> {
        let sender = self.sender.downgrade();
        Box::new(move || sender.upgrade().is_none_or(|sender| sender.is_closed()))
    }

    /// Ends a complete response. Without it the client sees that the response is cut off.
    ///
    /// # Errors
    /// When the client has gone or reads too slowly.
    pub fn end(mut self) -> io::Result<()> {
        self.pass()?;
        self.send(StreamPiece::End)
    }

    /// Passes what is written to the connection.
    fn pass(&mut self) -> io::Result<()> {
        if self.current.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.current, Vec::with_capacity(PIECE));
        self.sent += full.len();
        self.send(StreamPiece::Bytes(Bytes::from(full)))
    }

    fn send(&mut self, mut piece: StreamPiece) -> io::Result<()> {
        let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            piece = match self.sender.try_send(piece) {
                Ok(()) => {
                    self.waited += began.elapsed();
                    return Ok(());
                }
                Err(TrySendError::Closed(_)) => {
                    return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone"));
                }
                Err(TrySendError::Full(piece)) => piece,
            };
            if is_too_slow(began.elapsed(), self.waited + began.elapsed(), self.sent) {
                let detail = "the client does not read the response in time";
                return Err(io::Error::new(io::ErrorKind::TimedOut, detail));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(MOST_PAUSE);
        }
    }
}

/// Whether a client has read nothing for too long, or too little in all the time in which the
/// writer waited for it.
fn is_too_slow(since_last: Duration, waited: Duration, sent: usize) -> bool {
    let earned = u64::try_from(sent / MIN_BYTES_PER_SECOND).unwrap_or(u64::MAX);
    since_last > IDLE || waited > GRACE.saturating_add(Duration::from_secs(earned))
}

impl io::Write for StreamWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE.saturating_sub(self.current.len());
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.current.extend_from_slice(taken);
        if self.current.len() >= PIECE {
            self.pass()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The body of a response that is still being written.
struct StreamedBody {
    receiver: Receiver<StreamPiece>,
    is_complete: bool,
}

/// The response could not be written to its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the response could not be written to its end")]
struct CutOff;

impl MessageBody for StreamedBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.is_complete {
            return Poll::Ready(None);
        }
        self.receiver.poll_recv(context).map(|piece| match piece {
            Some(StreamPiece::Bytes(bytes)) => Some(Ok(bytes)),
            Some(StreamPiece::End) => {
                self.is_complete = true;
                None
            }
            None => Some(Err(CutOff.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    async fn next(body: &mut BoxBody) -> Option<Result<Bytes, String>> {
        std::future::poll_fn(|context| Pin::new(&mut *body).poll_next(context))
            .await
            .map(|piece| piece.map_err(|error| error.to_string()))
    }

    #[tokio::test]
    async fn all_bytes_arrive_in_order_and_the_end_is_marked() {
        let (mut writer, mut body) = streamed();
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let expected = text.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&text).unwrap();
            writer.end().unwrap();
        });
        let mut found = Vec::new();
        while let Some(piece) = next(&mut body).await {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE);
            found.extend_from_slice(&piece);
        }
        writing.join().unwrap();
        assert!(found == expected);
        assert!(next(&mut body).await.is_none());
    }

    #[tokio::test]
    async fn a_response_without_its_end_is_an_error_for_the_client() {
        let (mut writer, mut body) = streamed();
        writer.write_all(&[b'x'; PIECE]).unwrap();
        drop(writer);
        assert!(next(&mut body).await.unwrap().is_ok());
        assert!(next(&mut body).await.unwrap().is_err());
    }

    #[test]
    fn writing_ends_when_the_client_has_gone() {
        let (mut writer, body) = streamed();
        let abandoned = writer.abandoned();
        assert!(!abandoned());
        drop(body);
        assert!(abandoned());
        let written = (0..PIECES + 2).try_for_each(|_| writer.write_all(&[b'x'; PIECE]));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_client_must_read_something_and_fast_enough() {
        let second = Duration::from_secs(1);
        assert!(!is_too_slow(IDLE, IDLE, 0));
        assert!(is_too_slow(IDLE + second, IDLE + second, 0));
        assert!(!is_too_slow(second, GRACE, 0));
        assert!(is_too_slow(second, GRACE + second, 0));
        assert!(!is_too_slow(second, GRACE + second, MIN_BYTES_PER_SECOND));
    }
}
