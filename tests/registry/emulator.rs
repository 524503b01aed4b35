//! The function that ships, under AWS's emulator, with a package from a registry that does as ECR does.

#![allow(dead_code, unreachable_pub)] // what tests/parity needs besides

#[path = "../parity/answer.rs"]
mod answer;
#[path = "../parity/call.rs"]
mod call;
#[path = "../parity/event.rs"]
mod event;
#[path = "../parity/process.rs"]
mod process;
#[path = "../parity/tcp.rs"]
mod tcp;

use std::path::{Path, PathBuf};

use answer::difference;
use call::Call;
use event::Form;
use process::{Process, program};

use crate::front::Front;
use crate::package::{digits, plant};
use crate::process::ours;

/// ECR with a package `iris`, by its digest and as `v1`; gives the digest.
fn ecr() -> (Front, String) {
    let front = Front::start(None);
    front.switch(|switches| (switches.ecr, switches.redirect) = (true, true));
    let labels = br#"{"description":"digits, pulled by Lambda"}"#;
    let pinned = plant(&front, "models/iris", &[("model.onnx", &digits()), ("twofold.json", labels)]);
    (front, pinned)
}

/// The variables of a process that serves one package, with a cache of its own.
fn variables(front: &Front, pointer: &str, cache: &Path) -> Vec<(&'static str, String)> {
    let mut variables = front.environment();
    variables.push(("TWOFOLD_MODELS", format!("iris=oci://{}/models/iris{pointer}", front.address)));
    variables.push(("TWOFOLD_CACHE", cache.display().to_string()));
    variables
}

fn lambda(variables: &[(&'static str, String)]) -> Process {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let lambda = PathBuf::from(ours!("lambda", &[]).get_program());
    Process::emulator(&program("PARITY_EMULATOR"), &lambda, &variables)
}

/// The front has a runtime of its own, which none may be within.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
#[ignore = "needs the emulator: tests/registry/run"]
fn a_function_serves_the_package_of_a_digest_as_the_server_does() {
    let ((front, pinned), folder) = (ecr(), tempfile::tempdir().unwrap());
    let pointer = format!("@{pinned}");
    let for_server = variables(&front, &pointer, &folder.path().join("server"));
    let for_server: Vec<_> = for_server.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = Process::server(&PathBuf::from(ours!("server", &[]).get_program()), &for_server);
    let lambda = lambda(&variables(&front, &pointer, &folder.path().join("lambda")));
    let data = vec!["0.5"; 64].join(",");
    let body =
        format!(r#"{{"inputs":[{{"name":"input","shape":[1,64],"datatype":"FP32","data":[{data}]}}]}}"#);
    for call in [
        Call::post("an inference", "/v2/models/iris/infer", body).json(),
        Call::get("what it is", "/v2/models/iris"),
    ] {
        let over_tcp = wait(tcp::send(server.address, &call));
        let by_lambda = wait(lambda.invoke(&call, Form::Text)).unwrap();
        assert_eq!(difference(&call, &over_tcp, &by_lambda), None);
        let text = String::from_utf8_lossy(&by_lambda.body).into_owned();
        assert_eq!(by_lambda.status, 200, "{text}");
        if call.method == "POST" {
            assert_eq!(by_lambda.headers.get("twofold-model-digest"), Some(&pinned), "{text}");
        } else {
            assert!(text.contains(&format!(r#""digest":"{pinned}""#)), "{text}");
        }
        println!("| under the emulator: {} | as the server | | |", call.name);
    }
    // Each home has its own token and its own cache.
    assert_eq!(front.count("GetAuthorizationToken"), 2);
    assert_eq!(front.count("GET /v2/models/iris/blobs/"), 2 * 2);
}

#[test]
#[ignore = "needs the emulator: tests/registry/run"]
fn a_function_refuses_a_tag_and_says_what_it_means_now() {
    let ((front, pinned), folder) = (ecr(), tempfile::tempdir().unwrap());
    let lambda = lambda(&variables(&front, ":v1", folder.path()));
    let event = event::event(&Call::get("any", "/v2"), Form::Text).to_string();
    let (status, payload) = wait(lambda.invoke_raw(event.into_bytes()));
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let message = payload["errorMessage"].as_str().unwrap();
    let pin = format!("Lambda takes digests only; it is oci://{}/models/iris:v1@{pinned} now", front.address);
    assert!(status == 502 && message.starts_with("TWOFOLD_MODELS: ") && message.contains(&pin), "{message}");
    println!("| a tag, under the emulator | {message} | | |");
    assert_eq!(front.count("GET /v2/models/iris/blobs/"), 0, "it was pulled all the same");
}
