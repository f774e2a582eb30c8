//! What comparisons and profiles need and a load test does not, apart from the xtask, whose every cold build would pay for
//! it. The xtask builds this program when it is needed.
//!
//! - `perf-tools flame-graph STACKS TITLE UNIT` draws the stacks in a file as SVG: lines of `a;b 7`, or of `a;b 7 9` for the
//!   difference of two.
//! - `perf-tools same-code PROGRAM PROGRAM` says whether the code of both is the `same` or `different`.

use std::fs::File;
use std::io::{Write as _, stdout};

use anyhow::Context as _;
use inferno::flamegraph::{Options, from_reader};
use object::{Object as _, ObjectSection as _};

/// What of a program is its code, and the data that it begins with.
const CODE: [&str; 7] = [
    ".text",
    ".rodata",
    ".data.rel.ro",
    ".data",
    ".tdata",
    ".rela.dyn",
    ".init_array",
];
/// What of it every program has.
const AT_LEAST: [&str; 2] = [".text", ".rodata"];

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["flame-graph", stacks, title, unit] => flame_graph(stacks, title, unit),
        ["same-code", one, other] => {
            let read = |path| std::fs::read(path).with_context(|| format!("failed to read {path}"));
            let (one, other) = (read(one)?, read(other)?);
            let is_same = code(&one).is_some_and(|of_one| Some(of_one) == code(&other));
            let said = if is_same { "same" } else { "different" };
            writeln!(stdout(), "{said}").context("failed to write")
        }
        _ => anyhow::bail!("give `flame-graph STACKS TITLE UNIT` or `same-code PROGRAM PROGRAM`"),
    }
}

fn flame_graph(stacks: &str, title: &str, unit: &str) -> anyhow::Result<()> {
    let mut options = Options::default();
    options.title = title.to_owned();
    options.count_name = unit.to_owned();
    let stacks = File::open(stacks).with_context(|| format!("failed to read {stacks}"))?;
    from_reader(&mut options, stacks, stdout().lock()).context("failed to draw the stacks")
}

fn code(program: &[u8]) -> Option<[Option<&[u8]>; 7]> {
    let file = object::File::parse(program).ok()?;
    let section = |name: &str| file.section_by_name(name)?.data().ok();
    let has_code = AT_LEAST.iter().all(|name| section(name).is_some());
    has_code.then(|| CODE.map(section))
}
