//! A server in this process: the real router, and beside it routes that a test holds the strings of.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use twofold::app::App;
use twofold::config::Config;
use twofold::http;

use crate::client::Client;

/// Bytes of the answer to `/big`: more than the system takes for a client that does not read.
pub(crate) const BIG: usize = 32 << 20;

pub(crate) struct House {
    pub(crate) address: SocketAddr,
    /// Requests to `/held` wait for a permit each.
    pub(crate) gate: Arc<Semaphore>,
    /// Requests to `/held` that are worked on.
    pub(crate) held: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<usize>,
}

/// Counts while it lives.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl House {
    /// Serves with these flags; what is in flight at the end has the deadline.
    pub(crate) async fn open(flags: &[&str], deadline: Duration) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), flags, deadline)
    }

    pub(crate) fn serve(listener: TcpListener, flags: &[&str], deadline: Duration) -> Self {
        let address = listener.local_addr().unwrap();
        let config = Config::parse(["server"].iter().chain(flags), []).unwrap();
        let app = App::start(&config).unwrap();
        let (gate, held) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let router = app.router().merge(held_route(Arc::clone(&gate), Arc::clone(&held)));
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
            app.withdraw();
        };
        let ended = tokio::spawn(http::serve(listener, router, config.server, deadline, stopped));
        Self { address, gate, held, stop: Some(stop), ended }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Waits until so many requests to `/held` are worked on.
    pub(crate) async fn holds(&self, number: usize) {
        tokio::time::timeout(crate::client::PATIENCE, async {
            while self.held.load(Ordering::SeqCst) != number {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{} are held instead of {number}", self.held.load(Ordering::SeqCst)));
    }

    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits for the end of the drain. Gives the number of connections that were cut.
    pub(crate) async fn ended(self) -> usize {
        tokio::time::timeout(crate::client::PATIENCE, self.ended).await.expect("no end").unwrap()
    }
}

fn held_route(gate: Arc<Semaphore>, held: Arc<AtomicUsize>) -> Router {
    let wait = async move || {
        held.fetch_add(1, Ordering::SeqCst);
        let _counted = Counted(held);
        gate.acquire().await.unwrap().forget();
        "held"
    };
    let big = async || "x".repeat(BIG);
    Router::new().route("/held", get(wait)).route("/big", get(big))
}

/// A request for `/held`.
pub(crate) const HELD: &str = "GET /held HTTP/1.1\r\nhost: x\r\n\r\n";

/// A request for `/big`.
pub(crate) const LARGE: &str = "GET /big HTTP/1.1\r\nhost: x\r\n\r\n";
