//! The wish to stop: SIGTERM or ctrl-c, as futures.

use std::future::Future;
use std::io;

/// Listens for SIGTERM (where there is such a thing) and ctrl-c from now on, and gives a future that ends with the name
/// of the first to arrive.
///
/// Must be called within a tokio runtime. Fails where the system refuses the handlers.
pub fn signal() -> io::Result<impl Future<Output = &'static str> + Send + 'static> {
    let mut signals = Signals::listen()?;
    Ok(async move { signals.next().await })
}

/// As [`signal`], but for the second to arrive: the wish to stop at once. Of signals that come faster than they are
/// taken note of, the system makes one.
pub fn second_signal() -> io::Result<impl Future<Output = &'static str> + Send + 'static> {
    let mut signals = Signals::listen()?;
    Ok(async move {
        signals.next().await;
        signals.next().await
    })
}

/// Both signals, registered when it is made and not when it is first asked: what arrives in between counts as well.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "ctrl-c",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "as on unix")]
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            // Nothing to listen to is no wish to stop.
            std::future::pending::<()>().await;
        }
        "ctrl-c"
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
        let again = super::signal().unwrap();
        send("INT");
        assert_eq!(again.await, "ctrl-c");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_second_signal_is_waited_for_through_the_first() {
        let first = super::signal().unwrap();
        let mut second = std::pin::pin!(super::second_signal().unwrap());
        send("TERM");
        tokio::select! {
            biased;
            _ = &mut second => panic!("the first signal was taken for the second"),
            name = first => assert_eq!(name, "SIGTERM"),
        }
        send("INT");
        assert_eq!(second.await, "ctrl-c");
    }
}
