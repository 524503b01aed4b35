//! The question of a container's health check, asked without curl: is the server ready?
//!
//! Ready and not merely alive: what acts on a container's health, an orchestrator that routes or a `depends_on` that waits,
//! wants to know whether requests are welcome. Kubernetes does not ask this way; its probes do.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Longer than a ready server ever takes: probes pass by the queue of the compute threads.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer's head and body together are far smaller; what is larger is none of ours.
const LONGEST: u64 = 64 * 1024;

/// What became of the question.
#[derive(Debug)]
pub struct Verdict {
    address: SocketAddr,
    answer: io::Result<String>,
}

/// Asks the server that listens on `listen`.
pub fn ask(listen: SocketAddr) -> Verdict {
    let address = within(listen);
    Verdict { address, answer: answer(address) }
}

impl Verdict {
    /// Whether the answer was a 200.
    pub fn is_ready(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    /// Says it where a container's engine keeps it, and gives the code to exit with.
    pub fn exit(&self) -> ExitCode {
        // A reader that went away is no reason for another code.
        let _ = writeln!(io::stdout(), "{self}");
        if self.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, answer } = self;
        match answer {
            Ok(answer) => {
                let status = answer.lines().next().unwrap_or_default();
                let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
                write!(f, "{address}: {status}: {body}")
            }
            Err(error) => write!(f, "{address}: {error}"),
        }
    }
}

/// Where a server that listens on `listen` is reached from within its container: at every address is also at the loopback.
fn within(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn answer(address: SocketAddr) -> io::Result<String> {
    let end = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    write!(stream, "GET /v2/health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while (answer.len() as u64) < LONGEST {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {PATIENCE:?}")));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(part.get(..read).unwrap_or_default()),
            // How a read timeout shows on unix; the clock above says so in words.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What the check makes of a server that answers so.
    fn verdict(answer: &'static str) -> (bool, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // To its end: what is left unread when a connection is closed resets it.
            let (mut question, mut part) = (Vec::new(), [0; 1024]);
            while !question.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut part).unwrap();
                question.extend_from_slice(&part[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&question).into_owned()
        });
        let verdict = ask(address);
        assert!(server.join().unwrap().starts_with("GET /v2/health/ready HTTP/1.1\r\n"));
        let text = verdict.to_string();
        (verdict.is_ready(), text.strip_prefix(&format!("{address}: ")).unwrap().to_owned())
    }

    #[test]
    fn only_a_200_is_ready() {
        let ready = "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"ready\":true}";
        assert_eq!(verdict(ready), (true, "HTTP/1.1 200 OK: {\"ready\":true}".into()));
        let draining = "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ready\":false}";
        assert_eq!(verdict(draining), (false, "HTTP/1.1 503 Service Unavailable: {\"ready\":false}".into()));
        assert!(!verdict("SSH-2.0-x 200 \r\n").0);
        assert!(!verdict("").0);
    }

    #[test]
    fn silence_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let silent = ask(address);
        assert_eq!(
            (silent.is_ready(), silent.to_string()),
            (false, format!("{address}: no answer within 2s"))
        );
        drop(listener);
        let nobody = ask(address);
        assert!(!nobody.is_ready() && nobody.to_string().contains("refused"), "{nobody}");
    }

    #[test]
    fn every_address_is_asked_at_the_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(within(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
