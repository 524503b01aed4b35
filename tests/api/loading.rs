//! What is seen of a load and an unload while they go on, and what they keep waiting: nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use tokio::time::timeout;
use twofold::engine::{Engine, InferError, Spread};
use twofold::store::{Reference, Settings, Store};
use twofold::tensor::{Datatype, Signature, Tensor};

use crate::client::{Answer, send, start};
use crate::held::{Gate, Held, house};

/// Longer than anything takes that is not broken.
const PATIENCE: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_mins(1);
const MEMORY: usize = 1 << 20;

async fn post(router: &Router, path: &str, body: &str) -> Answer {
    send(router.clone(), Request::post(path).body(Body::from(body.to_owned())).unwrap()).await
}

/// The request is under way when this returns: it was polled once at least.
async fn begin(router: &Router, path: &str, body: &str) -> tokio::task::JoinHandle<Answer> {
    let (router, path, body) = (router.clone(), path.to_owned(), body.to_owned());
    let sent = tokio::spawn(async move { post(&router, &path, &body).await });
    tokio::task::yield_now().await;
    sent
}

async fn is_live(router: &Router) {
    let asked = send(router.clone(), Request::get("/v2/health/live").body(Body::empty()).unwrap());
    assert_eq!(timeout(PATIENCE, asked).await.expect("health does not answer").status, 200);
}

/// State and reason of a model's first version, as the index has them.
async fn state(router: &Router, name: &str) -> (String, String) {
    let index = timeout(PATIENCE, post(router, "/v2/repository/index", "")).await.expect("no index").json();
    let entry = index.as_array().unwrap().iter().find(|entry| entry["name"] == name).expect("not listed");
    let text = |key: &str| entry[key].as_str().unwrap().to_owned();
    (text("state"), text("reason"))
}

async fn becomes(router: &Router, name: &str, expected: &str) {
    let reached = async {
        while state(router, name).await.0 != expected {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{name} is never {expected}"));
}

/// A registry that has nothing, and that can be made to keep whoever asks waiting.
struct Registry {
    address: SocketAddr,
    waits: Arc<AtomicBool>,
}

impl Registry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, waits) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let waiting = Arc::clone(&waits);
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    head.extend_from_slice(&byte);
                }
                while waiting.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let absent = b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                let _ = stream.write_all(absent);
            }
        });
        Self { address, waits }
    }
}

// The runtime of a test that fails waits for the load.
impl Drop for Registry {
    fn drop(&mut self) {
        self.waits.store(false, Ordering::Release);
    }
}

/// Opens a gate when the test ends, also where it fails: its runtime waits for whoever stands there.
struct Opened(Arc<Gate>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open();
    }
}

// One thread for all requests, as everywhere here where `flavor` is not given: whatever a load did on it, all would wait for.
#[tokio::test]
async fn a_slow_pull_is_seen_and_keeps_neither_requests_nor_other_models_waiting() {
    let (registry, folder) = (Registry::start(), tempfile::tempdir().unwrap());
    let digest = format!("sha256:{}", "0".repeat(64));
    let models =
        format!("late=oci://{}/late@{digest},dir:tests/models/repository/versions", registry.address);
    let cache = folder.path().join("cache").display().to_string();
    let router = start(&["--models", &models, "--admin", "on", "--cache", &cache]);
    let absent = state(&router, "late").await;
    assert_eq!(absent.0, "UNAVAILABLE");

    registry.waits.store(true, Ordering::Release);
    let loading = begin(&router, "/v2/repository/models/late/load", "").await;
    becomes(&router, "late", "LOADING").await;
    assert_eq!(state(&router, "late").await.1, "loading");
    is_live(&router).await;
    let refused = post(&router, "/v2/models/late/infer", "{}").await;
    assert_eq!(refused.error(), (503, "model 'late' version 1 is not ready: loading".into()));
    for change in ["unload", "load"] {
        let path = format!("/v2/repository/models/versions/{change}");
        let changed = timeout(PATIENCE, post(&router, &path, "")).await.expect("it waits for another model");
        assert_eq!(changed.status, 200);
    }
    assert_eq!(state(&router, "late").await.0, "LOADING");
    assert!(!loading.is_finished());

    registry.waits.store(false, Ordering::Release);
    let (status, message) = timeout(PATIENCE, loading).await.unwrap().unwrap().error();
    assert_eq!(
        (status, message),
        (400, format!("model 'late' could not be loaded: version 1: {}", absent.1))
    );
    assert_eq!(state(&router, "late").await, absent);
}

