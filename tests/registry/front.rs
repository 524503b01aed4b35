//! A server that stands where ECR stands: its JSON API, and a `/v2/` front with its quirks on switches. Blobs lie in memory, or in
//! a registry behind it.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::bearer;
use crate::package::digest;
use crate::upstream::forward;

/// What the front does.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Switches {
    /// Asks for the token of ECR's JSON API, answers 403 to a stale one, makes no repository on push, moves no tag and says no
    /// Location of a manifest.
    pub(crate) ecr: bool,
    /// Sends whoever has no token to a token service beside it, as public registries do; that one wants a user and a password.
    pub(crate) bearer: bool,
    /// The number of the token that is taken now.
    pub(crate) token: u32,
    /// Calls of the JSON API that are throttled from now on.
    pub(crate) throttled: u32,
    /// Calls of the JSON API that it takes in a second, as a bucket that holds those of one; 0 is without a limit.
    pub(crate) rate: f64,
    /// What is in the bucket, and since when.
    bucket: Option<(f64, Instant)>,
    /// Blobs are at another host, which refuses a forwarded Authorization.
    pub(crate) redirect: bool,
    /// `HOST:PORT` of that host, if it is spoken to with TLS.
    pub(crate) secure: Option<String>,
    /// That host asks for a token of its own service.
    pub(crate) bait: bool,
    /// ECR lets nobody in, whatever his token.
    pub(crate) denied: bool,
    /// The token service is busy.
    pub(crate) no_tokens: bool,
    /// Requests that get this status from now on.
    pub(crate) busy: (u32, u16),
    pub(crate) blob: BlobFault,
    pub(crate) upload: Upload,
    /// The digest in the header of manifests, and in that of blobs.
    pub(crate) header: Option<String>,
    pub(crate) blob_header: Option<String>,
    /// What every manifest is, once it was asked for: moved between a question and the next.
    pub(crate) swap: Option<Bytes>,
}

/// What becomes of uploads where no registry is behind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Upload {
    #[default]
    Refused,
    Taken,
    /// The token expires when an upload has begun, once.
    Expires,
    /// The bytes are never answered.
    Hangs,
}

/// What goes wrong with the body of a blob.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum BlobFault {
    #[default]
    None,
    /// It ends early, as if it were whole.
    Short,
    /// The connection breaks here, once per entry.
    Breaks(Vec<usize>),
    /// One byte is another.
    Corrupt,
    /// A byte now and then.
    Slow,
    /// It redirects to itself.
    Loop,
    /// It redirects to a host without TLS.
    Downgrade,
    /// The token expires after so many bytes, and the connection breaks.
    Expires(usize),
    /// It never ends.
    Endless,
    /// All of it comes, in chunks, and then the connection breaks before it says so.
    NoEnd,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) switches: Mutex<Switches>,
    /// By path, in memory.
    pub(crate) files: Mutex<HashMap<String, Bytes>>,
    pub(crate) repositories: Mutex<HashSet<String>>,
    /// Manifests that were pushed, as `DescribeImages` lists them, with their repositories.
    images: Mutex<Vec<(String, Value)>>,
    /// `METHOD PATH` of all requests, and the targets of the JSON API.
    pub(crate) seen: Mutex<Vec<String>>,
    pub(crate) upstream: Option<String>,
    storage: Mutex<Option<SocketAddr>>,
    pub(crate) client: reqwest::Client,
}

/// A running front.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

impl Front {
    pub(crate) fn start(upstream: Option<String>) -> Self {
        let client = reqwest::Client::builder().no_proxy();
        let shared = Arc::new(Shared {
            switches: Mutex::default(),
            files: Mutex::default(),
            repositories: Mutex::default(),
            images: Mutex::default(),
            seen: Mutex::default(),
            upstream,
            storage: Mutex::default(),
            client: plain(client),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let serve = |router: Router| {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                tokio::spawn(async move { axum::serve(listener, router).await });
                address
            })
        };
        let storage = serve(Router::new().fallback(storage).with_state(Arc::clone(&shared)));
        *shared.storage.lock().unwrap() = Some(storage);
        let address = serve(Router::new().fallback(front).with_state(Arc::clone(&shared)));
        Self { address, shared, _runtime: runtime }
    }

    /// The other host.
    pub(crate) fn storage(&self) -> SocketAddr {
        self.shared.storage.lock().unwrap().unwrap()
    }

