//! ECR's ways, on the server that stands for it, with Debian's registry behind.

use std::net::TcpListener;
use std::time::Duration;

use crate::front::{BlobFault, Front, Upload};
use crate::package::{DIGITS, digits, noise, plant};
use crate::process::{Ended, Server, begin, end, twofold};
use crate::upstream::Upstream;
use crate::wire::Wire;

fn ecr(upstream: Option<&Upstream>) -> Front {
    let front = Front::start(upstream.map(Upstream::url));
    front.switch(|switches| (switches.ecr, switches.redirect) = (true, true));
    front
}

#[test]
fn one_token_serves_many_pulls() {
    let (front, folder) = (ecr(None), tempfile::tempdir().unwrap());
    let mut models = Vec::new();
    for number in 0..20 {
        let name = format!("m{number}");
        let said = format!(r#"{{"description":"{number}"}}"#);
        let pinned = plant(&front, &name, &[("model.onnx", &digits()), ("twofold.json", said.as_bytes())]);
        models.push(format!("{name}=oci://{}/{name}@{pinned}", front.address));
    }
    let mut environment = front.environment();
    environment.push(("TWOFOLD_MODELS", models.join(",")));
    environment.push(("TWOFOLD_CACHE", folder.path().join("cache").display().to_string()));
    let server = Server::start(&environment, folder.path()).unwrap();
    for number in 0..20 {
        assert!(server.infer(&format!("m{number}")).0.starts_with("http/1.1 200"));
    }
    assert_eq!(front.count("GetAuthorizationToken"), 1);
    assert_eq!(front.count("GET /v2/m"), 20 + 20 + 1, "the model that they share was pulled more than once");
}

#[test]
fn a_token_that_expires_within_a_layer_is_renewed_once() {
    let (front, folder) = (ecr(None), tempfile::tempdir().unwrap());
    let weights = noise(3_000_000);
    plant(&front, "iris", &[("model.onnx", &digits()), ("model.onnx.data", &weights)]);
    front.switch(|switches| (switches.redirect, switches.blob) = (false, BlobFault::Expires(1_000_000)));
    let out = folder.path().join("out");
    let reference = format!("{}/iris:v1", front.address);
    let ended = twofold(&front.environment(), &["pull", &reference, "-o", out.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(std::fs::read(out.join("model.onnx.data")).unwrap(), weights);
    assert_eq!(front.count("GetAuthorizationToken"), 2);
}

#[test]
fn a_proxy_of_the_environment_is_asked_for_tokens_too() {
    let (front, folder) = (ecr(None), tempfile::tempdir().unwrap());
    plant(&front, "iris", &[("model.onnx", &digits())]);
    // The front stands for the proxy, too: it looks at paths, whatever host is before them.
    let mut environment = front.environment();
    environment.retain(|(name, _)| *name != "AWS_ENDPOINT_URL_ECR");
    environment.push(("AWS_ENDPOINT_URL_ECR", "http://ecr.invalid".into()));
    environment.push(("HTTP_PROXY", format!("http://{}", front.address)));
    environment.push(("NO_PROXY", "127.0.0.1".into()));
    let out = folder.path().join("out");
    let reference = format!("{}/iris:v1", front.address);
    let ended = twofold(&environment, &["pull", &reference, "-o", out.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(front.count("GetAuthorizationToken"), 1);
}

#[test]
fn throttling_is_waited_out_and_refusals_are_told() {
    let (front, folder) = (ecr(None), tempfile::tempdir().unwrap());
    plant(&front, "iris", &[("model.onnx", &digits())]);
    front.switch(|switches| switches.throttled = 3);
    let reference = format!("{}/iris:v1", front.address);
    let pull = |to: &str, environment: &[(&str, String)]| {
        twofold(environment, &["pull", &reference, "-o", folder.path().join(to).to_str().unwrap()])
    };
    let ended = pull("a", &front.environment());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(front.count("GetAuthorizationToken"), 4);

    // Not one of ECR's hosts: no credentials are sent, and none are there.
    let anonymous = pull("b", &[]);
    assert_eq!(anonymous.code, Some(1));
    let refused =
        format!("oci://{reference}: the registry answers 401: UNAUTHORIZED: no basic auth credentials\n");
    assert_eq!(anonymous.stderr, refused);
}

#[test]
fn a_token_that_expires_within_an_upload_is_renewed_once() {
    let front = ecr(None);
    front.shared.repositories.lock().unwrap().insert("iris".into());
    front.switch(|switches| switches.upload = Upload::Expires);
    let reference = format!("{}/iris:v1", front.address);
    let ended = twofold(&front.environment(), &["push", &format!("{DIGITS}/model.onnx"), &reference]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(front.count("GetAuthorizationToken"), 2);
}

#[test]
#[ignore = "takes half a minute: tests/registry/run"]
fn a_registry_that_takes_no_bytes_is_given_up() {
    let front = Front::start(None);
    front.switch(|switches| switches.upload = Upload::Hangs);
    let reference = format!("{}/iris:v1", front.address);
    let ended = twofold(&[], &["push", &format!("{DIGITS}/model.onnx"), &reference]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.starts_with(&format!("oci://{reference}: it takes no bytes for 30 s")),
        "{}",
        ended.stderr
    );
    println!(
        "| upload that is never answered | {} | {:.1} s | |",
        ended.stderr.trim(),
        ended.took.as_secs_f32()
    );
}

#[test]
fn a_token_that_is_refused_is_renewed_once() {
    let (front, folder) = (ecr(None), tempfile::tempdir().unwrap());
    front.switch(|switches| switches.denied = true);
    let reference = format!("{}/iris:v1", front.address);
    let out = folder.path().join("out");
    let ended = twofold(&front.environment(), &["pull", &reference, "-o", out.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("the registry answers 403: DENIED"), "{}", ended.stderr);
    assert_eq!(front.count("GetAuthorizationToken"), 2);
}

/// An environment whose ECR API is there.
fn with_api(front: &Front, api: std::net::SocketAddr) -> Vec<(&'static str, String)> {
    let mut environment = front.environment();
    environment.retain(|(name, _)| *name != "AWS_ENDPOINT_URL_ECR");
    environment.push(("AWS_ENDPOINT_URL_ECR", format!("http://{api}")));
    environment
}

#[test]
fn an_api_that_is_not_there_for_a_while_is_asked_again() {
    let (front, folder) = (ecr(None), tempfile::tempdir().unwrap());
    plant(&front, "iris", &[("model.onnx", &digits())]);
    // The first connection breaks, the next ones are refused.
    let wire = Wire::lay(front.address.to_string(), vec![0], Duration::from_secs(1));
    let (reference, out) = (format!("{}/iris:v1", front.address), folder.path().join("out"));
    let ended = twofold(&with_api(&front, wire.address), &["pull", &reference, "-o", out.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(front.count("GetAuthorizationToken"), 1);
}

#[test]
#[ignore = "takes half a minute: tests/registry/run"]
fn an_api_that_nobody_listens_for_is_told() {
    let front = ecr(None);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let repository = format!("{}/iris", front.address);
    let ended = twofold(&with_api(&front, closed), &["list", &repository]);
    assert_eq!(ended.code, Some(1));
    let told = format!(
        "oci://{repository}: ECR: DescribeImages: io error: client error (Connect): tcp connect error: Connection refused (os error 111)\n"
    );
    assert_eq!(ended.stderr, told);
    println!("| ECR's API is not there | {} | {:.1} s | |", ended.stderr.trim(), ended.took.as_secs_f32());
}

/// As many environments of Lambda that start at once, each with its own cache; ECR takes 20 calls a second, and others had those
/// of the first: however slowly the machine starts so many, some come too early.
#[test]
fn a_storm_of_cold_starts_is_spread_until_all_have_their_token() {
    const STARTS: usize = 60;
    let (front, folder) = (ecr(None), tempfile::tempdir().unwrap());
    plant(&front, "iris", &[("model.onnx", &digits())]);
    front.switch(|switches| (switches.rate, switches.throttled) = (20.0, 20));
    let reference = format!("{}/iris:v1", front.address);
    let pull = |number: usize| {
        let out = folder.path().join(number.to_string());
        begin(&front.environment(), &["pull", &reference, "-o", out.to_str().unwrap()])
    };
    let pulls: Vec<_> = (0..STARTS).map(pull).collect();
    let ended: Vec<_> = pulls.into_iter().map(end).collect();
    for one in &ended {
        assert_eq!(one.code, Some(0), "{}", one.stderr);
    }
    let calls = front.count("GetAuthorizationToken");
    let took = ended.iter().map(|one| one.took).sum::<Duration>();
    println!(
        "| {STARTS} cold starts, ECR takes 20 calls a second | all pulled, after {calls} calls | {:.1} s | |",
        took.as_secs_f64()
    );
    assert!(calls >= STARTS + 20, "{calls} calls: what is throttled was not tried again");
}

#[test]
#[ignore = "needs docker-registry: tests/registry/run"]
fn a_push_knows_eccentricities() {
    let upstream = Upstream::start();
    let front = ecr(Some(&upstream));
    let environment = front.environment();
    let reference = format!("{}/models/iris:1", front.address);
    let push = |args: &[&str]| twofold(&environment, &[&["push"], args].concat());
    // ECR makes no repository by itself.
    let missing = push(&[DIGITS, &reference]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("NAME_UNKNOWN"), "{}", missing.stderr);
    let first = push(&[DIGITS, &reference, "--create"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stdout.starts_with(&format!("oci://{reference}@sha256:")), "{}", first.stdout);
    assert_eq!(first.stderr, "3 blobs sent, 0 mounted, 0 there already\n");
    // Neither is a tag moved, nor a blob sent twice.
    let again = push(&[DIGITS, &reference, "--create", "--annotation", "another=package"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("TAG_INVALID"), "{}", again.stderr);
    let second = push(&[DIGITS, &format!("{}/models/iris:2", front.address)]);
    assert_eq!(second.stderr, "0 blobs sent, 0 mounted, 3 there already\n");
    let other = format!("{}/models/other:1", front.address);
    let mounted = push(&[DIGITS, &other, "--create", "--from", "models/iris"]);
    assert_eq!(mounted.stderr, "0 blobs sent, 3 mounted, 0 there already\n");

    // Three images on two pages, the newest first.
    let third = push(&[DIGITS, &format!("{}/models/iris:3", front.address), "--annotation", "a=b"]);
    let listed = twofold(&environment, &["list", &format!("{}/models/iris", front.address)]).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    let begins =
        |ended: &Ended, tag: &str| format!("{}  {tag}  ", ended.stdout.trim().split('@').nth(1).unwrap());
    for (line, (ended, tag)) in lines.iter().zip([(&third, "3"), (&second, "2"), (&first, "1")]) {
        assert!(line.starts_with(&begins(ended, tag)) && line.ends_with(" bytes"), "{listed}");
    }
    let elsewhere = twofold(&[], &["list", &format!("{}/models/iris", upstream.address)]);
    assert_eq!(elsewhere.stdout, "1\n2\n3\n", "{}", elsewhere.stderr);

    let folder = tempfile::tempdir().unwrap();
    let mut serving = front.environment();
    let pinned = first.stdout.trim().replace("/iris:1@", "/iris@");
    serving.push(("TWOFOLD_MODELS", format!("iris={pinned}")));
    serving.push(("TWOFOLD_CACHE", folder.path().join("cache").display().to_string()));
    let server = Server::start(&serving, folder.path()).unwrap();
    let (head, body) = server.infer("iris");
    assert!(head.contains(pinned.split('@').nth(1).unwrap()), "{head}{body}");
}
