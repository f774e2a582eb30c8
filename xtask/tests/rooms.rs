//! Rooms call downward only: every `crate::…` in the orchestrator's sources is an edge between two top-level rooms, and
//! the table below is all the edges there may be. And within a crate a type's name is one thing's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each room with the rooms that it calls. A room calls only rooms that stand above it here, so that the table itself
/// shows that nothing runs in circles.
const ROOMS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("secret", &[]),
    ("actions", &[]),
    ("ui", &["actions", "secret"]),
    ("shell", &["secret", "ui"]),
    ("http", &["error"]),
    ("record", &["error", "secret", "shell"]),
    ("capacity", &["record"]),
    ("repo", &["record", "shell"]),
    ("config", &["error", "shell"]),
    ("cli", &["config", "record"]),
    (
        "k6",
        &["cli", "error", "http", "record", "secret", "shell", "ui"],
    ),
    (
        "server",
        &["config", "error", "http", "record", "secret", "shell", "ui"],
    ),
    ("prometheus", &["error", "http", "record", "server"]),
    (
        "profile",
        &[
            "cli", "config", "error", "record", "secret", "server", "shell",
        ],
    ),
    (
        "plan",
        &[
            "cli",
            "config",
            "error",
            "k6",
            "prometheus",
            "secret",
            "server",
        ],
    ),
    ("measure", &["k6", "record", "secret", "server", "shell"]),
    ("history", &["cli", "error", "record", "repo", "ui"]),
    (
        "report",
        &[
            "actions", "cli", "config", "error", "history", "k6", "record", "shell", "ui",
        ],
    ),
    ("github", &["actions", "record", "report", "secret", "ui"]),
    (
        "load_test",
        &[
            "capacity",
            "cli",
            "config",
            "error",
            "github",
            "history",
            "k6",
            "measure",
            "plan",
            "profile",
            "prometheus",
            "record",
            "repo",
            "report",
            "secret",
            "server",
            "shell",
            "ui",
        ],
    ),
    (
        "compare",
        &[
            "cli",
            "config",
            "error",
            "github",
            "history",
            "k6",
            "load_test",
            "measure",
            "profile",
            "record",
            "repo",
            "report",
            "secret",
            "server",
            "shell",
            "ui",
        ],
    ),
    (
        "cluster",
        &[
            "cli",
            "config",
            "error",
            "github",
            "history",
            "k6",
            "load_test",
            "measure",
            "plan",
            "record",
            "repo",
            "report",
            "secret",
            "server",
            "shell",
            "ui",
        ],
    ),
];

/// A source file without its tests.
fn without_tests(source: &str) -> &str {
    let parts = source.split_once("#[cfg(test)]\nmod tests {");
    parts.map_or(source, |(code, _)| code)
}

/// What a source file calls, by top-level room, tests apart.
fn called(source: &str) -> BTreeSet<String> {
    let code: String = without_tests(source)
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(top_level_names(list)),
            None => rooms.extend(first_word(rest)),
        }
    }
    rooms
}

/// The first word of each item of a braced import list, nested lists apart.
fn top_level_names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut item) = (0_usize, String::new());
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => {
                names.extend(first_word(&item));
                item.clear();
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        item.push(c);
    }
    names.extend(first_word(&item));
    names
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!word.is_empty()).then_some(word)
}

/// Every source file below `dir`, except those that are compiled for tests only.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder of sources") {
        let path = entry.expect("an entry of it").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && !matches!(name.as_str(), "tests.rs" | "testing.rs") {
            found.push(path);
        }
    }
}

