//! The one table that a run prints.

/// What one goal asks for and what was measured.
pub struct Row {
    /// The work, in words.
    pub work: String,
    /// The bound.
    pub goal: String,
    /// The measured value, and what it was computed from.
    pub measured: String,
    /// Whether the bound holds.
    pub ok: bool,
}

/// Prints the rows in columns to stdout, as a Markdown table.
pub fn print(rows: &[Row]) {
    let head = ["work", "goal", "measured", ""].map(str::to_owned);
    let lines = rows.iter().map(|row| {
        let verdict = if row.ok { "ok" } else { "NOT REACHED" };
        [&row.work, &row.goal, &row.measured, verdict].map(str::to_owned)
    });
    let lines: Vec<[String; 4]> = std::iter::once(head).chain(lines).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..4).map(|column| width(column).unwrap_or(0)).collect();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        println!("| {} |", cells.join(" | "));
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            println!("| {} |", rules.join(" | "));
        }
    }
}
