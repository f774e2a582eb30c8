//! Reads JavaScript just far enough to find the keys of an object and the comments above them. What it does not
//! understand it says it does not.

use std::path::{Path, PathBuf};

/// A word, a string in its quotes, or a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'s> {
    text: &'s str,
    /// The line on which it begins, counted from 0.
    line: usize,
}

/// A key of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey {
    /// Its name.
    pub name: String,
    /// The first sentence of the comment right above it.
    pub about: Option<String>,
}

/// The keys of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Those that were found, in order.
    pub known: Vec<ObjectKey>,
    /// Whether there may be more, since a part was not understood.
    pub open: bool,
}

/// How deep one file may follow another.
const MAX_DEPTH: usize = 8;

/// The first sentence of the comment at the very beginning of `source`.
pub fn leading_comment(source: &str) -> Option<String> {
    let lines = comments(source);
    first_sentence(lines.iter().map_while(|comment| *comment))
}

/// The keys of the object that the variable `name` of the file at `path` is set to. Spreads of objects in the same file
/// or in an imported one are followed.
pub fn keys_of(path: &Path, name: &str) -> Keys {
    read(path, name, 0).unwrap_or_else(|| Keys {
        known: Vec::new(),
        open: true,
    })
}

/// As [`keys_of`]; `None` if there is no such object.
fn read(path: &Path, name: &str, depth: usize) -> Option<Keys> {
    if depth > MAX_DEPTH {
        return None;
    }
    let source = std::fs::read_to_string(path).ok()?;
    let (tokens, comments) = (tokens(&source), comments(&source));
    let (entries, is_closed) = entries(object(&tokens, name)?);
    let mut found = Keys {
        known: Vec::new(),
        // Without the closing brace something was misread.
        open: !is_closed,
    };
    for entry in entries {
        let inner = match key(entry) {
            Some(name) => Some(Keys {
                known: vec![ObjectKey {
                    name: name.to_owned(),
                    about: comment_above(&comments, entry[0].line),
                }],
                open: false,
            }),
            None => {
                spread(entry, &tokens, path).and_then(|(path, name)| read(&path, &name, depth + 1))
            }
        };
        found.open |= inner.as_ref().is_none_or(|inner| inner.open);
        for key in inner.into_iter().flat_map(|inner| inner.known) {
            // A key that comes again replaces the one before.
            match found.known.iter_mut().find(|it| it.name == key.name) {
                Some(known) => *known = key,
                None => found.known.push(key),
            }
        }
    }
    Some(found)
}

/// The tokens behind `const NAME = {`.
fn object<'t, 's>(tokens: &'t [Token<'s>], name: &str) -> Option<&'t [Token<'s>]> {
    let declares = |four: &[Token<'_>]| {
        let [kind, variable, equals, brace] = [0, 1, 2, 3].map(|nth| four[nth].text);
        ["const", "let", "var"].contains(&kind) && [variable, equals, brace] == [name, "=", "{"]
    };
    let at = tokens.windows(4).position(declares)?;
    Some(&tokens[at + 4..])
}

/// The entries of an object whose first token is that behind its brace, and whether its other brace is there.
fn entries<'t, 's>(tokens: &'t [Token<'s>]) -> (Vec<&'t [Token<'s>]>, bool) {
    let (mut entries, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" | "[" | "(" => depth += 1,
            "," | "}" if depth == 0 => {
                entries.extend(Some(&tokens[start..at]).filter(|entry| !entry.is_empty()));
                start = at + 1;
                if token.text == "}" {
                    return (entries, true);
                }
            }
            "}" | "]" | ")" if depth == 0 => break,
            "}" | "]" | ")" => depth -= 1,
            _ => {}
        }
    }
    (entries, false)
}

/// The key of `key: value`, of `key` alone and of `key() {…}`.
fn key<'s>(entry: &[Token<'s>]) -> Option<&'s str> {
    let name = entry[0].text;
    let name = unquoted(name).or(Some(name).filter(|name| name.starts_with(is_word)))?;
    let is_key = entry
        .get(1)
        .is_none_or(|next| [":", "("].contains(&next.text));
    is_key.then_some(name)
}

/// The text of a string.
fn unquoted(token: &str) -> Option<&str> {
    let quote = token.chars().next().filter(|c| QUOTES.contains(c))?;
    Some(token.trim_matches(quote))
}

/// The file and variable that `...variable` or `...imported.variable` means.
fn spread(entry: &[Token<'_>], tokens: &[Token<'_>], path: &Path) -> Option<(PathBuf, String)> {
    let texts: Vec<&str> = entry.iter().map(|token| token.text).collect();
    let (file, name) = match texts.as_slice() {
        [".", ".", ".", name] if object(tokens, name).is_some() => {
            return Some((path.to_owned(), (*name).to_owned()));
        }
        [".", ".", ".", local] => imported(tokens, local)?,
        [".", ".", ".", space, ".", name] => match imported(tokens, space)? {
            (file, "*") => (file, *name),
            _ => return None,
        },
        _ => return None,
    };
    Some((path.with_file_name(file), name.to_owned()))
}

