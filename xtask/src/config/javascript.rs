//! Reads JavaScript just far enough to find the keys of an object and the comments above them: words, strings, signs
//! and comments with their lines. What it does not understand it says it does not.

use std::path::{Path, PathBuf};

/// A piece of source with the lines on which it begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    first: usize,
    last: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The text of a comment without its marks.
    Comment(String),
    /// A name, keyword or number.
    Word(String),
    /// The text between quotes, escapes as they stand.
    Text(String),
    Sign(char),
}

/// A key of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The first sentence of the comment right above it.
    pub about: Option<String>,
}

/// The keys of an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Those that were found, in order.
    pub keys: Vec<Key>,
    /// Whether there may be more, since a part was not understood.
    pub open: bool,
}

/// How deep one file may follow another.
const MAX_DEPTH: usize = 8;

/// The first sentence of the comment at the very beginning of `source`.
pub fn leading_comment(source: &str) -> Option<String> {
    about(&tokens(source), None)
}

/// The keys of the object that the variable `name` of the file at `path` is set to. Spreads of objects in the same file
/// or in an imported one are followed.
pub fn keys_of(path: &Path, name: &str) -> Keys {
    read(path, name, 0)
}

fn read(path: &Path, name: &str, depth: usize) -> Keys {
    let unknown = Keys {
        keys: Vec::new(),
        open: true,
    };
    let Ok(source) = std::fs::read_to_string(path) else {
        return unknown;
    };
    if depth > MAX_DEPTH {
        return unknown;
    }
    let tokens = tokens(&source);
    let Some(begin) = object(&tokens, name) else {
        return unknown;
    };
    let mut found = Keys::default();
    let mut rest = &tokens[begin..];
    loop {
        let (comments, after) = split_comments(rest);
        let (entry, more) = entry(after);
        match entry {
            None => {
                // Without the closing brace something was misread.
                found.open |= !starts_with(after, '}');
                return found;
            }
            Some([]) => {}
            Some(entry) => match key(entry) {
                Some(name) => add(
                    &mut found.keys,
                    Key {
                        name,
                        about: about(comments, entry.first()),
                    },
                ),
                None => match spread(entry, &tokens, path) {
                    Some((path, name)) => {
                        let inner = read(&path, &name, depth + 1);
                        found.open |= inner.open;
                        for key in inner.keys {
                            add(&mut found.keys, key);
                        }
                    }
                    None => found.open = true,
                },
            },
        }
        rest = more;
    }
}

/// A key that comes again replaces the one before.
fn add(keys: &mut Vec<Key>, key: Key) {
    match keys.iter_mut().find(|known| known.name == key.name) {
        Some(known) => *known = key,
        None => keys.push(key),
    }
}

/// The index behind `const NAME = {`.
fn object(tokens: &[Token], name: &str) -> Option<usize> {
    let words = |i: usize, word: &str| matches!(&tokens[i].kind, Kind::Word(w) if w == word);
    (1..tokens.len().saturating_sub(2)).find_map(|i| {
        let declared = ["const", "let", "var"].iter().any(|w| words(i - 1, w));
        (declared
            && words(i, name)
            && tokens[i + 1].kind == Kind::Sign('=')
            && tokens[i + 2].kind == Kind::Sign('{'))
        .then_some(i + 3)
    })
}

fn split_comments(tokens: &[Token]) -> (&[Token], &[Token]) {
    let comments = tokens
        .iter()
        .take_while(|token| matches!(token.kind, Kind::Comment(_)))
        .count();
    tokens.split_at(comments)
}

/// The tokens up to the comma or brace that ends an entry, and what follows the comma; `None` at the object's end.
fn entry(tokens: &[Token]) -> (Option<&[Token]>, &[Token]) {
    let mut depth = 0_usize;
    for (i, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Sign('{' | '[' | '(') => depth += 1,
            Kind::Sign('}' | ']' | ')') if depth > 0 => depth -= 1,
            Kind::Sign('}') if i == 0 => return (None, tokens),
            Kind::Sign('}') => return (Some(&tokens[..i]), &tokens[i..]),
            Kind::Sign(']' | ')') => return (None, &[]),
            Kind::Sign(',') if depth == 0 => return (Some(&tokens[..i]), &tokens[i + 1..]),
            _ => {}
        }
    }
    (None, &[])
}

fn starts_with(tokens: &[Token], sign: char) -> bool {
    tokens
        .first()
        .is_some_and(|token| token.kind == Kind::Sign(sign))
}

/// The key of `key: value`, of `key` alone and of `key() {…}`.
fn key(entry: &[Token]) -> Option<String> {
    let (Kind::Word(name) | Kind::Text(name)) = &entry.first()?.kind else {
        return None;
    };
    let next = entry
        .iter()
        .skip(1)
        .find(|token| !matches!(token.kind, Kind::Comment(_)));
    match next.map(|token| &token.kind) {
        None | Some(Kind::Sign(':' | '(')) => Some(name.clone()),
        Some(_) => None,
    }
}

