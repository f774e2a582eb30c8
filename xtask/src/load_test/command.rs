//! The command line of this run, for those who want to repeat it.

use std::borrow::Cow;

use crate::k6;

/// The variables that `load-test` heeds, but the one with the key.
const HEEDED: [&str; 7] = [
    "BASE_URL",
    "WS_URL",
    "K6_BIN",
    "TACHIKOMA_SERVER_BIN",
    "TACHIKOMA_RESULTS",
    "TACHIKOMA_PROMETHEUS",
    "TACHIKOMA_GRAFANA",
];

/// The command line as a shell line, with the variables that it was given. The key is never part of it.
pub fn line() -> String {
    let variables = HEEDED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let has_key = std::env::var_os("API_KEY").is_some();
    shell_line(
        variables,
        has_key,
        k6::without_values(std::env::args().skip(1)).into_iter(),
    )
}

fn shell_line(
    variables: impl Iterator<Item = (String, String)>,
    has_key: bool,
    args: impl Iterator<Item = String>,
) -> String {
    let mut words: Vec<String> = variables
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", quoted(&value)))
        .collect();
    if has_key {
        words.push("API_KEY=…".into());
    }
    words.extend(["cargo".into(), "xtask".into()]);
    words.extend(args.map(|arg| quoted(&arg).into_owned()));
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> Cow<'_, str> {
    // A word cannot hold the byte 0: the operating system ends it there.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

#[cfg(test)]
mod tests {
    use super::shell_line;

    #[test]
    fn a_shell_takes_it() {
        let variables = [
            ("BASE_URL".to_owned(), "http://127.0.0.1:0".to_owned()),
            ("WS_URL".to_owned(), String::new()),
        ];
        let args = ["load-test", "smoke", "--", "--tag", "a=it's"].map(str::to_owned);
        assert_eq!(
            shell_line(variables.into_iter(), true, args.into_iter()),
            r#"BASE_URL=http://127.0.0.1:0 API_KEY=… cargo xtask load-test smoke -- --tag "a=it's""#
        );
    }
}
