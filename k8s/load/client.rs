//! One connection, and requests on it.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream, lookup_host};

use crate::options::Options;

/// The ports that are taken: enough that at 400 a second none comes back within two minutes.
const FIRST_PORT: u16 = 16_000;
pub(crate) const PORTS: u16 = 49_000;

/// A connection that is opened by its first request, and again after the server has ended it.
#[derive(Default)]
pub(crate) struct Client {
    sender: Option<SendRequest<Full<Bytes>>>,
    doing: Step,
}

/// How far a request is.
#[derive(Clone, Copy, Default)]
enum Step {
    #[default]
    Connect,
    Head,
    Body,
}

impl Client {
    /// Sends a request. Gives whether a connection was opened for it, or why it failed.
    pub(crate) async fn send(&mut self, options: &Options) -> Result<bool, String> {
        self.doing = Step::Connect;
        // A kept connection that the server ended between two requests is no failure: nothing was sent on it.
        let kept = match self.sender.take() {
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let opened = kept.is_none();
        let mut sender = match kept {
            Some(sender) => sender,
            None => connect(options).await?,
        };
        self.doing = Step::Head;
        let answer = sender.send_request(options.request()).await.map_err(|error| said("request", &error))?;
        self.doing = Step::Body;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| said("body", &error))?.to_bytes();
        if !status.is_success() {
            let body = String::from_utf8_lossy(&body);
            return Err(format!(
                "status {}: {}",
                status.as_u16(),
                body.chars().take(200).collect::<String>()
            ));
        }
        if options.expect.as_ref().is_some_and(|expected| *expected != body) {
            return Err("other bytes than expected".to_owned());
        }
        self.sender = Some(sender);
        Ok(opened)
    }

    /// The reason of a request that took too long.
    pub(crate) fn timed_out(&self, limit: Duration) -> String {
        let step = match self.doing {
            Step::Connect => "connect",
            Step::Head => "request",
            Step::Body => "body",
        };
        format!("{step}: nothing within {limit:?}")
    }
}

async fn connect(options: &Options) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = open(options).await.map_err(|error| said("connect", &error))?;
    let _ = stream.set_nodelay(true);
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| said("connect", &error))?;
    // Its error is the request's as well.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// A connection from a port of its own: ports are taken in turn, as clients on hosts of their own would have them. Taken at random,
/// one comes back within seconds, and for two minutes the translation tables on the way hold what an unanswered connection led to:
/// a pod that is gone.
async fn open(options: &Options) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the host has no address");
    for address in lookup_host(&options.address).await? {
        for _ in 0..100 {
            let turn = options.ports.fetch_add(1, Ordering::Relaxed) % u32::from(PORTS);
            let port = FIRST_PORT + u16::try_from(turn).unwrap_or_default();
            let (socket, from) = match address {
                SocketAddr::V4(_) => (TcpSocket::new_v4()?, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
                SocketAddr::V6(_) => (TcpSocket::new_v6()?, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
            };
            socket.set_reuseaddr(true)?;
            let opened = match socket.bind(from) {
                Ok(()) => socket.connect(address).await,
                Err(error) => Err(error),
            };
            match opened {
                Ok(stream) => return Ok(stream),
                // Somebody else's; the next one is tried.
                Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable) => {
                    last = error;
                }
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
    }
    Err(last)
}

/// An error and its causes in one line.
fn said(step: &str, error: &dyn Error) -> String {
    let mut text = format!("{step}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
