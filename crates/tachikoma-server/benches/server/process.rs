//! Servers as processes of their own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The key of every server here.
pub(crate) const KEY: &str = "benchmark-key";

/// A server, killed when dropped.
pub(crate) struct Process {
    pub(crate) addr: SocketAddr,
    child: Child,
}

impl Process {
    /// The server under test, on a folder that may hold data already.
    pub(crate) fn server(data: &Path, specs: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tachikoma-server"));
        command
            .env_clear()
            .env("TACHIKOMA_API_KEY", KEY)
            .env("RUST_LOG", "warn")
            .args(["--addr", "127.0.0.1:0", "--exit-with-parent"])
            .arg("--data-dir")
            .arg(data)
            .arg("--specs-dir")
            .arg(specs);
        Self::start(command)
    }

    /// Any program that prints its address in the same way.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("readable");
        let addr = line
            .trim()
            .strip_prefix("listening on http://")
            .expect("an address");
        Self {
            addr: addr.parse().expect("an address"),
            child,
        }
    }

    /// Resident memory in MiB.
    pub(crate) fn resident_mib(&self) -> f64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let statm = std::fs::read_to_string(path).expect("the server is alive");
        let pages: u32 = statm
            .split(' ')
            .nth(1)
            .expect("a field")
            .parse()
            .expect("a number");
        f64::from(pages) * 4096.0 / f64::from(1 << 20)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder on the disk that the build uses, since a memory disk would make durability free.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder")
}

/// The spec files that the load tests use.
pub(crate) fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../load-tests/fixtures/specs")
}

/// A request without a body, with the key.
pub(crate) fn get(path: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ");
    out.extend_from_slice(KEY.as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
}

/// The creation of a mission like those of the load tests.
pub(crate) fn create(number: u64, out: &mut Vec<u8>) {
    use std::io::Write as _;
    let name = format!("Load Test Mission {number:013}");
    let body =
        format!(r#"{{"name":"{name}","prompt":"This is a load test prompt","backend":"mock"}}"#);
    write!(
        out,
        "POST /api/missions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("memory can be written");
}
