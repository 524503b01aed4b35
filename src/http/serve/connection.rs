//! One connection: which protocol it speaks, and how long it may take for what.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service;

use super::activity::{self, Activity, Phase, Protocol};
use super::body::{Answer, Timed};
use super::socket::{Socket, greet};
use super::{House, Stage};

/// A connection without a request is kept this long. Longer than the 60 s after which the usual load balancers drop
/// theirs, so that it is never us who closes a connection that they are about to use.
const IDLE: Duration = Duration::from_secs(75);

/// A client that closed its side still gets an answer that takes no longer than this. The system does not tell such a
/// client from one that is gone, whose requests would otherwise be computed to their end.
const HALF_CLOSED: Duration = Duration::from_secs(1);

/// How long a client may take to note that its connection ends: to stop sending, or to acknowledge HTTP/2's GOAWAY.
const LINGER: Duration = Duration::from_secs(2);

/// Once nothing new is taken, a connection that has not sent anything is kept until it is this old: its request may be
/// on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// Bytes of HTTP/1 that are kept for a connection: its longest head, and the most of a body or an answer at once. All connections
/// that there may be, each with a head that does not come to its end, have to fit into a small pod.
const BUFFER: usize = 16 * 1024;

/// Bytes of HTTP/2 answers that wait for a stream's window.
const SEND_BUFFER: usize = 64 * 1024;

/// Bytes of an HTTP/2 head, all names and values uncompressed; as the head of HTTP/1.
const HEADER_LIST: u32 = 16 * 1024;

/// Requests at once on one connection of HTTP/2; RFC 9113, 6.5.2, advises against fewer.
const STREAMS: u32 = 100;

/// Streams that a client opened and reset before they were accepted, above which it is sent away: rapid reset,
/// CVE-2023-44487.
const RESETS: usize = 20;

/// An HTTP/2 client from which nothing came for this long is asked whether it is there, and has as long to say so.
const PING: Duration = Duration::from_secs(20);

/// Serves a connection until it ends, by itself or by the clock. The place is given back with it.
pub(super) async fn serve(mut stream: TcpStream, house: Arc<House>, place: OwnedSemaphorePermit) {
    let accepted = Instant::now();
    let mut stages = house.stage.subscribe();
    // Answers are written whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let (protocol, greeting) = tokio::select! {
        greeting = greet(&mut stream) => match greeting {
            Ok(greeting) => greeting,
            Err(_) => return,
        },
        () = sleep_until(accepted + house.server.header_timeout) => return,
        () = outlived(&mut stages, accepted) => return,
    };

    let activity = Activity::new(house, protocol);
    let clock = Clock::new(accepted, Arc::clone(&activity));
    let service = service_fn(|request| answer(request, &activity));
    let socket = TokioIo::new(Socket::new(stream, greeting, Arc::clone(&activity)));
    let ended = match protocol {
        Protocol::Http1 => {
            let connection = http1_settings().serve_connection(socket, service);
            drive(pin!(connection), http1::Connection::graceful_shutdown, clock, stages).await
        }
        Protocol::Http2 => {
            let connection = http2_settings().serve_connection(socket, service);
            drive(pin!(connection), http2::Connection::graceful_shutdown, clock, stages).await
        }
    };
    match ended {
        Ended::Itself(Ok(())) => {}
        Ended::Itself(Err(error)) => tracing::debug!(%error, "connection failed"),
        Ended::Overdue(phase) => tracing::debug!(?phase, "connection took too long"),
    }
    drop(place);
}

/// Hands a request to the router, its body and its answer under watch.
fn answer(
    request: Request<Incoming>,
    activity: &Arc<Activity>,
) -> impl Future<Output = Result<hyper::Response<Answer>, Infallible>> + Send + use<> {
    let open = activity::Request::begin(activity);
    let request = request.map(|body| Timed::new(body, Arc::clone(activity)));
    let answer = activity.house.router.clone().call(request);
    async move {
        let mut response = answer.await?;
        if open.activity().is_last() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Answer::new(body, open)))
    }
}

fn http1_settings() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The clock below does it: this one counts the time between requests as a slow head.
    builder.header_read_timeout(None).max_buf_size(BUFFER);
    builder
}

fn http2_settings() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .max_header_list_size(HEADER_LIST)
        .max_send_buf_size(SEND_BUFFER);
    builder
}

/// Why a connection ended.
enum Ended {
    /// By the protocol.
    Itself(hyper::Result<()>),
    /// By the clock: it was in this phase for too long.
    Overdue(Phase),
}

