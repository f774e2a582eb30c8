//! What may be full of the server while it is loaded: CPU time by mode and by thread, connections, and what its own
//! metrics say of queues and flushes. Only searches for its capacity look, twice a second.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::health::Prober;
use super::requests::samples;
use super::usage::cpu_by_thread;
use crate::config;
use crate::record::{QueueRecord, ResourcesRecord};
use crate::shell;

/// The time between two looks.
const PERIOD: Duration = Duration::from_millis(500);
/// How long the server's metrics may take; a look goes without them then.
const METRICS_LIMIT: Duration = Duration::from_millis(400);
/// Of all looks, the share with less: what was full while it was busiest, whatever came before and after.
const BUSY: f64 = 0.75;
/// How long the disk is tried.
const TRIAL: Duration = Duration::from_millis(250);
/// What a flush of the trial writes first, in bytes: a page of a database.
const PAGE: [u8; 4096] = [0x5a; 4096];

/// Looks at a server in a thread.
#[derive(Debug)]
pub struct Resources {
    stop: Sender<()>,
    thread: JoinHandle<Vec<ResourceLook>>,
    pid: Option<u32>,
    flushes_alone: Option<f64>,
}

/// One look; what is not known is left out.
#[derive(Debug)]
struct ResourceLook {
    at: Instant,
    /// CPU time in user mode and in the kernel since the process began, in seconds.
    cpu_s: Option<(f64, f64)>,
    /// CPU time by thread, in nanoseconds.
    threads: HashMap<u32, u64>,
    connections: Option<u64>,
    metrics: Metrics,
}

/// What the server itself says.
#[derive(Debug, Default, PartialEq)]
struct Metrics {
    /// What waits, and how many.
    queues: Vec<(String, f64)>,
    /// Commits so far, and the seconds that they took.
    commits: Option<(f64, f64)>,
}

impl Resources {
    /// Begins to look at process `pid`, if that is known, which listens on `port`, and at what `prober` is told. `data` is
    /// a folder on the disk that the server writes to, if that is known; how fast that flushes is tried before.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn watch(
        pid: Option<u32>,
        port: Option<u16>,
        prober: Prober,
        data: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let table = prober.waiting().cloned();
        let commits = table.as_ref().is_some_and(|table| table.commits.is_some());
        let flushes_alone = data.filter(|_| commits).and_then(flushes_alone);
        let (stop, stopped) = channel();
        let look = move || ResourceLook {
            cpu_s: pid.and_then(cpu_s),
            threads: pid.map(cpu_by_thread).unwrap_or_default(),
            connections: pid.and(port).and_then(connections),
            metrics: table.as_ref().map_or_else(Metrics::default, |table| {
                let text = prober.metrics(&table.path, METRICS_LIMIT);
                text.map_or_else(Metrics::default, |text| Metrics::of(table, &text))
            }),
            at: Instant::now(),
        };
        let thread = std::thread::Builder::new()
            .name("resources".into())
            .spawn(move || {
                let mut looks = vec![look()];
                while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                    looks.push(look());
                }
                looks
            })
            .context("failed to start the thread that looks at the server's resources")?;
        Ok(Self {
            stop,
            thread,
            pid,
            flushes_alone,
        })
    }

    /// Ends the looking, and says what was seen.
    pub fn ended(self) -> ResourcesRecord {
        drop(self.stop);
        let looks = self.thread.join().unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let mut seen = summed_up(&looks, cores);
        seen.record.flushes_alone = self.flushes_alone;
        seen.record.open_files_limit = self.pid.and_then(shell::may_open);
        seen.record.thread_name = self.pid.zip(seen.thread).and_then(|(pid, thread)| {
            let name = fs::read_to_string(format!("/proc/{pid}/task/{thread}/comm")).ok()?;
            Some(name.trim().to_owned())
        });
        seen.record
    }
}

/// What looks come to.
struct ResourceSummary {
    record: ResourcesRecord,
    /// The busiest thread.
    thread: Option<u32>,
}

