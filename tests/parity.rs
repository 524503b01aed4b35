//! One function, two homes: the same requests over TCP and as events of a function URL give the same status, headers
//! and bytes. In this process; `parity/release.rs` asks the same of the binaries that ship.
//!
//! Not compared: `date`, `connection`, `transfer-encoding`, and a request id that was made rather than given. In
//! `/metrics` and the statistics, which count and time, every number is read as one and the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

#[path = "parity/mod.rs"]
mod parity;

use std::collections::{BTreeMap, HashSet};

use lambda_http::{Context, LambdaEvent, Service};
use tokio::net::TcpListener;
use twofold::app::App;
use twofold::config::Config;
use twofold::lambda::Function;

use parity::answer::{Answer, difference};
use parity::call::Call;
use parity::event::{self, Form};
use parity::{corpus, hostile, tcp};

/// What both binaries serve by default.
fn app() -> App {
    App::start(&Config::parse(["parity"], []).unwrap()).unwrap()
}

async fn invoke(function: &mut Function, call: &Call, form: Form) -> Answer {
    let payload = serde_json::from_value(event::event(call, form)).unwrap();
    let mut context = Context::default();
    "0a1b2c3d-invocation".clone_into(&mut context.request_id);
    let payload = function.call(LambdaEvent::new(payload, context)).await.unwrap();
    event::answer(payload.get().as_bytes()).unwrap()
}

/// Sends every request both ways. Gives the statuses over TCP, and says where the answers differ.
async fn both_ways(calls: &[Call]) -> (BTreeMap<u16, usize>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app();
    let router = app.router();
    tokio::spawn(async move { app.serve(listener, std::future::pending()).await });
    let mut function = Function::new(router);
    let (mut statuses, mut differences) = (BTreeMap::new(), Vec::new());
    for call in calls {
        let over_tcp = tcp::send(address, call).await;
        *statuses.entry(over_tcp.status).or_default() += 1;
        for form in event::forms(call) {
            let by_lambda = invoke(&mut function, call, form).await;
            differences
                .extend(difference(call, &over_tcp, &by_lambda).map(|said| format!("{form:?} {said}")));
        }
    }
    (statuses, differences)
}

#[tokio::test]
async fn both_homes_answer_alike() {
    let calls = corpus::corpus();
    let distinct: HashSet<_> =
        calls.iter().map(|call| (call.method, &call.target, &call.headers, &call.body)).collect();
    assert_eq!(distinct.len(), calls.len(), "every request is another one");
    assert!(calls.len() >= 500, "{} requests", calls.len());
    let (statuses, differences) = both_ways(&calls).await;
    println!("parity: {} requests, answered {statuses:?}", calls.len());
    assert!(differences.is_empty(), "{} answers differ:\n{}", differences.len(), differences.join("\n"));
    // A corpus that one answer fits would prove nothing.
    assert!(statuses[&200] >= 300 && statuses[&400] >= 200, "{statuses:?}");
    assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [200, 400, 403, 404, 405, 413]);
}

#[tokio::test]
async fn both_homes_refuse_what_is_too_large_alike() {
    let (statuses, differences) = both_ways(&hostile::too_large()).await;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(statuses, BTreeMap::from([(404, 1), (413, 2)]));
}
