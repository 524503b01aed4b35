//! Speaks to registries (OCI distribution). Only this file and those in its folder name the HTTP client.
//!
//! Whatever a registry sends is bounded in size and in time, and is not believed before its digest was compared. Plain HTTP is
//! spoken only where it is allowed, also after a redirect; credentials never follow a redirect to another host.
//!
//! Why not the crate oci-client (0.18): it reads manifests, tokens and errors whole into memory, however large they are; it panics
//! where a manifest is pushed by digest and the answer has no Location, as ECR's, and where it cannot build its client, for which
//! it falls back on one that must be; and its pulls of a part leave resuming, retries and digests to whoever calls it.

mod access;
mod blobs;
mod failure;
mod push;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, LINK};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::Digest;
use super::package::{Blob, MANIFEST_LIMIT, MANIFEST_TYPE, excerpt};
use super::reference::Artifact;

pub(super) use access::Login;
use access::{Access, Key};
pub(super) use failure::{Failure, reasons};
use failure::{of_status, of_transport, retry};
pub(super) use push::Pushed;

/// Time for a connection, and for the head of an answer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
const HEAD_PATIENCE: Duration = Duration::from_secs(15);

/// Time for a document, which is small.
const DOCUMENT_PATIENCE: Duration = Duration::from_secs(15);

/// ECR and others send once, to where the bytes are; more is a loop.
const REDIRECTS: usize = 4;

/// Pages of a list of tags, of a thousand each where the registry gives so many.
const TAG_PAGES: usize = 1000;

/// The digest of an answer, as the registry says it.
const DIGEST_HEADER: &str = "docker-content-digest";

/// The manifests that are asked for. What an index would mean for a model is not defined: it is refused when it is read.
const ACCEPTED: [&str; 3] = [
    MANIFEST_TYPE,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
];

/// What a process may do with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action<'a> {
    Pull,
    /// `from` is another repository of the registry, whose blobs need not be sent again.
    Push {
        from: Option<&'a str>,
    },
}

/// Hosts that are spoken to without TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct PlainHttp(pub(super) Vec<String>);

impl PlainHttp {
    /// `loopback` in the list stands for this machine, at any port.
    fn allows(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => name,
            _ => host,
        };
        let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        let loopback = name == "localhost" || address.is_ok_and(|address| address.is_loopback());
        self.0.iter().any(|allowed| allowed == host || (loopback && allowed == "loopback"))
    }

    fn allows_url(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        match (url.scheme(), url.port_or_known_default()) {
            ("https", _) => true,
            ("http", Some(port)) => {
                self.allows(&format!("{host}:{port}")) || (port == 80 && self.allows(host))
            }
            _ => false,
        }
    }
}

/// Told where TLS would be spoken in vain.
const NO_TRUST: &str = "no CA certificates were found on this system (SSL_CERT_FILE names a bundle), so that no registry can be \
                        trusted";

/// Connections to registries. One lives as long as the runtime that it was first used on.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    client: Client,
    plain: Arc<PlainHttp>,
    /// Whether there is a certificate that others could be signed by.
    trusting: bool,
}

impl Connections {
    /// Reads the system's certificates, also for a registry without TLS: where its bytes are, and who gives its tokens, it
    /// says later.
    pub(super) fn new(plain: PlainHttp) -> Result<Self, String> {
        let plain = Arc::new(plain);
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let trusting = !roots.is_empty();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let allowed = Arc::clone(&plain);
        let redirects = Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS {
                attempt.error(format!("it redirects more than {REDIRECTS} times"))
            } else if allowed.allows_url(attempt.url()) {
                if trusting || attempt.url().scheme() != "https" {
                    attempt.follow()
                } else {
                    attempt.error(NO_TRUST)
                }
            } else {
                let to = attempt.url().host_str().unwrap_or_default().to_owned();
                attempt.error(format!(
                    "it redirects to {to} without TLS, which TWOFOLD_PLAIN_HTTP does not allow"
                ))
            }
        });
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirects)
            .connect_timeout(CONNECT_PATIENCE)
            .user_agent(concat!("twofold/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failure::chain(&error))?;
        Ok(Self { client, plain, trusting })
    }

    /// Fails for an address whose certificate nobody could have signed.
    fn check_trust(&self, scheme: &str) -> Result<(), Failure> {
        if scheme == "https" && !self.trusting {
            return Err(Failure::Broken(NO_TRUST.into()));
        }
        Ok(())
    }
}

/// One repository of a registry.
#[derive(Debug)]
pub(super) struct Registry {
    connections: Connections,
    /// `SCHEME://HOST/v2/REPOSITORY`
    base: String,
    access: Access,
}

impl Registry {
    /// Nothing is asked yet.
    pub(super) fn new(
        connections: &Connections,
        artifact: &Artifact,
        action: Action,
        login: Arc<Login>,
    ) -> Self {
        // The one registry whose API has another name than its references.
        let host = if artifact.host == "docker.io" { "registry-1.docker.io" } else { &artifact.host };
        let scheme = if connections.plain.allows(host) { "http" } else { "https" };
        let access = Access::new(host, &artifact.repository, action, login);
        let base = format!("{scheme}://{host}/v2/{}", artifact.repository);
        Self { connections: connections.clone(), base, access }
    }

