//! Registries that are spoken to with TLS, by a certificate of an authority that was made for the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::front::Front;
use crate::package::{digits, plant};
use crate::process::{Ended, command, twofold};

fn openssl(folder: &Path, args: &[&str]) {
    let made = command("openssl", &[]).args(args).current_dir(folder).output();
    let made = made.unwrap_or_else(|error| panic!("NOT RUN: openssl: {error}"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Makes an authority, `ca.pem`, and what it says about localhost, `leaf.pem` and `leaf.key`.
fn certify(folder: &Path, authority: &str) {
    std::fs::write(
        folder.join("leaf.cnf"),
        "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n",
    )
    .unwrap();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let of = |rest: &[&'static str]| [&["req"], &key[..], rest].concat();
    openssl(
        folder,
        &[&of(&["-x509", "-keyout", "ca.key", "-out", "ca.pem"])[..], &["-subj", authority]].concat(),
    );
    openssl(folder, &of(&["-subj", "/CN=localhost", "-keyout", "leaf.key", "-out", "leaf.csr"]));
    let sign = ["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(folder, &[&sign[..], &["-extfile", "leaf.cnf", "-out", "leaf.pem"]].concat());
}

/// Listens with TLS for what `to` answers without: one request on each connection.
fn wrap(folder: &Path, to: SocketAddr) -> SocketAddr {
    let chain = vec![CertificateDer::from_pem_file(folder.join("leaf.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("leaf.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let _ = answer(StreamOwned::new(ServerConnection::new(config).unwrap(), client), to);
            });
        }
    });
    address
}

fn answer(mut client: StreamOwned<ServerConnection, TcpStream>, to: SocketAddr) -> std::io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    head.truncate(head.len() - 2);
    let mut server = TcpStream::connect(to)?;
    server.write_all(&[&head, &b"connection: close\r\n\r\n"[..]].concat())?;
    std::io::copy(&mut server, &mut client)?;
    client.conn.send_close_notify();
    client.flush()
}

fn pull(folder: &Path, reference: &str, bundle: &str, plain: &str) -> Ended {
    let out = folder.join("out");
    let _ = std::fs::remove_dir_all(&out);
    let bundle = folder.join(bundle).display().to_string();
    let environment = [
        ("SSL_CERT_FILE", bundle),
        ("SSL_CERT_DIR", "/dev/null".into()),
        ("TWOFOLD_PLAIN_HTTP", plain.to_owned()),
    ];
    let ended = twofold(&environment, &["pull", reference, "-o", out.to_str().unwrap()]);
    assert_eq!(ended.code == Some(0), out.join("model.onnx").exists(), "{}", ended.stderr);
    ended
}

#[test]
fn a_certificate_is_trusted_for_its_authority_only() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    certify(folder.path(), "/CN=authority");
    plant(&front, "iris", &[("model.onnx", &digits())]);
    let port = wrap(folder.path(), front.address).port();
    let reference = format!("localhost:{port}/iris:v1");
    let good = pull(folder.path(), &reference, "ca.pem", "none");
    assert_eq!(good.code, Some(0), "{}", good.stderr);

    let stranger = tempfile::tempdir().unwrap();
    certify(stranger.path(), "/CN=stranger");
    let other = stranger.path().join("ca.pem");
    let ended = pull(folder.path(), &reference, other.to_str().unwrap(), "none");
    let begin = format!("oci://{reference}: ");
    assert!(ended.stderr.starts_with(&begin) && ended.stderr.contains("UnknownIssuer"), "{}", ended.stderr);
    let another = format!("127.0.0.1:{port}/iris:v1");
    let ended = pull(folder.path(), &another, "ca.pem", "none");
    assert!(ended.stderr.contains("not valid for name"), "{}", ended.stderr);
    assert_eq!(front.count("GET /v2/iris/manifests"), 1, "somebody was asked who is not trusted");
}

/// As docker-registry does that keeps its bytes at S3.
#[test]
fn a_registry_without_tls_may_redirect_to_one_with_it() {
    let (front, folder) = (Front::start(None), tempfile::tempdir().unwrap());
    certify(folder.path(), "/CN=authority");
    plant(&front, "iris", &[("model.onnx", &digits())]);
    let secure = format!("localhost:{}", wrap(folder.path(), front.storage()).port());
    front.switch(|switches| switches.secure = Some(secure));
    let reference = format!("{}/iris:v1", front.address);
    let good = pull(folder.path(), &reference, "ca.pem", "loopback");
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    let ended = pull(folder.path(), &reference, "/dev/null", "loopback");
    assert!(ended.stderr.contains("no CA certificates were found"), "{}", ended.stderr);
}
