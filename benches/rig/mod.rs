//! What the benches share: processes under test, the load generator, medians.
#![allow(dead_code, unreachable_pub)] // each bench uses its part

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// A process under test; it is killed when it is dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    started: Instant,
}

impl Process {
    /// Starts the server of this build with default settings but its address. Its log goes to a file.
    pub fn server(arguments: &[&str]) -> Self {
        Self::start(Command::new(env!("CARGO_BIN_EXE_server")).args(arguments), |command, address| {
            command.arg("--listen").arg(address);
        })
    }

    /// Starts this bench itself as the bare server that is the reference.
    pub fn hello() -> Self {
        Self::start(&mut Command::new(std::env::current_exe().unwrap()), |command, address| {
            command.arg("--hello").arg(address);
        })
    }

    fn start(command: &mut Command, listen: impl Fn(&mut Command, &str)) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        listen(command, &address.to_string());
        let log = tempfile::tempfile().unwrap();
        let child = command.env_clear().stdout(log).stderr(Stdio::inherit()).spawn();
        Self { child: child.unwrap(), address, started: Instant::now() }
    }

    /// Sends a request until it is answered with 200; the time since the process was started.
    pub fn first_answer(&self, request: &[u8]) -> Duration {
        while self.started.elapsed() < Duration::from_secs(10) {
            // A start that takes long answers that the model is not ready.
            if let Some(answer) = self.ask(request)
                && !answer.starts_with("HTTP/1.1 503")
            {
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                return self.started.elapsed();
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        panic!("no answer from {} within 10 s", self.address);
    }

    fn ask(&self, request: &[u8]) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.write_all(request).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        (!answer.is_empty()).then_some(answer)
    }

    /// Resident memory in MiB.
    pub fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request as bytes, on a connection that is closed after it.
pub fn request(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// What one run of the load generator measured.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests per second.
    pub rate: f64,
    /// 99th percentile of latency, in milliseconds.
    pub p99: f64,
}

/// Whether these programs are installed; says so where one is not.
pub fn has(programs: &[(&str, &str)]) -> bool {
    let is_missing = |(program, _): &&(&str, &str)| {
        let mut command = Command::new(program);
        let found = command.arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        !found.is_ok_and(|mut child| child.wait().is_ok())
    };
    let missing = programs.iter().find(is_missing);
    if let Some((program, how)) = missing {
        eprintln!("NOT RUN: this bench needs {program} ({how})");
    }
    missing.is_none()
}

/// What is posted: a body, and the length of the JSON in front of raw tensors where there are any.
pub struct Post {
    pub body: Vec<u8>,
    pub json: Option<usize>,
}

impl Post {
    /// JSON and nothing behind it.
    pub fn json(body: impl Into<String>) -> Self {
        Self { body: body.into().into_bytes(), json: None }
    }
}

/// Loads a path for some seconds: by GET, or with what is posted. Fails on any answer that is not 2xx.
pub fn wrk(address: SocketAddr, path: &str, post: Option<&Post>, connections: u32, seconds: u32) -> Load {
    let mut command = Command::new("wrk");
    let threads = if connections == 1 { 1 } else { 2 };
    command.args([
        "--latency",
        &format!("-t{threads}"),
        &format!("-c{connections}"),
        &format!("-d{seconds}s"),
    ]);
    let mut script = tempfile::NamedTempFile::with_suffix(".lua").unwrap();
    if let Some(post) = post {
        write!(script, "wrk.method = 'POST'\nwrk.body = '").unwrap();
        post.body.iter().for_each(|byte| write!(script, "\\{byte:03}").unwrap());
        writeln!(script, "'").unwrap();
        if let Some(json) = post.json {
            writeln!(script, "wrk.headers['Inference-Header-Content-Length'] = '{json}'").unwrap();
        }
        script.flush().unwrap();
        command.arg("-s").arg(script.path());
    }
    let output = command.arg(format!("http://{address}{path}")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let field = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    Load { rate: field("Requests/sec:").parse().unwrap(), p99: milliseconds(field("99%")) }
}

/// The same load as [`wrk`]'s, by a generator that takes several times as much of the processor for each request.
pub fn hey(address: SocketAddr, path: &str, post: Option<&Post>, connections: u32, seconds: u32) -> Load {
    let mut command = Command::new("hey");
    command.args(["-c", &connections.to_string(), "-z", &format!("{seconds}s"), "-disable-compression"]);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    if let Some(post) = post {
        file.write_all(&post.body).unwrap();
        command.args(["-m", "POST", "-T", "application/json", "-D"]).arg(file.path());
    }
    let output = command.arg(format!("http://{address}{path}")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with('[')).collect();
    assert!(matches!(*answers, [line] if line.contains("[200]")), "{text}");
    let field = |name: &str, place: usize| -> f64 {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        let word = line.and_then(|line| line.split_whitespace().nth(place));
        word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    Load { rate: field("Requests/sec:", 1), p99: field("99%", 2) * 1000.0 }
}

fn milliseconds(text: &str) -> f64 {
    for (unit, factor) in [("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<f64>().unwrap() * factor;
        }
    }
    panic!("no time: {text}");
}

/// The middle one of some figures.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A request for digits: one row of pixels as a client writes them.
pub fn digits() -> String {
    let pixels: Vec<_> = (0..64).map(|pixel| format!("{}.0", (pixel * 7) % 17)).collect();
    format!(
        r#"{{"inputs":[{{"name":"input","shape":[1,64],"datatype":"FP32","data":[{}]}}]}}"#,
        pixels.join(",")
    )
}

/// The figures that a bench demands, and those that it missed.
#[derive(Default)]
pub struct Bars {
    missed: Vec<String>,
}

impl Bars {
    pub fn at_most(&mut self, what: &str, figure: f64, bar: f64) {
        self.note(what, figure, figure <= bar, &format!("at most {bar}"));
    }

    pub fn at_least(&mut self, what: &str, figure: f64, bar: f64) {
        self.note(what, figure, figure >= bar, &format!("at least {bar}"));
    }

    fn note(&mut self, what: &str, figure: f64, met: bool, bar: &str) {
        println!("{what}: {figure:.2} ({bar}{})", if met { "" } else { ", MISSED" });
        if !met {
            self.missed.push(format!("{what}: {figure:.2}, {bar}"));
        }
    }

    /// Names the bars that were missed. That fails the bench only where it is asked for by `--strict`: what else runs on a
    /// machine must not decide whether a change is good.
    pub fn verdict(self) -> ExitCode {
        if self.missed.is_empty() {
            println!("every bar is met");
            return ExitCode::SUCCESS;
        }
        println!("missed: {}", self.missed.join("; "));
        if std::env::args().any(|argument| argument == "--strict") {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// A kept-alive connection that sends one request at a time.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { stream }
    }

    /// The status, and how long its answer took.
    pub fn post(&mut self, path: &str, body: &str) -> (u16, Duration) {
        let head = format!("POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n\r\n", body.len());
        self.send(&(head + body))
    }

    pub fn get(&mut self, path: &str) -> (u16, Duration) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n"))
    }

    fn send(&mut self, request: &str) -> (u16, Duration) {
        let started = Instant::now();
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut part = [0; 16 << 10];
        loop {
            let read = self.stream.read(&mut part).unwrap();
            assert!(read > 0, "the connection was closed");
            answer.extend_from_slice(&part[..read]);
            let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            if answer.len() >= end + 4 + length.trim().parse::<usize>().unwrap() {
                return (head[9..12].parse().unwrap(), started.elapsed());
            }
        }
    }
}

/// A percentile of some times, in milliseconds.
pub fn percentile(times: &[Duration], percent: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1000.0
}
