//! How much processor time the host of a virtual machine gave to others while a block ran.

use crate::record::{Blocks, Side};

/// The mean share of a comparison's blocks from which on it is worth a word.
const WORTH_SAYING: f64 = 0.01;

/// Processor time since the machine began, over all its cores, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    busy: u64,
    stolen: u64,
}

impl Ticks {
    /// Reads the counters; `None` where the system has none (they are Linux's).
    ///
    /// Source: <https://docs.kernel.org/filesystems/proc.html>, 1.7, the line `cpu` of `/proc/stat`.
    pub fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        // user, nice, system, idle, iowait, irq, softirq, steal
        let [user, nice, system, _, _, irq, softirq, stolen, ..] = *ticks.as_slice() else {
            return None;
        };
        let busy = user + nice + system + irq + softirq;
        Some(Self { busy, stolen })
    }

    /// The share of the processor time wanted since `before` that was not given, 0 to 1; `None` if none was wanted.
    pub fn stolen_since(self, before: Self) -> Option<f64> {
        let stolen = self.stolen.checked_sub(before.stolen)?;
        let wanted = self.busy.checked_sub(before.busy)? + stolen;
        (wanted > 0).then(|| stolen as f64 / wanted as f64)
    }
}

/// What to say of a comparison on a machine whose host had others to serve.
pub fn notice(blocks: &Blocks) -> Option<String> {
    let mean = |side: Side| {
        let of_side = blocks.blocks.iter().filter(|block| block.side == side);
        let shares: Vec<f64> = of_side.filter_map(|block| block.stolen).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    };
    let (base, head) = (mean(Side::Base)?, mean(Side::Head)?);
    (base.max(head) > WORTH_SAYING).then(|| {
        format!(
            "the machine's host gave {:.1} % of the processor time to others during base's blocks and {:.1} % during \
             head's: what that explains is taken out of the changes",
            base * 100.0,
            head * 100.0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{block, blocks};

    #[test]
    fn shares_are_of_what_was_wanted() {
        let at = |busy, stolen| {
            Ticks::parse(&format!(
                "cpu  {busy} 0 10 999 7 1 2 {stolen} 0 0\ncpu0 1 2"
            ))
            .unwrap()
        };
        let share = at(160, 25).stolen_since(at(100, 5));
        assert_eq!(share, Some(0.25));
        assert_eq!(at(100, 5).stolen_since(at(100, 5)), None);
        assert_eq!(at(1, 1).stolen_since(at(100, 5)), None);
        assert_eq!(Ticks::parse("cpu  1 2 3"), None);
        assert!(cfg!(not(target_os = "linux")) || Ticks::now().is_some());
    }
    #[test]
    fn a_busy_host_is_worth_a_word() {
        let with = |base, head| {
            let one = |side, stolen| {
                let mut block = block(0, side, 1.0);
                block.stolen = stolen;
                block
            };
            notice(&blocks(vec![one(Side::Base, base), one(Side::Head, head)]))
        };
        assert_eq!(with(None, None), None);
        assert_eq!(with(Some(0.001), Some(0.002)), None);
        let said = with(Some(0.0), Some(0.125)).unwrap();
        assert!(said.contains("0.0 %") && said.contains("12.5 %"), "{said}");
    }
}
