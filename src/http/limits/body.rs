//! Reading bodies: how long one may take, how much memory all may take together, and how large one may become when it is decompressed.
//!
//! A body is read whole before its handler is called, and after the guard has let its sender in: nobody else's is read at all. One that
//! comes slowly holds a connection and what has come of it, no thread.

use std::io::Read as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::{HttpMessage, web};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;
use crate::http::problem::Problem;

/// The memory of bodies is counted in pieces of so many bytes.
const PIECE: usize = 4 << 10;
/// So much of each body counts as small: whoever sends large ones does not keep others from sending small ones.
const SMALL_EACH: usize = 1 << 20;
/// Most bytes of the small parts of all bodies that are held at once.
pub const SMALL: usize = 64 << 20;
/// Most bytes of what is beyond them.
pub const LARGE: usize = 128 << 20;

/// How long a body may take: a while, and longer the more of it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// How long it may take in any case.
    pub grace: Duration,
    /// Of so many bytes each adds a second.
    pub rate: usize,
    /// How long it may take at most.
    pub most: Duration,
}

impl Default for Patience {
    /// 20 seconds and one more for every 32 KiB, 5 minutes at most.
    fn default() -> Self {
        Self { grace: Duration::from_secs(20), rate: 32 << 10, most: Duration::from_secs(300) }
    }
}

impl Patience {
    /// How long a body of which so much has come may have taken.
    fn of(&self, bytes: usize) -> Duration {
        let seconds = u64::try_from(bytes / self.rate.max(1)).unwrap_or(u64::MAX);
        self.grace.saturating_add(Duration::from_secs(seconds)).min(self.most)
    }
}

/// The memory that bodies may take.
pub struct Bodies {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    patience: Patience,
}

/// A body, or what has come of it, with its share of the memory.
struct Held {
    bytes: Vec<u8>,
    shares: Vec<OwnedSemaphorePermit>,
    /// How many pieces those are.
    pieces: usize,
}

/// That a body was read whole, with its share of the memory; it goes with the request.
pub struct Read {
    _shares: Vec<OwnedSemaphorePermit>,
    /// Its turn, when it is large.
    _turn: Option<OwnedSemaphorePermit>,
}

/// An answer to a request whose body was not read, or not whole. While the rest of it is there the HTTP library knows that it was not,
/// and closes the connection behind the answer; one that was thrown away it would go on reading for as long as it comes.
pub struct Unread {
    answer: BoxBody,
    _payload: Payload,
}

impl Unread {
    /// An answer with what it does not wait for.
    #[must_use]
    pub fn new(answer: BoxBody, payload: Payload) -> Self {
        Self { answer, _payload: payload }
    }
}

impl MessageBody for Unread {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<web::Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}

impl Bodies {
    /// So much of small parts and beyond them.
    #[must_use]
    pub fn new((small, large): (usize, usize), patience: Patience) -> Self {
        let pieces = |bytes: usize| Arc::new(Semaphore::new(bytes / PIECE));
        Self { small: pieces(small), large: pieces(large), patience }
    }

    fn hold(&self) -> Held {
        Held { bytes: Vec::new(), shares: Vec::new(), pieces: 0 }
    }

