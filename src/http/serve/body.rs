//! Bodies under watch: a request's must arrive in time, an answer's end is the request's.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body as AxumBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use super::activity::{Activity, Protocol, Request};

/// A request's body took longer than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Late(Duration);

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the body took longer than {:?}", self.0)
    }
}

impl std::error::Error for Late {}

/// A request's body, which fails with [`Late`].
pub(super) struct Timed {
    body: Incoming,
    activity: Arc<Activity>,
    /// From the first time that the body kept its reader waiting. Most do not: they come with the head.
    clock: Option<Pin<Box<Sleep>>>,
    over: bool,
}

impl Timed {
    pub(super) fn new(body: Incoming, activity: Arc<Activity>) -> Self {
        let over = body.is_end_stream();
        activity.begin_body(over);
        Self { body, activity, clock: None, over }
    }

    fn end(&mut self, whole: bool) {
        if !self.over {
            self.over = true;
            self.activity.end_body(whole);
        }
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                // A body of known length is over with its last byte: to ask once more would wait for the connection.
                if self.body.is_end_stream() {
                    self.end(true);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.end(true);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.end(true);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let limit = self.activity.house.server.body_timeout;
                let clock = self.clock.get_or_insert_with(|| Box::pin(sleep(limit)));
                if clock.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.activity.be_late();
                self.end(false);
                Poll::Ready(Some(Err(Late(limit).into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.end(false);
    }
}

/// An answer's body. Its request ends with it; on HTTP/2 with the last of its bytes, of which the protocol takes over as
/// many as there are at the first that the client has room for.
pub(super) struct Answer {
    body: AxumBody,
    request: Until,
}

/// What a request ends with.
enum Until {
    Body { _request: Request },
    Bytes(Arc<Request>),
}

impl Answer {
    pub(super) fn new(body: AxumBody, mut request: Request) -> Self {
        request.answer();
        let request = match request.activity().protocol {
            Protocol::Http1 => Until::Body { _request: request },
            Protocol::Http2 => Until::Bytes(Arc::new(request)),
        };
        Self { body, request }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &self.request {
            Until::Body { .. } => polled,
            Until::Bytes(request) => polled.map_ok(|frame| {
                let untaken = |bytes| Untaken { bytes, _request: Arc::clone(request) };
                frame.map_data(|bytes| Bytes::from_owner(untaken(bytes)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes of an answer that the client has not taken.
struct Untaken {
    bytes: Bytes,
    _request: Arc<Request>,
}

impl AsRef<[u8]> for Untaken {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
