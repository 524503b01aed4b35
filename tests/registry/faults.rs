//! What goes wrong between a registry and the disk, one fault after the other. In each: a clear error that names the reference, no
//! file where a good one belongs, bounded memory, and a good pull afterwards. The outcomes are printed as a table.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::front::{BlobFault, Front, Switches};
use crate::package::{digest, digits, layer, manifest, noise, plant, plant_manifest};
use crate::process::{Ended, Server, begin, end, ours, twofold};
use crate::upstream::Upstream;
use crate::wire::Wire;

/// More than any fault may take: the process itself is about half of it.
const MEMORY_KIB: u64 = 40 << 10;

struct Rig {
    front: Front,
    folder: tempfile::TempDir,
    weights: Vec<u8>,
}

impl Rig {
    fn new() -> Self {
        let rig = Self {
            front: Front::start(None),
            folder: tempfile::tempdir().unwrap(),
            weights: noise(5_000_000),
        };
        plant(&rig.front, "iris", &[("model.onnx", &digits()), ("model.onnx.data", &rig.weights)]);
        rig
    }

    fn reference(&self) -> String {
        format!("{}/iris:v1", self.front.address)
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out/iris")
    }

    fn pull(&self, reference: &str) -> Ended {
        let _ = fs::remove_dir_all(self.out());
        twofold(&[], &["pull", reference, "-o", self.out().to_str().unwrap()])
    }

    /// Nothing is there that somebody could take for a package, or trip over.
    fn nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.folder.path().join("out")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    fn good_pull(&self) {
        self.front.switch(|switches| *switches = Switches::default());
        let ended = self.pull(&self.reference());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(fs::read(self.out().join("model.onnx.data")).unwrap(), self.weights);
    }

    /// The fault is told: with the reference and this text.
    fn fails(&self, fault: &str, reference: &str, text: &str) {
        let ended = self.pull(reference);
        assert_eq!(ended.code, Some(1), "{fault}: {}", ended.stdout);
        assert!(ended.stderr.starts_with(&format!("oci://{reference}: ")), "{fault}: {}", ended.stderr);
        assert!(ended.stderr.contains(text), "{fault}: {}", ended.stderr);
        self.nothing_is_left();
        let said = ended.stderr.trim().replace(&format!("oci://{reference}: "), "");
        row(fault, &said, &ended);
        self.good_pull();
    }

    /// The fault is waited out.
    fn heals(&self, fault: &str, reference: &str) {
        let ended = self.pull(reference);
        assert_eq!(ended.code, Some(0), "{fault}: {}", ended.stderr);
        assert_eq!(fs::read(self.out().join("model.onnx.data")).unwrap(), self.weights);
        row(fault, "pulled", &ended);
        self.good_pull();
    }
}

fn row(fault: &str, outcome: &str, ended: &Ended) {
    assert!(ended.memory < MEMORY_KIB, "{fault}: {} KiB", ended.memory);
    // Twelve digits of a digest tell it apart.
    let mut parts = outcome.trim().split("sha256:");
    let first = parts.next().unwrap_or_default().to_owned();
    let said = parts.fold(first, |said, part| {
        let (digits, rest) = part.split_at(part.len().min(64));
        format!("{said}sha256:{}…{rest}", &digits[..digits.len().min(12)])
    });
    println!(
        "| {fault} | {said} | {:.1} s | {:.1} MB |",
        ended.took.as_secs_f32(),
        ended.memory as f32 / 1024.0
    );
}

