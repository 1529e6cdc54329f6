//! How many connections there may be, in all and of one address. One too many is closed before a byte of it is read.

use std::any::Any;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use parking_lot::Mutex;
use rustix::net::{Shutdown, shutdown};

use super::rates::network;

/// Connections that are open.
pub struct Connections {
    open: Mutex<Open>,
    most: usize,
    of_one: usize,
    /// For which address the second bound does not hold: many people come through a proxy.
    exempt: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection that counts until this goes.
pub struct Counted {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Drop for Counted {
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

impl Connections {
    /// None as yet.
    pub fn new(
        most: usize,
        of_one: usize,
        exempt: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { open: Mutex::default(), most, of_one, exempt: Box::new(exempt) }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.lock().all
    }

    /// How many there may be.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// Counts one more; none when there are too many.
    pub fn count(self: &Arc<Self>, from: Option<IpAddr>) -> Option<Counted> {
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
        Some(Counted { connections: Arc::clone(self), address })
    }

    /// Counts a connection that was just accepted, with what belongs to it, or closes it and calls `refused`.
    pub fn accept(self: &Arc<Self>, io: &dyn Any, data: &mut Extensions, refused: impl Fn()) {
        let Some(socket) = socket(io) else { return };
        match self.count(socket.peer_addr().ok().map(|peer| peer.ip())) {
            Some(counted) => drop(data.insert(counted)),
            None => {
                // It is read as ended at once; that it had ended before is no fault.
                let _ended_before = shutdown(descriptor(socket), Shutdown::Both);
                refused();
            }
        }
    }
}

fn descriptor(socket: &TcpStream) -> BorrowedFd<'_> {
    socket.as_fd()
}

/// The socket of a connection, with TLS or without.
fn socket(io: &dyn Any) -> Option<&TcpStream> {
    let bare = || io.downcast_ref::<TcpStream>();
    io.downcast_ref::<actix_tls::accept::rustls_0_23::TlsStream<TcpStream>>()
        .map(|tls| tls.get_ref().0)
        .or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_in_all_and_by_address_until_they_go() {
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let connections = Arc::new(Connections::new(5, 2, move |address| address == proxy));
        let one = connections.count(address("10.0.0.9"));
        let other = connections.count(address("10.0.0.9"));
        assert!(
            one.is_some() && other.is_some() && connections.count(address("10.0.0.9")).is_none()
        );
        // A proxy brings many, but not more than there may be in all.
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