    pub(crate) fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.shared.switches.lock().unwrap());
    }

    /// How many requests began so.
    pub(crate) fn count(&self, begin: &str) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|seen| seen.starts_with(begin)).count()
    }

    /// Puts bytes at a path.
    pub(crate) fn plant(&self, path: &str, bytes: impl Into<Bytes>) {
        self.shared.files.lock().unwrap().insert(path.to_owned(), bytes.into());
    }

    /// The environment of a process that takes this for ECR.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL_ECR", format!("http://{}", self.address)),
            ("TWOFOLD_ECR_HOSTS", self.address.to_string()),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE".into()),
            ("AWS_SECRET_ACCESS_KEY", "secret".into()),
            ("AWS_REGION", "eu-central-1".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ]
    }
}

/// The client has no certificates and needs none.
fn plain(builder: reqwest::ClientBuilder) -> reqwest::Client {
    let tls = rustls_of_nobody();
    builder.tls_backend_preconfigured(tls).build().unwrap()
}

fn rustls_of_nobody() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

pub(crate) fn answer(status: u16, body: impl Into<Body>) -> Response {
    Response::builder().status(status).body(body.into()).unwrap()
}

pub(crate) fn error(status: u16, code: &str, message: &str) -> Response {
    answer(status, json!({ "errors": [{ "code": code, "message": message }] }).to_string())
}

async fn front(State(shared): State<Arc<Shared>>, mut request: Request) -> Result<Response, Infallible> {
    let path = request.uri().path().to_owned();
    if let Some(target) = request.headers().get("x-amz-target") {
        let target = target.to_str().unwrap().rsplit('.').next().unwrap().to_owned();
        shared.seen.lock().unwrap().push(target.clone());
        let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
        return Ok(api(&shared, &target, &serde_json::from_slice(&body).unwrap_or_default()));
    }
    shared.seen.lock().unwrap().push(format!("{} {path}", request.method()));
    let switches = {
        let mut switches = shared.switches.lock().unwrap();
        let before = switches.clone();
        switches.busy.0 = switches.busy.0.saturating_sub(1);
        before
    };
    if switches.busy.0 > 0 {
        return Ok(error(switches.busy.1, "TOOMANYREQUESTS", "come again"));
    }
    if switches.bearer
        && let Some(answered) = bearer::answered(&shared, &switches, &request)
    {
        return Ok(answered);
    }
    if switches.ecr {
        let wanted = BASE64_STANDARD.encode(format!("AWS:token-{}", switches.token));
        let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        match given {
            None => {
                let mut response = error(401, "UNAUTHORIZED", "no basic auth credentials");
                let challenge = "Basic realm=\"ecr\",service=\"ecr.amazonaws.com\"";
                response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
                return Ok(response);
            }
            Some(given) if switches.denied || given != format!("Basic {wanted}") => {
                let text = "Your authorization token has expired. Reauthenticate and try again.";
                return Ok(error(403, "DENIED", text));
            }
            Some(_) => {}
        }
        if let Some(refusal) = refuse_push(&shared, &mut request).await {
            return Ok(refusal);
        }
    }
    if path.contains("/blobs/sha256:") && request.method() == Method::GET {
        let at = shared.storage.lock().unwrap().unwrap();
        let to = match switches.blob {
            BlobFault::Loop => Some(path.clone()),
            BlobFault::Downgrade => Some(format!("http://192.0.2.1{path}")),
            _ if switches.secure.is_some() => {
                Some(format!("https://{}{path}", switches.secure.clone().unwrap_or_default()))
            }
            _ if switches.redirect => Some(format!("http://{at}{path}")),
            _ => None,
        };
        if let Some(to) = to {
            return Ok(Response::builder().status(307).header("location", to).body(Body::empty()).unwrap());
        }
    }
    let (method, mut response) = (request.method().clone(), give(&shared, &switches, request).await);
    if switches.ecr && method == Method::PATCH && response.status().as_u16() == 202 {
        *response.status_mut() = 201.try_into().unwrap();
    }
    if switches.ecr && method == Method::PUT && path.contains("/manifests/") {
        response.headers_mut().remove("location");
    }
    Ok(response)
}