    /// Gets the manifest's bytes and their digest, which is the one that the reference asks for, if it asks for one.
    pub(super) async fn manifest(&self, artifact: &Artifact) -> Result<(Vec<u8>, Digest), Failure> {
        let url = format!("{}/manifests/{}", self.base, artifact.pointer());
        retry(async || {
            let response = self.send(|client| client.get(&url).header(ACCEPT, ACCEPTED.join(", "))).await?;
            let said = digest_header(response.headers());
            let bytes = document(response, MANIFEST_LIMIT, "the manifest").await?;
            let digest = Digest::of(&bytes);
            for (wanted, whose) in [(artifact.digest, "the reference"), (said, "the registry's header")] {
                if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
                    let reason = format!("the manifest's digest is {digest}; {whose} says {wanted}");
                    return Err(Failure::Broken(reason));
                }
            }
            Ok((bytes, digest))
        })
        .await
    }

    /// Sends a request, with whatever opens the repository, and gives an answer that is a success.
    async fn send(&self, request: impl Fn(&Client) -> RequestBuilder) -> Result<Response, Failure> {
        self.opened(async |key| {
            let mut request = request(&self.connections.client);
            if let Some(value) = &key.value {
                request = request.header(AUTHORIZATION, value);
            }
            let sent = timeout(HEAD_PATIENCE, request.send()).await;
            sent.map_err(|_| Failure::passing(format!("no answer within {HEAD_PATIENCE:?}")))?
                .map_err(|error| of_transport(&error))
        })
        .await
    }

    /// Calls `send` with what opens the repository. A refusal of the credentials renews them once.
    async fn opened(
        &self,
        send: impl AsyncFn(&Key) -> Result<Response, Failure>,
    ) -> Result<Response, Failure> {
        self.connections.check_trust(self.base.split(':').next().unwrap_or_default())?;
        let mut renewed = 0;
        loop {
            let key = self.access.key(&self.connections).await?;
            let response = send(&key).await?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            // A refusal says that a key was missing or stale, once: one that has just been got is neither. Another host, to which
            // the registry redirected, has no say in who gets the credentials.
            let fresh = renewed > 0 && key.value.is_some();
            if matches!(status.as_u16(), 401 | 403) && self.is_here(response.url()) && !fresh && renewed < 2 {
                renewed += 1;
                if self.access.renew(&self.connections, &key, response.headers()).await? {
                    continue;
                }
            }
            return Err(of_status(response).await);
        }
    }

    /// Whether an address is the registry's own.
    fn is_here(&self, url: &Url) -> bool {
        Url::parse(&self.base).is_ok_and(|base| base.origin() == url.origin())
    }

    /// The tags of the repository, page by page.
    pub(super) async fn tags(&self) -> Result<Vec<String>, Failure> {
        let broken = |reason: &str| Failure::Broken(format!("the list of tags {reason}"));
        let mut url = Url::parse(&format!("{}/tags/list?n=1000", self.base))
            .map_err(|_| broken("has an address that is none"))?;
        let mut tags = Vec::new();
        for _ in 0..TAG_PAGES {
            let response = retry(async || self.send(|client| client.get(url.clone())).await).await?;
            let next = next_page(response.headers()).map(|text| url.join(&text));
            let list = document(response, MANIFEST_LIMIT, "the list of tags").await?;
            let list: serde_json::Value =
                serde_json::from_slice(&list).map_err(|error| broken(&format!("cannot be read: {error}")))?;
            let page = list.get("tags").and_then(serde_json::Value::as_array).into_iter().flatten();
            tags.extend(page.filter_map(|tag| tag.as_str().map(excerpt)));
            match next {
                None => return Ok(tags),
                // The credentials are for this registry.
                Some(Ok(next)) if self.is_here(&next) => url = next,
                Some(_) => return Err(broken("goes on at another host")),
            }
        }
        Err(broken(&format!("has more than {TAG_PAGES} pages")))
    }

    /// Whether a blob is in the repository.
    pub(super) async fn has(&self, blob: &Blob) -> Result<bool, Failure> {
        let url = format!("{}/blobs/{}", self.base, blob.digest);
        match retry(async || self.send(|client| client.head(&url)).await).await {
            Ok(_) => Ok(true),
            Err(Failure::Absent(_)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }
}

/// The address in `<ADDRESS>; rel="next"`.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let (address, rest) = headers.get(LINK)?.to_str().ok()?.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| address.to_owned())
}

fn digest_header(headers: &HeaderMap) -> Option<Digest> {
    headers.get(DIGEST_HEADER).and_then(|value| Digest::parse(value.to_str().ok()?))
}

/// A small answer, whole.
async fn document(mut response: Response, limit: usize, what: &str) -> Result<Vec<u8>, Failure> {
    let read = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| of_transport(&error))? {
            if bytes.len() + chunk.len() > limit {
                return Err(Failure::Broken(format!("{what} is larger than {limit} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    let late = || Failure::passing(format!("{what} does not end within {DOCUMENT_PATIENCE:?}"));
    timeout(DOCUMENT_PATIENCE, read).await.map_err(|_| late())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_the_hosts_that_were_named() {
        let plain = PlainHttp(vec!["loopback".into(), "registry:5000".into(), "plain.example".into()]);
        for host in
            ["127.0.0.1:5000", "127.9.9.9:1", "localhost", "localhost:5000", "[::1]:80", "registry:5000"]
        {
            assert!(plain.allows(host), "{host}");
        }
        for host in ["registry:5001", "registry", "localhost.example", "10.0.0.1:5000", "ghcr.io"] {
            assert!(!plain.allows(host), "{host}");
        }
        assert!(!PlainHttp::default().allows("127.0.0.1:5000"));
        let url = |text: &str| plain.allows_url(&Url::parse(text).unwrap());
        assert!(url("https://anything/") && url("http://[::1]:7/") && url("http://plain.example/x"));
        assert!(!url("http://registry/") && !url("http://10.0.0.1/") && !url("ftp://127.0.0.1/"));
    }
}
