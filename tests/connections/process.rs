//! The built server as a process.

use std::fs::File;
use std::io::{Read, Seek};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::PATIENCE;

pub(crate) struct Process {
    child: Child,
    log: File,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts it with these flags, and at most so many open files. Returns when it listens.
    pub(crate) fn start(flags: &[&str], files: Option<u32>) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = env!("CARGO_BIN_EXE_server");
        let mut command = Command::new("sh");
        let limit = files.map_or(String::new(), |files| format!("ulimit -n {files} && "));
        command.args(["-c", &format!("{limit}exec \"$0\" \"$@\""), server, "--listen", &address.to_string()]);
        let log = tempfile::tempfile().unwrap();
        command.args(flags).env_clear().stdin(Stdio::null()).stdout(log.try_clone().unwrap());
        let mut process = Self { child: command.spawn().unwrap(), log, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert_eq!(process.child.try_wait().unwrap(), None, "{}", process.log());
            assert!(Instant::now() < deadline, "{}", process.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        process
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end. Gives the exit code.
    pub(crate) fn ended(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().expect("it was ended by a signal");
            }
            assert!(Instant::now() < deadline, "{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the log holds this.
    pub(crate) fn logs(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "no '{text}' in {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn log(&mut self) -> String {
        // The position is shared with the process, which writes at the end: it must be left there.
        let mut log = String::new();
        let mut file =
            File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.log))).unwrap();
        file.rewind().unwrap();
        file.read_to_string(&mut log).unwrap();
        log
    }

    /// Open files.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// Resident memory in MiB.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
