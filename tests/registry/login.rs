//! How a client is let in by registries that are not ECR: a token service, with what Docker's config holds.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::front::{BlobFault, Front, Upload};
use crate::package::{DIGITS, digits, noise, plant};
use crate::process::{Ended, command, twofold};

fn pull(front: &Front, folder: &std::path::Path, to: &str, docker: &str) -> Ended {
    let (reference, out) = (format!("{}/iris:v1", front.address), folder.join(to));
    run(folder, docker, &["pull", &reference, "-o", out.to_str().unwrap()])
}

/// Runs `twofold` with this `config.json` of Docker's, and with programs in the folder.
fn run(folder: &std::path::Path, docker: &str, arguments: &[&str]) -> Ended {
    let config = folder.join("docker");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.json"), docker).unwrap();
    let path = std::env::join_paths([folder, std::path::Path::new("/usr/bin"), std::path::Path::new("/bin")])
        .unwrap();
    let environment =
        [("DOCKER_CONFIG", config.display().to_string()), ("PATH", path.to_str().unwrap().to_owned())];
    twofold(&environment, arguments)
}

/// A `config.json` that holds a `USER:PASSWORD`.
fn auths(front: &Front, user: &str) -> String {
    format!(r#"{{"auths":{{"{}":{{"auth":"{}"}}}}}}"#, front.address, BASE64_STANDARD.encode(user))
}

#[test]
fn a_token_service_is_asked_with_dockers_credentials_once_and_again_when_the_token_is_stale() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    let weights = noise(3_000_000);
    plant(&front, "iris", &[("model.onnx", &digits()), ("model.onnx.data", &weights)]);
    front.switch(|switches| switches.bearer = true);
    let of = |user: &str| auths(&front, user);
    let ended = pull(&front, folder.path(), "a", &of("anna:secret"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(front.count("GET /token"), 1);

    front.switch(|switches| switches.blob = BlobFault::Expires(1_000_000));
    let ended = pull(&front, folder.path(), "b", &of("anna:secret"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(std::fs::read(folder.path().join("b/model.onnx.data")).unwrap(), weights);
    assert_eq!(front.count("GET /token"), 3);
    assert_eq!(front.count("token [repository:iris:pull]"), 3, "another right was asked for");

    for (to, config) in [("c", of("anna:wrong")), ("d", "{}".to_owned())] {
        let ended = pull(&front, folder.path(), to, &config);
        assert_eq!(ended.code, Some(1));
        let refused = format!(
            "oci://{}/iris:v1: the registry answers 401: UNAUTHORIZED: incorrect username or password\n",
            front.address
        );
        assert_eq!(ended.stderr, refused);
    }
}

/// A registry mounts what the token may read, and takes another upload for the rest.
#[test]
fn a_push_that_mounts_asks_for_the_right_to_read_the_other_repository() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    plant(&front, "models/other", &[("model.onnx", &digits())]);
    front.switch(|switches| (switches.bearer, switches.upload) = (true, Upload::Taken));
    let push = |more: &[&str]| {
        let (model, reference) = (format!("{DIGITS}/model.onnx"), format!("{}/iris:v1", front.address));
        run(folder.path(), &auths(&front, "anna:secret"), &[&["push", &model, &reference], more].concat())
    };
    let mounted = push(&["--from", "models/other"]);
    assert_eq!(mounted.stderr, "1 blobs sent, 1 mounted, 0 there already\n");
    assert_eq!(front.count("token [repository:iris:pull,push repository:models/other:pull]"), 1);
    let sent = push(&[]);
    assert_eq!(sent.stderr, "2 blobs sent, 0 mounted, 0 there already\n");
    assert_eq!(front.count("token [repository:iris:pull,push]"), 1);
    assert_eq!(front.count("token"), 2, "a token serves all of a push");
}

#[test]
fn tags_are_listed_to_the_last_page() {
    let front = Front::start(None);
    let listed = twofold(&[], &["list", &format!("{}/iris", front.address)]);
    assert_eq!(listed.stdout, "a\nb\n", "{}", listed.stderr);
}

#[test]
#[ignore = "takes ten seconds: tests/registry/run"]
fn a_token_service_that_is_down_is_tried_as_often_as_a_registry() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    plant(&front, "iris", &[("model.onnx", &digits())]);
    front.switch(|switches| (switches.bearer, switches.no_tokens) = (true, true));
    let ended = pull(&front, folder.path(), "a", "{}");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("answers 503: UNAVAILABLE: come again (7 tries)"), "{}", ended.stderr);
    assert_eq!(front.count("GET /token"), 7);
}

/// Whoever may choose where a registry redirects to must not be sent its users' passwords.
#[test]
fn a_host_that_was_redirected_to_gets_no_credentials_by_asking() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    plant(&front, "iris", &[("model.onnx", &digits())]);
    let config = auths(&front, "anna:secret");
    for bearer in [false, true] {
        front.switch(|switches| (switches.bearer, switches.redirect, switches.bait) = (bearer, true, true));
        let ended = pull(&front, folder.path(), "a", &config);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains("the registry answers 401"), "{}", ended.stderr);
        assert_eq!(front.count("storage /token"), 0, "the credentials went to another host");
    }
    assert_eq!(front.count("storage /v2/iris/blobs/"), 2);
}

/// As `docker-credential-ecr-login` and others are asked: by Docker's protocol for helpers.
#[test]
fn a_helper_of_dockers_is_asked_for_the_credentials() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    plant(&front, "iris", &[("model.onnx", &digits())]);
    front.switch(|switches| switches.bearer = true);
    let helper = folder.path().join("docker-credential-test");
    let script = format!(
        "#!/bin/sh\nread -r host\n[ \"$1 $host\" = 'get {}' ] || exit 1\n\
         echo '{{\"ServerURL\":\"'\"$host\"'\",\"Username\":\"anna\",\"Secret\":\"secret\"}}'\n",
        front.address
    );
    std::fs::write(&helper, script).unwrap();
    assert!(command("chmod", &[]).arg("755").arg(&helper).status().unwrap().success());
    let config = format!(r#"{{"credHelpers":{{"{}":"test"}}}}"#, front.address);
    let ended = pull(&front, folder.path(), "a", &config);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(front.count("GET /token"), 1);
}
