//! What the pages promise: every link leads somewhere, every page is one click from the front page and leads back to it,
//! and the tests that the guide's table of faults names are there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Folders whose Markdown is data or belongs to somebody else.
const NO_PAGES: [&str; 5] = ["fixtures", "results", "snapshots", "target", "templates"];

/// A page's links, and the anchors of its headings.
#[derive(Default)]
struct Page {
    links: Vec<String>,
    anchors: Vec<String>,
}

fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the repository")
}

/// The pages below `dir`, by their paths from the root.
fn pages(dir: &Path, found: &mut BTreeMap<PathBuf, Page>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && !NO_PAGES.contains(&&*name) {
            pages(&path, found);
        } else if name.ends_with(".md") {
            let text = std::fs::read_to_string(&path).expect("a page");
            let from_root = path.strip_prefix(root()).expect("below the root");
            found.insert(from_root.to_owned(), Page::of(&text));
        }
    }
}

impl Page {
    fn of(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading: Option<String> = None;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    page.anchors
                        .extend(heading.take().map(|text| anchor(&text)));
                }
                Event::Text(text) | Event::Code(text) => {
                    heading = heading.map(|heading| heading + &text);
                }
                _ => {}
            }
        }
        page
    }
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    let text: String = heading.chars().filter(kept).collect();
    text.to_lowercase().replace(' ', "-")
}

/// The file or folder that `link` on `page` leads to, from the root.
fn target(page: &Path, link: &str) -> PathBuf {
    let mut path = PathBuf::new();
    let beside = page.parent().expect("a folder");
    for part in beside.join(link).components() {
        match part {
            std::path::Component::ParentDir => assert!(path.pop(), "{link} leaves the repository"),
            part => path.push(part),
        }
    }
    path
}

#[test]
fn every_link_leads_somewhere_and_every_page_is_found_from_the_front_page() {
    let mut all = BTreeMap::new();
    pages(root(), &mut all);
    let front = PathBuf::from("README.md");
    let mut wrong = Vec::new();
    let mut leads_to: BTreeMap<&Path, Vec<PathBuf>> = BTreeMap::new();
    for (name, page) in &all {
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = match path {
                "" => name.clone(),
                path => target(name, path),
            };
            let has_anchor = |page: &Page| page.anchors.iter().any(|it| it == anchor);
            if !root().join(&to).exists()
                || !(anchor.is_empty() || all.get(&to).is_some_and(has_anchor))
            {
                wrong.push(format!(
                    "{} links to {link}, which is not there",
                    name.display()
                ));
            }
            leads_to.entry(name).or_default().push(to);
        }
    }
    for name in all.keys().filter(|name| **name != front) {
        let leads = |from: &Path, to: &Path| {
            leads_to
                .get(from)
                .is_some_and(|links| links.iter().any(|it| it == to))
        };
        if !leads(&front, name) {
            wrong.push(format!("README.md does not link to {}", name.display()));
        }
        if !leads(name, &front) {
            wrong.push(format!("{} does not link to README.md", name.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(all.len() > 10, "{} pages", all.len());
}

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
    let root = root();
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