#[tokio::test]
async fn requests_are_answered_while_a_load_computes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m/model.onnx");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::copy("tests/models/repository/versions/1/model.onnx", &file).unwrap();
    let router =
        start(&["--models", &format!("dir:{}", folder.path().display()), "--admin", "on", "--threads", "1"]);
    assert_eq!(post(&router, "/v2/repository/models/m/unload", "").await.status, 200);

    // Slow to load, since it is run to be measured; with smaller matrices, as nothing of this is optimised.
    let heavy = std::fs::read("tests/models/heavy/model.onnx").unwrap();
    let (size, smaller) = ([1024_i64.to_le_bytes(); 2].concat(), [400_i64.to_le_bytes(); 2].concat());
    let at = heavy.windows(16).position(|bytes| bytes == size).unwrap();
    std::fs::write(&file, [&heavy[..at], &smaller, &heavy[at + 16..]].concat()).unwrap();
    let loading = begin(&router, "/v2/repository/models/m/load", "").await;
    let mut answered = 0;
    while !loading.is_finished() {
        is_live(&router).await;
        if state(&router, "m").await.0 == "LOADING" {
            answered += 1;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(loading.await.unwrap().status, 200);
    assert!(answered >= 10, "{answered} answers while it was loading");
    assert_eq!(state(&router, "m").await, ("READY".into(), String::new()));
}

#[tokio::test]
async fn a_load_that_cannot_read_every_reference_drops_no_version() {
    let folders = tempfile::tempdir().unwrap();
    for (name, version) in [("m", "1"), ("other", "1"), ("m", "2")] {
        let folder = folders.path().join(version).join(name).join(version);
        std::fs::create_dir_all(&folder).unwrap();
        let file = format!("tests/models/repository/versions/{version}/model.onnx");
        std::fs::copy(file, folder.join("model.onnx")).unwrap();
    }
    let folder = |version: &str| folders.path().join(version).display().to_string();
    let models = format!("dir:{},dir:{}", folder("1"), folder("2"));
    let router = start(&["--models", &models, "--admin", "on"]);
    let answers = async |version: &str| {
        post(&router, &format!("/v2/models/m/versions/{version}/infer"), ONES).await.status
    };
    std::fs::rename(folder("1"), folder("away")).unwrap();
    let (status, message) = post(&router, "/v2/repository/models/m/load", "").await.error();
    assert!(status == 400 && message.contains(&folder("1")), "{status} {message}");
    assert_eq!((answers("1").await, answers("2").await), (200, 200));
    std::fs::rename(folder("away"), folder("1")).unwrap();
    std::fs::remove_dir_all(folders.path().join("1/m")).unwrap();
    assert_eq!(post(&router, "/v2/repository/models/m/load", "").await.status, 200);
    assert_eq!((answers("1").await, answers("2").await), (404, 200), "a version that is gone is served");
}

const ONES: &str = r#"{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,1]}]}"#;

/// The outputs of an answer, and nothing else.
fn data(answer: &Answer) -> serde_json::Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["outputs"][0]["data"].clone()
}

/// A server whose model `versions` is held, in place of those of the repository that it would be loaded from, and a request that it
/// computes.
async fn in_flight() -> (Router, Arc<Gate>, tokio::task::JoinHandle<Answer>) {
    let gate = Arc::new(Gate::default());
    // One thread is held; the new model may want one too, where the machine is so busy that it was measured to be slow.
    let (catalog, router) = house(2, LONG, MEMORY, true);
    let reasons = catalog.start(store(), vec![(repository(), None)]);
    assert_eq!(reasons, [""; 0]);
    catalog.unload("versions").unwrap();
    catalog.enter("versions", 1, Held::new(Datatype::Fp32, &gate));
    let request = begin(&router, "/v2/models/versions/versions/1/infer", ONES).await;
    gate.has(1).await;
    (router, gate, request)
}