/// Runs a connection's protocol, and ends it where the clock or the stage says so.
async fn drive<C>(
    mut connection: Pin<&mut C>,
    finish: fn(Pin<&mut C>),
    mut clock: Clock,
    mut stages: watch::Receiver<Stage>,
) -> Ended
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut timer = pin!(sleep_until(clock.due()));
    clock.stage = *stages.borrow_and_update();
    loop {
        let turn = poll_fn(|context| {
            loop {
                if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                    return Poll::Ready(Ended::Itself(ended));
                }
                clock.look();
                if clock.activity.tell_end() {
                    continue;
                }
                if clock.is_last() {
                    clock.finish();
                    finish(connection.as_mut());
                    continue;
                }
                match clock.poll(timer.as_mut(), context) {
                    Poll::Pending => return Poll::Pending,
                    // Nothing is in flight: the protocol can say goodbye.
                    Poll::Ready(Phase::Idle) if !clock.finishing => {
                        clock.finish();
                        finish(connection.as_mut());
                    }
                    Poll::Ready(phase) => return Poll::Ready(Ended::Overdue(phase)),
                }
            }
        });
        tokio::select! {
            biased;
            stage = stages.changed() => match stage {
                Ok(()) => clock.stage = *stages.borrow_and_update(),
                // The house is held by this connection: it cannot go first.
                Err(_) => return Ended::Overdue(clock.phase),
            },
            ended = turn => return ended,
        }
    }
}

/// Done when nothing new is taken and the connection has had its time to send something.
async fn outlived(stages: &mut watch::Receiver<Stage>, accepted: Instant) {
    if stages.wait_for(|stage| *stage == Stage::Closing).await.is_ok() {
        sleep_until(accepted + ON_ITS_WAY).await;
    }
}

/// How long a connection has been doing what it does.
struct Clock {
    activity: Arc<Activity>,
    stage: Stage,
    phase: Phase,
    /// Requests that had ended: each gives a phase a new start.
    ended: u32,
    since: Instant,
    /// The protocol was told to end with what is in flight.
    finishing: bool,
}

impl Clock {
    fn new(accepted: Instant, activity: Arc<Activity>) -> Self {
        Self {
            activity,
            stage: Stage::Serving,
            phase: Phase::Fresh,
            ended: 0,
            since: accepted,
            finishing: false,
        }
    }

    /// Looks at what the connection does.
    fn look(&mut self) {
        let (phase, ended) = (self.activity.phase(), self.activity.ended());
        if (phase, ended) != (self.phase, self.ended) {
            (self.phase, self.ended, self.since) = (phase, ended, Instant::now());
        }
    }

    /// Begins the end: the client has from now on to take note.
    fn finish(&mut self) {
        self.finishing = true;
        self.since = Instant::now();
    }

    /// Whether the connection should begin to end with what is in flight.
    fn is_last(&self) -> bool {
        if self.finishing {
            return false;
        }
        match self.activity.protocol {
            // An answer that says that it is the last does the rest. A head that has begun to arrive is waited for.
            Protocol::Http1 => {
                self.phase == Phase::Idle && (self.stage == Stage::Closing || self.activity.holds_end())
            }
            // Not before its first request, which a GOAWAY would send elsewhere, to where the next is sent elsewhere.
            Protocol::Http2 => self.stage != Stage::Serving && self.activity.begun() > 0,
        }
    }

    /// When the phase will have lasted too long.
    fn due(&self) -> Instant {
        let server = &self.activity.house.server;
        // On HTTP/2 one answer may wait while others go: the oldest counts.
        let untaken = self.activity.untaken_since().filter(|_| self.phase == Phase::Writing);
        untaken.unwrap_or(self.since)
            + match self.phase {
                // All of HTTP/2 but a request is there.
                Phase::Fresh if self.activity.protocol == Protocol::Http2 => match self.stage {
                    Stage::Closing => ON_ITS_WAY,
                    Stage::Serving | Stage::Draining => IDLE,
                },
                Phase::Fresh | Phase::Head => server.header_timeout,
                Phase::Idle if self.finishing => LINGER,
                Phase::Writing => server.body_timeout,
                Phase::HalfClosed => HALF_CLOSED,
                Phase::Lingering => LINGER,
                // Open has limits of its own, in the body and in the model: the clock only looks again.
                Phase::Open | Phase::Idle => IDLE,
            }
    }

    /// Ends with the phase that lasted too long. The timer is set only where it would ring too late, or has rung too
    /// early: requests that follow each other do not touch it.
    fn poll(&self, mut timer: Pin<&mut Sleep>, context: &mut std::task::Context<'_>) -> Poll<Phase> {
        let due = self.due();
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if self.phase == Phase::Open {
                timer.as_mut().reset(now + IDLE);
            } else if due > now {
                timer.as_mut().reset(due);
            } else {
                return Poll::Ready(self.phase);
            }
        }
        Poll::Pending
    }
}
