//! Reading request bodies: their time, their memory and their size after decompression.
//!
//! A body is read whole before its handler is called, and only after the guard has accepted the
//! sender. A slow body holds a connection and the memory of what has arrived, but no thread.

use std::io::Read as _;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use actix_web::{HttpMessage, web};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use futures_util::StreamExt;

use super::RequestLimits;
use super::account::{MemoryAccount, short};
use crate::api::problem::Problem;
use crate::memory::{MemoryKind, MemoryPermit};

/// Step in which the memory of bodies is reserved, in bytes.
const PIECE: usize = 16 << 10;
/// Compressed bodies below this size, in bytes, are not decompressed on the threads for heavy work,
/// so that ordinary submissions do not wait for heavy requests.
const SMALL_PACKED: usize = 16 << 10;

/// The timeout of a request body; it grows with the bytes that have arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyTimeout {
    /// The initial timeout.
    pub grace: Duration,
    /// The number of bytes that extend the timeout by one second.
    pub rate: usize,
    /// The maximum timeout.
    pub most: Duration,
}

impl Default for BodyTimeout {
    /// 20 seconds, one more for every 32 KiB, at most 5 minutes.
    fn default() -> Self {
        Self { grace: Duration::from_secs(20), rate: 32 << 10, most: Duration::from_secs(300) }
    }
}

impl BodyTimeout {
    /// The timeout after this many bytes have arrived.
    fn of(&self, bytes: usize) -> Duration {
        let seconds = u64::try_from(bytes / self.rate.max(1)).unwrap_or(u64::MAX);
        self.grace.saturating_add(Duration::from_secs(seconds)).min(self.most)
    }
}

/// A body, or the part that has arrived, with the permit for its memory.
struct BodyBuffer {
    bytes: Vec<u8>,
    memory: MemoryPermit,
    /// The announced length; `usize::MAX` if the client announced none.
    expected: usize,
}

/// Marks a request with a completely read body. The account of the request holds its memory.
pub struct BodyRead;

/// A response to a request without a completely read body. Holding the payload makes the HTTP
/// library close the connection after the response; if the payload were dropped, it would read and
/// discard the body for as long as it arrives.
pub struct UnreadBody {
    answer: BoxBody,
    _payload: Payload,
}

impl UnreadBody {
    /// A response that holds the unread payload.
    #[must_use]
    pub fn new(answer: BoxBody, payload: Payload) -> Self {
        Self { answer, _payload: payload }
    }
}

impl MessageBody for UnreadBody {
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

impl BodyBuffer {
    fn new(account: &MemoryAccount, expected: Option<usize>) -> Result<Self, Problem> {
        Ok(Self {
            bytes: Vec::new(),
            memory: account.empty(MemoryKind::Body)?,
            expected: expected.unwrap_or(usize::MAX),
        })
    }