#[test]
#[ignore = "takes a minute: tests/registry/run"]
fn every_fault_is_told_or_healed() {
    let rig = Rig::new();
    let (front, reference) = (&rig.front, rig.reference());
    let blob = |fault: BlobFault| front.switch(|switches| switches.blob = fault);
    println!("| fault | outcome | time | memory |\n|---|---|---|---|");

    blob(BlobFault::Short);
    rig.fails("truncated blob", &reference, "before its end");
    blob(BlobFault::Corrupt);
    rig.fails("corrupted blob", &reference, "have the digest");
    let wrong = digest(b"wrong");
    front.switch(|switches| switches.header = Some(wrong.clone()));
    rig.fails("wrong digest in the header", &reference, "the registry's header says");
    front.switch(|switches| switches.blob_header = Some(wrong.clone()));
    rig.fails("wrong digest in a blob's header", &reference, "asked for layer sha256:");
    let pinned = format!("{}/iris@{wrong}", front.address);
    front.plant(&format!("/v2/iris/manifests/{wrong}"), manifest(&[]));
    rig.fails("wrong digest of the manifest", &pinned, "the reference says");

    let model = digits();
    for (fault, size) in
        [("size that lies upwards", model.len() + 10), ("size that lies downwards", model.len() - 10)]
    {
        front.plant(&format!("/v2/lies/blobs/{}", digest(&model)), model.clone());
        plant_manifest(front, "lies", &manifest(&[layer(&digest(&model), size, "model.onnx")]));
        rig.fails(fault, &format!("{}/lies:v1", front.address), "its manifest says");
    }
    blob(BlobFault::Endless);
    rig.fails("blob without an end", &reference, "goes on after the size");

    let swapped = front.shared.files.lock().unwrap()["/v2/iris/manifests/v1"].clone();
    let other = plant(front, "iris", &[("model.onnx", b"other")]);
    let old = digest(&swapped);
    front.plant(&format!("/v2/iris/manifests/{old}"), manifest(&[layer(&other, 5, "model.onnx")]));
    let pinned = format!("{}/iris@{old}", front.address);
    let ended = rig.pull(&pinned);
    assert!(ended.stderr.contains("the reference says"), "{}", ended.stderr);
    row("manifest swapped between resolve and get", ended.stderr.split(": ").nth(1).unwrap(), &ended);
    plant(front, "iris", &[("model.onnx", &digits()), ("model.onnx.data", &rig.weights)]);

    blob(BlobFault::Loop);
    rig.fails("redirect loop", &reference, "redirects more than 4 times");
    blob(BlobFault::Downgrade);
    rig.fails("redirect without TLS", &reference, "TWOFOLD_PLAIN_HTTP does not allow");
    blob(BlobFault::Slow);
    rig.fails("slow-loris registry", &reference, "bytes in 10 s");
    front.shared.seen.lock().unwrap().clear();
    blob(BlobFault::Breaks(vec![1_500_000, 4_500_000]));
    rig.heals("connection breaks at 30 % and 90 %, then 503", &reference);
    // At each break no more is asked for than was missing: what was read of a piece that broke off may be lost.
    let mut ranges: Vec<usize> = front
        .shared
        .seen
        .lock()
        .unwrap()
        .iter()
        .filter_map(|seen| seen.strip_prefix("RANGE ")?.parse().ok())
        .collect();
    ranges.sort_unstable();
    assert!(
        matches!(ranges[..], [last, first] if last < 1_000_000 && first < 4_000_000),
        "not gone on where it broke off: {ranges:?}"
    );
    for status in [429, 500] {
        front.switch(|switches| switches.busy = (5, status));
        rig.heals(&format!("storm of {status}, five times"), &reference);
        front.switch(|switches| switches.busy = (1000, status));
        rig.fails(&format!("storm of {status}, without end"), &reference, &format!("answers {status}"));
    }

    fs::remove_dir_all(rig.out()).unwrap();
    let https = "127.0.0.1.example:1/iris:v1";
    let ended = twofold(
        &[("SSL_CERT_FILE", "/dev/null".into()), ("SSL_CERT_DIR", "/dev/null".into())],
        &["pull", https, "-o", rig.out().to_str().unwrap()],
    );
    assert!(ended.stderr.contains("no CA certificates were found"), "{}", ended.stderr);
    row("no CA bundle", ended.stderr.trim(), &ended);
    rig.nothing_is_left();

    for path in ["../../etc/model.onnx", "/etc/model.onnx"] {
        plant_manifest(front, "evil", &manifest(&[layer(&digest(&model), model.len(), path)]));
        rig.fails(
            &format!("annotation {path}"),
            &format!("{}/evil:v1", front.address),
            "is none within a package",
        );
    }
    let layers: Vec<_> = (0..10_000).map(|_| layer(&digest(&model), model.len(), "model.onnx")).collect();
    plant_manifest(front, "many", &manifest(&layers));
    rig.fails("10,000 layers", &format!("{}/many:v1", front.address), "has 10000 layers, more than 1000");
    plant_manifest(front, "huge", &vec![b' '; 100 << 20]);
    rig.fails("manifest of 100 MB", &format!("{}/huge:v1", front.address), "larger than 4194304 bytes");

    let bomb = bomb();
    let mut described = layer(&digest(&bomb), bomb.len(), "model");
    described["mediaType"] = json!("application/vnd.cncf.model.weight.v1.tar+gzip");
    front.plant(&format!("/v2/bomb/blobs/{}", digest(&bomb)), bomb);
    plant_manifest(front, "bomb", &manifest(&[described]));
    rig.fails("zip-bomb tar", &format!("{}/bomb:v1", front.address), "grows beyond");
}

