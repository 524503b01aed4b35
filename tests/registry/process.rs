//! The built binaries as processes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a process of `twofold` ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    /// Most memory that it held, in KiB.
    pub(crate) memory: u64,
}

pub(crate) type Environment<'a> = &'a [(&'a str, String)];

#[expect(clippy::disallowed_methods, reason = "tools are found where whoever runs the tests finds them")]
pub(crate) fn command(program: &str, environment: Environment) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default()).stdin(Stdio::null());
    command.envs(environment.iter().map(|(name, value)| (*name, value)));
    command
}

/// A program of ours: of the folder that `TEST_BINARIES` names, or else as cargo built it for this test.
macro_rules! ours {
    ($name:literal, $environment:expr) => {{
        #[expect(clippy::disallowed_methods, reason = "the tests themselves have no settings")]
        let folder = std::env::var("TEST_BINARIES");
        let built = env!(concat!("CARGO_BIN_EXE_", $name)).to_owned();
        let program = folder.map_or(built, |folder| format!("{folder}/{}", $name));
        crate::process::command(&program, $environment)
    }};
}
pub(crate) use ours;

/// Runs `twofold` to its end.
pub(crate) fn twofold(environment: Environment, args: &[&str]) -> Ended {
    end(begin(environment, args))
}

pub(crate) fn begin(environment: Environment, args: &[&str]) -> Child {
    let mut command = ours!("twofold", environment);
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn end(mut child: Child) -> Ended {
    let (began, mut memory) = (Instant::now(), 0);
    let status = loop {
        memory = memory.max(peak(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < Duration::from_mins(2), "twofold does not end");
        std::thread::sleep(Duration::from_millis(2));
    };
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Ended { code: status.code(), stdout, stderr, took: began.elapsed(), memory }
}

/// The most memory that a process held so far, in KiB.
pub(crate) fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// A running server; gone with this.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts it and waits until it is ready, or has ended; the log is in a file of the folder.
    pub(crate) fn start(environment: Environment, folder: &Path) -> Result<Self, String> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = folder.join(format!("server-{}.log", address.port()));
        let mut command = ours!("server", environment);
        let file = std::fs::File::create(&log).unwrap();
        command.env("TWOFOLD_LISTEN", address.to_string()).env("TWOFOLD_DRAIN", "0s");
        let mut child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let began = Instant::now();
        while !is_ready(address) {
            if child.try_wait().unwrap().is_some() {
                return Err(std::fs::read_to_string(&log).unwrap());
            }
            assert!(began.elapsed() < Duration::from_mins(2), "the server is neither ready nor ends");
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(Self { child, address })
    }

    /// Asks over a connection of its own: the head and the body of the answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (String, String) {
        let answer = exchange(self.address, method, path, body).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    }

    /// An inference by digits.
    pub(crate) fn infer(&self, model: &str) -> (String, String) {
        let zeros = vec!["0"; 64].join(",");
        let body =
            format!(r#"{{"inputs":[{{"name":"input","shape":[1,64],"datatype":"FP32","data":[{zeros}]}}]}}"#);
        self.ask("POST", &format!("/v2/models/{model}/infer"), &body)
    }
}

/// Asks over a connection of its own: the answer as it came.
fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Whether a server there says so.
fn is_ready(address: SocketAddr) -> bool {
    exchange(address, "GET", "/v2/health/ready", "").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