fn repository() -> Reference {
    Reference::parse("dir:tests/models/repository/versions").unwrap()
}

fn store() -> Store {
    Store::new(Settings {
        cache: std::env::temp_dir().join("unused"),
        cache_limit: 0,
        plain_http: Vec::new(),
        ecr_hosts: Vec::new(),
        docker: None,
        pinned: false,
        within: None,
    })
}

#[tokio::test]
async fn a_request_in_flight_finishes_on_the_model_that_it_began_with() {
    let (router, gate, old) = in_flight().await;
    let _opened = Opened(Arc::clone(&gate));
    assert_eq!(post(&router, "/v2/repository/models/versions/load", "").await.status, 200);
    assert_eq!(state(&router, "versions").await.0, "READY");
    let new = post(&router, "/v2/models/versions/versions/1/infer", ONES).await;
    assert_eq!(data(&new), serde_json::json!([2.0, 2.0]));
    assert!(!old.is_finished());
    gate.open();
    assert_eq!(data(&old.await.unwrap()), serde_json::json!([1.0, 1.0]), "the new model answered");
    assert_eq!(gate.open(), 1, "the old model computed for a new request");
}

#[tokio::test]
async fn an_unloaded_model_is_unloading_until_its_last_request_is_answered() {
    let (router, gate, old) = in_flight().await;
    let _opened = Opened(Arc::clone(&gate));
    assert_eq!(post(&router, "/v2/repository/models/versions/unload", "").await.status, 200);
    assert_eq!(state(&router, "versions").await, ("UNLOADING".into(), "unloaded".into()));
    let refused = post(&router, "/v2/models/versions/versions/1/infer", ONES).await;
    assert_eq!(refused.error(), (503, "model 'versions' version 1 is not ready: unloaded".into()));
    gate.open();
    assert_eq!(data(&old.await.unwrap()), serde_json::json!([1.0, 1.0]));
    becomes(&router, "versions", "UNAVAILABLE").await;
}

/// Takes its time to be freed.
struct Large {
    signature: Signature,
    freed: Arc<Gate>,
}

impl Engine for Large {
    fn name(&self) -> &'static str {
        "large"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn infer(&self, inputs: Vec<Tensor>, _outputs: &[usize], _: Spread) -> Result<Vec<Tensor>, InferError> {
        Ok(inputs)
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        self.freed.enter();
    }
}

#[tokio::test]
async fn nobody_waits_for_what_an_unload_or_a_load_frees() {
    let (catalog, router) = house(1, LONG, MEMORY, true);
    assert_eq!(catalog.start(store(), vec![(repository(), None)]), [""; 0]);
    for change in ["unload", "load"] {
        let freed = Arc::new(Gate::default());
        let _opened = Opened(Arc::clone(&freed));
        let signature = Signature { inputs: Vec::new(), outputs: Vec::new() };
        catalog.enter("versions", 1, Arc::new(Large { signature, freed: Arc::clone(&freed) }));
        let changing = begin(&router, &format!("/v2/repository/models/versions/{change}"), "").await;
        freed.has(1).await;
        // Off this thread, which the lock would stop.
        let asked = tokio::task::spawn_blocking({
            let catalog = Arc::clone(&catalog);
            move || (catalog.index(), catalog.model("versions", Some("1")).is_ok())
        });
        let (index, ready) =
            timeout(PATIENCE, asked).await.expect("requests wait for what is freed").unwrap();
        assert_eq!((index[0].version, ready), (1, change == "load"), "{index:?}");
        assert!(!changing.is_finished());
        freed.open();
        assert_eq!(changing.await.unwrap().status, 200);
    }
}