fn summed_up(looks: &[ResourceLook], cores: f64) -> ResourceSummary {
    let pairs = || looks.windows(2).map(|pair| (&pair[0], &pair[1]));
    let time = |(from, to): (&ResourceLook, &ResourceLook)| {
        (to.at - from.at).as_secs_f64().max(f64::EPSILON)
    };
    let cpu = |part: fn((f64, f64)) -> f64| {
        let shares = pairs().filter_map(|(from, to)| {
            Some((part(to.cpu_s?) - part(from.cpu_s?)) / time((from, to)) / cores)
        });
        when_busy(shares.collect())
    };
    let used = |id: &u32| {
        let ns = |look: Option<&ResourceLook>| look.and_then(|look| look.threads.get(id)).copied();
        // One that began meanwhile had used nothing.
        ns(looks.last())
            .unwrap_or(0)
            .saturating_sub(ns(looks.first()).unwrap_or(0))
    };
    let last = looks.last().map(|look| &look.threads);
    let thread = last
        .and_then(|all| all.keys().max_by_key(|id| used(id)))
        .copied();
    let busiest_thread = thread.and_then(|id| {
        let shares = pairs().filter_map(|(from, to)| {
            let before = from.threads.get(&id).copied().unwrap_or(0);
            let ns = to.threads.get(&id)?.saturating_sub(before);
            Some(ns as f64 / 1e9 / time((from, to)))
        });
        when_busy(shares.collect())
    });
    let commits = |part: fn((f64, f64)) -> f64| {
        let rates = pairs().filter_map(|(from, to)| {
            let (before, after) = (from.metrics.commits?, to.metrics.commits?);
            Some((part(after) - part(before)) / time((from, to)))
        });
        when_busy(rates.collect())
    };
    let record = ResourcesRecord {
        cores: Some(cores as u64),
        server_user: cpu(|(user, _)| user),
        server_system: cpu(|(_, system)| system),
        busiest_thread,
        queue: longest_queue(looks),
        flushes_per_second: commits(|(count, _)| count),
        committing: commits(|(_, seconds)| seconds),
        connections: looks.iter().filter_map(|look| look.connections).max(),
        ..ResourcesRecord::default()
    };
    ResourceSummary { record, thread }
}

fn longest_queue(looks: &[ResourceLook]) -> Option<QueueRecord> {
    let mut queues: HashMap<&str, Vec<f64>> = HashMap::new();
    for (name, length) in looks.iter().flat_map(|look| &look.metrics.queues) {
        queues.entry(name).or_default().push(*length);
    }
    let queues = queues.into_iter().filter_map(|(name, lengths)| {
        Some(QueueRecord {
            of: name.to_owned(),
            length: when_busy(lengths)?,
        })
    });
    queues.max_by(|a, b| a.length.total_cmp(&b.length))
}

/// The value that is exceeded in a quarter of the looks.
fn when_busy(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = values.len().checked_sub(1)? as f64 * BUSY;
    values.get(rank.round() as usize).copied()
}

/// CPU time in user mode and in the kernel, in seconds.
///
/// Source: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>, fields 14 and 15.
fn cpu_s(pid: u32) -> Option<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may have spaces and brackets of its own.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    let (user, system) = (ticks()?, ticks()?);
    let per_s = rustix::param::clock_ticks_per_second() as f64;
    Some((user / per_s, system / per_s))
}

/// Connections to `port` of this machine that are established.
///
/// Source: <https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html>.
fn connections(port: u16) -> Option<u64> {
    let port = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let tables: Vec<String> = tables
        .iter()
        .filter_map(|it| fs::read_to_string(it).ok())
        .collect();
    let lines = tables.iter().flat_map(|table| table.lines());
    let ours = lines.filter(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next(), words.nth(1));
        local.is_some_and(|local| local.ends_with(&port)) && state == Some("01")
    });
    (!tables.is_empty()).then(|| ours.count() as u64)
}

/// How many flushes a second the disk of `folder` does when nobody else uses it, each of a page at the end of a file;
/// tried once a process.
fn flushes_alone(folder: &Path) -> Option<f64> {
    static TRIED: OnceLock<Option<f64>> = OnceLock::new();
    *TRIED.get_or_init(|| {
        let mut file = tempfile::tempfile_in(folder).ok()?;
        let began = Instant::now();
        let mut flushes = 0_u32;
        while began.elapsed() < TRIAL {
            file.write_all(&PAGE).ok()?;
            file.sync_data().ok()?;
            flushes += 1;
        }
        Some(f64::from(flushes) / began.elapsed().as_secs_f64())
    })
}

