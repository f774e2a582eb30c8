//! What limited the load generator itself: such limits say nothing about the server.

use std::time::{Duration, Instant};

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
    memory: f64,
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
        let what = ProcessRefreshKind::nothing().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), true, what);
        system.refresh_memory();
        if let Some(process) = system.process(self.pid) {
            self.looks.push(Look {
                at: Instant::now(),
                cpu: Duration::from_millis(process.accumulated_cpu_time()),
                memory: system.available_memory() as f64 / system.total_memory().max(1) as f64,
            });
        }
    }

    /// The limits that were reached, in sentences.
    pub fn limits(&self, said: &Said) -> Vec<String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut limits = Vec::new();
        let without_files = said.without_files();
        if without_files > 0 {
            limits.push(format!(
                "the load generator had too few open files, and {without_files} requests failed by that, not by the server: raise `ulimit -n` or use fewer virtual users"
            ));
        }
        if let Some(share) = busiest(&self.looks, cores).filter(|share| *share > MAX_CPU) {
            limits.push(format!(
                "the load generator used up to {:.0} % of this machine's CPU: above {:.0} % it waits for itself, and times are longer than the server's",
                share * 100.0,
                MAX_CPU * 100.0
            ));
        }
        let least = self.looks.iter().map(|look| look.memory).reduce(f64::min);
        if let Some(least) = least.filter(|least| *least < MIN_MEMORY) {
            limits.push(format!(
                "the load generator's machine had only {:.0} % of its memory left",
                least * 100.0
            ));
        }
        limits
    }
}

/// The largest share of all `cores` between two looks.
fn busiest(looks: &[Look], cores: usize) -> Option<f64> {
    let shares = looks.windows(2).map(|pair| {
        let time = pair[1].at.duration_since(pair[0].at).as_secs_f64();
        let cpu = pair[1].cpu.saturating_sub(pair[0].cpu).as_secs_f64();
        cpu / (time * cores as f64).max(f64::EPSILON)
    });
    shares.reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(start: Instant, at_s: u64, cpu_s: u64, memory: f64) -> Look {
        Look {
            at: start + Duration::from_secs(at_s),
            cpu: Duration::from_secs(cpu_s),
            memory,
        }
    }

    #[test]
    fn the_busiest_stretch_counts() {
        let start = Instant::now();
        let looks = [
            look(start, 0, 0, 0.5),
            look(start, 2, 1, 0.5),
            look(start, 4, 5, 0.04),
        ];
        assert_eq!(busiest(&looks, 2), Some(1.0));
        assert_eq!(busiest(&looks[..2], 2), Some(0.25));
        assert_eq!(busiest(&looks[..1], 2), None);
    }

    #[test]
    fn each_limit_is_named_as_the_generators() {
        let start = Instant::now();
        let mut generator = Generator::watch(std::process::id());
        let mut said = Said::default();
        generator.looks = vec![look(start, 0, 0, 0.5), look(start, 2, 0, 0.5)];
        assert!(generator.limits(&said).is_empty());
        said.request_errors
            .insert("socket: too many open files".into(), 25_600);
        generator.looks.push(look(start, 4, 10_000, 0.01));
        let limits = generator.limits(&said);
        assert_eq!(limits.len(), 3, "{limits:?}");
        for (limit, part) in limits.iter().zip(["25600 requests", "CPU", "memory"]) {
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
        assert!((0.0..=1.0).contains(&generator.looks[0].memory));
    }
}
