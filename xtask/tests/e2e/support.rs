//! What the tests share: programs, runs, and looking for what is left behind.

// Other tests have this file by a path of their own.
#[path = "support/programs.rs"]
mod programs;

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

use crate::processes::nothing_left;
pub use crate::processes::{command_line, processes_with};
pub use programs::{Busy, Server, build, capacity_stub, k6, oldest_k6, server, without_perf};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// How long processes may be left after the end of a run.
const LEFT: Duration = Duration::from_secs(2);

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// A `load-test` command to be run, with its own results folder.
pub struct Run {
    command: Command,
    /// The folder of everything that belongs to the run.
    pub dir: TempDir,
    /// Where its results go.
    pub results: PathBuf,
}

/// A run that has ended.
pub struct Done {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Where its results went.
    pub results: PathBuf,
    _dir: TempDir,
}

/// A run under way; dropping it kills it.
pub struct Going {
    child: Child,
    dir: Option<TempDir>,
    /// Where its results go.
    pub results: PathBuf,
    began: Instant,
}

impl Run {
    /// `load-test` with `args` (words), the pinned k6 and a clean environment.
    pub fn new(args: &str) -> Self {
        Self::with_k6(args, k6())
    }

    /// As [`Run::new`] with another k6.
    pub fn with_k6(args: &str, k6: &Path) -> Self {
        Self::command("load-test", args, k6)
    }

    /// `capacity` with `args` (words).
    pub fn capacity(args: &str) -> Self {
        Self::command("capacity", args, k6())
    }

    /// `compare` with `args` (words).
    pub fn compare(args: &str) -> Self {
        Self::command("compare", args, k6())
    }

    /// `manifest` with `args` (words).
    pub fn manifest(args: &str) -> Self {
        Self::command("manifest", args, k6())
    }

    /// `history` with `args` (words).
    pub fn history(args: &str) -> Self {
        Self::command("history", args, k6())
    }

    /// With its results in a folder of the test's, such as that of another run.
    pub fn results_in(self, results: &Path) -> Self {
        let path = results.to_str().unwrap();
        let mut run = self
            .env("TACHIKOMA_RESULTS", path)
            .env("RESULTS_OF_THE_TEST", path);
        run.results = results.to_owned();
        run
    }

    /// `name` with `args` (words) and this k6.
    pub fn command(name: &str, args: &str, k6: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("results");
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg(name).args(args.split_whitespace());
        for name in [
            "BASE_URL",
            "WS_URL",
            "API_KEY",
            "GITHUB_ACTIONS",
            "NO_COLOR",
            "TACHIKOMA_SERVER_BIN",
        ] {
            command.env_remove(name);
        }
        command
            .env("K6_BIN", k6)
            .env("TACHIKOMA_RESULTS", &results)
            // A server does not get the variable above; by this one its processes are found.
            .env("RESULTS_OF_THE_TEST", &results)
            .env("TMPDIR", dir.path())
            // Where locks are: runs of two tests have none in common.
            .env("XDG_RUNTIME_DIR", dir.path())
            .env("XDG_CACHE_HOME", dir.path())
            .current_dir(root());
        Self {
            command,
            dir,
            results,
        }
    }

    /// Against a server that it starts itself on a free port.
    pub fn own_server(self) -> Self {
        self.server_bin(server())
    }

    /// Against `binary`, started on a free port.
    pub fn server_bin(mut self, binary: &Path) -> Self {
        self.command
            .env("BASE_URL", "http://127.0.0.1:0")
            .env("TACHIKOMA_SERVER_BIN", binary);
        self
    }

    /// Under a limit of the shell's, such as `ulimit -f 64`.
    pub fn limited(mut self, limit: &str) -> Self {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")])
            .arg(self.command.get_program())
            .args(self.command.get_args());
        self.command = with_surroundings_of(&self.command, shell);
        self
    }

    /// On a terminal of 80 columns, whose output becomes standard output.
    pub fn on_a_terminal(mut self) -> Self {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        let quoted: Vec<_> = words
            .map(|word| format!("'{}'", word.to_str().unwrap()))
            .collect();
        let mut script = Command::new("script");
        script
            .args(["--quiet", "--return", "--command"])
            .arg(format!("stty columns 80; {}", quoted.join(" ")))
            .arg("/dev/null");
        self.command = with_surroundings_of(&self.command, script);
        self
    }

    /// Against `url`.
    pub fn against(self, url: &str) -> Self {
        self.env("BASE_URL", url)
    }

