//! Flame graphs: the width of a box is the CPU time in a function and in what it calls.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use inferno::flamegraph::{Options, from_lines};

use super::stacks::Stacks;
use crate::record::write_whole;

/// Draws `stacks` into the file at `path`.
///
/// # Errors
/// If there are none, or the file cannot be written.
pub fn draw(stacks: &Stacks, title: &str, path: &Path) -> anyhow::Result<()> {
    let lines = stacks
        .iter()
        .map(|(stack, count)| format!("{stack} {count}"));
    let lines: Vec<String> = lines.collect();
    write(&lines, title, "samples", path)
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
    let mut both: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for side in 0..2 {
        let each = whole[side] / (stacks[side].samples() as f64).max(1.0);
        for (stack, count) in stacks[side].iter() {
            both.entry(stack).or_default()[side] += count as f64 * each;
        }
    }
    let lines = both
        .into_iter()
        .map(|(stack, [base, head])| format!("{stack} {base:.0} {head:.0}"));
    let lines: Vec<String> = lines.collect();
    write(&lines, title, "ns of a request", path)
}

fn write(lines: &[String], title: &str, unit: &str, path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(!lines.is_empty(), "no sample was taken");
    let mut options = Options::default();
    options.title = title.to_owned();
    options.count_name = unit.to_owned();
    let mut svg = Vec::new();
    from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)
        .with_context(|| format!("failed to draw {}", path.display()))?;
    write_whole(path, &svg)
}

#[cfg(test)]
mod tests {
    use super::super::stacks::testing::stacks;
    use super::*;

    #[test]
    fn boxes_have_names_and_say_how_they_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flame.svg");
        let read = || std::fs::read_to_string(&path).unwrap();
        let base = stacks(&[("a;b", 50), ("a;c", 50)]);
        draw(&base, "the title", &path).unwrap();
        assert!(
            read().contains("<title>b (50 samples, 50.00%)</title>"),
            "{}",
            read()
        );
        assert!(read().contains("the title"));
        let head = stacks(&[("a;b", 10), ("a;c", 20)]);
        draw_difference([&base, &head], [1_000.0, 1_500.0], "t", &path).unwrap();
        assert!(
            read().contains("<title>c (1,000 ns of a request, 66.67%; +"),
            "{}",
            read()
        );
        let none = draw(&Stacks::default(), "t", &path).unwrap_err();
        assert!(none.to_string().contains("no sample"));
    }
}