impl Metrics {
    /// Reads what `table` names. Series of one name are added up.
    fn of(table: &config::WaitingConfig, text: &str) -> Self {
        let sum = |name: &str| {
            let values = samples(text).filter(|(its, ..)| *its == name);
            values.map(|(.., value)| value).reduce(|a, b| a + b)
        };
        let queues = table.queues.iter();
        let queues = queues.filter_map(|(name, gauge)| Some((name.clone(), sum(gauge)?)));
        let commits = table
            .commits
            .as_ref()
            .and_then(|name| sum(&format!("{name}_count")).zip(sum(&format!("{name}_sum"))));
        Self {
            queues: queues.collect(),
            commits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(
        start: Instant,
        at_ms: u64,
        cpu_s: (f64, f64),
        thread_ms: u64,
        queue: f64,
    ) -> ResourceLook {
        ResourceLook {
            at: start + Duration::from_millis(at_ms),
            cpu_s: Some(cpu_s),
            threads: HashMap::from([(7, thread_ms * 1_000_000), (8, 1)]),
            connections: Some(at_ms / 100),
            metrics: Metrics {
                queues: vec![("a".into(), 0.0), ("b".into(), queue)],
                commits: Some((at_ms as f64, at_ms as f64 / 1e3)),
            },
        }
    }

    #[test]
    fn what_was_full_counts_and_not_the_time_before_the_load() {
        let start = Instant::now();
        let mut looks = vec![look(start, 0, (0.0, 0.0), 0, 0.0)];
        looks.extend((1..=8).map(|nth: u32| {
            let busy = f64::from(nth.saturating_sub(3)) * 0.5;
            let at = u64::from(nth) * 500;
            look(
                start,
                at,
                (busy, busy / 5.0),
                (busy * 1e3) as u64,
                f64::from(nth),
            )
        }));
        let seen = summed_up(&looks, 2.0);
        let near = |value: Option<f64>, expected: f64| (value.unwrap() - expected).abs() < 1e-9;
        let record = seen.record;
        assert!(
            near(record.server_user, 0.5) && near(record.server_system, 0.1),
            "{record:?}"
        );
        assert_eq!(seen.thread, Some(7));
        assert!(near(record.busiest_thread, 1.0), "{record:?}");
        let queue = record.queue.unwrap();
        assert_eq!((queue.of.as_str(), queue.length), ("b", 6.0));
        assert!(near(record.flushes_per_second, 1000.0) && near(record.committing, 1.0));
        assert_eq!(record.connections, Some(40));
        let nothing = summed_up(&[], 2.0).record;
        assert!(nothing.queue.is_none() && nothing.server_user.is_none());
    }

    #[test]
    fn the_servers_own_metrics_are_read_by_name() {
        let table: config::WaitingConfig = toml::from_str(
            "path = '/metrics'\nqueues = { writes = 'q', none = 'absent' }\ncommits = 'c_seconds'",
        )
        .unwrap();
        let text = "# TYPE q gauge\nq{kind=\"a\"} 3\nq{kind=\"b\"} 4\nq_other 100\nc_seconds_count 5\nc_seconds_sum 0.25 123\n";
        let expected = Metrics {
            queues: vec![("writes".into(), 7.0)],
            commits: Some((5.0, 0.25)),
        };
        assert_eq!(Metrics::of(&table, text), expected);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_seen_with_its_threads_its_connections_and_its_limit() {
        let pid = std::process::id();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _kept: Vec<_> = (0..3)
            .map(|_| {
                (
                    std::net::TcpStream::connect(address).unwrap(),
                    listener.accept().unwrap(),
                )
            })
            .collect();
        assert_eq!(connections(address.port()), Some(3));
        let began = Instant::now();
        while cpu_s(pid).unwrap().0 + cpu_s(pid).unwrap().1 < 0.02 {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "no CPU time is counted"
            );
        }
        assert!(cpu_by_thread(pid).values().sum::<u64>() > 10_000_000);
        assert!(shell::may_open(pid).unwrap() > 10);
        assert!(flushes_alone(&std::env::temp_dir()).unwrap() > 1.0);
    }
}
