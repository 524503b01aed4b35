//! The server serves packages from registries, and says which one answered.

use std::io::{Read, Write};

use crate::front::{BlobFault, Front};
use crate::package::{DIGITS, digest, digits, layer, manifest, plant, plant_manifest};
use crate::process::{Server, ours, twofold};

fn environment(front: &Front, folder: &std::path::Path, models: &str) -> Vec<(&'static str, String)> {
    let models = models.replace("HOST", &front.address.to_string());
    vec![("TWOFOLD_CACHE", folder.join("cache").display().to_string()), ("TWOFOLD_MODELS", models)]
}

#[test]
fn what_answered_is_told_by_its_digest() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    let labels = br#"{"description":"digits, pulled"}"#;
    let pinned = plant(&front, "models/iris", &[("model.onnx", &digits()), ("twofold.json", labels)]);
    let models = format!(
        "a=oci://HOST/models/iris@{pinned},b=oci://HOST/models/iris:v1,embedded:digits,c=dir:{DIGITS}"
    );
    let server = Server::start(&environment(&front, folder.path(), &models), folder.path()).unwrap();
    let bodies: Vec<String> = ["a", "b", "digits", "c"]
        .iter()
        .map(|model| {
            let (head, body) = server.infer(model);
            assert!(head.starts_with("http/1.1 200"), "{head}{body}");
            let told = head.contains(&format!("twofold-model-digest: {pinned}"));
            assert_eq!(told, matches!(*model, "a" | "b"), "{head}");
            body.replace(&format!("\"model_name\":\"{model}\""), "")
        })
        .collect();
    assert!(bodies.windows(2).all(|two| two[0] == two[1]), "one package, different answers: {bodies:?}");
    let (_, metadata) = server.ask("GET", "/v2/models/a", "");
    let said = format!(r#""parameters":{{"description":"digits, pulled","digest":"{pinned}"}}"#);
    assert!(metadata.contains(&said), "{metadata}");
    let (_, metrics) = server.ask("GET", "/metrics", "");
    let label = format!(r#"{{model="a",version="1",digest="{pinned}",outcome="success"}} 1"#);
    assert!(metrics.contains(&label), "{metrics}");
    assert_eq!(front.count("GET /v2/models/iris/blobs/"), 2, "a layer was pulled twice");
}

#[test]
fn a_digest_in_the_cache_needs_no_registry_and_a_changed_file_is_pulled_again() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    let pinned = plant(&front, "iris", &[("model.onnx", &digits())]);
    let environment = environment(&front, folder.path(), &format!("iris=oci://HOST/iris@{pinned}"));
    drop(Server::start(&environment, folder.path()).unwrap());
    let seen = front.count("");
    drop(Server::start(&environment, folder.path()).unwrap());
    assert_eq!(front.count(""), seen, "the registry was asked");

    let hex = digest(&digits());
    let blob = folder.path().join("cache/blobs/sha256").join(&hex["sha256:".len()..]);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&blob, &bytes).unwrap();
    let server = Server::start(&environment, folder.path()).unwrap();
    assert!(server.infer("iris").0.starts_with("http/1.1 200"));
    assert_eq!(std::fs::read(&blob).unwrap(), digits());
    assert_eq!(front.count("GET /v2/iris/blobs/"), 2);
}

#[test]
fn a_package_that_cannot_be_had_takes_no_other_down() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    let models = format!("embedded:digits,iris=oci://HOST/iris:v9,oci://HOST/a/b@{}", digest(b"none"));
    let server = Server::start(&environment(&front, folder.path(), &models), folder.path()).unwrap();
    let (_, index) = server.ask("POST", "/v2/repository/index", "");
    let address = front.address;
    for reason in [
        format!("oci://{address}/iris:v9: the registry answers 404: MANIFEST_UNKNOWN: manifest unknown"),
        format!("oci://{address}/a/b@{}: the registry answers 404", digest(b"none")),
    ] {
        assert!(index.contains(&reason), "{index}");
    }
    assert!(server.infer("digits").0.starts_with("http/1.1 200"));
}

#[test]
fn lambda_takes_digests_only_and_says_the_tags_own() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    let pinned = plant(&front, "iris", &[("model.onnx", &digits())]);
    let heard = init_error(environment(&front, folder.path(), "iris=oci://HOST/iris:v1"));
    let pin = format!("Lambda takes digests only; it is oci://{}/iris:v1@{pinned} now", front.address);
    assert!(heard.contains(&pin), "{heard}");
}

