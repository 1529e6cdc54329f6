//! Limits of open connections, in total and by address. A connection beyond a limit is closed
//! before a byte of it is read.

use std::any::Any;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use rustix::net::{Shutdown, shutdown};

use super::rates::network;
use crate::sync::Mutex;

/// The open connections.
pub struct ConnectionLimiter {
    open: Mutex<OpenConnections>,
    most: usize,
    of_one: usize,
    /// The addresses without the limit by address, such as proxies with many clients.
    exempt: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

#[derive(Default)]
struct OpenConnections {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A counted connection; dropping this ends the count.
pub struct CountedConnection {
    connections: Arc<ConnectionLimiter>,
    address: IpAddr,
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

impl ConnectionLimiter {
    /// No connections yet.
    pub fn new(
        most: usize,
        of_one: usize,
        exempt: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { open: Mutex::default(), most, of_one, exempt: Box::new(exempt) }
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.open.lock().all
    }

    /// The maximum number of open connections.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// Counts a new connection; `None` if a limit is reached.
    pub fn count(self: &Arc<Self>, from: Option<IpAddr>) -> Option<CountedConnection> {
        let address = network(from);
        let bound =
            if from.is_some_and(|from| (self.exempt)(from)) { self.most } else { self.of_one };
        let mut open = self.open.lock();
        let of_it = open.by_address.get(&address).copied().unwrap_or(0);
        if open.all >= self.most || of_it >= bound {
            return None;
        }
        open.all += 1;
        open.by_address.insert(address, of_it + 1);
        drop(open);
        Some(CountedConnection { connections: Arc::clone(self), address })
    }

    /// Counts an accepted connection without TLS and attaches the count to it, or closes it and
    /// calls `refused`.
    pub fn accept(self: &Arc<Self>, io: &dyn Any, data: &mut Extensions, refused: impl Fn()) {
        let Some(socket) = socket(io) else { return };
        match self.count(socket.peer_addr().ok().map(|peer| peer.ip())) {
            Some(counted) => drop(data.insert(counted)),
            None => {
                // Counted first: who sees the end of the stream may ask for the count at once.
                refused();
                // The HTTP library then sees the end of the stream at once. The client may have
                // closed it before.
                let _ended_before = shutdown(descriptor(socket), Shutdown::Both);
            }
        }
    }
}

fn descriptor(socket: &TcpStream) -> BorrowedFd<'_> {
    socket.as_fd()
}

/// The socket of a connection without TLS.
fn socket(io: &dyn Any) -> Option<&TcpStream> {
    io.downcast_ref::<TcpStream>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_in_total_and_by_address_until_closed() {
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let connections = Arc::new(ConnectionLimiter::new(5, 2, move |address| address == proxy));
        let one = connections.count(address("10.0.0.9"));
        let other = connections.count(address("10.0.0.9"));
        assert!(
            one.is_some() && other.is_some() && connections.count(address("10.0.0.9")).is_none()
        );
        // A proxy may open many connections, up to the limit of all.
        let many: Vec<_> = (0..4).map(|_| connections.count(address("10.0.0.1"))).collect();
        assert_eq!(many.iter().flatten().count(), 3);
        assert!(connections.count(address("10.0.0.2")).is_none());
        assert_eq!(connections.open(), 5);
        drop((one, many));
        assert!(connections.count(address("10.0.0.9")).is_some());
        drop(other);
        assert_eq!(connections.open(), 0);
        assert!(connections.open.lock().by_address.is_empty());
    }
}
