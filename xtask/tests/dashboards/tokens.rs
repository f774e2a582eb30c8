//! The words of a PromQL expression, with Grafana's variables still in it.

/// One word or mark.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A name or keyword.
    Word(String),
    /// A variable of Grafana's, such as `$testid` or `${testid:regex}`, without its marks and format.
    Variable(String),
    /// What stands in quotes, without them.
    Text(String),
    /// A number or duration.
    Number(String),
    /// Any other character.
    Mark(char),
}

impl Token {
    /// Whether it is this mark.
    pub fn is(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }

    /// The name or keyword, if it is one.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Cuts `text` into tokens.
///
/// # Errors
/// If a quote or a `${` is not closed.
pub fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            _ if first.is_whitespace() => (None, first.len_utf8()),
            '"' | '\'' | '`' => {
                let length = quoted(rest, first).ok_or(format!("open quote: {rest}"))?;
                let inside = rest[1..length - 1].to_owned();
                (Some(Token::Text(inside)), length)
            }
            '$' => {
                let (name, length) = variable(rest).ok_or(format!("no variable: {rest}"))?;
                (Some(Token::Variable(name.to_owned())), length)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = span(rest, |c| c.is_ascii_alphanumeric() || "_:".contains(c));
                (Some(Token::Word(rest[..length].to_owned())), length)
            }
            '0'..='9' | '.' => {
                let length = number(rest);
                (Some(Token::Number(rest[..length].to_owned())), length)
            }
            mark => (Some(Token::Mark(mark)), mark.len_utf8()),
        };
        tokens.extend(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// The variable that `text` begins with, and the length of all that names it.
pub fn variable(text: &str) -> Option<(&str, usize)> {
    if let Some(inside) = text.strip_prefix("${") {
        let (inside, _) = inside.split_once('}')?;
        let (name, _format) = inside.split_once(':').unwrap_or((inside, ""));
        return Some((name, inside.len() + "${}".len()));
    }
    let name = text.strip_prefix('$')?;
    let length = span(name, |c| c.is_ascii_alphanumeric() || c == '_');
    (length > 0).then(|| (&name[..length], length + 1))
}

/// The position behind the closing mark of the group that `tokens[open]` opens; `None` if the marks do not match.
pub fn behind(tokens: &[Token], open: usize) -> Option<usize> {
    let mut expected = Vec::new();
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Mark('(') => expected.push(')'),
            Token::Mark('[') => expected.push(']'),
            Token::Mark('{') => expected.push('}'),
            Token::Mark(mark @ (')' | ']' | '}')) if expected.pop() != Some(*mark) => return None,
            _ => {}
        }
        if expected.is_empty() {
            return Some(index + 1);
        }
    }
    None
}

/// The length of a quoted text with its quotes, `None` if it is not closed.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            _ if c == quote => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// The length of a number such as `1e-3` or `0x1F`, or of a duration such as `1h30m`.
fn number(text: &str) -> usize {
    let length = span(text, |c| c.is_ascii_alphanumeric() || c == '.');
    let exponent = text[..length].ends_with(['e', 'E']) && !text.starts_with("0x");
    if exponent && text[length..].starts_with(['-', '+']) {
        return length + 1 + span(&text[length + 1..], |c| c.is_ascii_digit());
    }
    length
}

fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[test]
fn expressions_are_cut_into_words_and_marks() {
    let word = |text: &str| Token::Word(text.into());
    let seen = tokens("rate(a_b{c=~\"x\\\"}\"}[$__r])  > 1e-3 # and so on").unwrap();
    let expected = [
        word("rate"),
        Token::Mark('('),
        word("a_b"),
        Token::Mark('{'),
        word("c"),
        Token::Mark('='),
        Token::Mark('~'),
        Token::Text("x\\\"}".into()),
        Token::Mark('}'),
        Token::Mark('['),
        Token::Variable("__r".into()),
        Token::Mark(']'),
        Token::Mark(')'),
        Token::Mark('>'),
        Token::Number("1e-3".into()),
    ];
    assert_eq!(seen, expected);
    assert_eq!(behind(&seen, 1), Some(13));
    assert_eq!(behind(&seen, 3), Some(9));
    assert_eq!(behind(&seen[..10], 1), None);
}

#[test]
fn variables_have_two_forms() {
    for (text, expected) in [
        ("$a_1-b", Some(("a_1", 4))),
        ("${a:regex}b", Some(("a", 10))),
        ("${a}", Some(("a", 4))),
        ("$ a", None),
        ("${a", None),
    ] {
        assert_eq!(variable(text), expected, "{text}");
    }
}

#[test]
fn what_is_not_closed_is_an_error() {
    for text in ["a{b=\"c}", "rate(a[${b", "'"] {
        assert!(tokens(text).is_err(), "{text}");
    }
    assert_eq!(
        tokens("1h30m:0x1F").unwrap(),
        [
            Token::Number("1h30m".into()),
            Token::Mark(':'),
            Token::Number("0x1F".into())
        ]
    );
}