    /// Adds to what is held.
    fn add(&self, held: &mut Held, bytes: &[u8], most: usize) -> Result<(), Problem> {
        let length = held.bytes.len().saturating_add(bytes.len());
        if length > most {
            return Err(too_large(most));
        }
        let needed = length.div_ceil(PIECE);
        let small = needed.min(SMALL_EACH / PIECE).saturating_sub(held.pieces);
        let large = needed.saturating_sub(held.pieces).saturating_sub(small);
        for (pool, pieces) in [(&self.small, small), (&self.large, large)] {
            let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
            if pieces > 0 {
                let share = Arc::clone(pool).try_acquire_many_owned(pieces);
                held.shares.push(share.map_err(|_none_left| {
                    Problem::busy("too many bodies are being read; try again").of_bound("bodies")
                })?);
            }
        }
        held.pieces = held.pieces.max(needed);
        held.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

fn too_large(most: usize) -> Problem {
    Problem::too_large(format!("a body has at most {most} bytes")).of_bound("body")
}

/// How a body is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Gzip,
    Deflate,
}

fn coding(headers: &HeaderMap) -> Result<Option<Coding>, Problem> {
    let unknown = || Problem::media_type("a body without Content-Encoding, or gzip or deflate");
    let mut sent = headers.get_all(CONTENT_ENCODING);
    let Some(first) = sent.next() else { return Ok(None) };
    // Once: what is compressed twice is nobody's sheet.
    let word = first
        .to_str()
        .ok()
        .filter(|_| sent.next().is_none())
        .ok_or_else(unknown)?
        .trim()
        .to_ascii_lowercase();
    match word.as_str() {
        "identity" => Ok(None),
        "gzip" => Ok(Some(Coding::Gzip)),
        "deflate" => Ok(Some(Coding::Deflate)),
        _ => Err(unknown()),
    }
}

/// Whether a request announces a body.
#[must_use]
pub fn announced(headers: &HeaderMap) -> bool {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse::<u64>().ok());
    length.is_some_and(|length| length > 0)
        || headers.contains_key(actix_web::http::header::TRANSFER_ENCODING)
}