    /// Appends bytes; their memory is reserved first.
    fn add(&mut self, bytes: &[u8], most: usize) -> Result<(), Problem> {
        let length = self.bytes.len().saturating_add(bytes.len());
        if length > most {
            return Err(too_large(most));
        }
        if length > self.bytes.capacity() {
            // Grows by half, to keep copying proportionate, but not beyond the announced length.
            let end = most.min(self.expected).max(length).next_multiple_of(PIECE);
            let capacity =
                length.max(self.bytes.capacity() / 2 * 3).next_multiple_of(PIECE).min(end);
            self.memory.try_grow(capacity.saturating_sub(self.memory.bytes())).map_err(short)?;
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

fn too_large(most: usize) -> Problem {
    Problem::too_large(format!("the body is longer than {most} bytes")).of_bound("body")
}

/// The compression of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ContentCoding {
    Gzip,
    Deflate,
}

fn coding(headers: &HeaderMap) -> Result<Option<ContentCoding>, Problem> {
    let unknown =
        || Problem::media_type("a body with Content-Encoding gzip or deflate, or without");
    let mut sent = headers.get_all(CONTENT_ENCODING);
    let Some(first) = sent.next() else { return Ok(None) };
    // A repeated header would mean repeated compression, which no regular client uses.
    let word = first
        .to_str()
        .ok()
        .filter(|_| sent.next().is_none())
        .ok_or_else(unknown)?
        .trim()
        .to_ascii_lowercase();
    match word.as_str() {
        "identity" => Ok(None),
        "gzip" => Ok(Some(ContentCoding::Gzip)),
        "deflate" => Ok(Some(ContentCoding::Deflate)),
        _ => Err(unknown()),
    }
}

/// Whether the headers of a request announce a body.
#[must_use]
pub fn announces_body(headers: &HeaderMap) -> bool {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse::<u64>().ok());
    length.is_some_and(|length| length > 0)
        || headers.contains_key(actix_web::http::header::TRANSFER_ENCODING)
}

/// Reads the body of a request, decompresses it, and replaces the payload with it.
///
/// # Errors
/// 413 when it is larger than `most`, before or after decompression; 408 when it does not arrive in
/// time; 415 for an unsupported encoding; 400 when it is cut off or not in its encoding; 503 when
/// memory is short.
pub async fn read(
    request: &mut ServiceRequest,
    payload: &mut Payload,
    limits: &RequestLimits,
    account: &MemoryAccount,
    most: usize,
) -> Result<(), Problem> {
    let coding = coding(request.headers())?;
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let mut held =
        receive(payload, limits.patience, BodyBuffer::new(account, length)?, most).await?;
    if let Some(coding) = coding {
        let (account, small) = (account.clone(), held.bytes.len() < SMALL_PACKED);
        let unpack = move || decompress(&held.bytes, coding, &account, most);
        held = if small {
            crate::sync::blocking(unpack).await.map_err(|_stopping| Problem::internal())??
        } else {
            limits.heavy.run(super::LARGE_BODY_TIMEOUT, unpack).await??
        };
        let headers = request.headers_mut();
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
    }
    limits.reserve_parsing(&mut held.memory, held.bytes.len()).await?;
    account.keep_body(held.memory);
    request.extensions_mut().insert(BodyRead);
    request.set_payload(Payload::from(web::Bytes::from(held.bytes)));
    Ok(())
}

async fn receive(
    payload: &mut Payload,
    patience: BodyTimeout,
    mut held: BodyBuffer,
    most: usize,
) -> Result<BodyBuffer, Problem> {
    let began = Instant::now();
    loop {
        let until = began + patience.of(held.bytes.len());
        let next = tokio::time::timeout_at(until.into(), payload.next()).await;
        match next.map_err(|_elapsed| {
            Problem::too_slow("the body did not arrive in time").of_bound("body_time")
        })? {
            Some(Ok(bytes)) => held.add(&bytes, most)?,
            Some(Err(PayloadError::Overflow)) => return Err(too_large(most)),
            Some(Err(_broken)) => return Err(Problem::malformed("the body cannot be read")),
            None => return Ok(held),
        }
    }
}

fn decompress(
    bytes: &[u8],
    coding: ContentCoding,
    account: &MemoryAccount,
    most: usize,
) -> Result<BodyBuffer, Problem> {
    let mut reader: Box<dyn std::io::Read + '_> = match coding {
        ContentCoding::Gzip => Box::new(MultiGzDecoder::new(bytes)),
        ContentCoding::Deflate => Box::new(ZlibDecoder::new(bytes)),
    };
    let (mut held, mut buffer) = (BodyBuffer::new(account, None)?, vec![0; 4 * PIECE]);
    loop {
        let read = reader
            .read(&mut buffer)
            .map_err(|_corrupt| Problem::malformed("the body is not in its Content-Encoding"))?;
        if read == 0 {
            return Ok(held);
        }
        held.add(buffer.get(..read).unwrap_or_default(), most)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;
    use crate::memory::{MemoryBudget, MemoryOwner, RESERVED};

    fn budget(bytes: usize) -> (MemoryBudget, MemoryAccount) {
        let budget = MemoryBudget::new(RESERVED + bytes);
        (budget.clone(), MemoryAccount::new(&budget, MemoryOwner::Address(None)))
    }

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn decompression_stops_at_the_size_limit() {
        let ((memory, bodies), text) =
            (budget(512 << 20), b"indicator,unit,period,value\n".repeat(100));
        assert_eq!(
            decompress(&zipped(&text), ContentCoding::Gzip, &bodies, text.len()).unwrap().bytes,
            text
        );
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&text).unwrap();
        assert_eq!(
            decompress(&encoder.finish().unwrap(), ContentCoding::Deflate, &bodies, text.len())
                .unwrap()
                .bytes,
            text
        );
        assert_eq!(
            decompress(&zipped(&text), ContentCoding::Gzip, &bodies, text.len() - 1)
                .err()
                .map(|problem| problem.status),
            Some(413)
        );
        let bomb = zipped(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100 << 10);
        assert_eq!(
            decompress(&bomb, ContentCoding::Gzip, &bodies, 32 << 20)
                .err()
                .map(|problem| problem.status),
            Some(413)
        );
        for broken in
            [&zipped(&text)[..20], b"nonsense", &[zipped(&text), b"rest".to_vec()].concat()]
        {
            assert_eq!(
                decompress(broken, ContentCoding::Gzip, &bodies, 1 << 20)
                    .err()
                    .map(|problem| problem.status),
                Some(400)
            );
        }
        // All memory is released.
        assert!(memory.usage().by_kind.iter().all(|(_, bytes)| *bytes == 0));
    }

