//! The log: written by its own thread, within limits. Neither a library that logs too much nor an
//! unread standard error takes more than a few MiB, and no request waits for its log line.
//!
//! The thread that logs a line formats it and puts it into a bounded queue, from which the writer
//! thread takes it. Lines beyond the queue or the limit per second are dropped and counted: in
//! `egov_kpi_log_lines_dropped_total`, and by a line in the log.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Maximum length of a line, in bytes; in a longer line every field is cut to [`FIELD_BYTES`].
pub const LINE_BYTES: usize = 8 << 10;
/// Length of the fields in a line that is too long, in bytes.
pub const FIELD_BYTES: usize = 512;
/// Maximum size of the queue, in bytes.
pub const QUEUE_BYTES: usize = 4 << 20;
/// Maximum amount of lines per second, in bytes, without those of libraries.
pub const BYTES_A_SECOND: usize = 2 << 20;
/// Maximum number of lines of libraries per second.
pub const LIBRARY_LINES: usize = 20;
/// Timeout of writing the last lines at the end of the program.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval of reporting dropped lines.
const REPORT: Duration = Duration::from_secs(10);
/// Libraries that log every oddity of the files they read; silent unless a filter names them.
const SILENCED_LIBRARIES: [&str; 6] =
    ["lopdf", "calamine", "zip", "quick_xml", "docx_rs", "promql_parser"];

/// Lines dropped since the start of the program.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// The number of dropped lines.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The log filter for a text such as `info`. The libraries in [`SILENCED_LIBRARIES`] stay silent
/// unless the text names them. An invalid text counts as `info`.
#[must_use]
pub fn filter(text: &str) -> EnvFilter {
    let named = |target: &&&str| {
        !text.split(',').any(|directive| directive.trim().split('=').next() == Some(**target))
    };
    let silent = SILENCED_LIBRARIES.iter().filter(named).map(|target| format!("{target}=off"));
    let with = |base: &str| {
        std::iter::once(base.to_owned()).chain(silent.clone()).collect::<Vec<_>>().join(",")
    };
    EnvFilter::try_new(with(text)).unwrap_or_else(|_malformed| EnvFilter::new(with("info")))
}

/// The log, into which lines are put.
#[derive(Clone)]
pub struct LogSink {
    shared: Arc<LogQueue>,
}

struct LogQueue {
    lines: Sender<Vec<u8>>,
    /// Size of the queue, in bytes.
    queued: AtomicUsize,
    /// Whether the writer thread has written everything that it took from the queue.
    idle: AtomicBool,
    /// A lock without a name, because threads that hold a named lock also log; no other lock is
    /// taken while it is held.
    rate: Mutex<LogRate>,
    began: Instant,
}

/// The amount logged in the current second.
#[derive(Default)]
struct LogRate {
    second: u64,
    bytes: usize,
    library_lines: usize,
}

/// Dropping this waits for the last lines, at most [`FLUSH_TIMEOUT`].
pub struct LogGuard {
    shared: Arc<LogQueue>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let until = Instant::now() + FLUSH_TIMEOUT;
        while Instant::now() < until
            && (self.shared.queued.load(Ordering::Acquire) > 0
                || !self.shared.idle.load(Ordering::Acquire))
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl LogSink {
    /// Starts a thread that writes the log to `out`. Errors and delays of `out` affect no other
    /// thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<(Self, LogGuard)> {
        let (lines, queue) = channel();
        let shared = Arc::new(LogQueue {
            lines,
            queued: AtomicUsize::new(0),
            idle: AtomicBool::new(true),
            rate: Mutex::default(),
            began: Instant::now(),
        });
        let writer = Arc::clone(&shared);
        Builder::new().name("log".to_owned()).spawn(move || write(out, &queue, &writer))?;
        Ok((Self { shared: Arc::clone(&shared) }, LogGuard { shared }))
    }

    /// Puts a line into the queue, or drops and counts it.
    fn put(&self, line: Vec<u8>, library: bool) {
        let line = cut(line);
        let length = line.len();
        if !self.shared.may_put(length, library) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.shared.queued.fetch_add(length, Ordering::AcqRel);
        if self.shared.lines.send(line).is_err() {
            self.shared.queued.fetch_sub(length, Ordering::AcqRel);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl LogQueue {
    fn may_put(&self, length: usize, library: bool) -> bool {
        if self.queued.load(Ordering::Acquire).saturating_add(length) > QUEUE_BYTES {
            return false;
        }
        let second = self.began.elapsed().as_secs();
        let mut rate = self.rate.lock();
        if rate.second != second {
            *rate = LogRate { second, ..LogRate::default() };
        }
        if library {
            rate.library_lines += 1;
            return rate.library_lines <= LIBRARY_LINES;
        }
        rate.bytes = rate.bytes.saturating_add(length);
        rate.bytes <= BYTES_A_SECOND
    }
}

fn write(mut out: impl Write, queue: &Receiver<Vec<u8>>, shared: &LogQueue) {
    let (mut reported, mut last_report) = (0, Instant::now());
    loop {
        match queue.recv_timeout(REPORT) {
            Ok(line) => {
                shared.idle.store(false, Ordering::Release);
                shared.queued.fetch_sub(line.len(), Ordering::AcqRel);
                // With a full disk or a closed pipe the line is lost and the service continues.
                if out.write_all(&line).and_then(|()| out.flush()).is_err() {
                    DROPPED.fetch_add(1, Ordering::Relaxed);
                }
                shared.idle.store(true, Ordering::Release);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let dropped = dropped_lines();
        if dropped > reported && last_report.elapsed() >= REPORT {
            tracing::warn!(
                dropped = dropped - reported,
                "log lines were dropped: too many, or not writable"
            );
            (reported, last_report) = (dropped, Instant::now());
        }
    }
}

/// Limits the length of a line: in a longer one, every long field is replaced by its beginning, an
/// ellipsis and its length.
fn cut(line: Vec<u8>) -> Vec<u8> {
    if line.len() <= LINE_BYTES {
        return line;
    }
    let shorter = |text: &str| {
        let end = text
            .char_indices()
            .map(|(at, _)| at)
            .take_while(|at| *at <= FIELD_BYTES)
            .last()
            .unwrap_or(0);
        format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len())
    };
    let shortened =
        match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&line) {
            Ok(mut fields) => {
                for (_, value) in &mut fields {
                    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                    if text.len() > FIELD_BYTES {
                        *value = serde_json::Value::String(shorter(&text));
                    }
                }
                let mut bytes = serde_json::to_vec(&fields).unwrap_or_default();
                bytes.push(b'\n');
                bytes
            }
            Err(_text) => Vec::new(),
        };
    if !shortened.is_empty() && shortened.len() <= LINE_BYTES {
        return shortened;
    }
    let text = String::from_utf8_lossy(&line);
    let end = text
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|at| *at <= LINE_BYTES - 64)
        .last()
        .unwrap_or(0);
    format!("{}… ({} bytes)\n", text.get(..end).unwrap_or_default().trim_end(), line.len())
        .into_bytes()
}

/// A line that is being formatted; it is put into the queue when it is complete.
pub struct LogLine {
    log: LogSink,
    bytes: Vec<u8>,
    library: bool,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.log.put(std::mem::take(&mut self.bytes), self.library);
        }
    }
}

