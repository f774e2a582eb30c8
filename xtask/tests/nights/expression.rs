//! As much of the workflows' `${{ }}` as they use: names, texts, `!`, `==`, `!=`, `&&`, `||`, and status functions.

use std::collections::HashMap;
use std::path::Path;

/// What expressions are about.
#[derive(Debug, Default, Clone)]
pub struct Context {
    /// Values by dotted name, such as `steps.plan.outputs.profile`; what is missing is empty.
    pub values: HashMap<String, String>,
    /// Whether a step before has failed.
    pub failed: bool,
    /// The folder that `hashFiles` looks in.
    pub workspace: std::path::PathBuf,
}

impl Context {
    /// `text` with every `${{ }}` replaced by its value.
    pub fn fill(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${{") {
            let (inside, after) = after.split_once("}}").unwrap();
            out.push_str(before);
            out.push_str(&self.value(inside));
            rest = after;
        }
        out + rest
    }

    /// Whether a step with this `if` runs.
    pub fn runs(&self, condition: Option<&str>) -> bool {
        let Some(text) = condition else {
            return !self.failed;
        };
        let inside = text.trim().trim_start_matches("${{").trim_end_matches("}}");
        let status = ["always()", "success()", "failure()", "cancelled()"];
        // As on GitHub: without a word on the status, only after success.
        let asks = status.iter().any(|function| inside.contains(function));
        (asks || !self.failed) && truthy(&self.value(inside))
    }

    fn value(&self, text: &str) -> String {
        let text = text.trim();
        if let Some((left, right)) = split(text, "||") {
            let left = self.value(left);
            return if truthy(&left) {
                left
            } else {
                self.value(right)
            };
        }
        if let Some((left, right)) = split(text, "&&") {
            let left = self.value(left);
            return if truthy(&left) {
                self.value(right)
            } else {
                left
            };
        }
        if let Some((left, right)) = split(text, "!=") {
            return (self.value(left) != self.value(right)).to_string();
        }
        if let Some((left, right)) = split(text, "==") {
            return (self.value(left) == self.value(right)).to_string();
        }
        if let Some(rest) = text.strip_prefix('!') {
            return (!truthy(&self.value(rest))).to_string();
        }
        if let Some(quoted) = text.strip_prefix('\'').and_then(|it| it.strip_suffix('\'')) {
            return quoted.to_owned();
        }
        match text {
            "always()" => "true".into(),
            "success()" => (!self.failed).to_string(),
            "failure()" => self.failed.to_string(),
            "cancelled()" => "false".into(),
            _ => match text
                .strip_prefix("hashFiles('")
                .and_then(|it| it.strip_suffix("')"))
            {
                Some(file) => self.hash(file),
                None => {
                    let name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                    assert!(text.chars().all(name), "not understood: {text}");
                    self.values.get(text).cloned().unwrap_or_default()
                }
            },
        }
    }

    fn hash(&self, file: &str) -> String {
        let there = Path::new(&self.workspace).join(file).is_file();
        if there { "hash".into() } else { String::new() }
    }
}

/// Splits at the first `operator` outside of quotes.
fn split<'t>(text: &'t str, operator: &str) -> Option<(&'t str, &'t str)> {
    let found = text
        .match_indices(operator)
        .find(|(at, _)| text[..*at].matches('\'').count().is_multiple_of(2));
    found.map(|(at, _)| (&text[..at], &text[at + operator.len()..]))
}

fn truthy(value: &str) -> bool {
    !matches!(value, "" | "false" | "0")
}

#[test]
fn expressions_mean_what_they_mean_on_github() {
    let mut context = Context::default();
    context.values.insert("a.b".into(), "x".into());
    assert_eq!(context.fill("<${{ a.b }}-${{ a.c }}>"), "<x->");
    for (text, runs, after_failure) in [
        (None, true, false),
        (Some("${{ a.b == 'x' }}"), true, false),
        (Some("${{ a.c != '' }}"), false, false),
        (Some("${{ !cancelled() && a.b == 'x' }}"), true, true),
        (Some("${{ success() && a.b == 'x' }}"), true, false),
        (
            Some("${{ always() && hashFiles('none') != '' }}"),
            false,
            false,
        ),
        (Some("${{ always() }}"), true, true),
        (Some("failure()"), false, true),
        (Some("a.c || a.b"), true, false),
    ] {
        context.failed = false;
        assert_eq!(context.runs(text), runs, "{text:?}");
        context.failed = true;
        assert_eq!(
            context.runs(text),
            after_failure,
            "{text:?} after a failure"
        );
    }
}
