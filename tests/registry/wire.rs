//! A wire between a client and a registry that is cut after so many bytes, and then is not there for a while.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    state: Arc<Wires>,
}

#[derive(Default)]
struct Wires {
    passed: AtomicU64,
    /// What clients asked.
    asked: Mutex<Vec<u8>>,
    cuts: Mutex<Vec<u64>>,
    down: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Wire {
    /// Leads to `to`; cut when so many bytes have come from there in all, or from the beginning. Nobody listens for `away` then.
    pub(crate) fn lay(to: String, mut cuts: Vec<u64>, away: Duration) -> Self {
        let down = AtomicBool::new(cuts.first() == Some(&0));
        cuts.retain(|cut| *cut > 0);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Wires { cuts: Mutex::new(cuts), down, ..Wires::default() });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let mut listener = Some(listener);
            loop {
                let Ok((client, _)) = listener.as_ref().unwrap().accept() else { return };
                if shared.down.load(Ordering::SeqCst) {
                    drop(client);
                    // Without a listener a connection is refused.
                    drop(listener.take());
                    std::thread::sleep(away);
                    shared.down.store(false, Ordering::SeqCst);
                    listener = Some(TcpListener::bind(address).unwrap());
                    continue;
                }
                let Ok(server) = TcpStream::connect(&to) else { continue };
                shared.open.lock().unwrap().push(client.try_clone().unwrap());
                let (mut from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let heard = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let mut piece = [0; 4096];
                    while let Ok(read @ 1..) = from.read(&mut piece) {
                        heard.asked.lock().unwrap().extend_from_slice(&piece[..read]);
                        if into.write_all(&piece[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = into.shutdown(Shutdown::Write);
                });
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || carry(server, client, &shared));
            }
        });
        Self { address, state }
    }

    /// Bytes that came from there.
    pub(crate) fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::SeqCst)
    }

    /// Requests for the rest of something.
    pub(crate) fn ranges(&self) -> usize {
        String::from_utf8_lossy(&self.state.asked.lock().unwrap())
            .to_lowercase()
            .matches("\r\nrange: bytes=")
            .count()
    }

    /// How many cuts are still to come.
    pub(crate) fn left(&self) -> usize {
        self.state.cuts.lock().unwrap().len()
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, shared: &Wires) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut piece) {
        if read == 0 || to.write_all(&piece[..read]).is_err() {
            break;
        }
        let passed = shared.passed.fetch_add(read as u64, Ordering::SeqCst) + read as u64;
        let mut cuts = shared.cuts.lock().unwrap();
        if cuts.first().is_some_and(|cut| passed >= *cut) {
            cuts.remove(0);
            shared.down.store(true, Ordering::SeqCst);
            for open in shared.open.lock().unwrap().drain(..) {
                let _ = open.shutdown(Shutdown::Both);
            }
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
