//! `cargo bench --bench pull`: packages from a local registry, against tools that carry bytes: time, memory, and the start of a server
//! whose model is in the cache.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::cast_precision_loss, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod rig;

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rig::{Bars, Process, digits, median, request};

const ROUNDS: usize = 9;
const STARTS: usize = 15;
const MODELS: usize = 100;

fn main() -> ExitCode {
    for (tool, version) in [
        ("docker-registry", "--version"),
        ("skopeo", "--version"),
        ("curl", "--version"),
        ("openssl", "version"),
    ] {
        if Command::new(tool).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            eprintln!("NOT RUN: this bench needs {tool}");
            return ExitCode::FAILURE;
        }
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let registry = Registry::start(folder.path());
    let mut bars = Bars::default();
    throughput(&registry, folder.path(), &mut bars);
    memory(&registry, folder.path(), &mut bars);
    warm(&registry, folder.path(), &mut bars);
    many(&registry, folder.path());
    bars.verdict()
}

/// 100 MB to the disk: pulled and verified, copied by skopeo, fetched by curl and verified by openssl, which knows the processor's
/// instructions for SHA-256 as coreutils' sha256sum may not, and fetched by curl alone, which looks at nothing.
fn throughput(registry: &Registry, folder: &Path, bars: &mut Bars) {
    let model = folder.join("big");
    let weights = weights(&model, 100_000_000);
    registry.push(&model, "big");
    let url = format!("http://{}/v2/big/blobs/{weights}", registry.address);
    let source = format!("docker://{}/big:1", registry.address);
    let copy = folder.join("copy");
    let to = copy.to_str().unwrap();
    let layout = format!("oci:{to}:1");
    let verified = format!("curl -sf '{url}' | tee '{to}' | openssl dgst -sha256");
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..=ROUNDS {
        let commands: [&[&str]; 4] = [
            &[env!("CARGO_BIN_EXE_twofold"), "pull", &source["docker://".len()..], "-o", to],
            &["skopeo", "copy", "-q", "--src-tls-verify=false", &source, &layout],
            &["curl", "-sf", "-o", to, &url],
            &["sh", "-c", &verified],
        ];
        for (command, times) in commands.iter().zip(&mut times) {
            let began = Instant::now();
            let ended =
                Command::new(command[0]).args(&command[1..]).stderr(Stdio::inherit()).output().unwrap();
            times.push(began.elapsed().as_secs_f64() * 1000.0);
            assert!(ended.status.success(), "{command:?}");
            let told = String::from_utf8_lossy(&ended.stdout);
            assert!(command[0] != "sh" || told.contains(&weights["sha256:".len()..]), "{told}");
            let _ = fs::remove_dir_all(&copy).or_else(|_| fs::remove_file(&copy));
        }
    }
    // The first round warms the page cache.
    let [ours, skopeo, curl, verified] = times.map(|times| median(times.into_iter().skip(1)));
    println!(
        "100 MB: twofold {ours:.0} ms, skopeo copy {skopeo:.0} ms, curl {curl:.0} ms, curl and openssl {verified:.0} ms; medians of \
         {ROUNDS}, interleaved"
    );
    bars.at_most("100 MB pulled and verified, of skopeo's time", ours / skopeo, 0.5);
    bars.at_most("100 MB pulled and verified, of curl's and openssl's time", ours / verified, 1.0);
    bars.at_most("100 MB pulled and verified, of curl's time, which verifies nothing", ours / curl, 1.1);
}

fn memory(registry: &Registry, folder: &Path, bars: &mut Bars) {
    let model = folder.join("large");
    weights(&model, 1_000_000_000);
    registry.push(&model, "large");
    fs::remove_dir_all(&model).unwrap();
    let mut pull = Command::new(env!("CARGO_BIN_EXE_twofold"));
    let reference = format!("{}/large:1", registry.address);
    let mut child = pull.args(["pull", &reference, "-o"]).arg(&model).stdout(Stdio::null()).spawn().unwrap();
    let (began, mut most) = (Instant::now(), 0.0_f64);
    while child.try_wait().unwrap().is_none() {
        most = most.max(peak(child.id()));
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("1 GB: {:.2} s", began.elapsed().as_secs_f64());
    bars.at_most("1 GB pulled: most memory, MB", most, 20.0);
    fs::remove_dir_all(&model).unwrap();
}

/// The start of a server, to its first answer, whose model of 10 MB is in the cache.
fn warm(registry: &Registry, folder: &Path, bars: &mut Bars) {
    let model = folder.join("ten");
    fs::create_dir(&model).unwrap();
    fs::write(model.join("model.onnx"), perceptron(&[64, 1570, 1570, 10])).unwrap();
    let size = fs::metadata(model.join("model.onnx")).unwrap().len();
    let pinned = registry.push(&model, "ten");
    let (models, cache) = (format!("ten={pinned}"), folder.join("cache"));
    let arguments = ["--models", &models, "--cache", cache.to_str().unwrap()];
    let request = request("/v2/models/ten/infer", &digits());
    let start = || Process::server(&arguments).first_answer(&request).as_secs_f64() * 1000.0;
    let cold = start();
    println!(
        "{:.1} MB model: {cold:.1} ms from start to first answer, pulled; then from the cache:",
        size as f64 / 1e6
    );
    let warm = median((0..STARTS).map(|_| start()));
    bars.at_most("10 MB model in the cache: start to first answer, ms", warm, 30.0);
}

/// Many models at once, none of them in the cache.
fn many(registry: &Registry, folder: &Path) {
    let mut models = Vec::new();
    for number in 0..MODELS {
        let model = folder.join(format!("m{number}"));
        fs::create_dir(&model).unwrap();
        fs::write(model.join("model.onnx"), perceptron(&[64, 100 + number, 10])).unwrap();
        let pinned = registry.push(&model, &format!("m{number}"));
        models.push(format!("m{number}={pinned}"));
    }
    let (models, cache) = (models.join(","), folder.join("many"));
    let request = request("/v2/models/m99/infer", &digits());
    for state in ["pulled", "in the cache"] {
        let server = Process::server(&["--models", &models, "--cache", cache.to_str().unwrap()]);
        let took = server.first_answer(&request).as_secs_f64() * 1000.0;
        println!(
            "{MODELS} models at once, {state}: {took:.0} ms to the first answer, {:.1} MiB",
            server.resident()
        );
    }
}

/// A package of a small model and so many bytes beside it; the digest of these.
fn weights(folder: &Path, size: usize) -> String {
    fs::create_dir(folder).unwrap();
    fs::copy("models/digits/model.onnx", folder.join("model.onnx")).unwrap();
    let path = folder.join("model.onnx.data");
    let mut file = fs::File::create(&path).unwrap();
    let mut state = size as u64;
    let mut left = size;
    while left > 0 {
        let mut piece = Vec::with_capacity(1 << 20);
        while piece.len() < left.min(1 << 20) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            piece.extend_from_slice(&(state ^ (state >> 33)).to_le_bytes());
        }
        piece.truncate(left);
        file.write_all(&piece).unwrap();
        left -= piece.len();
    }
    let sum = Command::new("sha256sum").arg(&path).output().unwrap().stdout;
    format!("sha256:{}", String::from_utf8_lossy(&sum[..64]))
}

