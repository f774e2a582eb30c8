//! The folder of spec files.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Context, bail, ensure};

/// Largest spec file, in bytes.
pub const FILE_MAX: u64 = 1024 * 1024;

/// A spec file, not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFile {
    /// `010-name.md`.
    pub name: String,
    /// Its last modification in nanoseconds since the Unix epoch, and its size in bytes.
    pub stamp: String,
}

/// Lists the spec files of a folder by id. Other files, such as a README, are left alone.
///
/// # Errors
/// What is wrong with which file.
pub fn list(folder: &Path) -> anyhow::Result<BTreeMap<String, SpecFile>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| unreadable(folder))? {
        let path = entry.with_context(|| unreadable(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some(id) = id_of(name) else { continue };
        let metadata = std::fs::metadata(&path).with_context(|| unreadable(&path))?;
        if !metadata.is_file() {
            continue;
        }
        let size = metadata.len();
        ensure!(
            size <= FILE_MAX,
            "the spec {} has {size} bytes, at most {FILE_MAX} are allowed",
            path.display()
        );
        let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
        let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = format!("{} {size}", modified.as_nanos());
        let file = SpecFile {
            name: name.to_owned(),
            stamp,
        };
        if let Some(other) = files.insert(id.to_owned(), file) {
            let (first, second) = (name.min(&other.name), name.max(&other.name));
            bail!("the specs {first} and {second} both have the id {id}; rename one of them");
        }
    }
    Ok(files)
}

/// Reads a spec file.
///
/// # Errors
/// If it cannot be read or is not UTF-8.
pub fn read(folder: &Path, file: &SpecFile) -> anyhow::Result<String> {
    let path = folder.join(&file.name);
    let bytes = std::fs::read(&path).with_context(|| unreadable(&path))?;
    String::from_utf8(bytes).with_context(|| {
        let path = path.display();
        format!("the spec {path} must be saved as UTF-8, or moved out of the specs folder")
    })
}

fn unreadable(path: &Path) -> String {
    let path = path.display();
    format!("failed to read the specs at {path}; give a readable folder with --specs-dir")
}

/// The digits before the first hyphen of a Markdown file's name.
fn id_of(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".md")?;
    let (id, rest) = stem.split_once('-')?;
    let digits = (1..=9).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    (digits && !rest.is_empty()).then_some(id)
}

/// The text of the first heading, or the file's name without number and ending.
pub fn title(file: &SpecFile, content: &str) -> String {
    let heading = content.lines().find_map(|line| {
        let text = line.strip_prefix('#')?.trim_start_matches('#').trim();
        (!text.is_empty()).then(|| text.to_owned())
    });
    heading.unwrap_or_else(|| {
        let stem = file.name.strip_suffix(".md").unwrap_or(&file.name);
        stem.split_once('-')
            .map_or(stem, |(_, rest)| rest)
            .replace('-', " ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_names() {
        assert_eq!(id_of("010-name.md"), Some("010"));
        assert_eq!(id_of("1-a-b.md"), Some("1"));
        for other in [
            "README.md",
            "010.md",
            "010-.md",
            "01a-x.md",
            "-x.md",
            "010-name.txt",
            ".md",
        ] {
            assert_eq!(id_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_title_is_the_first_heading() {
        let file = SpecFile {
            name: "7-two-words.md".into(),
            stamp: String::new(),
        };
        assert_eq!(title(&file, "text\n## The title \n# Later"), "The title");
        assert_eq!(title(&file, "#\nno heading"), "two words");
    }
}
