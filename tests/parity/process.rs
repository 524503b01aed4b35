//! The binaries that ship, as processes: the server, and the function under AWS's emulator.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::answer::Answer;
use super::call::Call;
use super::event::{self, Form};
use super::tcp;

/// Longer than any start takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process of ours, which ends with the test.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    /// `server` with its default settings and `variables`, and no other variable. Its log goes where `cargo test` runs.
    pub fn server(server: &Path, variables: &[(&str, &str)]) -> Self {
        let address = free_address();
        let mut command = Command::new(server);
        command.args(["--listen", &address.to_string()]);
        Self::start(command, variables, address, &[address])
    }

    /// `lambda` under the emulator, likewise. It starts when the first event arrives.
    pub fn emulator(emulator: &Path, lambda: &Path, variables: &[(&str, &str)]) -> Self {
        let (address, api) = (free_address(), free_address());
        let mut command = Command::new(emulator);
        command.args(["--log-level", "error", "--runtime-interface-emulator-address", &address.to_string()]);
        command.args(["--runtime-api-address", &api.to_string()]).arg(lambda);
        // An event that comes before the runtime API listens starts a function that finds nobody to talk to.
        Self::start(command, variables, address, &[address, api])
    }

    /// Returns when all of `listening` do.
    fn start(
        mut command: Command,
        variables: &[(&str, &str)],
        address: SocketAddr,
        listening: &[SocketAddr],
    ) -> Self {
        command.env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
        let program = command.get_program().to_owned();
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut process = Self { child, address };
        let deadline = Instant::now() + PATIENCE;
        for address in listening {
            while TcpStream::connect(address).is_err() {
                let ended = process.child.try_wait().unwrap();
                assert_eq!(ended, None, "{} ended before it listened on {address}", program.display());
                assert!(Instant::now() < deadline, "{} does not listen on {address}", program.display());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        process
    }

    /// Sends an event to the emulator. Gives the payload as it is, and what a client of the function URL would see.
    pub async fn invoke(&self, call: &Call, form: Form) -> Result<Answer, String> {
        let event = event::event(call, form).to_string();
        event::answer(&self.invoke_raw(event.into_bytes()).await.1)
    }

    /// Sends anything as an event. Gives the emulator's status and the payload.
    pub async fn invoke_raw(&self, event: Vec<u8>) -> (u16, Vec<u8>) {
        let answer = tcp::send(
            self.address,
            &Call::post("event", "/2015-03-31/functions/function/invocations", event),
        )
        .await;
        (answer.status, answer.body)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The emulator ends its function when it is asked to; killed, it would leave it to notice by itself.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + PATIENCE;
        while asked.is_ok() && Instant::now() < deadline {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A program that a variable names; without it there is nothing to test, which is a failure and not a success.
#[expect(clippy::disallowed_methods, reason = "the test's own variables, which no binary reads")]
pub fn program(variable: &str) -> PathBuf {
    let Some(path) = std::env::var_os(variable) else {
        panic!("{variable} is not set: it names a program that this test runs (see tests/emulator/run)")
    };
    let path = PathBuf::from(path);
    assert!(path.is_file(), "{variable}: there is no file {}", path.display());
    path.canonicalize().unwrap()
}
