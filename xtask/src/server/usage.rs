//! What the server costs: memory, CPU time, threads and open files, sampled each second.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::shell::locked;

/// The time between two samples.
const PERIOD: Duration = Duration::from_secs(1);

/// One look at a process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since the sampling began.
    pub elapsed_s: f64,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
    /// CPU time used since the process began, in seconds.
    pub cpu_s: f64,
    /// Threads.
    pub threads: u64,
    /// Open file descriptors.
    pub open_files: u64,
}

/// Samples a process in a thread until dropped.
#[derive(Debug)]
pub struct Sampler {
    shared: Arc<Mutex<Shared>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    reader: Reader,
    began: Instant,
    samples: Vec<Sample>,
    csv: File,
    problem: Option<String>,
}

impl Sampler {
    /// Begins to sample process `pid` into the CSV file at `path`.
    ///
    /// # Errors
    /// If there is no such process, or the file cannot be written.
    pub fn start(pid: u32, path: &Path) -> anyhow::Result<Self> {
        let mut reader = Reader::new(pid)?;
        let began = Instant::now();
        let first = reader.read(began).with_context(|| {
            format!("there is no process {pid} to sample, or it belongs to somebody else")
        })?;
        let mut csv = File::create_new(path)
            .with_context(|| format!("failed to create {}", path.display()))?;
        writeln!(
            csv,
            "elapsed_s,rss_bytes,cpu_s,threads,open_files\n{}",
            row(&first)
        )
        .with_context(|| format!("failed to write {}", path.display()))?;
        let shared = Shared {
            reader,
            began,
            samples: vec![first],
            csv,
            problem: None,
        };
        let shared = Arc::new(Mutex::new(shared));
        let (stop, stopped) = channel();
        let ours = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sampler".into())
            .spawn(move || {
                while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                    locked(&ours).take();
                }
            })
            .context("failed to start the sampling thread")?;
        Ok(Self {
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        locked(&self.shared).reader.pid.as_u32()
    }

    /// Takes a sample now, beside the periodic ones; `None` if the process is gone.
    pub fn now(&self) -> Option<Sample> {
        locked(&self.shared).take()
    }

    /// All samples from `from` to `to`, in seconds since the sampling began.
    pub fn between(&self, from: f64, to: f64) -> Vec<Sample> {
        let shared = locked(&self.shared);
        shared
            .samples
            .iter()
            .filter(|s| (from..=to).contains(&s.elapsed_s))
            .copied()
            .collect()
    }

    /// What went wrong in writing the CSV file, if anything.
    pub fn problem(&self) -> Option<String> {
        locked(&self.shared).problem.clone()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn take(&mut self) -> Option<Sample> {
        let sample = self.reader.read(self.began)?;
        self.samples.push(sample);
        // One write a line, so that a reader never sees half of one.
        if let Err(error) = self.csv.write_all(format!("{}\n", row(&sample)).as_bytes()) {
            self.problem
                .get_or_insert(format!("failed to write server-usage.csv: {error}"));
        }
        Some(sample)
    }
}

fn row(s: &Sample) -> String {
    format!(
        "{:.3},{},{:.6},{},{}",
        s.elapsed_s, s.rss_bytes, s.cpu_s, s.threads, s.open_files
    )
}

/// Reads one process.
#[derive(Debug)]
struct Reader {
    pid: Pid,
    system: System,
    /// CPU nanoseconds by thread, ended threads too: their time must not vanish from the sum.
    thread_ns: HashMap<u32, u64>,
}

impl Reader {
    fn new(pid: u32) -> anyhow::Result<Self> {
        let system = System::new().context("the process table of this system cannot be read")?;
        Ok(Self {
            pid: Pid::from_u32(pid),
            system,
            thread_ns: HashMap::new(),
        })
    }

    fn read(&mut self, began: Instant) -> Option<Sample> {
        let what = ProcessRefreshKind::nothing()
            .with_memory()
            .with_cpu()
            .with_tasks();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), true, what);
        let (rss_bytes, coarse_cpu_s, threads, open_files) = {
            let process = self.system.process(self.pid)?;
            if process.memory() == 0 {
                return None;
            }
            (
                process.memory(),
                Duration::from_millis(process.accumulated_cpu_time()).as_secs_f64(),
                process.tasks().map_or(1, |tasks| tasks.len().max(1)),
                process.open_files().unwrap_or(0),
            )
        };
        Some(Sample {
            elapsed_s: began.elapsed().as_secs_f64(),
            rss_bytes,
            cpu_s: self.fine_cpu_s().unwrap_or(coarse_cpu_s),
            threads: threads as u64,
            open_files: open_files as u64,
        })
    }

    /// CPU time where the kernel counts nanoseconds: the process table's ticks of 10 ms are too coarse for short runs.
    fn fine_cpu_s(&mut self) -> Option<f64> {
        self.thread_ns.extend(cpu_by_thread(self.pid.as_u32()));
        let sum: u64 = self.thread_ns.values().sum();
        (sum > 0).then(|| Duration::from_nanos(sum).as_secs_f64())
    }
}

/// The CPU time of the threads that process `pid` has, in nanoseconds, by the scheduler's own counters; none where the
/// kernel does not have them (all but Linux).
///
/// Source: <https://docs.kernel.org/scheduler/sched-stats.html>, `/proc/<pid>/task/<tid>/schedstat`, first field.
pub fn cpu_by_thread(pid: u32) -> HashMap<u32, u64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter();
    let used = threads.flatten().flatten().filter_map(|entry| {
        let thread = entry.file_name().to_str()?.parse().ok()?;
        let text = std::fs::read_to_string(entry.path().join("schedstat")).ok()?;
        let ns = text.split_whitespace().next()?.parse().ok()?;
        Some((thread, ns))
    });
    used.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_this_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("usage.csv");
        let sampler = Sampler::start(std::process::id(), &path).unwrap();
        let began = Instant::now();
        let mut sum = 0_u64;
        while began.elapsed() < Duration::from_millis(60) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let last = sampler.now().unwrap();
        let all = sampler.between(0.0, f64::INFINITY);
        assert!(last.cpu_s > all[0].cpu_s, "{all:?}");
        assert!(
            last.rss_bytes > 100_000 && last.threads >= 1 && last.open_files >= 1,
            "{last:?}"
        );
        drop(sampler);
        let csv = std::fs::read_to_string(path).unwrap();
        assert!(
            csv.lines().count() >= 3 && csv.starts_with("elapsed_s,"),
            "{csv}"
        );
    }

    #[test]
    fn a_missing_process_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = Sampler::start(u32::MAX / 2, &dir.path().join("u.csv")).unwrap_err();
        assert!(
            error.to_string().contains("no process 2147483647"),
            "{error}"
        );
    }
}
