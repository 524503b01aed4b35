//! What only Lambda needs: events in, answers that fit out, and the reason of a start that failed.
//!
//! The router is the one that TCP serves. `lambda_http` reads an event into a request and writes the answer back; the
//! rules here undo what it changes on the way, so that the router sees, and the client gets, what they would over TCP:
//!
//! - the path is the client's own, percent-encoding kept, without the name of a stage (`event`);
//! - a body leaves as text only if it survives that, else as base64 (`answer`);
//! - an answer larger than Lambda takes becomes a 413 that says so (`payload`).
//!
//! What cannot be undone: API Gateway's HTTP APIs decode the path before they send the event (`%2F` arrives as `/`;
//! function URLs keep it), and Lambda itself refuses events above 6 MB, base64 counted: about 4.5 MB of binary.

mod answer;
mod event;
mod init_error;
mod payload;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, LambdaEvent, Request, Service, service_fn};
use lambda_runtime::Runtime;
use serde_json::value::RawValue;
use tower::ServiceExt;

use answer::Answer;
use event::Head;

pub use init_error::report_init_error;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Asks Lambda for one event after the other and answers each by `router`, until the runtime API goes away.
///
/// The first question tells Lambda that the start is over: whatever `router` needs must be ready by then. Panics where
/// Lambda's own variables are missing, which the configuration refuses first.
pub async fn serve(router: Router) -> Result<(), lambda_http::Error> {
    Runtime::new(Function::new(router)).run().await
}

/// The router as a service of Lambda events: function URLs and API Gateway's HTTP APIs (payload format 2.0).
#[derive(Clone, Debug)]
pub struct Function {
    router: Router,
}

impl Function {
    /// Wraps the router that TCP serves.
    pub fn new(router: Router) -> Self {
        Self { router }
    }
}

impl Service<LambdaEvent<LambdaRequest>> for Function {
    /// The JSON that the runtime API takes, within Lambda's limit.
    type Response = Box<RawValue>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Box<RawValue>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut event: LambdaEvent<LambdaRequest>) -> Self::Future {
        let invocation = event.context.request_id.clone();
        let unreadable = |reason: &str, request_id: &str| -> Self::Future {
            let message = format!("the event cannot be read as an HTTP request: {reason}");
            Box::pin(ready(Ok(payload::error(400, &message, request_id))))
        };
        let LambdaRequest::ApiGatewayV2(request) = &mut event.payload else {
            return unreadable("it is not of payload format 2.0", &invocation);
        };
        let request_id = request_id(&mut request.headers, invocation);
        let head = match Head::take(request) {
            Ok(head) => head,
            Err(reason) => return unreadable(&reason.to_string(), &request_id),
        };
        let router = self.router.clone();
        let mut adapter =
            Adapter::from(service_fn(move |request| respond(router.clone(), head.clone(), request)));
        // lambda_http panics over base64 that is none. AWS sends none such; whoever may invoke the function directly can.
        match catch_unwind(AssertUnwindSafe(|| adapter.call(event))) {
            Ok(answer) => Box::pin(async move { Ok(payload::written(&answer.await?, &request_id)) }),
            Err(_) => unreadable("the body is not base64", &request_id),
        }
    }
}

/// The id that the client gave; else the invocation's, which is given to the request: the log's lines can then be joined
/// with Lambda's own.
fn request_id(headers: &mut HeaderMap, invocation: String) -> String {
    if let Some(given) = headers.get(REQUEST_ID) {
        return String::from_utf8_lossy(given.as_bytes()).into_owned();
    }
    if let Ok(value) = HeaderValue::from_str(&invocation) {
        headers.insert(REQUEST_ID, value);
    }
    invocation
}

async fn respond(router: Router, head: Head, mut request: Request) -> Result<Answer, Infallible> {
    head.restore(&mut request);
    let response = router.oneshot(request).await?;
    Ok(Answer::new(response).await)
}