    #[test]
    fn a_body_reserves_memory_as_it_arrives_up_to_its_limit() {
        let (memory, account) = budget(64 << 20);
        let mut slow = BodyBuffer::new(&account, None).unwrap();
        (0..PIECE).for_each(|_| slow.add(&[0], 32 << 20).unwrap());
        assert_eq!(
            (slow.memory.bytes(), slow.bytes.capacity()),
            (PIECE, PIECE),
            "single bytes take no more memory than one piece"
        );
        let mut large = BodyBuffer::new(&account, None).unwrap();
        let piece = vec![0; 1 << 20];
        let added = (0..64).map_while(|_| large.add(&piece, 64 << 20).ok()).count();
        assert!((20..32).contains(&added), "one owner gets half of the pool: {added}");
        assert!(large.bytes.capacity() <= large.memory.bytes());
        // A small body of another owner still gets memory.
        let mut other = BodyBuffer::new(
            &MemoryAccount::new(&memory, MemoryOwner::Holder("other".into())),
            Some(1 << 20),
        )
        .unwrap();
        (0..16).for_each(|_| other.add(&piece[..1 << 16], 32 << 20).unwrap());
        assert_eq!(other.bytes.capacity(), 1 << 20, "no more than the announced length");
    }

    #[test]
    fn the_body_timeout_grows_with_the_bytes_received() {
        let patience = BodyTimeout::default();
        assert_eq!(patience.of(0).as_secs(), 20);
        assert_eq!(patience.of(1 << 20).as_secs(), 52);
        assert_eq!(patience.of(32 << 20).as_secs(), 300);
    }

    #[test]
    fn only_one_content_coding_is_accepted() {
        let of = |pairs: &[&str]| {
            let mut headers = HeaderMap::new();
            pairs.iter().for_each(|value| headers.append(CONTENT_ENCODING, value.parse().unwrap()));
            coding(&headers).map_err(|problem| problem.status)
        };
        assert_eq!(
            (of(&[]), of(&["identity"]), of(&["GZip"]), of(&["deflate"])),
            (Ok(None), Ok(None), Ok(Some(ContentCoding::Gzip)), Ok(Some(ContentCoding::Deflate)))
        );
        for wrong in [&["gzip, gzip"][..], &["gzip", "gzip"], &["br"], &["zstd"], &[""]] {
            assert_eq!(of(wrong), Err(415), "{wrong:?}");
        }
    }
}
