//! A connection's bytes: what was read to tell the protocols apart comes first, and what happens is noted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::{Activity, Protocol};

/// The first bytes of every HTTP/2 connection (RFC 9113, 3.4), and of no HTTP/1 request.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// As much as was read to tell the protocols apart.
pub(super) struct Greeting {
    bytes: [u8; PREFACE.len()],
    /// How many of them were read.
    length: usize,
}

/// Reads until it is clear which protocol this is.
pub(super) async fn greet(stream: &mut TcpStream) -> io::Result<(Protocol, Greeting)> {
    let mut greeting = Greeting { bytes: [0; PREFACE.len()], length: 0 };
    loop {
        let rest = greeting.bytes.get_mut(greeting.length..).unwrap_or_default();
        let read = stream.read(rest).await?;
        greeting.length += read;
        let read_so_far = greeting.bytes.get(..greeting.length).unwrap_or_default();
        if read_so_far == PREFACE {
            return Ok((Protocol::Http2, greeting));
        }
        if read == 0 || !PREFACE.starts_with(read_so_far) {
            return Ok((Protocol::Http1, greeting));
        }
    }
}

/// See the module.
pub(super) struct Socket {
    stream: TcpStream,
    greeting: Greeting,
    /// How much of the greeting was given.
    given: usize,
    activity: Arc<Activity>,
    shut: bool,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, greeting: Greeting, activity: Arc<Activity>) -> Self {
        Self { stream, greeting, given: 0, activity, shut: false }
    }

    fn note<T>(&self, write: Poll<T>) -> Poll<T> {
        self.activity.blocked.store(write.is_pending(), Relaxed);
        write
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = self.greeting.bytes.get(self.given..self.greeting.length).unwrap_or_default();
        if !rest.is_empty() {
            let taken = rest.len().min(buffer.remaining());
            buffer.put_slice(rest.get(..taken).unwrap_or_default());
            self.given += taken;
            self.activity.hear();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.hear();
        } else if self.activity.hold_end() {
            // Nothing more will come, so that nothing need be waited for: the connection's clock goes on from here.
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note(write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Closes our side; then reads away what the client is still sending, where that is so, until it closes its own.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.shut = true;
            if !self.activity.linger() {
                return Poll::Ready(Ok(()));
            }
        }
        let mut scrap = [0; 4096];
        loop {
            let mut scrap = ReadBuf::new(&mut scrap);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut scrap));
            if read.is_err() || scrap.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
