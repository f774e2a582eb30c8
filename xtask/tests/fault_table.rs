//! The guide's table of faults says of each row which test holds it: they are there.

use std::path::Path;

/// The text of the Rust files below `dir` that are called `name`, as module or file.
fn texts(dir: &Path, name: &str, found: &mut String) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            texts(&path, name, found);
        } else if path
            .file_name()
            .is_some_and(|file| *file == *format!("{name}.rs"))
        {
            found.push_str(&std::fs::read_to_string(&path).expect("a source file"));
        }
    }
}

#[test]
fn every_row_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the repository");
    let guide = std::fs::read_to_string(root.join("load-tests/README.md")).expect("the guide");
    let (_, section) = guide
        .split_once("## What happens when…\n")
        .expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    assert!(rows.len() > 40, "{}", rows.len());
    for row in rows.iter().filter(|row| !row.starts_with("| **")) {
        let held_by = row
            .trim_end_matches('|')
            .rsplit('|')
            .next()
            .unwrap_or_default();
        let names: Vec<&str> = held_by
            .split(',')
            .map(|name| name.trim().trim_matches('`'))
            .collect();
        for name in names {
            let (file, test) = name
                .split_once("::")
                .unwrap_or_else(|| panic!("no test in: {row}"));
            let mut found = String::new();
            texts(&root.join("xtask"), file, &mut found);
            texts(&root.join("crates"), file, &mut found);
            assert!(
                found.contains(&format!("fn {test}(")),
                "there is no {name}: {row}"
            );
        }
    }
}
