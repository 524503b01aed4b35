//! Debian's docker-registry, which holds the blobs, and the way to it through the front.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::TryStreamExt;

use crate::front::{Shared, answer};

/// A running registry; gone with this.
pub(crate) struct Upstream {
    child: Child,
    pub(crate) address: String,
    folder: tempfile::TempDir,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: \
             {{enabled: true}}}}\nhttp: {{addr: \"{address}\", relativeurls: true}}\n",
            folder.path().join("data").display()
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let mut upstream = Self { child: serve(folder.path()), address, folder };
        upstream.wait();
        upstream
    }

    fn wait(&mut self) {
        let began = Instant::now();
        while std::net::TcpStream::connect(&self.address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "docker-registry does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The size of a blob's file, whose bytes a test may spoil.
    pub(crate) fn blob(&self, digest: &str) -> std::path::PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        self.folder.path().join("data/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }
}

fn serve(folder: &Path) -> Child {
    Command::new("docker-registry")
        .args(["serve"])
        .arg(folder.join("config.yml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("NOT RUN: docker-registry: {error}"))
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks the registry behind the front, without what only the front is to see.
pub(crate) async fn forward(shared: &Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let to = format!("{}{}", shared.upstream.as_ref().unwrap(), parts.uri);
    let mut headers = parts.headers;
    for name in ["authorization", "host"] {
        headers.remove(name);
    }
    let body = reqwest::Body::wrap_stream(body.into_data_stream().map_err(std::io::Error::other));
    let mut asked = shared.client.request(parts.method.clone(), to).headers(headers);
    // A body of unknown size would be sent in chunks also where there is none.
    if !matches!(parts.method.as_str(), "GET" | "HEAD" | "POST") {
        asked = asked.body(body);
    }
    let response = match asked.send().await {
        Ok(response) => response,
        Err(error) => return answer(502, error.to_string()),
    };
    let mut given = Response::builder().status(response.status());
    for (name, value) in response.headers() {
        given = given.header(name, value);
    }
    given.body(Body::from_stream(response.bytes_stream())).unwrap()
}