/// Reads the body of a request, and puts it, decompressed, in the place of what was to come.
///
/// # Errors
/// 413 when it is larger than `most`, before or after decompression; 408 when it takes too long; 415 for a coding that is not understood;
/// 400 when it breaks off or is not what its coding says; 503 when too many others are being read.
pub async fn read(
    request: &mut ServiceRequest,
    payload: &mut Payload,
    limits: &Limits,
    most: usize,
) -> Result<(), Problem> {
    let bodies = &limits.bodies;
    let coding = coding(request.headers())?;
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let mut held = receive(payload, bodies, most).await?;
    if let Some(coding) = coding {
        let bodies = Arc::clone(bodies);
        held = web::block(move || decompress(&held.bytes, coding, &bodies, most))
            .await
            .map_err(|_stopping| Problem::internal())??;
        let headers = request.headers_mut();
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    let turn = limits.body_turn(held.bytes.len()).await?;
    request.extensions_mut().insert(Read { _shares: held.shares, _turn: turn });
    request.set_payload(Payload::from(web::Bytes::from(held.bytes)));
    Ok(())
}

async fn receive(payload: &mut Payload, bodies: &Bodies, most: usize) -> Result<Held, Problem> {
    let (began, mut held) = (Instant::now(), bodies.hold());
    loop {
        let until = began + bodies.patience.of(held.bytes.len());
        let next = tokio::time::timeout_at(until.into(), payload.next()).await;
        match next.map_err(|_elapsed| {
            Problem::too_slow("the body did not come in time").of_bound("body_time")
        })? {
            Some(Ok(bytes)) => bodies.add(&mut held, &bytes, most)?,
            Some(Err(PayloadError::Overflow)) => return Err(too_large(most)),
            Some(Err(_broken)) => return Err(Problem::malformed("the body cannot be read")),
            None => return Ok(held),
        }
    }
}

fn decompress(bytes: &[u8], coding: Coding, bodies: &Bodies, most: usize) -> Result<Held, Problem> {
    let mut reader: Box<dyn std::io::Read + '_> = match coding {
        Coding::Gzip => Box::new(MultiGzDecoder::new(bytes)),
        Coding::Deflate => Box::new(ZlibDecoder::new(bytes)),
    };
    let (mut held, mut buffer) = (bodies.hold(), vec![0; 16 * PIECE]);
    loop {
        let read = reader.read(&mut buffer).map_err(|_corrupt| {
            Problem::malformed("the body is not what its Content-Encoding says")
        })?;
        if read == 0 {
            return Ok(held);
        }
        bodies.add(&mut held, buffer.get(..read).unwrap_or_default(), most)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn bodies(small: usize, large: usize) -> Bodies {
        Bodies::new((small, large), Patience::default())
    }

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_compressed_is_read_up_to_the_bound_and_no_further() {
        let (bodies, text) = (bodies(SMALL, LARGE), b"indicator,unit,period,value\n".repeat(100));
        assert_eq!(
            decompress(&zipped(&text), Coding::Gzip, &bodies, text.len()).unwrap().bytes,
            text
        );
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&text).unwrap();
        assert_eq!(
            decompress(&encoder.finish().unwrap(), Coding::Deflate, &bodies, text.len())
                .unwrap()
                .bytes,
            text
        );
        assert_eq!(
            decompress(&zipped(&text), Coding::Gzip, &bodies, text.len() - 1)
                .err()
                .map(|problem| problem.status),
            Some(413)
        );
        let bomb = zipped(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100 << 10);
        assert_eq!(
            decompress(&bomb, Coding::Gzip, &bodies, 32 << 20).err().map(|problem| problem.status),
            Some(413)
        );
        for broken in
            [&zipped(&text)[..20], b"nonsense", &[zipped(&text), b"rest".to_vec()].concat()]
        {
            assert_eq!(
                decompress(broken, Coding::Gzip, &bodies, 1 << 20)
                    .err()
                    .map(|problem| problem.status),
                Some(400)
            );
        }
        // Nothing is held once it is gone.
        assert_eq!(
            (bodies.small.available_permits(), bodies.large.available_permits()),
            (SMALL / PIECE, LARGE / PIECE)
        );
    }

    #[test]
    fn large_bodies_take_nothing_from_small_ones() {
        let bodies = bodies(4 << 20, 8 << 20);
        let (mut first, mut second, mut third) = (bodies.hold(), bodies.hold(), bodies.hold());
        let piece = vec![0; 1 << 20];
        (0..9).for_each(|_| bodies.add(&mut first, &piece, 32 << 20).unwrap());
        // Its first MiB is small, the other eight are all there is.
        bodies.add(&mut second, &piece, 32 << 20).unwrap();
        assert_eq!(
            bodies.add(&mut second, &[0], 32 << 20).err().map(|problem| problem.status),
            Some(503)
        );
        bodies.add(&mut third, &piece, 32 << 20).unwrap();
        drop(first);
        bodies.add(&mut second, &[0], 32 << 20).unwrap();
        // A byte after the other takes no more than all at once.
        let mut slow = bodies.hold();
        (0..PIECE).for_each(|_| bodies.add(&mut slow, &[0], 32 << 20).unwrap());
        assert_eq!(slow.pieces, 1);
        assert_eq!(slow.shares.len(), 1);
    }

    #[test]
    fn a_body_may_take_longer_the_more_of_it_has_come() {
        let patience = Patience::default();
        assert_eq!(patience.of(0).as_secs(), 20);
        assert_eq!(patience.of(1 << 20).as_secs(), 52);
        assert_eq!(patience.of(32 << 20).as_secs(), 300);
    }

    #[test]
    fn a_coding_is_named_once() {
        let of = |pairs: &[&str]| {
            let mut headers = HeaderMap::new();
            pairs.iter().for_each(|value| headers.append(CONTENT_ENCODING, value.parse().unwrap()));
            coding(&headers).map_err(|problem| problem.status)
        };
        assert_eq!(
            (of(&[]), of(&["identity"]), of(&["GZip"]), of(&["deflate"])),
            (Ok(None), Ok(None), Ok(Some(Coding::Gzip)), Ok(Some(Coding::Deflate)))
        );
        for wrong in [&["gzip, gzip"][..], &["gzip", "gzip"], &["br"], &["zstd"], &[""]] {
            assert_eq!(of(wrong), Err(415), "{wrong:?}");
        }
    }
}
