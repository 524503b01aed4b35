//! The listener: takes connections until it is asked to stop, then ends what is in flight.

use std::io;

use axum::Router;
use tokio::net::TcpListener;

/// Serves until `shutdown` is done, then stops accepting and waits for the requests in flight.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}