    /// With one more argument.
    pub fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    /// With a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// With JSON on standard output.
    pub fn json(mut self) -> Self {
        // Before a `--`, behind which everything is k6's.
        let args: Vec<_> = self.command.get_args().map(ToOwned::to_owned).collect();
        let mut command = Command::new(self.command.get_program());
        command
            .arg(&args[0])
            .args(["--message-format", "json"])
            .args(&args[1..]);
        self.command = with_surroundings_of(&self.command, command);
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Going {
        let out = File::create(self.dir.path().join("stdout")).unwrap();
        let err = File::create(self.dir.path().join("stderr")).unwrap();
        let child = self
            .command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .unwrap();
        Going {
            child,
            dir: Some(self.dir),
            results: self.results,
            began: Instant::now(),
        }
    }

    /// Runs it to its end.
    pub fn done(self) -> Done {
        self.start().done()
    }
}

/// `to` with the variables and the working folder of `from`.
fn with_surroundings_of(from: &Command, mut to: Command) -> Command {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
    to.current_dir(root());
    to
}

impl Going {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on standard error so far.
    pub fn stderr(&self) -> String {
        read(&self.dir.as_ref().unwrap().path().join("stderr"))
    }

    /// Waits until it has said `text` on standard error.
    pub fn wait_for(&mut self, text: &str) {
        wait_until(&format!("the run says {text:?}"), || {
            let said = self.stderr();
            assert!(
                said.contains(text) || self.child.try_wait().unwrap().is_none(),
                "it ended without saying {text:?}: {said}"
            );
            said.contains(text)
        });
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends a signal to its process group, as a terminal does.
    pub fn signal_as_a_terminal(&self, signal: Signal) {
        rustix::process::kill_process_group(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Every process that belongs to the run: those that have its results folder in their environment.
    pub fn processes(&self) -> Vec<u32> {
        processes_with(&self.results)
    }

    /// Waits for its end, and asserts that no process of it is left: at most 2 s later, the promise for the worst end.
    #[track_caller]
    pub fn done(mut self) -> Done {
        let mut status = None;
        wait_until("the run ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        nothing_left(&self.results, LEFT);
        if let Some(kept) = std::env::var_os("RECORDS_OF_TESTS") {
            keep_records(&self.results, self.began.elapsed(), Path::new(&kept));
        }
        let dir = self.dir.take().unwrap();
        Done {
            code: status.unwrap().code(),
            stdout: read(&dir.path().join("stdout")),
            stderr: read(&dir.path().join("stderr")),
            results: self.results.clone(),
            _dir: dir,
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Done {
    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            Some(code),
            "stderr: {}\nstdout: {}",
            self.stderr,
            self.stdout
        );
        self
    }

    /// Asserts that `text` stands in what it printed.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        let said = format!("{}{}", self.stderr, self.stdout);
        assert!(said.contains(text), "{text:?} is missing in: {said}");
        self
    }

    /// The folder of the run.
    pub fn folder(&self) -> PathBuf {
        self.results.join("latest").canonicalize().unwrap()
    }

    /// `run.json`.
    pub fn run(&self) -> Value {
        serde_json::from_str(&read(&self.folder().join("run.json"))).unwrap()
    }

    /// k6's own summary of a test.
    pub fn summary(&self, test: &str) -> Value {
        serde_json::from_str(&read(&self.folder().join(test).join("summary.json"))).unwrap()
    }

    /// The reasons of `run.json`, one a line.
    pub fn reasons(&self) -> String {
        let run = self.run();
        let reasons = run["reasons"].as_array().unwrap().iter();
        reasons
            .map(|reason| format!("{}\n", reason.as_str().unwrap()))
            .collect()
    }
}

/// Copies the records that a run of this length has just written: CI has others read them by their schemas.
fn keep_records(results: &Path, took: Duration, kept: &Path) {
    let began = SystemTime::now() - took;
    for file in files(results) {
        let is_record = file.ends_with("run.json") || file.ends_with("compare.json");
        let is_new = || std::fs::metadata(&file).unwrap().modified().unwrap() >= began;
        if is_record && is_new() {
            let copy = kept.join(file.strip_prefix("/").unwrap());
            std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
            std::fs::copy(&file, copy).unwrap();
        }
    }
}

/// Waits until `ready`, and fails after [`PATIENCE`].
#[track_caller]
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < until, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The text of a file, empty if there is none.
pub fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// A copy of the load tests of another server, with the `main.js` that is the same everywhere.
pub fn load_tests(theirs: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let theirs = root().join("xtask/tests").join(theirs);
    std::fs::create_dir(dir.path().join("tests")).unwrap();
    for file in files(&theirs) {
        let name = file.strip_prefix(&theirs).unwrap();
        std::fs::copy(&file, dir.path().join(name)).unwrap();
    }
    let main_js = root().join("load-tests/main.js");
    std::fs::copy(main_js, dir.path().join("main.js")).unwrap();
    dir
}

/// Every file below `dir`.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path()),
            Ok(kind) if kind.is_file() => vec![entry.path()],
            _ => Vec::new(),
        })
        .collect()
}
