//! Stacks as perf prints them, or folded already, counted.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;

use super::names::readable;

/// How the names of the kernel's functions end.
pub const KERNEL: &str = "_[k]";
/// What perf calls a function that it does not know.
pub const UNKNOWN: &str = "[unknown]";

/// How often each stack was seen, from its outermost function to the innermost, with `;` between them.
#[derive(Debug, Default)]
pub struct Stacks {
    counts: BTreeMap<String, u64>,
    /// The functions of the sample that is being read, the innermost first.
    open: Vec<String>,
    readable: HashMap<String, String>,
}

impl Stacks {
    /// Reads folded stacks: a line for each, `outermost;...;innermost COUNT`, as flame graphs are made from.
    ///
    /// # Errors
    /// If a line is none; it is shown.
    pub(super) fn unfold(text: &str) -> anyhow::Result<Self> {
        let mut stacks = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let parts = line.rsplit_once(' ');
            let parts = parts.and_then(|(stack, count)| Some((stack, count.parse::<u64>().ok()?)));
            let (stack, count) = parts.with_context(|| {
                let begin: String = line.chars().take(100).collect();
                format!("the server's answer has a line that is no folded stack with its count: `{begin}`")
            })?;
            let stack: Vec<String> = stack.split(';').map(|name| stacks.name(name)).collect();
            *stacks.counts.entry(stack.join(";")).or_default() += count;
        }
        Ok(stacks)
    }

    /// Reads a line of `perf script -F pid,ip,sym,dso`: a process id begins a sample, and its functions follow.
    pub(super) fn read_line(&mut self, line: &str) {
        let Some((_address, rest)) = line.trim().split_once(' ') else {
            return self.end();
        };
        let (symbol, object) = rest.rsplit_once(" (").unwrap_or((rest, ""));
        let name = self.name(symbol);
        let is_kernel = object.starts_with("[kernel") || object.starts_with("[guest.kernel");
        self.open
            .push(format!("{name}{}", if is_kernel { KERNEL } else { "" }));
    }

    /// A function's name as it is counted.
    fn name(&mut self, symbol: &str) -> String {
        let known = self.readable.entry(symbol.to_owned());
        let name = known.or_insert_with(|| readable(symbol).replace(';', ","));
        name.clone()
    }

    /// Counts the sample that was being read.
    pub(super) fn end(&mut self) {
        if !self.open.is_empty() {
            self.open.reverse();
            *self.counts.entry(self.open.join(";")).or_default() += 1;
            self.open.clear();
        }
    }

    /// Adds what was seen in `other`.
    pub fn add(&mut self, other: Self) {
        for (stack, count) in other.counts {
            *self.counts.entry(stack).or_default() += count;
        }
    }

    /// How many stacks were seen.
    pub fn samples(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Every stack, from the outermost function to the innermost, and how often it was seen.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts
            .iter()
            .map(|(stack, count)| (stack.as_str(), *count))
    }
}

#[cfg(test)]
pub mod testing {
    use super::Stacks;

    /// Stacks as [`Stacks::iter`] has them.
    pub fn stacks(counts: &[(&str, u64)]) -> Stacks {
        let counts = counts
            .iter()
            .map(|(stack, count)| ((*stack).to_owned(), *count));
        Stacks {
            counts: counts.collect(),
            ..Stacks::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_stacks_are_read_as_perfs_are() {
        let folded =
            "start_thread;a::b<u8>::c;memcpy 3\n\nstart_thread;a::b<u16>::c;memcpy 2\nmain 1\n";
        let stacks = Stacks::unfold(folded).unwrap();
        let seen: Vec<(&str, u64)> = stacks.iter().collect();
        assert_eq!(seen, [("main", 1), ("start_thread;a::b::c;memcpy", 5)]);
        for wrong in ["main", "main x", "<html>nothing here</html>"] {
            let error = Stacks::unfold(wrong).unwrap_err().to_string();
            assert!(error.ends_with(&format!("`{wrong}`")), "{error}");
        }
    }

    #[test]
    fn samples_are_counted_by_stack() {
        let script = "20485 \n\tffffffff81bdb11c iowrite16 ([kernel.kallsyms])\n\t fed0a fdatasync (/lib/libc.so.6)\n\t 1fd008 a::b<[u8; 4]>::c::{{closure}} (/bin/server)\n\n\
            20485 \n\t 1fd008 a::b<[u8; 4]>::c (/bin/server)\n\n20486 \n\t 1 [unknown] ([unknown])\n\t1fd009 a::b<[u8; 4]>::c (/bin/server)\n20487\n\t1fd008 a::b<[u8; 8]>::c (/bin/a server)\n";
        let mut stacks = Stacks::default();
        // As the lines of a child come: without those that are empty.
        script
            .lines()
            .filter(|line| !line.is_empty())
            .for_each(|line| stacks.read_line(line));
        stacks.end();
        let seen: Vec<(&str, u64)> = stacks.iter().collect();
        let expected = [
            ("a::b::c", 2),
            ("a::b::c;[unknown]", 1),
            ("a::b::c;fdatasync;iowrite16_[k]", 1),
        ];
        assert_eq!(seen, expected);
        assert_eq!(stacks.samples(), 4);
        let mut twice = testing::stacks(&[("a::b::c", 5)]);
        twice.add(stacks);
        assert_eq!(twice.iter().next(), Some(("a::b::c", 7)));
    }
}