/// A model that is a gigabyte of nothing, as tar+gzip: about a megabyte.
fn bomb() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = fs::File::create(folder.path().join("model.onnx")).unwrap();
    file.set_len(1 << 30).unwrap();
    let made =
        Command::new("tar").args(["-czf", "-", "-C"]).arg(folder.path()).arg("model.onnx").output().unwrap();
    assert!(made.status.success());
    made.stdout
}

/// Only root mounts; whoever else runs this may be allowed to ask for it.
fn as_root(program: &str) -> Command {
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

#[test]
#[ignore = "mounts a tmpfs: tests/registry/run"]
fn a_disk_that_is_full_or_read_only_is_told() {
    let rig = Rig::new();
    let disk = rig.folder.path().join("out");
    fs::create_dir_all(&disk).unwrap();
    let mount = |options: &str| {
        let mounted = as_root("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(&disk).status();
        assert!(mounted.unwrap().success(), "NOT RUN: no tmpfs can be mounted");
    };
    let unmount = || assert!(as_root("umount").arg(&disk).status().unwrap().success());
    let pull = || twofold(&[], &["pull", &rig.reference(), "-o", rig.out().to_str().unwrap()]);
    mount("size=3m");
    let full = pull();
    rig.nothing_is_left();
    unmount();
    assert!(full.stderr.contains("No space left on device"), "{}", full.stderr);
    row("disk full", full.stderr.trim(), &full);
    mount("size=30m,ro");
    let locked = pull();
    unmount();
    assert!(locked.stderr.contains("Read-only file system"), "{}", locked.stderr);
    row("read-only folder", locked.stderr.trim(), &locked);

    // The same for a server's cache: the model is unavailable and says why; what is in the cache is served all the same.
    let pinned = format!(
        "{}/iris@{}",
        rig.front.address,
        digest(&rig.front.shared.files.lock().unwrap()["/v2/iris/manifests/v1"])
    );
    let environment = [
        ("TWOFOLD_CACHE", disk.join("cache").display().to_string()),
        ("TWOFOLD_MODELS", format!("embedded:digits,iris=oci://{pinned}")),
    ];
    let serve = || {
        let server = Server::start(&environment, rig.folder.path()).unwrap();
        (server.infer("iris").0, server.ask("POST", "/v2/repository/index", "").1)
    };
    mount("size=30m,ro");
    let (head, index) = serve();
    assert!(head.starts_with("http/1.1 503") && index.contains("Read-only file system"), "{head}{index}");
    unmount();
    mount("size=30m");
    assert!(serve().0.starts_with("http/1.1 200"));
    assert!(as_root("mount").args(["-o", "remount,ro"]).arg(&disk).status().unwrap().success());
    let (head, index) = serve();
    unmount();
    assert!(head.starts_with("http/1.1 200"), "{index}");
    println!("| read-only cache | unavailable with the reason; what is there is served | | |");
    let _ = fs::remove_dir_all(&disk);
    rig.good_pull();
}

#[test]
#[ignore = "kills processes: tests/registry/run"]
fn a_pull_that_is_killed_leaves_nothing_in_the_way() {
    let rig = Rig::new();
    rig.front.switch(|switches| switches.blob = BlobFault::Slow);
    let out = rig.out();
    let mut child = begin(&[], &["pull", &rig.reference(), "-o", out.to_str().unwrap()]);
    let began = Instant::now();
    while rig.front.count("GET /v2/iris/blobs/") < 2 {
        assert!(began.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.exists(), "half a package is visible");
    rig.good_pull();
    assert_eq!(
        fs::read_dir(rig.folder.path().join("out")).unwrap().count(),
        1,
        "the killed pull's files are left"
    );
    println!(
        "| kill -9 in the middle of a pull | nothing visible; the next pull removes what was left | | |"
    );

    // A server: what it left behind is not served, and is gone when the next one has made room.
    let cache = rig.folder.path().join("cache");
    let environment = [
        ("TWOFOLD_CACHE", cache.display().to_string()),
        ("TWOFOLD_MODELS", format!("iris=oci://{}", rig.reference())),
    ];
    rig.front.switch(|switches| switches.blob = BlobFault::Slow);
    let seen = rig.front.count("GET /v2/iris/blobs/");
    let mut command = ours!("server", &environment);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    while rig.front.count("GET /v2/iris/blobs/") < seen + 2 || files(&cache.join("partial")) == 0 {
        assert!(began.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(files(&cache.join("blobs/sha256")), 0, "half a blob is visible");
    rig.front.switch(|switches| *switches = Switches::default());
    let server = Server::start(&environment, rig.folder.path()).unwrap();
    assert!(server.infer("iris").0.starts_with("http/1.1 200"));
    println!("| kill -9 of a server that pulls, then restart | pulled and served | | |");
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
#[ignore = "many processes: tests/registry/run"]
fn two_servers_pull_the_same_digest_into_one_cache() {
    let rig = Rig::new();
    let environment = [
        ("TWOFOLD_CACHE", rig.folder.path().join("cache").display().to_string()),
        ("TWOFOLD_MODELS", format!("iris=oci://{}", rig.reference())),
    ];
    for _ in 0..10 {
        let _ = fs::remove_dir_all(rig.folder.path().join("cache"));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let server = Server::start(&environment, rig.folder.path()).unwrap();
                    assert!(server.infer("iris").0.starts_with("http/1.1 200"));
                });
            }
        });
        assert_eq!(files(&rig.folder.path().join("cache/blobs/sha256")), 3);
        assert_eq!(files(&rig.folder.path().join("cache/partial")), 0);
    }
    println!("| two processes pull the same digest, ten times | both serve; one copy in the cache | | |");
}

#[test]
#[ignore = "needs docker-registry: tests/registry/run"]
fn a_registry_that_dies_and_comes_back_is_waited_for() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let weights = noise(40_000_000);
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    fs::write(model.join("model.onnx"), digits()).unwrap();
    fs::write(model.join("model.onnx.data"), &weights).unwrap();
    let pushed = twofold(&[], &["push", model.to_str().unwrap(), &format!("{}/iris:1", upstream.address)]);
    assert_eq!(pushed.code, Some(0), "{}", pushed.stderr);
    let cuts = vec![12_000_000, 36_000_000];
    let wire = Wire::lay(upstream.address.clone(), cuts, Duration::from_millis(1500));
    let out = folder.path().join("out");
    let reference = format!("{}/iris:1", wire.address);
    let ended = end(begin(&[], &["pull", &reference, "-o", out.to_str().unwrap()]));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(wire.left(), 0);
    assert!(wire.ranges() >= 2, "{} requests for the rest", wire.ranges());
    assert!(wire.passed() * 10 < weights.len() as u64 * 13, "{} bytes were carried", wire.passed());
    assert_eq!(fs::read(out.join("model.onnx.data")).unwrap(), weights);
    row(
        "registry gone at 30 % and at 90 %, each time for 1.5 s",
        "pulled, going on where it broke off",
        &ended,
    );

    // Bytes that rot on the registry's own disk.
    let blob = upstream.blob(&digest(&weights));
    let mut bytes = weights.clone();
    bytes[1_000_000] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let reference = format!("{}/iris:1", upstream.address);
    let ended = twofold(&[], &["pull", &reference, "-o", folder.path().join("rotten").to_str().unwrap()]);
    assert!(ended.stderr.contains("have the digest"), "{}", ended.stderr);
    row("blob rotten on docker-registry's disk", ended.stderr.split(": ").nth(1).unwrap(), &ended);
}
