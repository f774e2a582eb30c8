//! What limited the load generator itself, or its machine: such limits say nothing about the server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use k6_summary::Limits;
use load_stats::median;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::log::Said;
use crate::shell;

/// The time between two looks.
const PERIOD: Duration = Duration::from_secs(2);
/// The share of all cores above which k6 itself is what cannot go faster, as its makers say.
///
/// Source: <https://grafana.com/docs/k6/latest/testing-guides/running-large-tests/#monitoring-your-load-generator>.
const MAX_CPU: f64 = 0.8;
/// The share of the machine's memory below which it begins to swap or to kill.
const MIN_MEMORY: f64 = 0.05;
/// The share of the time above [`MAX_CPU`], or on a busy machine, from which on it explains late answers: thresholds look
/// at the slowest twentieth of the requests.
const MAX_BUSY: f64 = 0.05;
/// The share of the machine's memory from which on it is the load generator that leaves the others none.
const MAX_MEMORY: f64 = 0.5;
/// Ports that Linux has for connections from one address to another: those of its `ip_local_port_range`.
const PORTS: f64 = 28_232.0;

/// The idle share of all cores below which whoever wants one waits for it.
const MIN_IDLE: f64 = 0.05;
/// The share of all cores from which on it is other programs that leave a busy machine no time.
const MIN_OTHERS: f64 = 1.0 / 3.0;

/// What the load generator left of its machine; unknown if it ran for less than two looks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// The share of all cores that it took, the median over time.
    pub cpu: Option<f64>,
    /// The share of all cores that was idle, the median over time.
    pub idle: Option<f64>,
    /// The largest share that it took, if it took more than it can for long enough to make answers late.
    pub too_much: Option<f64>,
}

/// Looks at k6 and its machine while it runs.
#[derive(Debug)]
pub struct Generator {
    system: Option<System>,
    pid: Pid,
    /// Whose processor time is not others': with their children k6, the server and we; none if the server's is not known.
    ours: Option<Vec<Pid>>,
    /// CPU milliseconds of all of those, also of ended ones: their time must not become others'.
    used_ms: HashMap<Pid, u64>,
    looks: Vec<GeneratorLook>,
    /// The most virtual users that there may be.
    most_users: u64,
    /// How many files it may open, if that is known.
    may_open: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct GeneratorLook {
    at: Instant,
    /// CPU time used so far.
    cpu: Duration,
    /// The share of the machine's memory that is free for use.
    free: f64,
    /// The share that the load generator holds.
    own: f64,
    /// The share of all cores that was idle since the look before.
    idle: f64,
    /// The share of all cores that others took since then; 0 if it is not known.
    others: f64,
    /// Virtual users; 0 if they are not known.
    users: u64,
}

impl Generator {
    /// Begins to look at process `pid`. Where the process table cannot be read, nothing is seen.
    ///
    /// `server` has the processes on this machine that are the server; if that is not known, others' processor time is not
    /// known either.
    pub fn watch(pid: u32, server: Option<&[u32]>) -> Self {
        let us = [pid, std::process::id()];
        let ours = server.map(|server| server.iter().chain(&us).copied().map(Pid::from_u32));
        Self {
            system: System::new().ok(),
            pid: Pid::from_u32(pid),
            ours: ours.map(Iterator::collect),
            used_ms: HashMap::new(),
            looks: Vec::new(),
            most_users: 0,
            may_open: None,
        }
    }