/// The other host, where the bytes are.
async fn storage(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Infallible> {
    let switches = shared.switches.lock().unwrap().clone();
    if switches.bait {
        shared.seen.lock().unwrap().push(format!("storage {}", request.uri().path()));
        let host = request.headers()["host"].to_str().unwrap();
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="bait""#);
        return Ok(Response::builder()
            .status(401)
            .header("www-authenticate", challenge)
            .body(Body::empty())
            .unwrap());
    }
    if request.headers().contains_key("authorization") {
        return Ok(answer(400, "Only one auth mechanism allowed"));
    }
    Ok(give(&shared, &switches, request).await)
}

/// ECR makes no repository by itself, and moves no tag of a repository whose tags cannot be moved.
async fn refuse_push(shared: &Shared, request: &mut Request) -> Option<Response> {
    let path = request.uri().path().to_owned();
    let parts = ["/blobs/", "/manifests/"];
    let (repository, tag) = parts.iter().find_map(|part| path.strip_prefix("/v2/")?.split_once(part))?;
    if !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        return None;
    }
    if !shared.repositories.lock().unwrap().contains(repository) {
        let text = format!("The repository with name '{repository}' does not exist in the registry");
        return Some(error(404, "NAME_UNKNOWN", &text));
    }
    if path.contains("/manifests/") {
        let pushed = to_bytes(std::mem::take(request.body_mut()), 4 << 20).await.unwrap();
        let there = shared.client.get(format!("{}{path}", shared.upstream.as_ref()?));
        let there =
            there.header("accept", "application/vnd.oci.image.manifest.v1+json").send().await.unwrap();
        if there.status().is_success() && there.bytes().await.unwrap() != pushed {
            let text = format!("The image tag '{tag}' already exists and cannot be overwritten");
            return Some(error(400, "TAG_INVALID", &text));
        }
        let image = json!({
            "imageDigest": digest(&pushed), "imageTags": [tag], "imageSizeInBytes": pushed.len(),
            "imagePushedAt": 1_700_000_000 + shared.images.lock().unwrap().len()
        });
        shared.images.lock().unwrap().push((repository.to_owned(), image));
        *request.body_mut() = Body::from(pushed);
    }
    None
}

async fn give(shared: &Shared, switches: &Switches, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let blob = path.contains("/blobs/");
    let planted = shared.files.lock().unwrap().get(&path).cloned();
    if path.ends_with("/tags/list") && shared.upstream.is_none() {
        // One a page.
        let last = request.uri().query().is_some_and(|query| query.contains("last=a"));
        let mut response = answer(200, json!({ "tags": [if last { "b" } else { "a" }] }).to_string());
        if !last {
            let link = format!("<{path}?n=1&last=a>; rel=\"next\"");
            response.headers_mut().insert("link", link.parse().unwrap());
        }
        return response;
    }
    let mut response = match planted {
        Some(bytes) => of_memory(shared, switches, &request, &bytes),
        None if shared.upstream.is_some() => forward(shared, request).await,
        None if switches.upload != Upload::Refused && request.method() != Method::HEAD => {
            take(shared, &switches.upload, request).await
        }
        None => error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
    };
    if let Some(swapped) = switches.swap.clone().filter(|_| !blob) {
        shared.files.lock().unwrap().insert(path, swapped);
    }
    if let Some(digest) = if blob { &switches.blob_header } else { &switches.header } {
        response.headers_mut().insert("docker-content-digest", digest.parse().unwrap());
    }
    response
}

/// Takes what is pushed, without keeping it.
async fn take(shared: &Shared, upload: &Upload, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if request.method() == Method::POST {
        let mut switches = shared.switches.lock().unwrap();
        if *upload == Upload::Expires {
            (switches.token, switches.upload) = (switches.token + 1, Upload::Taken);
        }
        return Response::builder().status(202).header("location", path + "1").body(Body::empty()).unwrap();
    }
    if *upload == Upload::Hangs && path.contains("/uploads/") {
        std::future::pending::<()>().await;
    }
    to_bytes(request.into_body(), 1 << 30).await.unwrap();
    answer(201, Body::empty())
}

