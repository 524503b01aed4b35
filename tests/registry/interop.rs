//! Other people's tools read what is packed here, and what they write is served. The commands and their ends are printed.

use std::path::Path;
use std::process::Command;

use crate::package::{DIGITS, digits};
use crate::process::{Server, twofold};
use crate::upstream::Upstream;

/// Runs a tool, prints what it was told and gives its stdout.
fn tool(folder: &Path, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let ran = Command::new(words[0]).args(&words[1..]).current_dir(folder).output();
    let ran = ran.unwrap_or_else(|error| panic!("NOT RUN: {}: {error}", words[0]));
    let (out, err) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8_lossy(&ran.stderr).into_owned());
    println!("$ {line}");
    assert!(ran.status.success(), "{out}{err}");
    out
}

fn ours(folder: &Path, line: &str) -> String {
    println!("$ twofold {line}");
    let at = folder.to_str().unwrap();
    let args: Vec<String> = line.split(' ').map(|word| word.replace("./", &format!("{at}/"))).collect();
    let ended = twofold(&[], &args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    println!("{}", ended.stdout.trim());
    ended.stdout.trim().to_owned()
}

fn serve(folder: &Path, reference: &str) -> String {
    let cache = folder.join("cache").display().to_string();
    let environment = [("TWOFOLD_MODELS", format!("digits={reference}")), ("TWOFOLD_CACHE", cache)];
    let server = Server::start(&environment, folder).unwrap();
    let (head, body) = server.infer("digits");
    assert!(head.starts_with("http/1.1 200"), "{body}");
    let digest = head.lines().find_map(|line| line.strip_prefix("twofold-model-digest: ")).unwrap();
    println!("{reference} answers: 200, twofold-model-digest: {digest}");
    digest.to_owned()
}

#[test]
#[ignore = "needs docker-registry and skopeo: tests/registry/run"]
fn skopeo_carries_a_package_and_its_digest_stays() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let (at, host) = (folder.path(), &upstream.address);
    let packed = ours(at, &format!("pack {DIGITS} -o ./layout"));
    let pushed = ours(at, &format!("push ./layout {host}/digits:1"));
    assert_eq!(pushed, format!("oci://{host}/digits:1@{packed}"));
    tool(at, &format!("skopeo copy --src-tls-verify=false docker://{host}/digits:1 oci:there:1"));
    tool(at, &format!("skopeo copy --dest-tls-verify=false oci:there:1 docker://{host}/back:1"));
    let raw = tool(at, &format!("skopeo inspect --raw --tls-verify=false docker://{host}/back:1"));
    assert_eq!(crate::package::digest(raw.as_bytes()), packed);
    assert_eq!(serve(at, &format!("oci://{host}/back:1")), packed);
    // The layout itself is one that skopeo reads.
    tool(at, &format!("skopeo copy --dest-tls-verify=false oci:layout docker://{host}/layout:1"));
    assert_eq!(
        ours(at, &format!("pull {host}/layout:1 -o ./pulled")),
        format!("oci://{host}/layout:1@{packed}")
    );
    assert_eq!(std::fs::read(at.join("pulled/model.onnx")).unwrap(), digits());
}

#[test]
#[ignore = "needs docker-registry and oras: tests/registry/run"]
fn oras_pulls_the_files_and_what_it_pushes_is_served() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let (at, host) = (folder.path(), &upstream.address);
    ours(at, &format!("push {DIGITS} {host}/digits:1"));
    tool(at, &format!("oras pull --plain-http {host}/digits:1 -o pulled"));
    for file in ["model.onnx", "twofold.json"] {
        assert_eq!(
            std::fs::read(at.join("pulled").join(file)).unwrap(),
            std::fs::read(format!("{DIGITS}/{file}")).unwrap()
        );
    }
    std::fs::write(at.join("model.onnx"), digits()).unwrap();
    tool(at, &format!("oras push --plain-http {host}/plain:1 model.onnx"));
    serve(at, &format!("oci://{host}/plain:1"));
    // A folder, which oras packs as tar+gzip.
    std::fs::create_dir(at.join("folder")).unwrap();
    std::fs::write(at.join("folder/digits.onnx"), digits()).unwrap();
    tool(at, &format!("oras push --plain-http {host}/folder:1 folder"));
    serve(at, &format!("oci://{host}/folder:1"));
}