    /// Looks, if the last look is long enough ago; `users` has the virtual users now and at most.
    pub fn look(&mut self, users: Option<[u64; 2]>) {
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
        // Before the processes, which begin a new stretch of it.
        system.refresh_cpu_usage();
        let busy = f64::from(system.global_cpu_usage()) / 100.0;
        let what = ProcessRefreshKind::nothing().without_tasks();
        // To look for children costs as much as there are processes, and on an idle machine nobody asks.
        let children = self.looks.is_empty() || 1.0 - busy < MIN_IDLE;
        let which = match &self.ours {
            Some(_) if children => ProcessesToUpdate::All,
            Some(ours) => ProcessesToUpdate::Some(ours),
            None => ProcessesToUpdate::Some(&[self.pid]),
        };
        system.refresh_processes_specifics(which, true, what.with_cpu().with_memory());
        system.refresh_memory();
        let at = Instant::now();
        let before: u64 = self.used_ms.values().sum();
        if let Some(ours) = &self.ours {
            add_used(&mut self.used_ms, system, ours);
        }
        let used = self.used_ms.values().sum::<u64>() - before;
        let others = match (self.looks.last(), &self.ours) {
            (Some(last), Some(_)) => {
                let time_ms = at.duration_since(last.at).as_secs_f64() * 1e3;
                busy - used as f64 / (time_ms * system.cpus().len() as f64)
            }
            _ => 0.0,
        };
        if let Some(process) = system.process(self.pid) {
            let all = system.total_memory().max(1) as f64;
            let [users, most] = users.unwrap_or_default();
            self.most_users = self.most_users.max(most);
            // Go raises it at its start.
            self.may_open = shell::may_open(self.pid.as_u32()).or(self.may_open);
            self.looks.push(GeneratorLook {
                users,
                at,
                cpu: Duration::from_millis(process.accumulated_cpu_time()),
                free: system.available_memory() as f64 / all,
                own: process.memory() as f64 / all,
                idle: 1.0 - busy,
                others,
            });
        }
    }

    /// What k6 used. Its start, when it compiles the script, counts only where there is nothing else.
    pub fn used(&self) -> Used {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pairs: Vec<&[GeneratorLook]> = self.looks.windows(2).collect();
        let pairs = &pairs[usize::from(pairs.len() > 2)..];
        let cpu: Vec<f64> = pairs.iter().map(|pair| busy(pair, cores).0).collect();
        let idle: Vec<f64> = pairs.iter().map(|pair| pair[1].idle).collect();
        let (busiest, too_long) = busy(&self.looks, cores);
        Used {
            cpu: median(&cpu),
            idle: median(&idle),
            too_much: (too_long > MAX_BUSY).then_some(busiest),
        }
    }

