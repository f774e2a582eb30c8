//! Grafana's variables in an expression, replaced as its Prometheus data source does it.

use std::collections::BTreeMap;

use crate::tokens::variable;

/// The value of a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Fill {
    /// Of a variable with one value: it stands as it is.
    One(String),
    /// Of a variable that may have several: they become a regular expression.
    Many(Vec<String>),
}

/// Values by the variables' names.
pub type Values = BTreeMap<String, Fill>;

/// `text` with its variables replaced.
///
/// # Errors
/// If it has a variable or a format that is not known.
pub fn fill(text: &str, values: &Values) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, _)) = rest.split_once('$') {
        out.push_str(before);
        rest = &rest[before.len()..];
        let (name, length) = variable(rest).unwrap_or(("", 1));
        let whole = &rest[..length];
        rest = &rest[length..];
        // A group of a regular expression, or its end.
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            out.push_str(whole);
            continue;
        }
        let value = values
            .get(name)
            .ok_or_else(|| format!("there is no variable {whole}: {text}"))?;
        let format = whole.trim_end_matches('}').split_once(':');
        out.push_str(&match (value, format.map(|(_, format)| format)) {
            (Fill::One(value), None | Some("raw")) => value.clone(),
            (Fill::One(value), Some("regex")) => escaped(value),
            (Fill::Many(values), None | Some("regex")) => any_of(values),
            _ => return Err(format!("{whole} is not understood: {text}")),
        });
    }
    Ok(out + rest)
}

/// A regular expression for one of `values`.
fn any_of(values: &[String]) -> String {
    let values: Vec<_> = values.iter().map(|value| escaped(value)).collect();
    match values.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join("|")),
    }
}

/// `value` with the characters escaped that mean something in a regular expression, for a text in quotes.
fn escaped(value: &str) -> String {
    let mut escaped = String::new();
    for c in value.chars() {
        if "$^*{}[]'+?.()|\\".contains(c) {
            escaped.push_str("\\\\");
        }
        escaped.push(c);
    }
    escaped
}

#[test]
fn variables_are_replaced_as_grafana_does_it() {
    let values = Values::from([
        ("one".into(), Fill::One("a+b".into())),
        ("all".into(), Fill::Many(vec!["a+".into(), "b".into()])),
        ("single".into(), Fill::Many(vec!["a.b".into()])),
        ("__range".into(), Fill::One("90s".into())),
    ]);
    for (text, expected) in [
        ("x{a=\"$one\"}[$__range]", "x{a=\"a+b\"}[90s]"),
        ("{a=~\"$all\"}", "{a=~\"(a\\\\+|b)\"}"),
        ("{a=~\"${all}x\"}", "{a=~\"(a\\\\+|b)x\"}"),
        ("{a=~\"${one:regex}\"}", "{a=~\"a\\\\+b\"}"),
        ("{a=~\"$single\"}", "{a=~\"a\\\\.b\"}"),
        ("label_replace(a, \"$1$\")", "label_replace(a, \"$1$\")"),
        ("nothing", "nothing"),
    ] {
        assert_eq!(fill(text, &values).as_deref(), Ok(expected), "{text}");
    }
    for text in ["$other", "${all:csv}", "$one_more"] {
        assert!(fill(text, &values).is_err(), "{text}");
    }
}
