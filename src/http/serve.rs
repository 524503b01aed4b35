//! The listener: takes connections up to a bound, until it is asked to stop; then drains them.
//!
//! The same for both protocols: what a connection may take its time for is in [`connection`], what has happened on it in
//! [`activity`], its bytes in [`socket`], its bodies in [`body`].

mod activity;
pub(super) mod body;
mod connection;
mod socket;

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::config::Server;

/// First pause after the system refused to give a connection; each further one is twice as long, up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Longest pause after the system refused to give a connection. Where files have run out, one is closed sooner or later.
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody asked for it.
    Serving,
    /// Whatever comes is served, and told to come back elsewhere.
    Draining,
    /// Nothing new is taken; what was begun is ended.
    Closing,
}

/// What all connections share.
struct House {
    router: Router,
    server: Server,
    /// [`Stage`] as every request reads it: answers say that the connection ends with them.
    draining: AtomicBool,
    /// [`Stage`] as it wakes connections.
    stage: watch::Sender<Stage>,
    /// One permit for each connection that may be open.
    places: Arc<Semaphore>,
}

/// Serves HTTP/1.1 and HTTP/2 (by prior knowledge) until `stop` is done, then drains:
///
/// - for `server.drain`, new requests and new connections are served as before, but answers carry `Connection: close`
///   on HTTP/1, and HTTP/2 connections a GOAWAY;
/// - then the listener is closed, after the last of those that had already connected is taken in, and idle connections
///   are closed;
/// - what is in flight may end within `deadline`.
///
/// Gives the number of connections that had not ended by then; they end with the runtime.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    server: Server,
    deadline: Duration,
    stop: impl Future<Output = ()>,
) -> usize {
    let connections = server.connections;
    let house = Arc::new(House {
        router,
        draining: AtomicBool::new(false),
        stage: watch::Sender::new(Stage::Serving),
        // Within what a semaphore holds on every platform: the setting has a bound.
        places: Arc::new(Semaphore::new(connections as usize)),
        server,
    });
    tokio::select! {
        () = accept(&listener, &house) => {}
        () = stop => {}
    }
    house.enter(Stage::Draining);
    tokio::select! {
        () = accept(&listener, &house) => {}
        () = sleep(house.server.drain) => {}
    }
    house.enter(Stage::Closing);
    accept_the_last(listener, &house);
    // All places are free again when the last connection has ended.
    let ended = timeout(deadline, house.places.acquire_many(connections)).await;
    if ended.is_ok() { 0 } else { connections as usize - house.places.available_permits() }
}

impl House {
    fn enter(&self, stage: Stage) {
        self.draining.store(stage != Stage::Serving, Ordering::Release);
        self.stage.send_replace(stage);
    }
}

/// Takes connections, as many as there are places. Never ends by itself.
async fn accept(listener: &TcpListener, house: &Arc<House>) {
    let mut pause = FIRST_PAUSE;
    // Nobody closes the semaphore.
    while let Ok(place) = Arc::clone(&house.places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                pause = FIRST_PAUSE;
                tokio::spawn(connection::serve(stream, Arc::clone(house), place));
            }
            Err(error) if is_of_the_connection(error.kind()) => {}
            Err(error) => {
                tracing::warn!(error = %error, ?pause, "no connection can be accepted");
                sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

/// Takes those that connected before the listener was closed, whether the runtime has heard of them or not: the system
/// would reset what it closes unaccepted.
fn accept_the_last(listener: TcpListener, house: &Arc<House>) {
    let Ok(listener) = listener.into_std() else { return };
    while let Ok(place) = Arc::clone(&house.places).try_acquire_owned() {
        match listener.accept() {
            Ok((stream, _)) => {
                let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                if let Ok(stream) = stream {
                    tokio::spawn(connection::serve(stream, Arc::clone(house), place));
                }
            }
            Err(error) if is_of_the_connection(error.kind()) => {}
            Err(_) => return,
        }
    }
}

/// Whether an error of accept(2) is about the one connection that it would have given.
fn is_of_the_connection(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}
