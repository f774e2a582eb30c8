//! The files through which a step hands something to GitHub: its outputs and its summary.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::{secret, ui};

/// The largest summary of one step that GitHub shows, in bytes.
const MAX_SUMMARY: usize = 1024 * 1024;

/// Sets output `name` of the step.
pub fn output(name: &str, value: &str) {
    append(
        "GITHUB_OUTPUT",
        &assignment(name, value, std::process::id()),
        &format!("output {name}"),
    );
}

/// Appends Markdown to the summary of the job.
pub fn summary(markdown: &str) {
    if markdown.len() > MAX_SUMMARY {
        ui::notice("the summary is longer than GitHub shows: the whole is in summary.md");
        return;
    }
    append(
        "GITHUB_STEP_SUMMARY",
        &format!("{markdown}\n"),
        "the job's summary",
    );
}

/// `name` and `value` as the runner reads them: a value of any lines, ended by a line that is not among them.
fn assignment(name: &str, value: &str, seed: u32) -> String {
    let mut end = format!("end-{seed}");
    while value.lines().any(|line| line == end) {
        end.push('-');
    }
    format!("{name}<<{end}\n{value}\n{end}\n")
}

/// Appends `text` to the file that `variable` names.
fn append(variable: &str, text: &str, what: &str) {
    let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) else {
        ui::notice(&format!("{what} is not written: {variable} is not set"));
        return;
    };
    let written = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .and_then(|mut file| file.write_all(secret::hide(text).as_bytes()));
    if let Err(error) = written {
        ui::notice(&format!(
            "{what} is not written: {variable}={}: {error}",
            path.to_string_lossy()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_its_own_assignment() {
        assert_eq!(assignment("a", "1\n2", 7), "a<<end-7\n1\n2\nend-7\n");
        assert_eq!(
            assignment("a", "end-7\nb=evil", 7),
            "a<<end-7-\nend-7\nb=evil\nend-7-\n"
        );
    }
}