#[test]
fn a_package_is_pulled_into_a_folder_that_is_served() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    let pinned =
        plant(&front, "iris", &[("m/iris.onnx", &digits()), ("m/twofold.json", b"{}"), ("README.md", b"x")]);
    let out = folder.path().join("out/iris");
    let out = out.to_str().unwrap();
    let reference = format!("{}/iris:v1", front.address);
    let ended = twofold(&[], &["pull", &reference, "-o", out]);
    assert_eq!(
        (ended.code, ended.stdout),
        (Some(0), format!("oci://{reference}@{pinned}\n")),
        "{}",
        ended.stderr
    );
    assert_eq!(std::fs::read(format!("{out}/model.onnx")).unwrap(), digits());
    let mut names: Vec<_> = std::fs::read_dir(out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["model.onnx", "twofold.json"]);
    assert_eq!(std::fs::read_dir(folder.path().join("out")).unwrap().count(), 1, "staging is left behind");
    let again = twofold(&[], &["pull", &reference, "-o", out]);
    assert_eq!(
        (again.code, again.stderr),
        (Some(1), format!("{out}: is not empty: nothing is written over\n"))
    );
    let environment = [("TWOFOLD_MODELS", format!("iris=dir:{out}"))];
    let server = Server::start(&environment, folder.path()).unwrap();
    assert!(server.infer("iris").0.starts_with("http/1.1 200"));
}

#[test]
fn a_connection_that_breaks_after_the_last_byte_has_brought_all() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    plant(&front, "iris", &[("model.onnx", &digits())]);
    front.switch(|switches| switches.blob = BlobFault::NoEnd);
    let out = folder.path().join("out");
    let reference = format!("{}/iris:v1", front.address);
    let ended = twofold(&[], &["pull", &reference, "-o", out.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(front.count("GET /v2/iris/blobs/"), 1);
}

#[test]
fn a_tar_of_another_tool_is_served() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    std::fs::create_dir(folder.path().join("model")).unwrap();
    std::fs::copy(format!("{DIGITS}/model.onnx"), folder.path().join("model/digits.onnx")).unwrap();
    let packed = folder.path().join("layer.tar.gz");
    let mut tar = std::process::Command::new("tar");
    tar.arg("-czf").arg(&packed).arg("-C").arg(folder.path()).arg("model");
    assert!(tar.status().unwrap().success());
    let bytes = std::fs::read(&packed).unwrap();
    let mut described = layer(&digest(&bytes), bytes.len(), "model");
    described["mediaType"] = "application/vnd.kitops.modelkit.model.v1.tar+gzip".into();
    front.plant(&format!("/v2/kit/blobs/{}", digest(&bytes)), bytes);
    plant_manifest(&front, "kit", &manifest(&[described]));
    let environment = environment(&front, folder.path(), "oci://HOST/kit:v1");
    let server = Server::start(&environment, folder.path()).unwrap();
    assert!(server.infer("kit").0.starts_with("http/1.1 200"));
}

/// A tag is asked for once: what is served is of one piece, whatever the tag means a moment later.
#[test]
fn a_tag_that_moves_after_it_was_asked_for_changes_nothing() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    let pinned = plant(&front, "iris", &[("model.onnx", &digits())]);
    let other = manifest(&[layer(&digest(b"other"), 5, "model.onnx")]);
    front.switch(|switches| switches.swap = Some(other.into()));
    let moving = environment(&front, folder.path(), "iris=oci://HOST/iris:v1");
    let server = Server::start(&moving, folder.path()).unwrap();
    let (head, body) = server.infer("iris");
    assert!(head.starts_with("http/1.1 200") && head.contains(&pinned), "{head}{body}");
    assert_eq!(front.count("GET /v2/iris/manifests/"), 1);
    // What was moved is another package to whoever asks now, and nothing at all to whoever pinned the first.
    let out = folder.path().join("out");
    let reference = format!("{}/iris@{pinned}", front.address);
    let bytes = front.shared.files.lock().unwrap()["/v2/iris/manifests/v1"].clone();
    front.plant(&format!("/v2/iris/manifests/{pinned}"), bytes);
    let ended = twofold(&[], &["pull", &reference, "-o", out.to_str().unwrap()]);
    assert!(ended.stderr.contains("the reference says"), "{}", ended.stderr);
}

