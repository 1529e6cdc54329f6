//! The machine: port, memory, temporary folder.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::Diagnosis;
use crate::memory::system;
use crate::server::ServerSettings;

/// How long a service at the port may take to respond.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Examines port, memory and the temporary folder.
pub fn examine(settings: &ServerSettings, behind_proxy: bool) -> Vec<Diagnosis> {
    let mut found = vec![port(&settings.listen), memory(settings.limits.memory), temporary()];
    let is_loopback = settings
        .listen
        .to_socket_addrs()
        .is_ok_and(|mut all| all.all(|address| address.ip().is_loopback()));
    if !is_loopback && settings.tls.is_none() && !behind_proxy {
        found.push(Diagnosis::warning(
            "tls",
            "other machines can reach the service without TLS: keys can be intercepted",
            "set --tls-cert and --tls-key, or let a proxy terminate TLS and name it in \
             --trusted-proxies",
        ));
    }
    found
}

/// Whether the port is free, or this service has it.
fn port(listen: &str) -> Diagnosis {
    match TcpListener::bind(listen) {
        Ok(_) => Diagnosis::fine("port", format!("{listen} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            if responds(listen) {
                Diagnosis::fine("port", format!("egov-kpi responds at {listen}"))
            } else {
                Diagnosis::error(
                    "port",
                    format!("another program has {listen}, or the service there does not respond"),
                    "choose another port with --listen, or find the program with `ss -ltnp`",
                )
            }
        }
        Err(error) => Diagnosis::error(
            "port",
            format!("cannot listen on {listen}: {error}"),
            "name an address of this machine, and a port above 1023 unless the service may use \
             lower ones",
        ),
    }
}

/// Whether a service of this kind responds, without TLS; one with TLS refuses this with an alert.
fn responds(listen: &str) -> bool {
    const ALERT: u8 = 0x15;
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(listen)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut response = Vec::new();
        stream.take(4_096).read_to_end(&mut response)?;
        Ok(response)
    };
    ask().is_ok_and(|response| {
        response.starts_with(b"HTTP/1.1 200") || response.first() == Some(&ALERT)
    })
}

/// Whether the memory limit fits into the memory that the process may use.
fn memory(limit: usize) -> Diagnosis {
    let available = system::available_to_process();
    let text = format!("the limit is {} MiB, available are {} MiB", limit >> 20, available >> 20);
    if limit > available / 4 * 3 {
        Diagnosis::warning(
            "memory",
            text,
            "lower --memory to at most three quarters, or give the machine or unit (MemoryMax=) \
             more",
        )
    } else {
        Diagnosis::fine("memory", text)
    }
}

/// Whether Excel files and restored ledgers can be written to temporary files.
fn temporary() -> Diagnosis {
    let folder = tempfile::env::temp_dir();
    match tempfile::tempfile() {
        Ok(_) => Diagnosis::fine("temporary", format!("{} can be written", folder.display())),
        Err(error) => Diagnosis::error(
            "temporary",
            format!("{} cannot be written: {error}", folder.display()),
            "name a folder that the service can write in TMPDIR: Excel files are written there \
             first",
        ),
    }
}