/// The file that `local` was imported from, and its name there, `*` for all of it.
fn imported<'s>(tokens: &[Token<'s>], local: &str) -> Option<(&'s str, &'s str)> {
    let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    texts
        .split(|text| *text == "import")
        .skip(1)
        .find_map(|rest| {
            let from = rest.iter().position(|text| *text == "from")?;
            let file = unquoted(rest.get(from + 1)?).filter(|file| file.starts_with("./"))?;
            let names = &rest[..from];
            let at = names.iter().rposition(|text| *text == local)?;
            let there = match names[..at] {
                [.., there, "as"] => there,
                _ => names[at],
            };
            Some((file, there))
        })
}

/// For each line that is nothing but a comment, its text.
fn comments(source: &str) -> Vec<Option<&str>> {
    let mut is_inside = false;
    let comment = |line| {
        let line = str::trim(line);
        is_inside |= line.starts_with("/*");
        let ends = line.contains("*/");
        let whole = is_inside && (!ends || line.ends_with("*/"));
        is_inside &= !ends;
        let text = line.strip_prefix("//").or(whole.then_some(line))?;
        let text = text.trim_start_matches(['/', '*']);
        Some(text.trim_end_matches("*/").trim())
    };
    source.lines().map(comment).collect()
}

/// The first sentence of the comments on the lines right above `line`.
fn comment_above(comments: &[Option<&str>], line: usize) -> Option<String> {
    let is_comment = |comment: &&Option<&str>| comment.is_some();
    let count = comments[..line].iter().rev().take_while(is_comment).count();
    first_sentence(comments[line - count..line].iter().flatten().copied())
}

fn first_sentence<'s>(lines: impl Iterator<Item = &'s str>) -> Option<String> {
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let text = words.join(" ");
    let sentence = text.split(". ").next().unwrap_or_default();
    let sentence = sentence.trim_end_matches('.');
    (!sentence.is_empty()).then(|| sentence.to_owned())
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// The tokens of `source` but for its comments.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 0);
    while let Some(c) = rest.chars().next() {
        let is_comment = rest.starts_with("//") || rest.starts_with("/*");
        let length = match c {
            _ if rest.starts_with("//") => rest.find('\n'),
            _ if rest.starts_with("/*") => rest.find("*/").map(|end| end + 2),
            _ if QUOTES.contains(&c) => quoted(rest, c),
            _ if is_word(c) => rest.find(|c| !is_word(c)),
            _ => Some(c.len_utf8()),
        };
        let (text, after) = rest.split_at(length.unwrap_or(rest.len()));
        if !is_comment && !c.is_whitespace() {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// How many bytes a string takes with its quotes.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    let ends = |(_, c): &(usize, char)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    };
    let (end, _) = rest.char_indices().skip(1).find(ends)?;
    Some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(files: &[(&str, &str)]) -> (Vec<(String, Option<String>)>, bool) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let found = keys_of(&dir.path().join(files[0].0), "profiles");
        let keys = found.known.into_iter().map(|key| (key.name, key.about));
        (keys.collect(), found.open)
    }

    #[track_caller]
    fn names(files: &[(&str, &str)], expected: &[&str], open: bool) {
        let (found, really) = keys(files);
        let found: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((found.as_slice(), really), (expected, open));
    }

    #[test]
    fn reads_keys_and_the_comments_right_above_them() {
        let text = "export const profiles = {\n  // Quick. And more.\n  smoke: { vus: 1, x: [{}, f(1)] }, // not b\n\n  /*\n   * A long\n   * one\n   */\n  'b-c': '}',\n\n  // Apart.\n\n  d() { return 1; },\n  e,\n};\n";
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            keys(&[("main.js", text)]),
            (
                vec![
                    ("smoke".into(), some("Quick")),
                    ("b-c".into(), some("A long one")),
                    ("d".into(), None),
                    ("e".into(), None)
                ],
                false
            )
        );
    }

    #[test]
    fn follows_spreads() {
        let base = "// x\nexport const base = { a: 1, b: 2 };\nexport const more = { c: 1, };";
        for import in [
            "import * as all from './base.js';\nconst profiles = { ...all.base, d: 1 };",
            "import { base } from './base.js';\nconst profiles = { ...base, d: 1 };",
            "import { more, base as own } from './base.js';\nconst profiles = { ...own, d: 1 };",
            "const base = { a: 1, b: 2 };\nconst profiles = { ...base, d: 1 };",
        ] {
            names(
                &[("main.js", import), ("base.js", base)],
                &["a", "b", "d"],
                false,
            );
        }
    }

    #[test]
    fn says_what_it_does_not_understand() {
        for (text, expected) in [
            (
                "const profiles = { a: 1, ...made(), b: 2 };",
                &["a", "b"][..],
            ),
            ("const profiles = { a: 1, [`b${1}`]: 2 };", &["a"]),
            ("const profiles = { a: 1, ...gone };", &["a"]),
            (
                "import * as all from './gone.js';\nconst profiles = { a: 1, ...all.base };",
                &["a"],
            ),
            ("const profiles = make();", &[]),
            ("const profiles = { a: 1, ...profiles };", &["a"]),
            ("const profiles = { a: 1", &[]),
            ("", &[]),
        ] {
            names(&[("main.js", text)], expected, true);
        }
    }

    #[test]
    fn a_script_is_described_by_its_first_comment() {
        let about = |text| leading_comment(text);
        assert_eq!(
            about("// Adds and\n// removes. Twice.\n\n// No.\nimport x"),
            Some("Adds and removes".into())
        );
        assert_eq!(about("import x from 'y'; // No"), None);
        assert_eq!(about(""), None);
    }
}
