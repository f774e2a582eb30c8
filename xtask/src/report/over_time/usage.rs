//! `server-usage.csv`, read back: what the server used over time.

use std::path::Path;

const MIB: f64 = 1_048_576.0;
/// The shortest time between two samples that a share of CPU is computed over, in seconds: below it is noise.
const LEAST_S: f64 = 0.5;

/// What the server used over time.
#[derive(Debug, Default)]
pub struct Usage {
    /// Seconds since the sampling began, resident memory in MiB.
    pub memory: Vec<(f64, f64)>,
    /// Seconds since the sampling began, CPU in percent of one core.
    pub cpu: Vec<(f64, f64)>,
}

impl Usage {
    /// Reads the file; `None` if there is none or nothing in it. Lines that are no samples are left out.
    pub fn read(path: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(path).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next()?.split(',').collect();
        let column = |name: &str| names.iter().position(|it| *it == name);
        let (at, rss, cpu) = (column("elapsed_s")?, column("rss_bytes")?, column("cpu_s")?);
        let mut usage = Self::default();
        let mut before: Option<(f64, f64)> = None;
        for line in lines {
            let cells: Vec<Option<f64>> = line.split(',').map(|cell| cell.parse().ok()).collect();
            let cell = |index: usize| cells.get(index).copied().flatten();
            let (Some(at), Some(rss), Some(cpu)) = (cell(at), cell(rss), cell(cpu)) else {
                continue;
            };
            usage.memory.push((at, rss / MIB));
            match before {
                Some((then, _)) if at - then < LEAST_S => {}
                Some((then, used)) => {
                    usage.cpu.push((at, (cpu - used) / (at - then) * 100.0));
                    before = Some((at, cpu));
                }
                None => before = Some((at, cpu)),
            }
        }
        (!usage.memory.is_empty()).then_some(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_samples() {
        let text = "elapsed_s,rss_bytes,cpu_s,threads,open_files\n0.0,1048576,1.0,6,21\n0.02,1048576,1.02,6,21\n1.0,2097152,1.5,6,22\nbroken\n2.0,209";
        let usage = Usage::parse(text).unwrap();
        assert_eq!(usage.memory, [(0.0, 1.0), (0.02, 1.0), (1.0, 2.0)]);
        assert_eq!(usage.cpu, [(1.0, 50.0)]);
        assert!(Usage::parse("").is_none() && Usage::parse("a,b\n1,2").is_none());
    }
}
