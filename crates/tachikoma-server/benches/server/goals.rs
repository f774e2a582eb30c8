//! The goals, and how they were met.

/// Collects one line for each goal.
#[derive(Default)]
pub(crate) struct Goals {
    lines: Vec<(bool, String)>,
}

impl Goals {
    pub(crate) fn at_least(&mut self, what: &str, value: f64, goal: f64, unit: &str) {
        self.add(
            value >= goal,
            format!("{what}: {value:.2}{unit} (goal: at least {goal}{unit})"),
        );
    }

    pub(crate) fn at_most(&mut self, what: &str, value: f64, goal: f64, unit: &str) {
        self.add(
            value <= goal,
            format!("{what}: {value:.2}{unit} (goal: at most {goal}{unit})"),
        );
    }

    pub(crate) fn add(&mut self, met: bool, line: String) {
        println!("  {} {line}", if met { "met   " } else { "MISSED" });
        self.lines.push((met, line));
    }

    /// Prints all lines together; true if every goal is met.
    pub(crate) fn print(&self) -> bool {
        println!("\nGoals");
        for (met, line) in &self.lines {
            println!("  {} {line}", if *met { "met   " } else { "MISSED" });
        }
        self.lines.iter().all(|(met, _)| *met)
    }
}

/// The middle of some values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}
