//! The corpus through the binaries that ship: `server` over TCP, and `lambda` under AWS's emulator, with
//! default settings and the log on.
//!
//! Ignored unless asked for, since the binaries must be built first. `tests/emulator/run` builds them, and sets
//!
//! - `PARITY_SERVER`, `PARITY_LAMBDA`: the release binaries;
//! - `PARITY_SERVER_THAT_PANICS`, `PARITY_LAMBDA_THAT_PANICS`: the same with the feature `test-panic`;
//! - `PARITY_EMULATOR`: what `tests/emulator/fetch` printed.
//!
//! A variable that is missing fails the test.

use super::answer::{Answer, difference};
use super::call::Call;
use super::process::{Process, program};
use super::{corpus, event, tcp};

#[tokio::test]
#[ignore = "needs release binaries and the emulator: see tests/emulator/run"]
async fn both_binaries_answer_alike() {
    let server = Process::server(&program("PARITY_SERVER"), &[]);
    let lambda = Process::emulator(&program("PARITY_EMULATOR"), &program("PARITY_LAMBDA"), &[]);
    let calls = corpus::corpus();
    println!("parity of the release binaries: {} requests", calls.len());
    assert!(calls.len() >= 500, "{} requests", calls.len());
    let mut differences = Vec::new();
    for call in &calls {
        let over_tcp = tcp::send(server.address, call).await;
        // One event at a time, in the form that AWS would choose.
        let said = match lambda.invoke(call, event::usual_form(call)).await {
            Ok(by_lambda) => difference(call, &over_tcp, &by_lambda),
            Err(reason) => Some(format!("{}: {reason}", call.name)),
        };
        differences.extend(said);
    }
    assert!(differences.is_empty(), "{} answers differ:\n{}", differences.len(), differences.join("\n"));
}

#[tokio::test]
#[ignore = "needs release binaries and the emulator: see tests/emulator/run"]
async fn an_answer_too_large_for_lambda_says_so() {
    let variables = [("TWOFOLD_BODY_LIMIT", "16MiB")];
    let lambda = Process::emulator(&program("PARITY_EMULATOR"), &program("PARITY_LAMBDA"), &variables);
    let rows = 100_000;
    let data = "0,".repeat(rows * 64 - 1) + "0";
    let input = format!(r#"{{"name":"input","shape":[{rows},64],"datatype":"FP32","data":[{data}]}}"#);
    let call = Call::infer("a large answer", format!(r#"{{"inputs":[{input}]}}"#)).gzip();
    let answer = lambda.invoke(&call, event::Form::Base64).await.unwrap();
    assert_eq!(answer.status, 413);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(
        text.starts_with(r#"{"error":"the answer takes "#) && text.contains("which allows 6291556"),
        "{text}"
    );
    let alive = lambda.invoke(&Call::get("afterwards", "/v2/health/live"), event::Form::Text).await.unwrap();
    assert_eq!((alive.status, alive.body.as_slice()), (200, &br#"{"live":true}"#[..]));
}

#[tokio::test]
#[ignore = "needs release binaries and the emulator: see tests/emulator/run"]
async fn what_is_no_event_does_not_end_the_function() {
    let lambda = Process::emulator(&program("PARITY_EMULATOR"), &program("PARITY_LAMBDA"), &[]);
    let mut no_base64 = event::event(&Call::infer("no base64", "{}"), event::Form::Base64);
    no_base64["body"] = "no base64!".into();
    for odd in [
        "",
        "{}",
        "null",
        "garbage",
        "\u{0}",
        "[[[[",
        &no_base64.to_string(),
        r#"{"version":"1.0","httpMethod":"GET","path":"/v2"}"#,
    ] {
        lambda.invoke_raw(odd.as_bytes().to_vec()).await;
        lambda.invoke_raw([odd.as_bytes(), b"\xff"].concat()).await;
    }
    let alive = lambda.invoke(&Call::get("afterwards", "/v2/health/live"), event::Form::Text).await.unwrap();
    assert_eq!(alive.status, 200);
}

#[tokio::test]
#[ignore = "needs release binaries and the emulator: see tests/emulator/run"]
async fn a_broken_start_tells_lambda_why() {
    for (variable, value, reason) in [
        ("TWOFOLD_MODELS", "dir:/nothing/here", "TWOFOLD_MODELS: no model is ready"),
        ("TWOFOLD_MODELS", "digits", "TWOFOLD_MODELS: "),
        ("TWOFOLD_NONSENSE", "1", "TWOFOLD_NONSENSE: there is no such setting"),
    ] {
        let lambda =
            Process::emulator(&program("PARITY_EMULATOR"), &program("PARITY_LAMBDA"), &[(variable, value)]);
        let event = event::event(&Call::get("any", "/v2"), event::Form::Text).to_string();
        let (status, payload) = lambda.invoke_raw(event.into_bytes()).await;
        let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let message = payload["errorMessage"].as_str().unwrap();
        println!("{variable}={value}: {status} {payload}");
        assert!(status == 502 && message.starts_with(reason), "{status} {message}");
    }
}

/// The profile that ships unwinds: a handler that panics costs its request and nothing else.
#[tokio::test]
#[ignore = "needs release binaries and the emulator: see tests/emulator/run"]
async fn a_panic_costs_one_request() {
    let panic = Call::get("panics", "/test/panic");
    let next = Call::infer("next", r#"{"inputs":[]}"#).json();
    let opaque = |answer: &Answer| {
        assert_eq!(answer.status, 500);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(text.starts_with(r#"{"error":"internal error"#) && !text.contains("panic"), "{text}");
    };

    let server = Process::server(&program("PARITY_SERVER_THAT_PANICS"), &[]);
    let lambda = Process::emulator(&program("PARITY_EMULATOR"), &program("PARITY_LAMBDA_THAT_PANICS"), &[]);
    for _ in 0..3 {
        opaque(&tcp::send(server.address, &panic).await);
        opaque(&lambda.invoke(&panic, event::Form::Text).await.unwrap());
        assert_eq!(tcp::send(server.address, &next).await.status, 400);
        assert_eq!(lambda.invoke(&next, event::Form::Text).await.unwrap().status, 400);
    }
}
