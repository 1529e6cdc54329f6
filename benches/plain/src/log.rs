//! A log with group commit: what a submission costs at least. A request is parsed and checked and
//! its record queued; one thread writes all that is queued, syncs once, and lets the responses go.
//! Nothing can be asked of it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::mpsc;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use tokio::sync::oneshot;

type Record = (Vec<u8>, oneshot::Sender<()>);

/// The queue of the thread that writes.
pub type Queue = mpsc::Sender<Record>;

/// The figures of a unit and month.
#[derive(Deserialize)]
pub struct Submission {
    unit: String,
    period: String,
    values: HashMap<String, i64>,
}

/// Starts the thread that writes to a file.
pub fn open(file: &str) -> io::Result<Queue> {
    let file = OpenOptions::new().create(true).append(true).open(file)?;
    let (queue, queued) = mpsc::channel();
    std::thread::spawn(move || write(file, &queued));
    Ok(queue)
}

/// Writes until the queue is closed, or the disk fails: then no response is sent any more.
fn write(mut file: File, queued: &mpsc::Receiver<Record>) {
    let (mut group, mut waiting) = (Vec::new(), Vec::new());
    while let Ok(first) = queued.recv() {
        for (record, answer) in std::iter::once(first).chain(queued.try_iter()) {
            group.extend_from_slice(&record);
            waiting.push(answer);
        }
        if file.write_all(&group).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        group.clear();
        for answer in waiting.drain(..) {
            let _ = answer.send(());
        }
    }
}

/// `POST /submit`.
pub async fn submit(queue: web::Data<Queue>, said: web::Json<Submission>) -> HttpResponse {
    if said.unit.is_empty() || said.values.values().any(|value| *value < 0) {
        return HttpResponse::BadRequest().finish();
    }
    let mut record = Vec::with_capacity(512);
    record.extend_from_slice(said.unit.as_bytes());
    record.extend_from_slice(said.period.as_bytes());
    for (code, value) in &said.values {
        record.extend_from_slice(code.as_bytes());
        record.extend_from_slice(&value.to_le_bytes());
    }
    let (answer, written) = oneshot::channel();
    match queue.send((record, answer)) {
        Ok(()) if written.await.is_ok() => HttpResponse::NoContent().finish(),
        _ => HttpResponse::InternalServerError().finish(),
    }
}