    /// The limits that were reached; `killed` says whether somebody other than we killed k6.
    pub fn limits(&self, said: &Said, killed: bool) -> Limits {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let users = self.most_users;
        let runners = |each: Option<f64>| needed(each.map_or(0.0, |each| users as f64 / each));
        let mut limits = said.limits(|what| match what {
            "open files" => format!(
                "raise `ulimit -n` above {users}, or use {}",
                runners(self.may_open.map(|files| files as f64))
            ),
            "free ports" => format!("use {}", runners(Some(PORTS))),
            _ => format!("use {}", runners(None)),
        });
        let (busiest, share) = busy(&self.looks, cores);
        if busiest > MAX_CPU {
            limits.slow |= share > MAX_BUSY;
            let takes = busiest * cores as f64;
            let takes = takes.max(taken(&self.looks, cores, self.most_users));
            limits.sentences.push(format!(
                "the load generator used {:.0} % of this machine's CPU: give it {:.0} cores of its own, or {}",
                busiest * 100.0,
                (takes / MAX_CPU).ceil().max(cores as f64 + 1.0),
                needed(takes / (MAX_CPU * cores as f64)),
            ));
        }
        let least = self.looks.iter().min_by(|a, b| a.free.total_cmp(&b.free));
        if let Some(least) = least.filter(|least| least.free < MIN_MEMORY) {
            // Else it may be the server that takes it all.
            let own = least.own > MAX_MEMORY;
            limits.slow |= own;
            limits.crashed |= own && killed;
            let more = own.then(|| format!(": use {}", needed(least.own / MAX_MEMORY)));
            limits.sentences.push(format!(
                "this machine had {:.0} % of its memory left, and the load generator held {:.0} %{}",
                least.free * 100.0,
                least.own * 100.0,
                more.unwrap_or_default()
            ));
        } else if limits.crashed {
            limits.sentences.push(format!(
                "the load generator ran out of memory: use {}",
                needed(0.0)
            ));
        }
        let (took, share) = others(&self.looks);
        if share > MAX_BUSY {
            limits.slow = true;
            limits.others = true;
            limits.sentences.push(format!(
                "other programs took {:.0} % of this machine's CPU time: repeat when it is idle",
                took * 100.0
            ));
        }
        limits
    }
}

/// In words how many runners like this one share what took `times` as much as one has; two at the least.
fn needed(times: f64) -> String {
    format!("{:.0} runners", times.ceil().max(2.0))
}

/// How many cores `most` virtual users keep busy, from what those took that there were while k6 had time to spare: a k6 that
/// has none makes less load than it was asked for. 0 where there was no such time.
fn taken(looks: &[GeneratorLook], cores: usize, most: u64) -> f64 {
    let (mut cpu, mut users) = (0.0, 0.0);
    for pair in looks.windows(2) {
        if busy(pair, cores).0 <= MAX_CPU {
            let time = pair[1].at.duration_since(pair[0].at).as_secs_f64();
            cpu += pair[1].cpu.saturating_sub(pair[0].cpu).as_secs_f64();
            users += (pair[0].users + pair[1].users) as f64 / 2.0 * time;
        }
    }
    cpu / f64::max(users, f64::EPSILON) * most as f64
}

/// The largest share of all `cores` between two looks, and the share of the time with more than [`MAX_CPU`].
fn busy(looks: &[GeneratorLook], cores: usize) -> (f64, f64) {
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

/// What others took while they left the machine no idle time, as a share of all cores, and the share of the time that was
/// so.
fn others(looks: &[GeneratorLook]) -> (f64, f64) {
    let (mut took, mut above, mut all) = (0.0, 0.0, f64::EPSILON);
    for pair in looks.windows(2) {
        let time = pair[1].at.duration_since(pair[0].at).as_secs_f64();
        all += time;
        if pair[1].idle < MIN_IDLE && pair[1].others >= MIN_OTHERS {
            above += time;
            took += pair[1].others * time;
        }
    }
    (took / f64::max(above, f64::EPSILON), above / all)
}

/// Brings the processor time of `ours` and of their children up to date.
fn add_used(used_ms: &mut HashMap<Pid, u64>, system: &System, ours: &[Pid]) {
    for (pid, process) in system.processes() {
        let parent = |pid: &Pid| system.process(*pid)?.parent();
        // The table is not read in one moment, and may seem to run in circles.
        let mut line = std::iter::successors(Some(*pid), parent).take(100);
        // Whoever outlives its parent stays ours.
        if used_ms.contains_key(pid) || line.any(|pid| ours.contains(&pid)) {
            let used = used_ms.entry(*pid).or_default();
            *used = process.accumulated_cpu_time().max(*used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::Failed;
    use super::*;
    use crate::shell::{self, cmd};

    fn look(start: Instant, at_s: u64, cpu_s: u64, free: f64, own: f64) -> GeneratorLook {
        GeneratorLook {
            at: start + Duration::from_secs(at_s),
            cpu: Duration::from_secs(cpu_s),
            free,
            own,
            idle: 0.5,
            others: 0.0,
            users: 10,
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
    fn what_it_used_is_that_of_the_time_after_its_start() {
        let start = Instant::now();
        let mut generator = Generator::watch(std::process::id(), None);
        assert_eq!(generator.used(), Used::default());
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let looks = [(0, 0), (2, 4), (4, 5), (6, 6), (8, 7)];
        generator.looks = looks.map(|(at, cpu)| look(start, at, cpu, 0.5, 0.1)).into();
        let used = generator.used();
        assert!((used.cpu.unwrap() - 0.5 / cores).abs() < 1e-9, "{used:?}");
        assert_eq!(used.idle, Some(0.5));
        let too_much = Some(2.0 / cores).filter(|share| *share > MAX_CPU);
        assert_eq!(used.too_much, too_much);
    }

    #[test]
    fn what_it_would_take_comes_from_what_users_took_before() {
        let start = Instant::now();
        // Ten users take 0.4 cores; later they wait for the two that there are.
        let looks = [(0, 0), (10, 4), (20, 24)].map(|(at, cpu)| look(start, at, cpu, 0.5, 0.1));
        assert!((taken(&looks, 2, 100) - 4.0).abs() < 1e-9);
        assert_eq!(taken(&looks[1..], 2, 100), 0.0);
        assert_eq!(needed(4.0 / (MAX_CPU * 2.0)), "3 runners");
        assert_eq!(needed(0.7), "2 runners");
        let ours = shell::may_open(std::process::id());
        assert_eq!(ours.is_some(), cfg!(target_os = "linux"));
    }

    #[test]
    fn each_limit_is_named_as_the_generators() {
        let start = Instant::now();
        let mut generator = Generator::watch(std::process::id(), None);
        let mut said = Said::default();
        generator.looks = vec![look(start, 0, 0, 0.5, 0.1), look(start, 2, 0, 0.5, 0.1)];
        assert_eq!(generator.limits(&said, false), Limits::default());
        let failed = Failed {
            requests: 25_600,
            sessions: 1,
        };
        said.lacked.insert("open files", failed);
        generator.looks.push(look(start, 4, 0, 0.01, 0.1));
        let others = generator.limits(&said, false);
        assert_eq!((others.requests, others.slow), (25_600, false));
        generator.looks.push(look(start, 6, 10_000, 0.01, 0.9));
        let limits = generator.limits(&said, false);
        assert_eq!(
            (limits.requests, limits.sessions, limits.slow),
            (25_600, 1, true)
        );
        assert_eq!(limits.sentences.len(), 3, "{limits:?}");
        for (limit, part) in limits
            .sentences
            .iter()
            .zip(["25601 requests", " runners", "memory"])
        {
            assert!(
                limit.contains(part) && limit.contains("load generator"),
                "{limit}"
            );
        }
    }

    /// Looks of two seconds each, with what was idle and what others took.
    fn beside_others(stretches: &[(f64, f64)]) -> Generator {
        let start = Instant::now();
        let mut generator = Generator::watch(std::process::id(), Some(&[]));
        let first = look(start, 0, 0, 0.5, 0.1);
        generator.looks = vec![first];
        generator.looks.extend(
            (1..)
                .zip(stretches)
                .map(|(nth, (idle, others))| GeneratorLook {
                    at: start + PERIOD * nth,
                    idle: *idle,
                    others: *others,
                    ..first
                }),
        );
        generator
    }

    #[test]
    fn others_on_a_busy_machine_explain_late_answers_only() {
        let said = Said::default();
        let idle = [(0.6, 0.2); 30];
        let with = |busy: &[(f64, f64)]| {
            beside_others(&[&idle[busy.len()..], busy].concat()).limits(&said, false)
        };
        for unexcused in [
            // A machine with time to spare, one that k6 and the server use up, and a busy twentieth.
            &[(0.6, 0.2); 30][..],
            &[(0.1, 0.9); 30],
            &[(0.0, 0.3); 30],
            &[(0.0, 0.9)],
        ] {
            assert_eq!(with(unexcused), Limits::default(), "{unexcused:?}");
        }
        let limits = with(&[(0.0, 0.96), (0.04, 0.9)]);
        assert_eq!(
            (limits.slow, limits.others, limits.requests),
            (true, true, 0)
        );
        let said = "other programs took 93 % of this machine's CPU time";
        assert!(limits.sentences[0].starts_with(said), "{limits:?}");
    }

    #[test]
    fn the_servers_children_are_no_others() {
        let (said, heard) = std::sync::mpsc::channel();
        let sh = shell::here().unwrap();
        let script = "sleep 60 & echo $!; wait";
        let process = shell::spawn(cmd!(sh, "sh -c {script}"), move |_, line| {
            said.send(line.parse().unwrap()).unwrap();
        });
        let server = Pid::from_u32(process.as_ref().unwrap().pid());
        let child = Pid::from_u32(heard.recv().unwrap());
        let mut system = System::new().unwrap();
        system.refresh_processes(ProcessesToUpdate::All, true);
        let mut used_ms = HashMap::new();
        add_used(&mut used_ms, &system, &[server]);
        let mut ours: Vec<Pid> = used_ms.into_keys().collect();
        ours.sort();
        assert_eq!(ours, [server, child]);
    }

    #[test]
    fn looks_at_a_real_process() {
        let mut generator = Generator::watch(std::process::id(), Some(&[]));
        generator.look(None);
        assert_eq!(generator.looks.len(), 1);
        assert!(generator.used_ms.contains_key(&generator.pid));
        assert!((0.0..=1.0).contains(&generator.looks[0].free));
    }
}
