//! Every `cargo xtask` line of a workflow goes through the real command-line parser.

use clap::Parser as _;

use super::{Step, files, root};
use crate::cli::Cli;

/// What a variable of a step may hold in a real run.
const SAMPLES: [(&str, &str); 10] = [
    ("ACCEPT", "HEAD"),
    ("BASE", "HEAD~1"),
    ("JUNIT", "load-tests/results/junit.xml"),
    ("K6", "1.1.0"),
    ("PROFILE", "load"),
    ("TIME_SCALE", "0.02"),
    ("WHY", "missions are validated now"),
    // Shell variables that the step itself sets.
    ("k6", "target/k6/1.1.0/k6"),
    ("tests", "all websocket"),
    ("TESTS", "all websocket"),
];

/// The commands of a script that begin with `cargo xtask`, also inside `$(…)`, each as words.
fn commands(step: &Step<'_>, script: &str) -> Vec<Vec<String>> {
    let script = script.replace("\\\n", " ");
    let lines = script.lines().filter_map(|line| {
        let line = line.trim();
        if line.starts_with('#') {
            return None;
        }
        let command = &line[line.find("cargo xtask ")?..];
        // The end of `x="$(cargo xtask …)"`.
        let inside = line.contains("$(cargo xtask");
        Some(
            command
                .strip_suffix(")\"")
                .filter(|_| inside)
                .unwrap_or(command)
                .to_owned(),
        )
    });
    lines
        .map(|line| {
            let words = shlex::split(&line).unwrap_or_else(|| panic!("{}: {line}", step.place));
            words
                .into_iter()
                .flat_map(|word| expanded(step, script.as_str(), &word))
                .collect()
        })
        .collect()
}

/// A word with its variables replaced by samples: `${x[@]}` becomes several words.
fn expanded(step: &Step<'_>, script: &str, word: &str) -> Vec<String> {
    let Some(name) = word.strip_prefix('$') else {
        assert!(
            !word.contains('$'),
            "{}: {word} is not understood",
            step.place
        );
        return vec![word.to_owned()];
    };
    let list = name
        .strip_prefix('{')
        .and_then(|name| name.strip_suffix("[@]}"));
    let name = list.unwrap_or(name);
    let set = step.env.iter().any(|(known, _)| *known == name)
        || script.contains(&format!("{name}="))
        || script.contains(&format!("read -ra {name} "));
    assert!(set, "{}: ${name} is set nowhere", step.place);
    let sample = SAMPLES.iter().find(|(known, _)| *known == name);
    let (_, sample) = sample.unwrap_or_else(|| panic!("{}: give ${name} a sample", step.place));
    match list {
        Some(_) => sample.split(' ').map(ToOwned::to_owned).collect(),
        None => vec![(*sample).to_owned()],
    }
}

#[test]
fn every_line_is_a_valid_command_line() {
    let mut count = 0;
    for file in files() {
        for step in file.steps() {
            let Some(script) = step.yaml["run"].as_str() else {
                continue;
            };
            for words in commands(&step, script) {
                count += 1;
                // `cargo xtask` itself is the program.
                if let Err(error) = Cli::try_parse_from(&words[1..]) {
                    panic!("{}: {words:?}: {error}", step.place);
                }
            }
        }
    }
    assert!(count >= 6, "only {count} lines were found");
}

#[test]
fn nothing_of_others_is_put_into_a_script() {
    for file in files() {
        for step in file.steps() {
            let script = step.yaml["run"].as_str().unwrap_or_default();
            assert!(
                !script.contains("${{"),
                "{}: hand values over in env, for a script with ${{{{ }}}} runs what they say",
                step.place
            );
        }
    }
}

#[test]
fn every_line_of_the_guide_is_a_valid_command_line() {
    let guide = std::fs::read_to_string(root().join("load-tests/ci.md")).unwrap();
    let mut count = 0;
    // Line ends inside of a command are the paragraph's, not the command's.
    for (at, _) in guide.match_indices("cargo xtask ") {
        let rest = &guide[at..];
        let end = rest.find(['`', '\'', '\n']).unwrap();
        let words: Vec<&str> = rest[..end].split_whitespace().collect();
        // Named in a sentence, or a pattern such as `cargo xtask …`.
        if words.len() < 3 || words.contains(&"…") {
            continue;
        }
        count += 1;
        if let Err(error) = Cli::try_parse_from(&words[1..]) {
            panic!("{words:?}: {error}");
        }
    }
    assert!(count >= 4, "only {count} lines were found");
}
