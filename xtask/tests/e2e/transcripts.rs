//! What the program answers to command lines, word for word: the help of every command, and what it says of wrong ones.

use std::process::{Command, Stdio};

use crate::support::{read, root};

/// Runs each line of the file `name` that begins with `$ `, and compares what is answered with what follows it there;
/// `UPDATE_SNAPSHOTS=1` writes it.
#[track_caller]
fn holds(name: &str) {
    let path = root().join("xtask/tests/e2e/transcripts").join(name);
    let wanted = read(&path);
    let dir = tempfile::tempdir().unwrap();
    let lines = wanted.lines().filter(|line| line.starts_with("$ "));
    let text: String = std::thread::scope(|scope| {
        let begun = |line: &str| {
            let (line, dir) = (line.to_owned(), dir.path().to_owned());
            scope.spawn(move || answer(&line, &dir))
        };
        let all: Vec<_> = lines.map(begun).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(!text.is_empty(), "{} has no command", path.display());
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let held = read(&path);
    let differs = "differs: look, and write it anew with UPDATE_SNAPSHOTS=1";
    for (nth, (line, held)) in text.lines().zip(held.lines()).enumerate() {
        assert_eq!(
            line,
            held,
            "line {} of {} {differs}",
            nth + 1,
            path.display()
        );
    }
    assert!(text == held, "the end of {} {differs}", path.display());
}

/// The line, what the program answers on both outputs, and its exit code unless that is 0.
fn answer(line: &str, dir: &std::path::Path) -> String {
    let program = format!("'{}'", env!("CARGO_BIN_EXE_xtask"));
    let run = line[2..].replacen("cargo xtask", &program, 1);
    let output = Command::new("sh")
        .args(["-c", &format!("{run} 2>&1")])
        .current_dir(root())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let said = said
        .replace(dir.to_str().unwrap(), "/tmp/x")
        .replace(root().to_str().unwrap(), "/repository");
    // clap has blanks at the ends of lines.
    let said: String = said
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    match output.status.code() {
        Some(0) => format!("{line}\n{said}\n"),
        code => format!("{line}\n{said}[exit code {}]\n\n", code.unwrap()),
    }
}

#[test]
fn the_help_of_every_command() {
    holds("help.txt");
    let widest = read(&root().join("xtask/tests/e2e/transcripts/help.txt"));
    for line in widest.lines() {
        assert!(line.chars().count() <= 80, "wider than 80 columns: {line}");
    }
}

#[test]
fn wrong_command_lines_are_told_what_is_wrong_and_what_to_do() {
    holds("usage.txt");
}

/// Completes `words` in bash as typing them and the tabulator would, behind what `completions bash` printed.
fn completed(script: &std::path::Path, words: &str) -> Vec<String> {
    // What was there for cargo before goes on to be asked.
    let text = r#"
        _cargo() { COMPREPLY=(what-cargo-says); }
        complete -F _cargo cargo
        source "$0"
        words=($1); COMP_WORDS=("${words[@]}" "${2-}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _cargo_with_xtask cargo "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let (before, last) = words.rsplit_once(' ').unwrap();
    let output = Command::new("bash")
        .args(["--norc", "-c", text])
        .arg(script)
        .args([before, last])
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_completes_commands_options_profiles_and_tests() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("completions.bash");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["completions", "bash"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    std::fs::write(&script, output.stdout).unwrap();
    for (words, complete) in [
        ("cargo xtask load-t", &["load-test"][..]),
        (
            "cargo xtask load-test s",
            &["smoke", "stress", "soak", "spike", "specs"],
        ),
        ("cargo xtask load-test stress web", &["websocket"]),
        ("cargo xtask load-test --message-format j", &["json"]),
        ("cargo xtask compare --base-", &["--base-bin"]),
        ("cargo xtask history load mis", &["missions"]),
        ("cargo xtask history accept HEAD mis", &["missions"]),
        ("cargo bu", &["what-cargo-says"]),
    ] {
        let mut found = completed(&script, words);
        found.dedup();
        assert_eq!(found, complete, "{words}");
    }
}