/// A tar+gzip of one file, as a layer of a repository.
fn tar_layer(
    front: &Front,
    folder: &std::path::Path,
    repository: &str,
    name: &str,
    bytes: &[u8],
) -> serde_json::Value {
    std::fs::write(folder.join(name), bytes).unwrap();
    let mut tar = std::process::Command::new("tar");
    let made = tar.args(["-czf", "-", "-C"]).arg(folder).arg(name).output().unwrap();
    assert!(made.status.success());
    let packed = digest(&made.stdout);
    let mut described = layer(&packed, made.stdout.len(), "layer");
    described["mediaType"] = "application/vnd.kitops.modelkit.model.v1.tar+gzip".into();
    front.plant(&format!("/v2/{repository}/blobs/{packed}"), made.stdout);
    described
}

#[test]
fn a_pull_and_a_server_take_the_same_packages() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    let model = digits();
    let raw = layer(&digest(&model), model.len(), "model.onnx");
    let said = tar_layer(&front, folder.path(), "mixed", "twofold.json", br#"{"description":"mixed"}"#);
    let again = tar_layer(&front, folder.path(), "twice", "model.onnx", &model);
    for (repository, other, refused) in
        [("mixed", said, None), ("twice", again, Some("holds \"model.onnx\" twice"))]
    {
        front.plant(&format!("/v2/{repository}/blobs/{}", digest(&model)), model.clone());
        plant_manifest(&front, repository, &manifest(&[raw.clone(), other]));
        let out = folder.path().join("out").join(repository);
        let reference = format!("{}/{repository}:v1", front.address);
        let ended = twofold(&[], &["pull", &reference, "-o", out.to_str().unwrap()]);
        let models = format!("embedded:digits,m=oci://HOST/{repository}:v1");
        let server = Server::start(&environment(&front, folder.path(), &models), folder.path()).unwrap();
        let (metadata, index) =
            (server.ask("GET", "/v2/models/m", "").1, server.ask("POST", "/v2/repository/index", "").1);
        if let Some(reason) = refused {
            assert_eq!((ended.code, ended.stderr), (Some(1), format!("oci://{reference}: {reason}\n")));
            assert!(index.contains(&reason.replace('"', "\\\"")), "{index}");
        } else {
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            assert_eq!(std::fs::read(out.join("model.onnx")).unwrap(), model);
            assert!(std::fs::read_to_string(out.join("twofold.json")).unwrap().contains("mixed"));
            assert!(metadata.contains(r#""description":"mixed""#), "{metadata}");
        }
    }
}

#[test]
#[ignore = "takes nine seconds: tests/registry/run"]
fn a_package_that_does_not_make_lambdas_start_says_so() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    let pinned =
        plant(&front, "iris", &[("model.onnx", &digits()), ("model.onnx.data", &vec![7; 9_000_000])]);
    front.switch(|switches| switches.blob = BlobFault::Slow);
    let began = std::time::Instant::now();
    let heard = init_error(environment(&front, folder.path(), &format!("iris=oci://HOST/iris@{pinned}")));
    assert!((8..10).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let said = "not here 9 s after the start, with 0 of 9 MB: Lambda ends a start after ten seconds";
    assert!(heard.contains(said), "{heard}");
    println!("| package too slow for Lambda's start | {said} | {:.1} s | |", began.elapsed().as_secs_f32());
}

/// What a function that cannot start tells Lambda.
fn init_error(mut environment: Vec<(&'static str, String)>) -> String {
    let api = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    environment.extend([
        ("AWS_LAMBDA_RUNTIME_API", api.local_addr().unwrap().to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", "iris".into()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".into()),
    ]);
    let mut lambda = ours!("lambda", &environment);
    let mut child = lambda.stdout(std::process::Stdio::null()).spawn().unwrap();
    let (mut stream, _) = api.accept().unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"}") {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).unwrap();
        assert_ne!(read, 0);
        heard.extend_from_slice(&piece[..read]);
    }
    stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let heard = String::from_utf8(heard).unwrap();
    assert!(heard.contains("/runtime/init/error") && heard.contains("TWOFOLD_MODELS"), "{heard}");
    heard
}