/// The file and variable that `...variable` or `...imported.variable` means.
fn spread(entry: &[Token], tokens: &[Token], path: &Path) -> Option<(PathBuf, String)> {
    let dots = entry.get(..3)?;
    if dots.iter().any(|token| token.kind != Kind::Sign('.')) {
        return None;
    }
    let kinds: Vec<&Kind> = entry[3..].iter().map(|token| &token.kind).collect();
    match kinds.as_slice() {
        [Kind::Word(name)] if object(tokens, name).is_some() => {
            Some((path.to_owned(), name.clone()))
        }
        [Kind::Word(name)] => {
            let (file, name) = imported(tokens, name)?;
            Some((path.with_file_name(file), name?))
        }
        [Kind::Word(space), Kind::Sign('.'), Kind::Word(name)] => match imported(tokens, space)? {
            (file, None) => Some((path.with_file_name(file), name.clone())),
            (_, Some(_)) => None,
        },
        _ => None,
    }
}

/// The file that `local` was imported from, and its name there; no name for `import * as local`.
fn imported(tokens: &[Token], local: &str) -> Option<(String, Option<String>)> {
    let kinds: Vec<&Kind> = tokens
        .iter()
        .map(|token| &token.kind)
        .filter(|kind| !matches!(kind, Kind::Comment(_)))
        .collect();
    let word = |kind: &Kind, word: &str| matches!(kind, Kind::Word(w) if w == word);
    for begin in (0..kinds.len()).filter(|i| word(kinds[*i], "import")) {
        let statement = &kinds[begin + 1..];
        let Some(from) = statement.iter().position(|kind| word(kind, "from")) else {
            continue;
        };
        let Some(Kind::Text(file)) = statement.get(from + 1) else {
            continue;
        };
        if !file.starts_with("./") {
            continue;
        }
        let names: Vec<&str> = statement[..from]
            .iter()
            .filter_map(|kind| match kind {
                Kind::Word(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        if statement[0] == &Kind::Sign('*') && names == ["as", local] {
            return Some((file.clone(), None));
        }
        if statement[0] == &Kind::Sign('{')
            && let Some(i) = names.iter().position(|name| *name == local)
        {
            let renamed = i >= 2 && names[i - 1] == "as";
            let there = if renamed { names[i - 2] } else { local };
            return Some((file.clone(), Some(there.to_owned())));
        }
    }
    None
}

/// The first sentence of the comments that stand on lines of their own right above `below`; without it, at the very
/// beginning of the file.
fn about(tokens: &[Token], below: Option<&Token>) -> Option<String> {
    let comments: Vec<(&str, &Token)> = tokens
        .iter()
        .map_while(|token| match &token.kind {
            Kind::Comment(text) => Some((text.as_str(), token)),
            _ => None,
        })
        .collect();
    let block: Vec<&str> = match below {
        None => {
            let mut line = 0;
            let block = comments.iter().take_while(|(_, token)| {
                let follows = token.first == line + 1;
                line = token.last;
                follows
            });
            block.map(|(text, _)| *text).collect()
        }
        Some(below) => {
            let mut line = below.first;
            let block = comments.iter().rev().take_while(|(_, token)| {
                let follows = token.last + 1 == line;
                line = token.first;
                follows
            });
            let mut block: Vec<&str> = block.map(|(text, _)| *text).collect();
            block.reverse();
            block
        }
    };
    let joined = block.join(" ");
    let text = joined.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = text.split(". ").next().unwrap_or_default();
    let sentence = sentence.trim_end_matches('.');
    (!sentence.is_empty()).then(|| sentence.to_owned())
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let (kind, taken) = match c {
            _ if c.is_whitespace() => (None, c.len_utf8()),
            '/' if rest.starts_with("//") => {
                let end = rest.find('\n').unwrap_or(rest.len());
                (Some(Kind::Comment(rest[2..end].trim().to_owned())), end)
            }
            '/' if rest.starts_with("/*") => {
                let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
                let inner = rest[2..end].trim_end_matches("*/").lines();
                let lines: Vec<&str> = inner
                    .map(|line| line.trim().trim_start_matches('*').trim())
                    .collect();
                (Some(Kind::Comment(lines.join(" "))), end)
            }
            '"' | '\'' | '`' => {
                let (text, taken) = quoted(rest, c);
                (Some(Kind::Text(text)), taken)
            }
            _ if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Some(Kind::Word(rest[..end].to_owned())), end)
            }
            _ => (Some(Kind::Sign(c)), c.len_utf8()),
        };
        let first = line;
        line += rest[..taken].matches('\n').count();
        if let Some(kind) = kind {
            let last = line;
            tokens.push(Token { kind, first, last });
        }
        rest = &rest[taken..];
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The text between quotes, and the bytes that it takes with them.
fn quoted(rest: &str, quote: char) -> (String, usize) {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return (rest[1..i].to_owned(), i + 1);
        }
        escaped = c == '\\' && !escaped;
    }
    (rest[1..].to_owned(), rest.len())
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
        let keys = found.keys.into_iter().map(|key| (key.name, key.about));
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