fn range(headers: &HeaderMap) -> Option<usize> {
    headers.get("range")?.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

fn of_memory(shared: &Shared, switches: &Switches, request: &Request, bytes: &Bytes) -> Response {
    if !request.uri().path().contains("/blobs/") {
        let mut response = answer(200, bytes.clone());
        response.headers_mut().insert("docker-content-digest", digest(bytes).parse().unwrap());
        return response;
    }
    let from = range(request.headers()).unwrap_or(0).min(bytes.len());
    if from > 0 {
        shared.seen.lock().unwrap().push(format!("RANGE {}", bytes.len() - from));
    }
    let (size, mut pieces) = (bytes.len(), bytes.slice(from..));
    let mut cut = None;
    match &switches.blob {
        BlobFault::Short => {
            pieces = pieces.slice(..pieces.len() / 2);
            return answer(200, Body::from_stream(stream(pieces, None, Duration::ZERO)));
        }
        BlobFault::Corrupt => {
            let mut changed = pieces.to_vec();
            let middle = changed.len() / 2;
            changed[middle] ^= 1;
            pieces = changed.into();
        }
        BlobFault::Breaks(at) => {
            cut = at.first().copied().filter(|at| (from..size).contains(at)).map(|at| at - from);
            let mut switches = shared.switches.lock().unwrap();
            if let (Some(_), BlobFault::Breaks(at)) = (cut, &mut switches.blob) {
                at.remove(0);
                // It is down for a while, and comes back.
                switches.busy = (3, 503);
            }
        }
        BlobFault::Expires(at) => {
            cut = Some(*at);
            let mut switches = shared.switches.lock().unwrap();
            (switches.token, switches.blob) = (switches.token + 1, BlobFault::None);
        }
        BlobFault::Slow => {
            let body = Body::from_stream(stream(pieces, None, Duration::from_millis(500)));
            return Response::builder().status(200).header("content-length", size).body(body).unwrap();
        }
        BlobFault::Endless => {
            let zeros = Bytes::from(vec![0; 64 << 10]);
            let forever = futures_util::stream::repeat_with(move || Ok::<_, Infallible>(zeros.clone()));
            return answer(200, Body::from_stream(forever));
        }
        BlobFault::NoEnd => {
            return answer(200, Body::from_stream(stream(pieces, Some(size - from), Duration::ZERO)));
        }
        BlobFault::None | BlobFault::Loop | BlobFault::Downgrade => {}
    }
    let length = pieces.len();
    let response = if range(request.headers()).is_some() {
        let span = format!("bytes {from}-{}/{size}", size.max(1) - 1);
        Response::builder().status(206).header("content-range", span)
    } else {
        Response::builder().status(200)
    };
    let body = Body::from_stream(stream(pieces, cut, Duration::ZERO));
    response.header("content-length", length).body(body).unwrap()
}

/// The bytes in pieces: broken off at `cut`, or one byte after each `pause`.
fn stream(
    bytes: Bytes,
    cut: Option<usize>,
    pause: Duration,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    let piece = if pause.is_zero() { 64 << 10 } else { 1 };
    futures_util::stream::unfold(0, move |at| {
        let bytes = bytes.clone();
        async move {
            tokio::time::sleep(pause).await;
            if cut.is_some_and(|cut| at >= cut) {
                // What was sent before should arrive before the connection breaks.
                tokio::time::sleep(Duration::from_millis(50)).await;
                return Some((Err(std::io::Error::other("broken off on purpose")), at));
            }
            let end = (at + piece).min(bytes.len()).min(cut.unwrap_or(usize::MAX));
            (at < end).then(|| (Ok(bytes.slice(at..end)), end))
        }
    })
}

fn api(shared: &Shared, target: &str, body: &Value) -> Response {
    let fault = |kind: &str, message: &str| {
        let mut response = answer(400, json!({ "__type": kind, "message": message }).to_string());
        response.headers_mut().insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
        response
    };
    let token = {
        let mut switches = shared.switches.lock().unwrap();
        if switches.throttled > 0 {
            switches.throttled -= 1;
            return fault("ThrottlingException", "Rate exceeded");
        }
        if switches.rate > 0.0 {
            let (held, since) = switches.bucket.unwrap_or((switches.rate, Instant::now()));
            let held = (held + since.elapsed().as_secs_f64() * switches.rate).min(switches.rate);
            switches.bucket = Some(((held - 1.0).max(held.fract()), Instant::now()));
            if held < 1.0 {
                return fault("ThrottlingException", "Rate exceeded");
            }
        }
        switches.token
    };
    let name = body["repositoryName"].as_str().unwrap_or_default().to_owned();
    let document = match target {
        "GetAuthorizationToken" => {
            let expires = SystemTime::now() + Duration::from_hours(12);
            json!({ "authorizationData": [{
                "authorizationToken": BASE64_STANDARD.encode(format!("AWS:token-{token}")),
                "expiresAt": expires.duration_since(UNIX_EPOCH).unwrap().as_secs_f64(),
                "proxyEndpoint": "https://123456789012.dkr.ecr.eu-central-1.amazonaws.com",
            }] })
        }
        "DescribeImages" => {
            // Two a page, so that there are several.
            let images: Vec<_> = shared
                .images
                .lock()
                .unwrap()
                .iter()
                .filter(|(repository, _)| *repository == name)
                .map(|(_, image)| image.clone())
                .collect();
            let from = body["nextToken"].as_str().map_or(0, |token| token.parse().unwrap());
            let page = &images[from..images.len().min(from + 2)];
            if from + page.len() < images.len() {
                json!({ "imageDetails": page, "nextToken": (from + page.len()).to_string() })
            } else {
                json!({ "imageDetails": page })
            }
        }
        "CreateRepository" => {
            assert_eq!(body["imageTagMutability"], "IMMUTABLE");
            assert_eq!(body["imageScanningConfiguration"]["scanOnPush"], true);
            if !shared.repositories.lock().unwrap().insert(name.clone()) {
                return fault("RepositoryAlreadyExistsException", "it exists already");
            }
            json!({ "repository": { "repositoryName": name } })
        }
        _ => return fault("InvalidAction", target),
    };
    answer(200, document.to_string())
}
