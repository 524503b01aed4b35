//! The wish to stop: SIGTERM or ctrl-c, as one future.

use std::future::Future;
use std::io;

/// Listens for SIGTERM (where there is such a thing) and ctrl-c from now on, and gives a future that ends with the name
/// of the first to arrive. Called again later, it waits for the next one.
///
/// Must be called within a tokio runtime. Fails where the system refuses the handlers.
pub fn signal() -> io::Result<impl Future<Output = &'static str> + Send + 'static> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // Registered here and not in the future: what arrives before its first poll counts as well.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "ctrl-c",
            }
        })
    }
    #[cfg(not(unix))]
    {
        Ok(async {
            if tokio::signal::ctrl_c().await.is_err() {
                // Nothing to listen to is no wish to stop.
                std::future::pending::<()>().await;
            }
            "ctrl-c"
        })
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    fn send(signal: &str) {
        let process = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-s", signal, &process]).status().unwrap();
        assert!(sent.success());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn each_signal_ends_one_wait() {
        let first = super::signal().unwrap();
        send("TERM");
        assert_eq!(first.await, "SIGTERM");
        let second = super::signal().unwrap();
        send("INT");
        assert_eq!(second.await, "ctrl-c");
    }
}
