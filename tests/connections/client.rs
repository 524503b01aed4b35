//! A client that sends byte by byte what a test says, and reads whole answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything takes that is not broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Within this, what should not happen has not happened.
pub(crate) const MOMENT: Duration = Duration::from_millis(100);

pub(crate) const LIVE: &str = "GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n";

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// An answer of HTTP/1.1 with a Content-Length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case, as it came.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Whether it says that the connection ends with it.
    pub(crate) fn is_last(&self) -> bool {
        self.head.contains("\r\nconnection: close\r\n")
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) fn of(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a byte now and then until the server takes no more.
    pub(crate) async fn dribble(&mut self, byte: u8, pause: Duration) {
        while self.stream.write_all(&[byte]).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    }

    /// The next answer; none where the connection ends before it.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer()).await.expect("no answer")
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        self.answer().await.expect("the connection was closed")
    }

    /// Nothing comes for a moment, not even the end.
    pub(crate) async fn is_silent(&mut self) -> bool {
        timeout(MOMENT, self.read_answer()).await.is_err()
    }

    /// Waits for the end, with nothing before it. A reset is an end too.
    pub(crate) async fn ended(&mut self) {
        assert_eq!(self.answer().await, None);
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = self.parse() {
                return Some(answer);
            }
            let before = self.read.len();
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) | Err(_) => {
                    assert_eq!(before, 0, "cut: {:?}", String::from_utf8_lossy(&self.read));
                    return None;
                }
                Ok(_) => {}
            }
        }
    }

    fn parse(&mut self) -> Option<Answer> {
        let end = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.read[..end].to_vec()).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap_or_else(|| panic!("no length: {head}")).parse().unwrap();
        if self.read.len() < end + length {
            return None;
        }
        let body = String::from_utf8(self.read[end..end + length].to_vec()).unwrap();
        self.read.drain(..end + length);
        Some(Answer { status: head[9..12].parse().unwrap(), head, body })
    }
}
