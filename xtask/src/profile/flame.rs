//! Flame graphs: the width of a box is the CPU time in a function and in what it calls.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::stacks::Stacks;
use super::tools;
use crate::record::write_whole;

/// Draws `stacks` into the file at `path`.
///
/// # Errors
/// If there are none, they cannot be drawn, or the file cannot be written.
pub fn draw(stacks: &Stacks, title: &str, path: &Path) -> anyhow::Result<()> {
    let lines = stacks
        .iter()
        .map(|(stack, count)| format!("{stack} {count}\n"));
    write(&lines.collect::<String>(), title, "samples", path)
}

/// Draws the head's stacks, red where a request costs more than in the base and blue where less: `whole` is what it costs
/// in base and head, in nanoseconds.
///
/// # Errors
/// As [`draw`].
pub fn draw_difference(
    stacks: [&Stacks; 2],
    whole: [f64; 2],
    title: &str,
    path: &Path,
) -> anyhow::Result<()> {
    write(&difference(stacks, whole), title, "ns of a request", path)
}

/// What a request costs in each stack of base and head, in nanoseconds.
fn difference(stacks: [&Stacks; 2], whole: [f64; 2]) -> String {
    let mut both: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for side in 0..2 {
        let each = whole[side] / (stacks[side].samples() as f64).max(1.0);
        for (stack, count) in stacks[side].iter() {
            both.entry(stack).or_default()[side] += count as f64 * each;
        }
    }
    let lines = both.into_iter();
    let lines = lines.map(|(stack, [base, head])| format!("{stack} {base:.0} {head:.0}\n"));
    lines.collect()
}

fn write(lines: &str, title: &str, unit: &str, path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(!lines.is_empty(), "no sample was taken");
    let mut stacks = tempfile::NamedTempFile::new().context("failed to create a file")?;
    stacks
        .write_all(lines.as_bytes())
        .context("failed to write stacks")?;
    let file = stacks.path().to_string_lossy();
    let svg = tools::run(&["flame-graph", &file, title, unit])
        .with_context(|| format!("failed to draw {}", path.display()))?;
    write_whole(path, &svg)
}

#[cfg(test)]
mod tests {
    use super::super::stacks::testing::stacks;
    use super::*;

    #[test]
    fn stacks_cost_their_part_of_a_request() {
        let base = stacks(&[("a;b", 50), ("a;c", 50)]);
        let head = stacks(&[("a;b", 10), ("a;c", 20)]);
        let lines = difference([&base, &head], [1_000.0, 1_500.0]);
        assert_eq!(lines, "a;b 500 500\na;c 500 1000\n");
        let none = draw(&Stacks::default(), "t", Path::new("none")).unwrap_err();
        assert!(none.to_string().contains("no sample"));
    }
}
