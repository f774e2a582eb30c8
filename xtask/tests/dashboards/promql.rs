//! PromQL with Grafana's variables in it: filled as its Prometheus data source does it, and taken apart by a crate.

use std::collections::BTreeMap;

use rusty_promql_parser::{Expr, VectorSelector, expr};

/// Milliseconds that stand for `$__rate_interval` in what [`parse`] gives: nobody would write them.
pub const RATE_INTERVAL: i64 = 1_234_567;

/// Those that stand for `$__range`.
pub const RANGE: i64 = 7_654_321;

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
/// If it has a variable that is not known, or a format, which none has here.
pub fn fill(text: &str, values: &Values) -> Result<String, String> {
    replaced(text, |name| match values.get(name)? {
        Fill::One(value) => Some(value.clone()),
        Fill::Many(values) => {
            let values: Vec<_> = values.iter().map(|value| escaped(value)).collect();
            Some(match values.as_slice() {
                [one] => one.clone(),
                several => format!("({})", several.join("|")),
            })
        }
    })
}

/// `text` with `value` in place of each variable.
fn replaced(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut parts = text.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let braced = part
            .strip_prefix('{')
            .and_then(|inside| inside.split_once('}'));
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let plain = part.split_at(end.unwrap_or(part.len()));
        let (name, rest) = braced.unwrap_or(plain);
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            out += &value(name).ok_or_else(|| format!("there is no variable {name}: {text}"))?;
            out += rest;
        } else {
            // A group of a regular expression, or its end.
            out.push('$');
            out += part;
        }
    }
    Ok(out)
}

/// `value` with the characters escaped that mean something in a regular expression, for a text in quotes.
fn escaped(value: &str) -> String {
    let escape = |c: char| match "$^*{}[]'+?.()|\\".contains(c) {
        true => format!("\\\\{c}"),
        false => c.to_string(),
    };
    value.chars().map(escape).collect()
}

/// Takes `text` apart. A duration stands for each variable, since within quotes any text will do.
///
/// # Errors
/// If it is not understood.
pub fn parse(text: &str) -> Result<Expr, String> {
    let filled = replaced(text, |name| {
        Some(match name {
            "__rate_interval" => format!("{RATE_INTERVAL}ms"),
            "__range" => format!("{RANGE}ms"),
            _ => "1ms".into(),
        })
    })?;
    match expr(filled.trim()) {
        Ok(("", expr)) => Ok(expr),
        Ok((rest, _)) => Err(format!("{rest:?} is not understood: {text}")),
        Err(why) => Err(format!("{why}: {text}")),
    }
}

/// `expr` and every expression within it.
pub fn parts(expr: &Expr) -> Vec<&Expr> {
    let inner = match expr {
        Expr::Call(call) => call.args.iter().collect(),
        Expr::Aggregation(it) => it.param.iter().chain([&it.expr]).collect(),
        Expr::Binary(it) => vec![&it.lhs, &it.rhs],
        Expr::Unary(it) => vec![&it.expr],
        Expr::Paren(it) => vec![it.as_ref()],
        Expr::Subquery(it) => vec![&it.expr],
        _ => Vec::new(),
    };
    let inner = inner.into_iter().flat_map(parts);
    std::iter::once(expr).chain(inner).collect()
}

/// The selectors in `expr`.
pub fn selectors(expr: &Expr) -> Vec<&VectorSelector> {
    let mut selectors = Vec::new();
    for part in parts(expr) {
        match part {
            Expr::VectorSelector(it) => selectors.push(it),
            Expr::MatrixSelector(it) => selectors.push(&it.selector),
            _ => {}
        }
    }
    selectors
}

/// The labels in `by`, `without`, `on`, `ignoring`, `group_left` and `group_right` within `expr`.
pub fn grouping(expr: &Expr) -> Vec<&String> {
    let mut labels = Vec::new();
    for part in parts(expr) {
        if let Expr::Aggregation(it) = part {
            labels.extend(it.grouping.iter().flat_map(|it| &it.labels));
        }
        if let Expr::Binary(it) = part
            && let Some(matching) = it.modifier.as_ref().and_then(|it| it.matching.as_ref())
        {
            labels.extend(&matching.labels);
            labels.extend(matching.group.iter().flat_map(|it| &it.labels));
        }
    }
    labels
}

#[test]
fn variables_are_replaced_as_grafana_does_it() {
    let values = Values::from([
        ("one".into(), Fill::One("a+b".into())),
        ("all".into(), Fill::Many(vec!["a+".into(), "b".into()])),
        ("single".into(), Fill::Many(vec!["a.b".into()])),
        ("__range".into(), Fill::One("90s".into())),
    ]);
    let table = r#"
x{a="$one"}[$__range] -> x{a="a+b"}[90s]
{a=~"$all"} -> {a=~"(a\\+|b)"}
{a=~"${all}x"} -> {a=~"(a\\+|b)x"}
{a=~"$single"} -> {a=~"a\\.b"}
label_replace(a, "${1}s$") -> label_replace(a, "${1}s$")
nothing -> nothing"#;
    for line in table.trim().lines() {
        let (text, expected) = line.split_once(" -> ").unwrap();
        assert_eq!(fill(text, &values).as_deref(), Ok(expected), "{text}");
    }
    for text in ["$other", "${all:csv}", "$one_more"] {
        assert!(fill(text, &values).is_err(), "{text}");
    }
}
