//! The folder of spec files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Largest spec file, in bytes.
pub const FILE_MAX: u64 = 1024 * 1024;

/// Why a folder of specs cannot be used. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum SpecsError {
    /// The folder or a file in it cannot be read.
    #[error(
        "failed to read the specs at {path}: {source}; give a readable folder with --specs-dir"
    )]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not text.
    #[error(
        "the spec {path} is not valid UTF-8 (first bad byte at offset {offset}); \
         save it as UTF-8 or move it out of the specs folder"
    )]
    NotText {
        /// The file.
        path: PathBuf,
        /// Where the first bad byte is.
        offset: usize,
    },
    /// A file is too large to be a spec.
    #[error("the spec {path} has {size} bytes, at most {FILE_MAX} are allowed")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// Two files have the same id.
    #[error("the specs {first} and {second} both have the id {id}; rename one of them")]
    SameId {
        /// The id.
        id: String,
        /// One file's name.
        first: String,
        /// The other's.
        second: String,
    },
    /// The index cannot be written.
    #[error("failed to index the specs in {path}: {source}")]
    Index {
        /// The index's database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

/// A spec file, not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFile {
    /// `010` of `010-name.md`.
    pub id: String,
    /// `010-name.md`.
    pub name: String,
    /// Last modification, nanoseconds since the Unix epoch.
    pub modified: i64,
    /// Size in bytes.
    pub size: i64,
}

/// Lists the spec files of a folder by id. Other files, such as a README, are left alone.
///
/// # Errors
/// [`SpecsError`], which names the file.
pub fn list(folder: &Path) -> Result<BTreeMap<String, SpecFile>, SpecsError> {
    let unreadable = |source| SpecsError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some(id) = id_of(name) else { continue };
        let path = entry.path();
        let metadata = std::fs::metadata(&path).map_err(|source| SpecsError::Unreadable {
            path: path.clone(),
            source,
        })?;
        if !metadata.is_file() {
            continue;
        }
        if metadata.len() > FILE_MAX {
            return Err(SpecsError::TooLarge {
                path,
                size: metadata.len(),
            });
        }
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_nanos()).ok())
            .unwrap_or(0);
        let size = i64::try_from(metadata.len()).unwrap_or(i64::MAX);
        let file = SpecFile {
            id: id.to_owned(),
            name: name.to_owned(),
            modified,
            size,
        };
        if let Some(other) = files.insert(id.to_owned(), file) {
            let mut names = [other.name, name.to_owned()];
            names.sort();
            let [first, second] = names;
            return Err(SpecsError::SameId {
                id: id.to_owned(),
                first,
                second,
            });
        }
    }
    Ok(files)
}

/// Reads a spec file.
///
/// # Errors
/// [`SpecsError`] if it cannot be read or is not UTF-8.
pub fn read(folder: &Path, file: &SpecFile) -> Result<String, SpecsError> {
    let path = folder.join(&file.name);
    let bytes = std::fs::read(&path).map_err(|source| SpecsError::Unreadable {
        path: path.clone(),
        source,
    })?;
    String::from_utf8(bytes).map_err(|error| SpecsError::NotText {
        path,
        offset: error.utf8_error().valid_up_to(),
    })
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
            id: "7".into(),
            name: "7-two-words.md".into(),
            modified: 0,
            size: 0,
        };
        assert_eq!(title(&file, "text\n## The title \n# Later"), "The title");
        assert_eq!(title(&file, "#\nno heading"), "two words");
    }
}