/// An ONNX file of a perceptron whose layers have these widths, written field by field.
fn perceptron(widths: &[usize]) -> Vec<u8> {
    let mut graph = Vec::new();
    let mut input = "input".to_owned();
    for (layer, pair) in widths.windows(2).enumerate() {
        let last = layer + 2 == widths.len();
        let (sum, weights) = (format!("sum{layer}"), format!("weights{layer}"));
        let out = if last { "output".to_owned() } else { sum.clone() };
        bytes(&mut graph, 1, &node("MatMul", &[&input, &weights], &out));
        input = format!("relu{layer}");
        if !last {
            bytes(&mut graph, 1, &node("Relu", &[&sum], &input));
        }
        let raw: Vec<u8> = (0..pair[0] * pair[1])
            .flat_map(|at| ((at * 7919 % 2003) as f32 / 200_300.0 - 0.005).to_le_bytes())
            .collect();
        let mut tensor = Vec::new();
        number(&mut tensor, 1, pair[0]);
        number(&mut tensor, 1, pair[1]);
        number(&mut tensor, 2, 1);
        bytes(&mut tensor, 8, weights.as_bytes());
        bytes(&mut tensor, 9, &raw);
        bytes(&mut graph, 5, &tensor);
    }
    bytes(&mut graph, 2, b"perceptron");
    bytes(&mut graph, 11, &value("input", widths[0]));
    bytes(&mut graph, 12, &value("output", widths[widths.len() - 1]));
    let mut opset = Vec::new();
    number(&mut opset, 2, 17);
    let mut model = Vec::new();
    number(&mut model, 1, 8);
    bytes(&mut model, 7, &graph);
    bytes(&mut model, 8, &opset);
    model
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let mut node = Vec::new();
    for input in inputs {
        bytes(&mut node, 1, input.as_bytes());
    }
    bytes(&mut node, 2, output.as_bytes());
    bytes(&mut node, 4, operator.as_bytes());
    node
}

/// FP32 of one row and so many columns.
fn value(name: &str, columns: usize) -> Vec<u8> {
    let mut shape = Vec::new();
    for size in [1, columns] {
        let mut dimension = Vec::new();
        number(&mut dimension, 1, size);
        bytes(&mut shape, 1, &dimension);
    }
    let (mut tensor, mut of_type, mut value) = (Vec::new(), Vec::new(), Vec::new());
    number(&mut tensor, 1, 1);
    bytes(&mut tensor, 2, &shape);
    bytes(&mut of_type, 1, &tensor);
    bytes(&mut value, 1, name.as_bytes());
    bytes(&mut value, 2, &of_type);
    value
}

fn number(to: &mut Vec<u8>, field: usize, value: usize) {
    varint(to, field << 3);
    varint(to, value);
}

fn bytes(to: &mut Vec<u8>, field: usize, value: &[u8]) {
    varint(to, field << 3 | 2);
    varint(to, value.len());
    to.extend_from_slice(value);
}

fn varint(to: &mut Vec<u8>, mut value: usize) {
    while value > 127 {
        to.push((value & 127) as u8 | 128);
        value >>= 7;
    }
    to.push(value as u8);
}

/// The most memory that a process held so far, in MB.
fn peak(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() * 1024.0 / 1e6
}

struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: \
             {{addr: \"{address}\"}}\n",
            folder.join("registry").display()
        );
        fs::write(folder.join("registry.yml"), config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(folder.join("registry.yml")).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self { child: command.spawn().unwrap(), address };
        while TcpStream::connect(&registry.address).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        registry
    }

    /// Pushes a folder; the reference that pins it, without the tag.
    fn push(&self, model: &Path, repository: &str) -> String {
        let mut push = Command::new(env!("CARGO_BIN_EXE_twofold"));
        push.arg("push").arg(model).arg(format!("{}/{repository}:1", self.address));
        let pushed = push.stderr(Stdio::null()).output().unwrap();
        assert!(pushed.status.success());
        String::from_utf8(pushed.stdout).unwrap().trim().replace(":1@", "@")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
