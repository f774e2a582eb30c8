//! What limited the load generator itself: such limits say nothing about the server.

use std::time::{Duration, Instant};

use k6_summary::Limits;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::log::Said;

/// The time between two looks.
const PERIOD: Duration = Duration::from_secs(2);
/// The share of all cores above which k6 itself is what cannot go faster, as its makers say.
///
/// Source: <https://grafana.com/docs/k6/latest/testing-guides/running-large-tests/#monitoring-your-load-generator>.
const MAX_CPU: f64 = 0.8;
/// The share of the machine's memory below which it begins to swap or to kill.
const MIN_MEMORY: f64 = 0.05;
/// The share of the time above [`MAX_CPU`] from which on it explains late answers: thresholds look at the slowest
/// twentieth of the requests.
const MAX_BUSY: f64 = 0.05;
/// The share of the machine's memory from which on it is the load generator that leaves the others none.
const MAX_MEMORY: f64 = 0.5;

/// Looks at k6 while it runs.
#[derive(Debug)]
pub struct Generator {
    system: Option<System>,
    pid: Pid,
    looks: Vec<Look>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    /// CPU time used so far.
    cpu: Duration,
    /// The share of the machine's memory that is free for use.
    free: f64,
    /// The share that the load generator holds.
    own: f64,
}

impl Generator {
    /// Begins to look at process `pid`. Where the process table cannot be read, nothing is seen.
    pub fn watch(pid: u32) -> Self {
        Self {
            system: System::new().ok(),
            pid: Pid::from_u32(pid),
            looks: Vec::new(),
        }
    }

    /// Looks, if the last look is long enough ago.
    pub fn look(&mut self) {
        if self
            .looks
            .last()
            .is_some_and(|last| last.at.elapsed() < PERIOD)
        {
            return;
        }
        let Some(system) = &mut self.system else {
            return;
        };
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), true, what);
        system.refresh_memory();
        if let Some(process) = system.process(self.pid) {
            let all = system.total_memory().max(1) as f64;
            self.looks.push(Look {
                at: Instant::now(),
                cpu: Duration::from_millis(process.accumulated_cpu_time()),
                free: system.available_memory() as f64 / all,
                own: process.memory() as f64 / all,
            });
        }
    }

    /// The limits that were reached; `killed` says whether somebody other than we killed k6.
    pub fn limits(&self, said: &Said, killed: bool) -> Limits {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut limits = Limits {
            crashed: said.crashed,
            ..Limits::default()
        };
        for (what, failed) in &said.lacked {
            limits.requests += failed.requests;
            limits.sessions += failed.sessions;
            limits.sentences.push(format!(
                "the load generator had too few {what}, and {} requests failed by that, not by the server: {}",
                failed.requests + failed.sessions,
                match *what {
                    "open files" => "raise `ulimit -n`, or use fewer virtual users or another machine",
                    _ => "use fewer virtual users or another machine",
                }
            ));
        }
        let (busiest, share) = busy(&self.looks, cores);
        if busiest > MAX_CPU {
            limits.slow |= share > MAX_BUSY;
            limits.sentences.push(format!(
                "the load generator used up to {:.0} % of this machine's CPU: above {:.0} % it waits for itself, and times are longer than the server's: use fewer virtual users or another machine",
                busiest * 100.0,
                MAX_CPU * 100.0
            ));
        }
        let least = self.looks.iter().min_by(|a, b| a.free.total_cmp(&b.free));
        if let Some(least) = least.filter(|least| least.free < MIN_MEMORY) {
            // Else it may be the server that takes it all.
            let own = least.own > MAX_MEMORY;
            limits.slow |= own;
            limits.crashed |= own && killed;
            limits.sentences.push(format!(
                "this machine had only {:.0} % of its memory left, and the load generator held {:.0} %",
                least.free * 100.0,
                least.own * 100.0
            ));
        } else if limits.crashed {
            limits.sentences.push("the load generator ended for want of memory: use fewer virtual users or another machine".into());
        }
        if limits.slow {
            limits.requests += said.timed_out;
        }
        limits
    }
}

/// The largest share of all `cores` between two looks, and the share of the time with more than [`MAX_CPU`].
fn busy(looks: &[Look], cores: usize) -> (f64, f64) {
    let (mut busiest, mut above, mut all) = (0.0_f64, 0.0, f64::EPSILON);
    for pair in looks.windows(2) {
        let time = pair[1].at.duration_since(pair[0].at).as_secs_f64();
        let cpu = pair[1].cpu.saturating_sub(pair[0].cpu).as_secs_f64();
        let share = cpu / (time * cores as f64).max(f64::EPSILON);
        busiest = busiest.max(share);
        all += time;
        if share > MAX_CPU {
            above += time;
        }
    }
    (busiest, above / all)
}

#[cfg(test)]
mod tests {
    use super::super::log::Failed;
    use super::*;

    fn look(start: Instant, at_s: u64, cpu_s: u64, free: f64, own: f64) -> Look {
        Look {
            at: start + Duration::from_secs(at_s),
            cpu: Duration::from_secs(cpu_s),
            free,
            own,
        }
    }

    #[test]
    fn the_busiest_stretch_counts() {
        let start = Instant::now();
        let looks =
            [(0, 0), (2, 1), (4, 5), (6, 6)].map(|(at, cpu)| look(start, at, cpu, 0.5, 0.1));
        let third = busy(&looks, 2);
        assert_eq!(third.0, 1.0);
        assert!((third.1 - 1.0 / 3.0).abs() < 1e-9, "{third:?}");
        assert_eq!(busy(&looks[..2], 2), (0.25, 0.0));
        assert_eq!(busy(&looks[..1], 2).0, 0.0);
    }

    #[test]
    fn each_limit_is_named_as_the_generators() {
        let start = Instant::now();
        let mut generator = Generator::watch(std::process::id());
        let mut said = Said::default();
        generator.looks = vec![look(start, 0, 0, 0.5, 0.1), look(start, 2, 0, 0.5, 0.1)];
        assert_eq!(generator.limits(&said, false), Limits::default());
        let failed = Failed {
            requests: 25_600,
            sessions: 1,
        };
        said.lacked.insert("open files", failed);
        said.timed_out = 3;
        generator.looks.push(look(start, 4, 0, 0.01, 0.1));
        let others = generator.limits(&said, false);
        assert_eq!((others.requests, others.slow), (25_600, false));
        generator.looks.push(look(start, 6, 10_000, 0.01, 0.9));
        let limits = generator.limits(&said, false);
        assert_eq!(
            (limits.requests, limits.sessions, limits.slow),
            (25_603, 1, true)
        );
        assert_eq!(limits.sentences.len(), 3, "{limits:?}");
        for (limit, part) in limits
            .sentences
            .iter()
            .zip(["25601 requests", "CPU", "memory"])
        {
            assert!(
                limit.contains(part) && limit.contains("load generator"),
                "{limit}"
            );
        }
    }

    #[test]
    fn looks_at_a_real_process() {
        let mut generator = Generator::watch(std::process::id());
        generator.look();
        assert_eq!(generator.looks.len(), 1);
        assert!((0.0..=1.0).contains(&generator.looks[0].free));
    }
}
