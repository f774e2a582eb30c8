//! A server as a process of its own, on a free port, with a folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::KEY;

/// Polls until `what` gives something, for at most 20 s.
pub fn eventually<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < end, "waited 20 s for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How to start a server.
pub struct ServerBuilder {
    command: Command,
}

impl ServerBuilder {
    /// With the specs of the load tests, on a free port, by its environment: arguments win.
    pub fn new(data: &Path) -> Self {
        let specs = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../load-tests/fixtures/specs"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_tachikoma-server"));
        command
            .env_clear()
            .env("TACHIKOMA_API_KEY", KEY)
            .env("TACHIKOMA_ADDR", "127.0.0.1:0")
            .env("TACHIKOMA_DATA_DIR", data)
            .env("TACHIKOMA_SPECS_DIR", specs)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { command }
    }

    pub fn args<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs a line of shell first, in the same process, for limits that the server inherits.
    pub fn after(mut self, line: &str) -> Self {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("{line}; exec \"$0\" \"$@\"")])
            .arg(self.command.get_program())
            .args(self.command.get_args())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(self.command.get_envs().filter_map(|(k, v)| Some((k, v?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.command = shell;
        self
    }

    /// Runs it to its end, which must come by itself.
    pub fn output(mut self) -> Output {
        self.command
            .stdin(Stdio::null())
            .output()
            .expect("the server runs")
    }

    /// Starts it and waits for its address.
    pub fn start(mut self) -> Server {
        let mut child = self.command.spawn().expect("the server starts");
        let stdin = child.stdin.take();
        let mut stderr = child.stderr.take().expect("piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = log.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut buffer) {
                sink.lock()
                    .expect("not poisoned")
                    .extend_from_slice(&buffer[..n]);
            }
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("stdout is readable");
        let Some(addr) = line.trim().strip_prefix("listening on http://") else {
            let _ = child.kill();
            let _ = reader.join();
            let log = log.lock().expect("not poisoned");
            panic!(
                "no address in {line:?}; log: {}",
                String::from_utf8_lossy(&log)
            );
        };
        let addr = addr.parse().expect("an address");
        Server {
            addr,
            stdin,
            child,
            stdout,
            log,
            reader: Some(reader),
        }
    }
}

/// A running server; killed when dropped.
pub struct Server {
    pub addr: SocketAddr,
    pub stdin: Option<ChildStdin>,
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    log: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(data: &Path) -> Self {
        ServerBuilder::new(data).start()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the server is alive");
    }

    /// Everything that it has logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().expect("not poisoned")).into_owned()
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let statm = std::fs::read_to_string(path).expect("the server is alive");
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .expect("a field")
            .parse()
            .expect("a number");
        pages * 4096
    }

    /// The greatest resident memory that it has had (`VmHWM` of proc(5)), in bytes.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the server is alive");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
        number.and_then(|n| n.parse::<u64>().ok()).expect("a peak") * 1024
    }

    /// Waits until it has ended by itself; also gives what else it wrote to stdout.
    pub fn wait(&mut self) -> (ExitStatus, String) {
        let status = eventually("the server's end", || {
            self.child.try_wait().expect("waitable")
        });
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("text");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log was read");
        }
        (status, rest)
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}