impl<'a> MakeWriter<'a> for LogSink {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine { log: self.clone(), bytes: Vec::new(), library: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> LogLine {
        let own = metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"));
        LogLine { log: self.clone(), bytes: Vec::new(), library: !own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of a log.
    #[derive(Clone, Default)]
    struct CapturedLog(Arc<Mutex<Vec<u8>>>);

    impl Write for CapturedLog {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_before_the_program_ends() {
        let written = CapturedLog::default();
        let (log, guard) = LogSink::start(written.clone()).unwrap();
        (0..100).for_each(|n| log.put(format!("line {n}\n").into_bytes(), false));
        drop(guard);
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            (0..100).map(|n| format!("line {n}")).collect::<Vec<_>>()
        );
    }

    #[test]
    fn log_lines_are_limited_by_count_for_libraries_and_by_bytes_for_all() {
        let written = CapturedLog::default();
        let (log, guard) = LogSink::start(written.clone()).unwrap();
        let before = dropped_lines();
        (0..500_000).for_each(|_| log.put(b"broken object\n".to_vec(), true));
        // The second may change once or twice during the loop.
        assert!(written.0.lock().len() <= 14 * LIBRARY_LINES * 20);
        assert!(dropped_lines() - before >= 500_000 - 20 * 20);
        (0..100_000).for_each(|_| log.put(vec![b'x'; 1_000], false));
        drop(guard);
        let seconds = usize::try_from(log.shared.began.elapsed().as_secs()).unwrap() + 1;
        assert!(written.0.lock().len() <= seconds * (BYTES_A_SECOND + LIBRARY_LINES * 14));
    }

    #[test]
    fn a_blocked_log_reader_blocks_no_request() {
        struct StuckWriter;
        impl Write for StuckWriter {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                std::thread::sleep(Duration::from_secs(3600));
                Ok(0)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (log, guard) = LogSink::start(StuckWriter).unwrap();
        let began = Instant::now();
        (0..20_000).for_each(|_| log.put(vec![b'x'; 1_000], false));
        drop(guard);
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(log.shared.queued.load(Ordering::Relaxed) <= QUEUE_BYTES);
    }

    #[test]
    fn a_full_disk_blocks_no_request() {
        struct FullDisk;
        impl Write for FullDisk {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (log, guard) = LogSink::start(FullDisk).unwrap();
        let before = dropped_lines();
        (0..100).for_each(|_| log.put(b"line\n".to_vec(), false));
        drop(guard);
        assert!(dropped_lines() - before >= 100);
    }

    #[test]
    fn a_long_line_is_cut_with_its_length_and_stays_json() {
        let line = serde_json::json!({
            "level": "INFO",
            "message": "request answered",
            "method": "X".repeat(60_000),
            "status": 405
        });
        let shorter = cut(format!("{line}\n").into_bytes());
        let fields: serde_json::Value = serde_json::from_slice(&shorter).unwrap();
        assert!(shorter.len() < 1_000 && shorter.ends_with(b"\n"));
        assert_eq!(
            (&fields["status"], &fields["message"]),
            (&serde_json::json!(405), &serde_json::json!("request answered"))
        );
        assert!(fields["method"].as_str().unwrap().ends_with("… (60000 bytes)"));
        let text = cut(format!("INFO {}\n", "ế".repeat(50_000)).into_bytes());
        assert!(
            text.len() <= LINE_BYTES
                && String::from_utf8(text).unwrap().ends_with("… (150006 bytes)\n")
        );
        assert_eq!(cut(b"short\n".to_vec()), b"short\n");
    }

    #[test]
    fn parser_libraries_are_silent_unless_named_in_the_filter() {
        assert!(filter("info").to_string().contains("lopdf=off"));
        assert!(!filter("info,lopdf=debug").to_string().contains("lopdf=off"));
        assert!(filter("=!=").to_string().contains("info"));
    }
}