#[test]
fn rooms_call_downward_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let room_of = |file: &Path| {
        let first = file
            .strip_prefix(&src)
            .unwrap()
            .components()
            .next()
            .unwrap();
        let first = first.as_os_str().to_string_lossy().into_owned();
        first
            .strip_suffix(".rs")
            .map_or(first.clone(), str::to_owned)
    };
    let rooms: BTreeSet<String> = files.iter().map(|file| room_of(file)).collect();
    let mut edges: BTreeMap<(String, String), PathBuf> = BTreeMap::new();
    for file in &files {
        let room = room_of(file);
        if room == "main" {
            continue;
        }
        for called in called(&std::fs::read_to_string(file).unwrap()) {
            if called != room && rooms.contains(&called) {
                edges.entry((room.clone(), called)).or_insert(file.clone());
            }
        }
    }
    let mut problems = Vec::new();
    for ((from, to), file) in &edges {
        let allowed = ROOMS
            .iter()
            .any(|(room, calls)| room == from && calls.contains(&to.as_str()));
        if !allowed {
            problems.push(format!(
                "{from} calls {to}, which the table does not allow: {}",
                file.display()
            ));
        }
    }
    for (index, (room, calls)) in ROOMS.iter().enumerate() {
        for call in *calls {
            if !ROOMS[..index].iter().any(|(above, _)| above == call) {
                problems.push(format!(
                    "the table has {room} call {call}, which does not stand above it"
                ));
            }
            if !edges.contains_key(&((*room).to_owned(), (*call).to_owned())) {
                problems.push(format!(
                    "the table lets {room} call {call}, and it does not: take that out"
                ));
            }
        }
    }
    let known: BTreeSet<&str> = ROOMS
        .iter()
        .map(|(room, _)| *room)
        .chain(["main"])
        .collect();
    for room in rooms.iter().filter(|room| !known.contains(room.as_str())) {
        problems.push(format!("{room} is not in the table"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The types that a source file declares, tests and what stands in functions apart.
fn types(source: &str) -> impl Iterator<Item = String> {
    without_tests(source).lines().filter_map(|line| {
        let line = line.strip_prefix("pub").map_or(line, |rest| {
            rest.split_once(' ').map_or(rest, |(_scope, rest)| rest)
        });
        let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
        kinds
            .iter()
            .find_map(|kind| line.strip_prefix(kind))
            .and_then(first_word)
    })
}

#[test]
fn no_two_types_of_a_crate_have_the_same_name() {
    // Only one of the two is compiled: what a server without faults has in their place.
    const EITHER_OR: [(&str, &str); 1] = [("tachikoma-server", "Faults")];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut crates = vec![root.join("xtask")];
    let members = std::fs::read_dir(root.join("crates")).expect("the other crates");
    crates.extend(members.map(|entry| entry.expect("a crate").path()));
    let (mut problems, mut seen) = (Vec::new(), 0);
    for folder in crates.iter().filter(|folder| folder.join("src").is_dir()) {
        let name = folder.file_name().expect("a name").to_string_lossy();
        let mut files = Vec::new();
        sources(&folder.join("src"), &mut files);
        let mut declared: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in &files {
            let source = std::fs::read_to_string(file).expect("a source file");
            for it in types(&source) {
                declared
                    .entry(it)
                    .or_default()
                    .push(file.display().to_string());
            }
        }
        seen += declared.len();
        for (it, files) in declared.iter().filter(|(_, files)| files.len() > 1) {
            if !EITHER_OR.contains(&(&*name, it.as_str())) {
                problems.push(format!("{name} has several {it}: {}", files.join(", ")));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(seen > 400, "only {seen} types were found");
}

#[test]
fn every_form_of_a_declaration_is_seen() {
    let source = "pub struct A<T>(T);\nenum B {}\npub(crate) trait C {}\nfn f() {\n    struct Inner;\n}\n// struct Comment\n#[cfg(test)]\nmod tests {\nstruct Tested;\n}";
    let found: Vec<String> = types(source).collect();
    assert_eq!(found, ["A", "B", "C"]);
}

#[test]
fn every_form_of_a_path_is_seen() {
    let source = "use crate::{ui, record::{Host, Outcome}};\nuse crate::shell::Cmd; // crate::report\nfn f() { crate::k6::run() }\n#[cfg(test)]\nmod tests {\n use crate::main;\n}";
    let called: Vec<String> = called(source).into_iter().collect();
    assert_eq!(called, ["k6", "record", "shell", "ui"]);
}
